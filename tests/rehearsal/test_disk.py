"""Disk: what is needed is reckoned before, what is there is counted once."""

import os
from pathlib import Path

import pytest

from pipeline.encoders.pretrained_weights import TEXT_MODELS
from pipeline.rehearsal import disk
from pipeline.rehearsal.hours import FullStudy

STUDY = FullStudy(
    seeds=3, batch_size=10, generation_batch_size=40, tokens=100, frames=5, swaps=3, train=60, validation=20, test=20
)


def write(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    for (repository, _), size in zip(TEXT_MODELS.values(), (100, 200), strict=True):
        write(tmp_path / "work" / "hub" / repository / "model.safetensors", size)
    return tmp_path / "work" / "hub"


def test_what_is_needed_grows_with_weights_and_rows(hub: Path) -> None:
    # Four copies of 300 bytes of weights; a row is one and a half of the larger text model, 300 bytes.
    assert disk.bytes_needed(hub, rows=0) == 4 * 300 + 5 * 300
    assert disk.bytes_needed(hub, rows=2) == disk.bytes_needed(hub, rows=0) + 2 * 2 * 300


def test_too_little_is_refused_before_anything_is_run(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def free(amount: int) -> None:
        usage = type("Usage", (), {"free": amount})()
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage)

    needed = disk.bytes_needed(hub, rows=2)
    free(needed - 300)  # 300 bytes are there already
    disk.check_space(hub, rows=2, work=hub.parent)
    free(needed - 301)
    with pytest.raises(RuntimeError, match="needs 0 GB of disk, of which 0 GB are there already"):
        disk.check_space(hub, rows=2, work=hub.parent)


def test_a_file_that_two_folders_share_is_counted_in_the_first(tmp_path: Path) -> None:
    model = write(tmp_path / "project" / "models" / "bart" / "0" / "model.safetensors", 3_000_000)
    (tmp_path / "project" / ".scratch" / "train.bart").mkdir(parents=True)
    os.link(model, tmp_path / "project" / ".scratch" / "train.bart" / "0")
    write(tmp_path / "project" / ".scratch" / "pixels" / "a.npy", 2_000_000)
    write(tmp_path / "project" / ".dvc" / "cache" / "files" / "a", 3_000_000)
    blob = write(tmp_path / "client" / "blobs" / "a", 1_000_000)
    (tmp_path / "client" / "snapshot").symlink_to(blob)
    found = disk.megabytes(tmp_path / "project", tmp_path / "client")
    assert {name: size for name, size in found.items() if size} == {
        "client's cache": 1.0, "models": 3.0, ".scratch/pixels": 2.0, ".dvc/cache": 3.0
    }  # fmt: skip
    whole = disk.whole_study(found, STUDY, videos=10)
    assert whole["models"] == 9.0 and whole[".scratch/pixels"] == 20.0 and whole[".dvc/cache"] == 9.0
    assert whole["client's cache"] == 1.0
    linked = found | {".dvc/cache": 0.0}
    assert disk.whole_study(linked, STUDY, videos=10)[".dvc/cache"] == 0.0, "what is linked takes no place"
