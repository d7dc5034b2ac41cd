"""Which code decides a result: import closures and their digests."""

from pathlib import Path

import pytest

from pipeline.base import code
from pipeline.base.code import code_digest, import_closure


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of four modules: `a` imports `b` at once, `c` in a function, and `d` for type checking alone."""
    monkeypatch.setattr(code, "ROOT", tmp_path)
    (tmp_path / "pipeline").mkdir()
    write(
        tmp_path,
        "a",
        """
        \"\"\"About a.\"\"\"
        from typing import TYPE_CHECKING
        from pipeline import b
        if TYPE_CHECKING:
            from pipeline.d import D
        def work():
            from pipeline.c import value
            return value + b.value
    """,
    )
    for name in "bcd":
        write(tmp_path, name, "value = 1")
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    lines = text.splitlines()
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    (folder / "pipeline" / f"{name}.py").write_text("\n".join(line[indent:] for line in lines) + "\n")
    code.imported.cache_clear()
    code._digest.cache_clear()


def test_a_closure_has_lazy_imports_and_none_for_type_checking(project: Path) -> None:
    assert import_closure("pipeline.a") == {"pipeline.a", "pipeline.b", "pipeline.c"}


def test_a_digest_changes_with_what_is_imported_and_with_nothing_else(project: Path) -> None:
    before = code_digest("pipeline.a")
    write(project, "d", "value = 2")
    assert code_digest("pipeline.a") == before
    write(project, "c", "value = 2")
    assert code_digest("pipeline.a") != before


@pytest.mark.parametrize("text", ["value  =  1  # one", '"""About b."""\n\nvalue = 1', "\n\nvalue = (1)"])
def test_words_and_layout_do_not_count(project: Path, text: str) -> None:
    before = code_digest("pipeline.a")
    write(project, "b", text)
    assert code_digest("pipeline.a") == before


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(ImportError, match=r"no module pipeline\.nowhere"):
        code_digest("pipeline.nowhere")


def test_each_rows_code_is_its_own_and_what_it_shares() -> None:
    closures = {name: import_closure("pipeline.training.train_row", f"pipeline.models.{name}") for name in ("bart", "ha", "mffg")}
    assert closures["ha"] - closures["mffg"] == {"pipeline.models.ha"}
    shared = {"pipeline.training.loop", "pipeline.models.parts.summarizer", "pipeline.encoders.encoder", "pipeline.scoring.rouge"}
    assert shared <= closures["bart"]
    assert not any(name.startswith(("pipeline.report", "pipeline.evaluation", "stages")) for name in closures["ha"])
    assert "pipeline.frames.decoding" not in closures["ha"], "how videos are decoded shows in the frames, not in the training"
