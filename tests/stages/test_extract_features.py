"""The stage, where frames are not kept: it decodes, publishes, and fails only after everything is written."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.corpus.table import Video, write_corpus
from pipeline.features.frame_inputs import open_features
from stages import check, extract_features, sample_frames, weights
from tests.drawn_videos import draw_video
from tests.parameters import ROOT, write_parameters

SETTINGS = {"count": 4, "short_side": 64, "keep": False, "max_failed_share": 0.5}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with four videos, one of them empty, of which no frames are kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    write_parameters(Path(), lambda study: study["frames"].update(SETTINGS))
    (tmp_path / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    (tmp_path / "foundation").symlink_to(ROOT / "foundation")
    videos = []
    for number, split in enumerate(["train", "train", "validation", "test"]):
        draw_video(tmp_path / f"v{number}.mp4", frames=12)
        videos.append(Video(video_id=f"v{number}", split=split, video_path=f"v{number}.mp4", summary="s", steps=("fry",)))
    (tmp_path / "v1.mp4").write_bytes(b"")
    write_corpus(videos, Path("data/corpus/downloaded.parquet"))
    sample_frames.main()
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for stage, option in ((weights, "--name"), (extract_features, "--encoder")):
        monkeypatch.setattr(sys, "argv", ["stage", option, name])
        stage.main()


def test_features_losses_and_how_busy_the_encoder_was(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "clip_vit_b32")
    told = capsys.readouterr().out
    assert "clip_vit_b32: 12 frames of 3 of 4 videos, 1 lost, 96 values each, float32" in told
    assert "the encoder was busy " in told and "% of the time" in told
    assert open_features(Path("data/features/clip_vit_b32")).lengths == {"v0": 4, "v2": 4, "v3": 4}
    run(monkeypatch, "oracle")
    assert "oracle: 12 frames" in capsys.readouterr().out
    assert open_features(Path("data/features/oracle")).lengths == {"v0": 4, "v2": 4, "v3": 4}


def test_too_many_losses_fail_after_all_is_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parameters(Path(), lambda study: study["frames"].update(SETTINGS, max_failed_share=0.1))
    with pytest.raises(
        RuntimeError, match=r"extract_features@clip_vit_b32: 1 of 4 failed .*clip_vit_b32/_lost\.json.*study kitchen"
    ):
        run(monkeypatch, "clip_vit_b32")
    lost = json.loads(Path("data/features/clip_vit_b32/_lost.json").read_text())["lost"]
    assert lost == [{"video_id": "v1", "reason": "empty file"}]
    assert len(open_features(Path("data/features/clip_vit_b32")).lengths) == 3


def test_the_check_says_which_rows_will_stop(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check.main()
    assert (
        "frames.keep: false: rows that train an encoder need frames, and will stop: clipsum_finetuned" in capsys.readouterr().out
    )


def test_ready_made_features_are_counted_by_split_and_too_few_of_them_fail(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("data/inputs/kitchen/given")
    folder.mkdir(parents=True)
    for name, rows in (("v0", 2), ("v2", 0), ("v3", 3)):
        np.save(folder / f"{name}.npy", np.ones((rows, 96)))
    ready = {"clip_vit_b32": {"path": str(folder), "provenance": "drawn for a test"}}
    write_parameters(Path(), lambda study: (study["frames"].update(SETTINGS), study.update(ready_features=ready)))
    run(monkeypatch, "clip_vit_b32")
    told = capsys.readouterr().out
    for line in ("train: features of 1 of 2 videos, 1 lost", "validation: features of 0 of 1", "test: features of 1 of 1"):
        assert line in told
    write_parameters(
        Path(), lambda study: (study["frames"].update(SETTINGS, max_failed_share=0.4), study.update(ready_features=ready))
    )
    with pytest.raises(RuntimeError, match=r"ready_features\.clip_vit_b32: 2 of 4 failed .*clip_vit_b32/_lost\.json"):
        run(monkeypatch, "clip_vit_b32")
    lost = json.loads(Path("data/features/clip_vit_b32/_lost.json").read_text())["lost"]
    assert [row["video_id"] for row in lost] == ["v1", "v2"]


@pytest.mark.parametrize("name", ["clip_vit_b32", "oracle"])
def test_without_videos_it_says_what_can_be_done(project: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    videos = [Video(video_id=f"v{number}", split="train", video_path="", summary="s", steps=("fry",)) for number in range(2)]
    write_corpus(videos, Path("data/corpus/downloaded.parquet"))
    with pytest.raises(ValueError, match=rf"extract_features@{name}: the study has no videos .*no ready_features\.{name}"):
        run(monkeypatch, name)
