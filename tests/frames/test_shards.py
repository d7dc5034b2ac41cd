"""A shard goes on after any exception of one video, and decodes some videos both ways, the same ones every time."""

from pathlib import Path
from typing import Any

import pytest

import pipeline.frames.sampling
from pipeline.base.items import ALIKE
from pipeline.frames.sampling import Comparison, sample_shard
from tests.drawn_videos import draw_video
from tests.frames.test_pictures import draw_jpegs_with_exif

SETTINGS = {"count": 3, "short_side": 32, "jpeg_quality": 90}


def sample_many(folder: Path, paths: list[Path]) -> list[dict[str, Any]]:
    rows = [{"video_id": f"v{number}", "video_path": str(path)} for number, path in enumerate(paths)]
    return sample_shard(rows, folder / "00000.parquet", **SETTINGS)["videos"]


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    return draw_video(tmp_path / "drawn.mp4", frames=6)


def test_a_film_of_photos_stops_nothing(tmp_path: Path, drawn: Path) -> None:
    rows = sample_many(tmp_path, [drawn, draw_jpegs_with_exif(tmp_path / "photos.mov"), drawn])
    assert [(row["status"], row["frames"]) for row in rows] == [("ok", 3)] * 3


def test_any_exception_of_one_video_is_its_row(tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, sampled = pipeline.frames.sampling.sample_video, []

    def sometimes(path: Path, **options: Any) -> Any:
        sampled.append(path)
        if len(sampled) == 2:
            raise LookupError("an unheard-of thing")
        return real(path, **options)

    monkeypatch.setattr(pipeline.frames.sampling, "sample_video", sometimes)
    rows = sample_many(tmp_path, [drawn, drawn, drawn])
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert rows[1]["reason"] == "LookupError: an unheard-of thing"
    assert rows[1].keys() == rows[0].keys()


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt()])
def test_what_is_no_video_s_fault_ends_the_shard(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(path: Path, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(pipeline.frames.sampling, "sample_video", fail)
    with pytest.raises(type(error)):
        sample_many(tmp_path, [drawn])


def test_a_programming_error_stops_the_shard(tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.frames.sampling, "sample_video", None)
    assert {row["status"] for row in sample_many(tmp_path, [drawn] * (ALIKE - 1))} == {"failed"}
    with pytest.raises(RuntimeError, match=f"{ALIKE} items one after the other ended with TypeError: 'NoneType' object"):
        sample_many(tmp_path, [drawn] * ALIKE)


def test_the_first_of_each_kind_and_one_video_in_many_are_compared() -> None:
    ids = [f"video{number}" for number in range(2000)]
    comparison = Comparison()
    frames = {
        video_id: comparison.frames(video_id, "avi/h264" if number % 2 else "flv/h264") for number, video_id in enumerate(ids)
    }
    whole = {video_id for video_id, count in frames.items() if count > 10**9}
    assert 15 < len(whole) < 50
    started = [video_id for video_id, count in frames.items() if 0 < count < 10**9]
    assert started == [next(video_id for video_id in ids[kind::2] if video_id not in whole) for kind in (0, 1)]
    alone = Comparison()
    assert all(alone.frames(video_id, "avi/h264") == frames[video_id] for video_id in whole), "ids alone decide"
