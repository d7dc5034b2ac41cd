"""The stage: reads the corpus, writes frames and metrics, and fails only after everything is written."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.corpus.table import Video, write_corpus
from pipeline.frames.store import FrameStore
from pipeline.report.coverage import FramesSummary
from pipeline.training.table_row import seen_digests
from stages import sample_frames
from tests.drawn_videos import cut_short, draw_video
from tests.parameters import write_parameters

SETTINGS = {"count": 8, "short_side": 64, "max_failed_share": 0.5}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with the repository's parameters, six videos in the corpus, one of them broken and one lost before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    set_limit(0.5)
    videos = []
    for number, split in enumerate(["train", "train", "validation", "test", "test"]):
        path = draw_video(tmp_path / f"video{number}.mp4", frames=20 + number, container_options={"movflags": "faststart"})
        videos.append(Video(video_id=f"v{number}", split=split, video_path=path.name))
    cut_short(tmp_path / "video2.mp4", share=0.85)
    (tmp_path / "video4.mp4").write_bytes(b"")
    videos.append(Video(video_id="lost", split="test", video_path="lost.mp4", status="failed", reason="file is missing"))
    write_corpus(videos, Path("data/corpus/downloaded.parquet"))
    return tmp_path


def set_limit(share: float) -> None:
    write_parameters(Path(), lambda study: study["frames"].update(SETTINGS, max_failed_share=share))


def read(path: str) -> dict:
    return json.loads(Path(path).read_text())


def test_the_stage_writes_frames_metrics_and_storyboards(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample_frames.main()
    metrics = read("metrics/frames.json")
    assert {key: metrics[key] for key in ("asked", "ok", "failed", "frames", "count")} == {
        "asked": 5,
        "ok": 4,
        "failed": 1,
        "frames": 32,
        "count": 8,
    }
    assert metrics["per_split"] == {
        "train": {"asked": 2, "ok": 2, "failed": 0},
        "validation": {"asked": 1, "ok": 1, "failed": 0},
        "test": {"asked": 2, "ok": 1, "failed": 1},
    }
    assert metrics["lost"] == [{"video_id": "v4", "split": "test", "reason": "empty file"}]
    assert [note["video_id"] for note in metrics["notes"]] == ["v2"]
    assert "of 22 frames decode" in metrics["notes"][0]["note"]
    assert "PyAV" in metrics["decoder"]
    boards = read("data/storyboards.json")
    assert {video_id: len(pictures) for video_id, pictures in boards.items()} == {"v3": 4}
    assert FrameStore(Path("data/frames")).video_ids == ["v0", "v1", "v2", "v3"]
    assert "test: frames of 1 of 2 videos, 1 lost" in capsys.readouterr().out


def test_too_many_losses_fail_after_all_is_written(project: Path) -> None:
    set_limit(0.1)
    with pytest.raises(
        RuntimeError, match=r"1 of 5 failed \(20\.0%\).*v4: empty file.*frames\.max_failed_share of study kitchen"
    ):
        sample_frames.main()
    assert read("metrics/frames.json")["failed"] == 1
    assert "v3" in read("data/storyboards.json")
    assert FrameStore(Path("data/frames")).video_ids == ["v0", "v1", "v2", "v3"]


def test_running_again_gives_the_same_bytes(project: Path) -> None:
    outputs = ["metrics/frames.json", "data/storyboards.json", "data/frames/00000.parquet", "data/frames/summary.json"]
    sample_frames.main()
    first = [Path(path).read_bytes() for path in outputs]
    sample_frames.main()
    assert [Path(path).read_bytes() for path in outputs] == first


def test_without_a_corpus_it_says_which_stage_to_run(project: Path) -> None:
    Path("data/corpus/downloaded.parquet").unlink()
    with pytest.raises(FileNotFoundError, match="run `dvc repro download` first"):
        sample_frames.main()


def test_with_keep_false_it_stores_no_frames_and_says_what_is_known(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample_frames.main()
    kept = {video: len(pictures) for video, pictures in read("data/storyboards.json").items()}
    write_parameters(Path(), lambda study: study["frames"].update(SETTINGS, keep=False))
    for _ in range(2):
        sample_frames.main()
        assert [path.name for path in Path("data/frames").iterdir()] == ["summary.json"]
        metrics = read("metrics/frames.json")
        assert metrics.pop("decoder").startswith("PyAV")
        per_split = {"train": {"asked": 2}, "validation": {"asked": 1}, "test": {"asked": 2}}
        assert metrics == {"keep": False, "asked": 5, "count": 8, "per_split": per_split}, "nobody knows yet which are lost"
        assert {video: len(pictures) for video, pictures in read("data/storyboards.json").items()} == kept
    assert "frames of 5 videos are not kept: extract_features decodes them" in capsys.readouterr().out
    told = r"frames were not kept \(`frames\.keep: false` of study kitchen\).*set it to true, or leave the row out"
    with pytest.raises(ValueError, match=told):
        FrameStore(Path("data/frames"))
    with pytest.raises(ValueError, match=told):
        seen_digests("data/frames")
    assert FramesSummary.model_validate(read("metrics/frames.json")).failed is None


def test_storyboards_of_frames_that_are_not_kept_are_of_the_same_frames(project: Path) -> None:
    sample_frames.main()
    stored = decoded_pictures()
    write_parameters(Path(), lambda study: study["frames"].update(SETTINGS, keep=False))
    sample_frames.main()
    for one, other in zip(stored, decoded_pictures(), strict=True):
        assert one.shape == other.shape and np.abs(one - other).mean() < 4


def decoded_pictures() -> list[np.ndarray]:
    boards = read("data/storyboards.json")
    jpegs = [base64.b64decode(picture) for pictures in boards.values() for picture in pictures]
    return [np.asarray(Image.open(io.BytesIO(jpeg))).astype(int) for jpeg in jpegs]
