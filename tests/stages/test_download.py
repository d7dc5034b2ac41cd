"""Stage `download`, run as its users run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.base.dataset_params import FolderDataset
from pipeline.corpus.datasets import get_videos
from pipeline.corpus.table import SCHEMA, Video, read_corpus
from stages import download
from tests.parameters import ROOT, write_parameters

SMALL = {"train": 3, "validation": 1, "test": 1, "width": 64, "height": 48, "fps": 4}


def write_params(folder: Path) -> None:
    write_parameters(folder, lambda study: study["dataset"].update(SMALL))


def test_stage_writes_corpus_and_coverage(tmp_path: Path) -> None:
    write_params(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_ROOT": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "stages.download"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "train: 3 of 3 videos, 0 lost" in done.stdout
    frame = read_corpus(tmp_path / "data/corpus/downloaded.parquet")
    assert list(frame.columns) == SCHEMA.names
    assert list(frame["split"]) == ["train"] * 3 + ["validation", "test"]
    for path in frame["video_path"]:
        assert path.startswith("data/raw/videos/kitchen_")
        assert (tmp_path / path).is_file()
    metrics = json.loads((tmp_path / "metrics/corpus.json").read_text(encoding="utf-8"))
    assert metrics["study"] == metrics["dataset"] == "kitchen"
    assert metrics["coverage"]["train"] == {"asked": 3, "ok": 3, "failed": 0}
    assert metrics["lost"] == []


def test_too_many_losses_fail_the_stage_after_its_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    rows = [Video("a", "train", "a.mp4"), Video("b", "test", "b.mp4", status="failed", reason="file is missing")]
    monkeypatch.setattr(download, "get_videos", lambda dataset, *, workers: rows)
    with pytest.raises(RuntimeError, match="1 of 2 failed"):
        download.main()
    assert len(read_corpus(Path("data/corpus/downloaded.parquet"))) == 2
    metrics = json.loads(Path("metrics/corpus.json").read_text(encoding="utf-8"))
    assert metrics["lost"] == [{"video_id": "b", "split": "test", "reason": "file is missing"}]


def test_a_folder_of_own_videos_still_leaves_data_raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("videos.csv").write_text("video_id,file\nmine,mine.mp4\n", encoding="utf-8")
    Path("videos").mkdir()
    dataset = FolderDataset(name="folder", table="videos.csv", videos="videos", entities="", max_failed_share=1.0)
    (video,) = get_videos(dataset, workers=1)
    assert (video.video_id, video.status) == ("mine", "failed")
    assert "where they are" in Path("data/raw/README.txt").read_text(encoding="utf-8")


def test_what_training_lacks_is_told_with_what_can_be_had_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    whole = {"transcript": "now add this", "transcript_origin": "human", "summary": "soup"}
    rows = [
        Video("a", "train", "a.mp4", **whole),
        Video("b", "validation", "b.mp4", transcript="add it", transcript_origin="human"),
        Video("c", "test", "c.mp4", **whole),
    ]
    monkeypatch.setattr(download, "get_videos", lambda dataset, *, workers: rows)
    download.main()
    told = capsys.readouterr().out
    lacking = "nothing can be trained: of 1 videos of validation none has both a summary and a text (text.source: transcript)"
    assert lacking in told and "dvc exp run -S study=kitchen extract_features@clip_vit_b32" in told
    rows[1] = Video("b", "validation", "b.mp4", **whole)
    download.main()
    assert "warning" not in capsys.readouterr().out
    rows.pop()
    download.main()
    assert "nothing can be trained: test has no usable video." in capsys.readouterr().out
