"""What has changed on the disk since it was written is told and made again, and reaches no output."""

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.files import write_json
from pipeline.base.resumable import Shard, kept_file, run_shards
from pipeline.base.scratch import fingerprint, publish, scratch_folder

SHARDS = [Shard("00000.parquet", [0, 1]), Shard("00001.parquet", [2]), Shard("0", ["a folder"])]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def publish_all() -> list[str]:
    """Publish all shards to `out`; the names of those that were really worked on."""
    worked = []

    def work(items: Sequence[Any], path: Path) -> dict[str, Any]:
        if items[0] == "a folder":
            (path / "deeper").mkdir(parents=True)
            path /= "deeper/model.safetensors"
        path.write_text(f"contents of {items[0]}")
        worked.append(items[0])
        return {"items": len(items)}

    with scratch_folder("stage", "key") as folder:
        summaries = run_shards(work, SHARDS, folder=folder, workers=1, unit="item", title="work")
        publish(folder, [shard.name for shard in SHARDS], Path("out"))
    assert summaries == [{"items": 2}, {"items": 1}, {"items": 1}]
    return worked


def published() -> dict[str, str]:
    files = (path for path in sorted(Path("out").rglob("*")) if path.is_file())
    return {path.relative_to("out").as_posix(): path.read_text(errors="replace") for path in files}


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


def cut(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, 5)


def empty(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [flip_a_bit, cut, empty, Path.unlink])
@pytest.mark.parametrize("name", ["00001.parquet", "00001.parquet.json", "0/deeper/model.safetensors", "0.json"])
def test_a_damaged_shard_or_mark_is_made_again(root: Path, name: str, damage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish_all() == [0, 2, "a folder"]
    good = published()
    damage(root / ".scratch" / "stage" / "key" / name)
    assert publish_all() == [2 if name.startswith("00001") else "a folder"]
    assert published() == good
    assert publish_all() == []
    told = capsys.readouterr().out
    assert ("made again" in told) == (damage is not Path.unlink or not name.endswith(".json")), (
        "a mark may be missing after a kill"
    )


def test_no_bit_of_a_mark_changes_without_notice(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a shard's work returned is in its mark alone, and goes into the results."""
    publish_all()
    mark = root / ".scratch" / "stage" / "key" / "00001.parquet.json"
    whole = mark.read_bytes()
    harmless = 0
    for place in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        mark.write_bytes(changed)
        worked = publish_all()  # compares the summaries with what they should be
        assert worked in ([], [2])
        harmless += worked == []
    assert harmless < 8 * 40, "spaces and line breaks between the values are no part of them"


@pytest.mark.parametrize("files", [5, {"": 5}, {"": [110]}, {"": [1, 2, 3]}, []])
def test_a_mark_of_another_shape_is_made_again(root: Path, files: object) -> None:
    publish_all()
    mark = root / ".scratch" / "stage" / "key" / "00001.parquet.json"
    rest = {"summary": {"items": 1}, "files": files}
    write_json(mark, rest | {"sha256": fingerprint(rest)} if files == [] else rest)
    assert publish_all() == [2]


def test_a_kept_file_is_made_again_when_it_is_damaged() -> None:
    made = []

    def make(path: Path) -> None:
        made.append(path)
        write_json(path, {"rouge1": 33.0})

    with scratch_folder("score.row", "key") as folder:
        assert kept_file(folder, "scores.json", make).read_text() == kept_file(folder, "scores.json", make).read_text()
        assert len(made) == 1
        flip_a_bit(folder / "scores.json")
        assert "rouge1" in kept_file(folder, "scores.json", make).read_text()
        assert len(made) == 2


def test_dvc_does_not_trust_its_copy_of_a_damaged_shard(root: Path) -> None:
    """With hard links the shard, the output and the object in DVC's cache are one file: what damages one damages all.

    DVC trusts what it has made read-only, and would put the damaged object in place of the shard that was made again.
    """

    def dvc(*command: str) -> None:
        subprocess.run([sys.executable, "-m", "dvc", *command], check=True, capture_output=True)

    dvc("init", "-q", "--no-scm")
    dvc("config", "cache.type", "hardlink,copy")
    publish_all()
    dvc("add", "-q", "out")
    kept = root / ".scratch" / "stage" / "key" / "00001.parquet"
    assert kept.stat().st_ino == (root / "out" / "00001.parquet").stat().st_ino
    assert kept.stat().st_nlink >= 3 and not kept.stat().st_mode & stat.S_IWUSR
    good = published()
    flip_a_bit(kept)
    assert published() != good
    publish_all()
    dvc("add", "-q", "out")
    assert published() == good
    shutil.rmtree("out")
    dvc("checkout", "-q")
    assert published() == good


@pytest.mark.parametrize("refusal", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_without_hard_links_there_are_copies(root: Path, monkeypatch: pytest.MonkeyPatch, refusal: int) -> None:
    """`.scratch` on another file system, or one that knows no links."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(os, "link", refuse)
    assert publish_all() == [0, 2, "a folder"]
    assert published()["0/deeper/model.safetensors"] == "contents of a folder"
    assert (root / "out" / "00001.parquet").stat().st_nlink == 1


def test_another_error_of_a_link_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="Input/output"):
        publish_all()
