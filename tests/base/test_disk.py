"""What disk a study needs, and that it is asked for before anything starts."""

import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline.base import disk
from pipeline.base.disk import require_disk, study_needs
from pipeline.base.params import load_params, load_study, read_yaml

ROOT = Path(__file__).parents[2]
STAGES = {
    "train_text": {"foreach": {"bart": {}}},
    "train": {"foreach": {"clipsum": {"encoder": "clip", "trains": "model"}, "tuned": {"encoder": "clip", "trains": "finetune"}}},
}


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_needs_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows of three seeds, one encoder, 1,790 videos of 50 frames of 256 by 455 pixels."""
    monkeypatch.chdir(tmp_path)
    study = load_study("youcook2", ROOT)
    needs = {what: round(size / 1e9, 2) for what, size in study_needs(study, {"stages": STAGES}).items()}
    assert needs == {
        "videos": 53.7, "frames": 5.84, "features": 0.73, "pixels for fine-tuning": 13.47, "pretrained weights": 6.0,
        "trained seeds": 9.0, "what lets a training go on": 15.0,
    }  # fmt: skip


def test_annotations_that_are_there_are_counted_and_a_study_without_videos_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "inputs" / "youcook2"
    folder.mkdir(parents=True)
    (folder / "youcookii_annotations_trainval.json").write_text(json.dumps({"database": {"a": {}, "b": {}}}))
    study = load_study("youcook2", ROOT)
    needs, with_more = (study_needs(study, {"stages": STAGES}, more=more) for more in ((), ("siglip2_b16",)))
    assert needs["videos"] == 60e6
    assert with_more["features"] == 2 * needs["features"] and with_more["trained seeds"] == needs["trained seeds"] * 4 / 3
    blind = load_study("youcook2_text_smoke", ROOT)
    needs = study_needs(blind, {"stages": STAGES})
    assert not any(needs[what] for what in ("videos", "frames", "features", "pixels for fine-tuning"))


def test_ready_made_features_take_disk_without_videos_too() -> None:
    """80,000 videos, 256 vectors of 2,048 values of two bytes; twice. Other encoders have nothing to look at."""
    stages = {"train_text": {"foreach": {}}, "train": {"foreach": {"ha": {"encoder": "resnet152", "trains": "model"}}}}
    study = load_study("how2", ROOT)
    for more in ((), ("clip_vit_b32",)):
        needs = study_needs(study, {"stages": stages}, more=more)
        assert needs["features"] == 2 * 80_000 * 256 * 2048 * 2
        assert not any(needs[what] for what in ("videos", "frames", "pixels for fine-tuning"))


def test_too_little_is_an_error_and_what_the_project_holds_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params, pipeline = load_params(ROOT), read_yaml(ROOT / "dvc.yaml")
    needed = sum(study_needs(params.current, pipeline).values())
    free = {"bytes": needed - 100e6}

    def usage(_: Any) -> Usage:
        return Usage(0, 0, int(free["bytes"]))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(OSError, match=r"study kitchen needs about \d+ MB of disk \(videos 78 MB.*Free some.*text rows alone"):
        require_disk(params, pipeline, folder=tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "weights").write_bytes(b"1" * 60_000_000)
    os.link(tmp_path / "models" / "weights", tmp_path / "models" / "again")
    with pytest.raises(OSError, match="60 MB used so far"):
        require_disk(params, pipeline, folder=tmp_path)
    (tmp_path / "models" / "more").write_bytes(b"1" * 60_000_000)
    assert "needs about" in require_disk(params, pipeline, folder=tmp_path)


def test_sizes_are_readable() -> None:
    assert (disk._size(1.25e9), disk._size(3.2e6)) == ("1.2 GB", "3 MB")
