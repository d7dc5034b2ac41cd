"""Files that are either whole or absent, and that nobody takes for others while they are being written."""

import errno
import re
from pathlib import Path

import pytest
import torch

from pipeline.base.checkpoint import save_checkpoint
from pipeline.base.files import listed, replacing, write_json, write_text

ROOT = Path(__file__).parents[2]
LIST_ALL = {
    "pipeline/base/disk.py": "counts bytes, hidden ones too",
    "pipeline/base/files.py": "is where `listed` is",
    "pipeline/base/leases.py": "looks for the newest file of one that was left behind",
    "pipeline/base/scratch.py": "does the same, and looks for what was left behind",
}


def test_what_is_being_written_is_in_no_listing(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    write_text(tmp_path / "deeper" / "whole.json", "{}")
    with replacing(tmp_path / "row.json") as temporary, replacing(tmp_path / "deeper" / "row.json") as other:
        temporary.write_text('{"row": "half')
        other.write_text('{"row": "half')
        assert temporary.suffix == ".json", "writers choose a format by it"
        assert listed(tmp_path, "*.json") == []
        assert listed(tmp_path, "**/*.json") == [tmp_path / "deeper" / "whole.json"]
    assert listed(tmp_path, "*.json") == [tmp_path / "row.json"]


def test_nobody_lists_a_folder_in_another_way() -> None:
    """Else a file that was left half-written by a killed process could be read as one of the results."""
    sources = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "stages").rglob("*.py")]
    names = {source.relative_to(ROOT).as_posix(): source.read_text(encoding="utf-8") for source in sources}
    globbing = {name for name, text in names.items() if re.search(r"\.r?glob\((?!f?\"\.)", text)}
    assert globbing == LIST_ALL.keys(), "use pipeline.base.files.listed"


def test_two_writers_of_one_file_have_names_of_their_own(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.json") as first, replacing(tmp_path / "a.json") as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")
    assert (tmp_path / "a.json").read_text() == "1", "the one that was renamed last"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with replacing(tmp_path / "out") as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]


def test_what_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "a.json").read_text() == "1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 250}.json"
    write_json(path, 1)
    assert path.read_text() == "1\n"


def test_a_full_disk_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch calls it an error of a stream, and safetensors, Parquet and the rest have words of their own."""
    monkeypatch.setattr(torch, "save", lambda *_: (_ for _ in ()).throw(RuntimeError("basic_ios::clear: iostream error")))
    with pytest.raises(RuntimeError, match="iostream"):
        save_checkpoint(tmp_path / "last.pt", {})
    usage = type("usage", (), {"free": 4096})
    monkeypatch.setattr("pipeline.base.files.shutil.disk_usage", lambda _: usage)
    with pytest.raises(OSError, match=r"the disk is full; make room .*last\.pt") as caught:
        save_checkpoint(tmp_path / "last.pt", {})
    assert caught.value.errno == errno.ENOSPC
