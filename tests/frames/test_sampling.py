"""The frame store: what goes in comes out, losses have reasons, and a kill anywhere costs one shard at most."""

import base64
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.base.dataset_params import FolderDataset
from pipeline.base.params import Frames
from pipeline.corpus.folder import read_videos
from pipeline.corpus.table import read_corpus, write_corpus
from pipeline.frames.decoding import sample_video
from pipeline.frames.sampling import sample_corpus
from pipeline.frames.store import FrameStore
from pipeline.frames.storyboards import storyboards
from tests.drawn_videos import draw_sound, draw_video

REAL = Path("../shared/data/videos").resolve()
ROOT = Path(__file__).parents[2]
SETTINGS = Frames(count=6, short_side=48, jpeg_quality=92, videos_per_shard=16, keep=True, max_failed_share=0.5)


def make_corpus(paths: dict[str, Path]) -> pd.DataFrame:
    rows = [
        {"video_id": name, "split": "train", "video_path": str(path), "status": "ok", "reason": ""}
        for name, path in paths.items()
    ]
    return pd.DataFrame(rows, columns=["video_id", "split", "video_path", "status", "reason"])


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".scratch" / "sample_frames"


@pytest.fixture
def corpus(tmp_path: Path) -> pd.DataFrame:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "text.mp4").write_text("soup\n" * 100)
    return make_corpus(
        {
            "long": draw_video(videos / "long.mp4", frames=50),
            "text": videos / "text.mp4",
            "short": draw_video(videos / "short.mp4", frames=4, durations=(1, 3)),
            "sound": draw_sound(videos / "sound.mp4"),
            "gone": videos / "gone.mp4",
        }
    )


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_size_of_a_shard_changes_files_and_no_frame(corpus: pd.DataFrame, tmp_path: Path) -> None:
    for size in (1, 2):
        settings = SETTINGS.model_copy(update={"videos_per_shard": size})
        sample_corpus(corpus, tmp_path / f"by{size}", settings=settings, workers=1)
    one, two = FrameStore(tmp_path / "by1"), FrameStore(tmp_path / "by2")
    assert (len(one.shards()), len(two.shards())) == (5, 3)
    assert one.video_ids == two.video_ids == ["long", "short"]
    for video_id in one.video_ids:
        assert [image.tobytes() for image in one.images(video_id)] == [image.tobytes() for image in two.images(video_id)]


def test_a_corpus_becomes_frames_and_reasons(corpus: pd.DataFrame, tmp_path: Path, scratch: Path) -> None:
    summary = sample_corpus(corpus, tmp_path / "frames", settings=SETTINGS, workers=1)
    assert (summary["asked"], summary["ok"], summary["failed"], summary["frames"]) == (5, 2, 3, 10)
    assert {video["video_id"]: video["reason"] for video in summary["videos"] if video["status"] == "failed"} == {
        "text": "not a video: Invalid data found when processing input",
        "sound": "no video stream",
        "gone": "file is missing",
    }
    long = summary["videos"][0]
    assert [long[key] for key in ("frames", "source_frames", "width", "height")] == [6, 50, 96, 64]

    store = FrameStore(tmp_path / "frames")
    assert store.summary == summary
    assert store.video_ids == ["long", "short"]
    assert store.frame_indices("long").tolist() == [0, 9, 19, 29, 39, 49]
    assert store.frame_indices("long").dtype == np.int32
    assert store.pts_seconds("short") == pytest.approx(np.array([0, 1, 4, 5]) / 25)
    sampled = sample_video(tmp_path / "videos" / "long.mp4", count=6, short_side=48)
    for stored, frame in zip(store.images("long"), sampled.frames, strict=True):
        assert (stored.mode, stored.size) == ("RGB", (72, 48))
        assert np.abs(np.asarray(stored).astype(int) - frame.image).mean() < 3
    assert [path.name for path in scratch.glob("*/.*")] == [".kept"], "nothing unfinished is left in scratch"


def test_columns_and_pictures_are_as_the_contract_says(corpus: pd.DataFrame, tmp_path: Path) -> None:
    sample_corpus(corpus, tmp_path / "frames", settings=SETTINGS, workers=1)
    (shard,) = FrameStore(tmp_path / "frames").shards()
    file = pq.ParquetFile(shard)
    assert file.schema_arrow == pa.schema(
        {"video_id": pa.string(), "frame_index": pa.int32(), "pts_seconds": pa.float64(), "image": pa.binary()}
    )
    assert file.num_row_groups == 2, "a row group a video"
    picture = Image.open(io.BytesIO(file.read().column("image")[0].as_py()))
    assert picture.format == "JPEG"
    assert {layer[1:3] for layer in picture.layer} == {(1, 1)}, "colour at full resolution"


def test_same_input_same_bytes_whatever_the_workers(
    corpus: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = pd.concat([corpus.assign(video_id=[f"{name}{copy}" for name in corpus["video_id"]]) for copy in range(4)])
    for name, workers in (("first", 1), ("again", 1), ("parallel", 2)):
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / f"root of {name}"))  # a scratch folder of its own
        sample_corpus(many, tmp_path / name, settings=SETTINGS, workers=workers)
    assert len(contents(tmp_path / "first")) == 3, "two shards and a summary"
    assert contents(tmp_path / "first") == contents(tmp_path / "again") == contents(tmp_path / "parallel")


def test_nothing_is_decoded_twice_as_long_as_videos_and_settings_are_the_same(
    corpus: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sample_corpus(corpus, tmp_path / "frames", settings=SETTINGS, workers=1)
    monkeypatch.setattr("pipeline.frames.sampling.sample_video", None)
    corrected = corpus.assign(summary="corrected by hand")
    assert sample_corpus(corrected, tmp_path / "again", settings=SETTINGS, workers=1) == first
    assert contents(tmp_path / "again") == contents(tmp_path / "frames")


def test_videos_lost_before_are_not_asked_for(corpus: pd.DataFrame, tmp_path: Path) -> None:
    corpus.loc[corpus["video_id"] == "gone", ["status", "reason"]] = ["failed", "file is missing"]
    summary = sample_corpus(corpus, tmp_path / "frames", settings=SETTINGS, workers=1)
    assert (summary["asked"], summary["failed"]) == (4, 2)
    assert "gone" not in [video["video_id"] for video in summary["videos"]]


def test_nothing_to_sample_is_an_empty_store(tmp_path: Path) -> None:
    summary = sample_corpus(make_corpus({}), tmp_path / "frames", settings=SETTINGS, workers=2)
    assert (summary["asked"], FrameStore(tmp_path / "frames").video_ids) == (0, [])


def test_another_store_replaces_the_old_one(corpus: pd.DataFrame, tmp_path: Path) -> None:
    sample_corpus(corpus, tmp_path / "frames", settings=SETTINGS, workers=1)
    sample_corpus(corpus[:1], tmp_path / "frames", settings=SETTINGS.model_copy(update={"count": 3}), workers=1)
    assert len([path for path in (tmp_path / ".scratch" / "sample_frames").iterdir() if path.is_dir()]) == 1, "the latest is kept"
    store = FrameStore(tmp_path / "frames")
    assert store.video_ids == ["long"]
    assert store.frame_indices("long").tolist() == [0, 24, 49]


def test_storyboards_are_small_pictures(corpus: pd.DataFrame, tmp_path: Path) -> None:
    sample_corpus(corpus, tmp_path / "frames", settings=SETTINGS, workers=1)
    boards = storyboards(FrameStore(tmp_path / "frames"), ["short", "long"], frames=4, width=36)
    assert list(boards) == ["short", "long"]
    for pictures in boards.values():
        assert [Image.open(io.BytesIO(base64.b64decode(picture))).size for picture in pictures] == [(36, 24)] * 4


@pytest.fixture
def long_work(tmp_path: Path) -> pd.DataFrame:
    """Five shards, a second or two of decoding."""
    path = draw_video(tmp_path / "drawn.mp4", frames=150, width=160, height=120)
    corpus = make_corpus({f"video{number:02d}": path for number in range(80)})
    corpus.to_json(tmp_path / "corpus.json")
    return corpus


def start_in_background(folder: Path) -> subprocess.Popen[str]:
    code = f"""
if __name__ == "__main__":
    import pandas
    from pathlib import Path
    from pipeline.frames.sampling import sample_corpus
    from pipeline.base.params import Frames
    settings = Frames.model_validate({SETTINGS.model_dump()!r})
    corpus = pandas.read_json({str(folder / "corpus.json")!r})
    sample_corpus(corpus, Path({str(folder / "frames")!r}), settings=settings, workers=2)
"""
    script = folder / "sample.py"
    script.write_text(code)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder)}
    return subprocess.Popen([sys.executable, str(script)], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_and_run_again_gives_the_same_as_never_killed(long_work: pd.DataFrame, tmp_path: Path, scratch: Path) -> None:
    process = start_in_background(tmp_path)
    wait_for(lambda: len(list(scratch.glob("*/*.parquet.json"))) >= 1, process)
    children = psutil.Process(process.pid).children(recursive=True)
    for victim in [psutil.Process(process.pid), *children]:
        victim.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(children, timeout=10)
    finished = {path: path.stat().st_mtime_ns for path in scratch.glob("*/?????.parquet.json")}
    assert 1 <= len(finished) < 5
    assert not (tmp_path / "frames").exists(), "half a store is no store"

    kept = {path: path.stat().st_mtime_ns for path in scratch.glob("*/?????.parquet") if Path(f"{path}.json") in finished}
    sample_corpus(long_work, tmp_path / "frames", settings=SETTINGS, workers=2)
    for path, changed in kept.items():
        assert (tmp_path / "frames" / path.name).stat().st_mtime_ns == changed, "a finished shard is not made again"
    sample_corpus(long_work, tmp_path / "uninterrupted", settings=SETTINGS, workers=1)
    assert contents(tmp_path / "frames") == contents(tmp_path / "uninterrupted")


def test_a_worker_that_dies_is_told_with_the_videos_at_work(long_work: pd.DataFrame, tmp_path: Path, scratch: Path) -> None:
    process = start_in_background(tmp_path)
    wait_for(lambda: bool(list(scratch.glob("*/*.parquet.json"))), process)
    while True:  # until one is caught in the middle of a video
        wait_for(lambda: bool(list(scratch.glob("*/.*.current"))), process)
        marker = next(scratch.glob("*/.*.current"), None)
        if marker is not None:
            worker = int(marker.name.split("-")[-2])  # .<shard>.<host>-<process>-<random>.tmp.current
            os.kill(worker, signal.SIGSTOP)
            if marker.exists() and marker.read_text():
                break
            os.kill(worker, signal.SIGCONT)
    at_work = marker.read_text().split()[-1]
    os.kill(worker, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    message = next(line for line in errors.splitlines() if line.startswith("RuntimeError: a worker process died"))
    assert at_work in message
    finished = len(list(scratch.glob("*/?????.parquet.json")))
    assert 1 <= finished < 5
    assert sample_corpus(long_work, tmp_path / "frames", settings=SETTINGS, workers=2)["ok"] == 80


@pytest.mark.skipif(not REAL.is_dir(), reason="the real videos are not on this machine")
def test_every_real_file_ends_as_frames_or_with_its_reason(tmp_path: Path) -> None:
    names = sorted(path.name for path in REAL.iterdir())
    table = tmp_path / "videos.csv"
    table.write_text("video_id,file\n" + "".join(f"{name.replace('.', '_')},{name}\n" for name in names))
    dataset = FolderDataset(name="folder", table=str(table), videos=str(REAL), entities="", max_failed_share=0.5)
    write_corpus(read_videos(dataset), tmp_path / "corpus.parquet")
    settings = Frames(count=50, short_side=64, jpeg_quality=92, videos_per_shard=16, keep=True, max_failed_share=0.5)
    summary = sample_corpus(read_corpus(tmp_path / "corpus.parquet"), tmp_path / "frames", settings=settings, workers=2)
    frames = {video["video_id"]: (video["frames"], video["source_frames"]) for video in summary["videos"]}
    assert frames == {
        "av1_video_mkv": (50, 125),
        "bottle-detection_mp4": (50, 1189),
        "corrupted_mp4": (49, 49),
        "eat_mkv": (47, 47),
        "h265_10bits_mp4": (30, 30),
        "hand_can_mp4": (50, 52),
        "nasa_13013_mp4": (50, 390),  # the larger of two films
        "physicsworks_audio_webm": (0, 0),
        "squirrel_mp4": (50, 250),
        "squirrel_no_audio_mp4": (50, 250),
        "video_90_mov": (3, 3),
    }
    assert {video["video_id"]: video["reason"] for video in summary["videos"] if video["reason"]} == {
        "physicsworks_audio_webm": "no video stream"
    }
    assert {video["video_id"]: video["note"] for video in summary["videos"] if video["note"]} == {
        "corrupted_mp4": "damaged: 1 of 50 packets do not decode; incomplete: 49 of 50 frames decode; 1 of 49 frames are damaged"
    }
    assert FrameStore(tmp_path / "frames").images("video_90_mov")[0].size == (64, 114)
