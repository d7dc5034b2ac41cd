"""Frames come in the order in which they are shown, whatever a container says of them, and stored times never fall."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

import pipeline.frames.decoding
from pipeline.frames.decoding import SampledVideo, sample_video
from tests.drawn_videos import draw_video
from tests.frames.random_recipes import later_half_shown_as_coded, remux, shown_as_coded, two_swapped
from tests.frames.reference import assert_same_as_sequential

B_FRAMES = {"bf": "2", "x264-params": "keyint=30"}
COUNTED = "frames are counted by the frame rate instead"


@pytest.mark.parametrize("suffix", ["avi", "wmv", "mp4", "mkv", "mov", "ts", "flv"])
@pytest.mark.parametrize("change", [shown_as_coded, later_half_shown_as_coded])
@pytest.mark.parametrize("count", [3, 12, 50])
def test_timestamps_in_decoding_order_do_not_give_the_order_of_frames(
    tmp_path: Path, suffix: str, change: Callable, count: int
) -> None:
    if suffix == "avi":  # it holds no timestamps, but numbers of packets
        path = draw_video(tmp_path / "drawn.avi", frames=60, options=B_FRAMES)
    else:
        path = remux(draw_video(tmp_path / f"drawn.{suffix}", frames=60, options=B_FRAMES), change, np.random.default_rng(0))
    video = sample_video(path, count=count, short_side=64)
    assert not video.short_cut
    assert_same_as_sequential(path, video, count=count)
    times = [frame.pts_seconds for frame in video.frames]
    step = times[-1] / 59  # a wrong timestamp makes the container's frame rate wrong, too
    assert step == pytest.approx(1 / 25, rel=0.05)
    assert times == pytest.approx([frame.frame_index * step for frame in video.frames])
    assert video.note == f"timestamps fall: {COUNTED}"


def test_one_pair_of_wrong_timestamps_is_enough(tmp_path: Path) -> None:
    source = draw_video(tmp_path / "drawn.mp4", frames=60, options=B_FRAMES)
    path = remux(source, two_swapped, np.random.default_rng(1))
    video = sample_video(path, count=60, short_side=64)
    assert not video.short_cut and "timestamps fall" in video.note
    assert_same_as_sequential(path, video, count=60)


def test_times_are_the_container_s_or_counted_and_never_mixed(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "drawn.mpg", frames=60, options=B_FRAMES)
    with av.open(str(path)) as container:
        stamped = [packet.pts is not None for packet in container.demux(video=0) if packet.size]
    assert any(stamped) and not all(stamped), "some packets of this container have no timestamp"
    video = sample_video(path, count=50, short_side=64)
    times = [frame.pts_seconds for frame in video.frames]
    assert all(later >= earlier for earlier, later in pairwise(times))
    assert times == [frame.frame_index / 25 for frame in video.frames]
    assert video.note == f"timestamps are missing: {COUNTED}"


def shifted_by_one(video: SampledVideo) -> SampledVideo:
    """As if the short cut had taken each frame's neighbour."""
    frames = [replace(frame, image=np.roll(frame.image, 1, axis=1)) for frame in video.frames]
    return replace(video, frames=frames)


def test_a_short_cut_that_is_wrong_is_found_and_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw_video(tmp_path / "drawn.mp4", frames=60, options=B_FRAMES)
    asked: list[str] = []

    def compared(kind: str) -> int:
        asked.append(kind)
        return 20

    right = sample_video(path, count=6, short_side=64, compared=compared)
    assert right.short_cut and right.note == "" and asked == ["mov,mp4,m4a,3gp,3g2,mj2/h264"]
    real = pipeline.frames.decoding._decode_wanted
    monkeypatch.setattr(pipeline.frames.decoding, "_decode_wanted", lambda *a, **k: shifted_by_one(real(*a, **k)))
    video = sample_video(path, count=6, short_side=64, compared=compared)
    assert not video.short_cut
    assert video.note == "the short cut gives other frames and is not taken"
    assert_same_as_sequential(path, video, count=6)
