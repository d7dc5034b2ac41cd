"""The study how2_released: its real files give the figures that are committed; files are pinned, and fetched if they must be."""

import csv
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pipeline.base.paths import INPUTS
from pipeline.base.released_params import Released, load_released
from pipeline.base.scratch import file_sha256
from pipeline.evaluation.external_files import read_outputs, read_references
from pipeline.evaluation.released import get_files, released_root, score_released
from pipeline.report.released import write_released
from pipeline.scoring.score import score_row

ROOT = Path(__file__).parents[2]
REAL = Path("../shared/data/how2").resolve()
COMMITTED = ROOT / "reports" / "how2_released"
# With white-space words, and by rouge-score: ROUGE-1, ROUGE-2, ROUGE-L.
EXPECTED = {
    "bart_forget_gate_img_tf": ((68.0, 51.4, 63.3), (66.6, 50.4, 61.9)),
    "bart_text_only": ((64.0, 46.4, 58.9), (62.6, 45.4, 57.4)),
}
TEXTS = {
    "a.txt": "cut the onion\nfry the leek\nserve it hot\nmix it\n",
    "b.txt": "cut\nfry a leek\nserve hot\n\n",
    "refs": "cut the onion\nfry a leek\nserve it hot\nmix it well\n",
}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Released, Path]]:
    """A study of two systems whose files a local server has, and the folder that it serves."""
    served = tmp_path / "served"
    served.mkdir()
    for name, text in TEXTS.items():
        (served / name).write_text(text)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(served)))
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    entries = {name: {"title": f"System {name}", "file": f"{name}.txt", "provenance": "somebody"} for name in "ab"}
    yield (
        Released.model_validate(
            {
                "title": "Two systems", "terms": "free", "url": f"http://127.0.0.1:{server.server_port}/", "max_bytes": 1000,
                "sha256": {name: file_sha256(served / name) for name in TEXTS}, "references": "refs",
                "primary": {"metric": "rouge2", "margin": 1.0}, "bootstrap_resamples": 200, "external": entries,
                "compared": {"both": [["a", "b"]]},
            }
        ),
        served,
    )  # fmt: skip
    server.shutdown()
    server.server_close()


def test_files_are_fetched_once_and_must_be_the_pinned_ones(small: tuple[Released, Path]) -> None:
    released, served = small
    folder = get_files("two", released)
    assert {path.name: path.read_text() for path in folder.iterdir()} == TEXTS
    (served / "a.txt").unlink()
    get_files("two", released)  # what is there is not asked for again
    (folder / "b.txt").write_text("another\n")
    with pytest.raises(RuntimeError, match=r"b\.txt: sha256 is .*; delete it to have it fetched"):
        get_files("two", released)
    (folder / "b.txt").unlink()
    (served / "b.txt").write_text("another\n")
    with pytest.raises(RuntimeError, match=r"b\.txt: sha256 is .*, expected .* may be put into data/inputs/two by hand"):
        get_files("two", released)
    assert not (folder / "b.txt").exists()


def test_the_table_has_scores_and_no_text_and_is_the_same_every_time(small: tuple[Released, Path], tmp_path: Path) -> None:
    released, _ = small
    folder = get_files("two", released)
    records = score_released("two", released, folder, processes=1)
    assert [record.kind for record in records] == ["external"] * 2
    first = {path.name: path.read_text() for path in write_released(tmp_path / "one", released, root=released_root("two"))}
    score_released("two", released, folder, processes=2)
    again = {path.name: path.read_text() for path in write_released(tmp_path / "two", released, root=released_root("two"))}
    assert first == again
    assert not any(word in text for text in first.values() for word in ("onion", "leek"))
    assert "System a † |" in first["table.md"] and "somebody" in first["table.md"]
    assert "ClipSum" not in "".join(first.values()), "a table of others' outputs has no place for what was not run here"
    assert "2605.11959" not in "".join(first.values())
    line = next(csv.DictReader(first["tests.csv"].splitlines()))
    assert (line["a"], line["b"], line["metric"]) == ("a", "b", "rouge2")


def test_a_study_that_contradicts_itself_is_refused(small: tuple[Released, Path]) -> None:
    content = small[0].model_dump()
    for changes, message in (
        ({"compared": {"both": [["a", "c"]]}}, "compared.both: c: no entry of external"),
        ({"compared": {"one": [["a", "b"]], "two": [["a", "b"]]}}, "compared: a minus b stands there twice"),
        ({"references": "other"}, "references: 'other' has no sha256"),
    ):
        with pytest.raises(ValueError, match=message):
            Released.model_validate(content | changes)
    with pytest.raises(ValueError, match="'how3' is none of how2_released"):
        load_released("how3", ROOT)


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/how2, the released files, is not there")
def test_the_real_files_give_the_figures_that_are_known_and_those_that_are_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = load_released("how2_released", ROOT)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(REAL, INPUTS / "how2_released")
    folder = get_files("how2_released", released)  # nothing is fetched: every file is there and is the pinned one
    references = read_references(folder / released.references)
    assert len(references.lines) == 2127
    committed = {row["row"]: row for row in csv.DictReader((COMMITTED / "table.csv").read_text().splitlines())}
    assert set(committed) == set(released.external)
    for name, (white_space, by_package) in EXPECTED.items():
        outputs = read_outputs(folder / released.external[name].file, references=references)
        assert outputs.empty == 0
        scores, _ = score_row(outputs.summaries, resamples=100, seed=0)
        means = {key: score.mean for key, score in scores.items()}
        assert tuple(round(means[f"rouge{kind}_ws"], 1) for kind in "12L") == pytest.approx(white_space, abs=0.051)
        assert tuple(round(means[f"rouge{kind}"], 1) for kind in "12L") == pytest.approx(by_package, abs=0.051)
        for key, mean in means.items():
            assert float(committed[name][key]) == pytest.approx(mean, abs=1e-5), (name, key)
