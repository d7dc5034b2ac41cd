"""Sampling gives, bit by bit, what decoding the whole video gives."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.frames.decoding import sample_positions, sample_video
from pipeline.frames.opening import VideoError
from tests.drawn_videos import draw_video
from tests.frames.reference import assert_same_as_sequential, decode_sequentially

REAL = Path("../shared/data/videos")
needs_real_videos = pytest.mark.skipif(not REAL.is_dir(), reason="the real videos are not on this machine")

PYRAMID = {"bf": "4", "x264-params": "b-pyramid=normal:keyint=60:min-keyint=60:scenecut=0"}
SHORT_CUT = {
    "defaults": ("mp4", {}),
    "long GOP": ("mp4", {"x264-params": "keyint=250:scenecut=0"}),
    "short GOP": ("mp4", {"x264-params": "keyint=8"}),
    "every frame a key frame": ("mp4", {"x264-params": "keyint=1"}),
    "no B-frames": ("mp4", {"bf": "0"}),
    "B-pyramid": ("mp4", PYRAMID),
    "B-pyramid in Matroska": ("mkv", PYRAMID),
    "B-pyramid in a transport stream": ("ts", PYRAMID),
    "open GOP": ("mp4", {"bf": "3", "x264-params": "open-gop=1:keyint=20:min-keyint=20:scenecut=0"}),
    "intra refresh": ("mp4", {"x264-params": "intra-refresh=1:keyint=30"}),
    "several slices": ("mp4", {"x264-params": "slices=4:keyint=40"}),
    "lossless": ("mp4", {"qp": "0", "x264-params": "keyint=40"}),
}
END_TO_END = {
    "VP9 in WebM": (
        "webm",
        {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16"}},
    ),
    "VP8 in WebM": ("webm", {"codec": "libvpx", "options": {"deadline": "realtime", "auto-alt-ref": "1", "lag-in-frames": "16"}}),
    "HEVC": (
        "mp4",
        {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none:keyint=30:bframes=3"}},
    ),
    "HEVC, 10 bit": (
        "mp4",
        {"codec": "libx265", "pixel_format": "yuv420p10le", "options": {"preset": "ultrafast", "x265-params": "log-level=none"}},
    ),
    "AV1": ("mkv", {"codec": "libsvtav1", "frames": 60, "options": {"preset": "12"}}),
    "MPEG-4 in AVI": ("avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "MPEG-2 program stream": ("mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "interlaced H.264": ("mp4", {"options": {"x264-params": "interlaced=1"}}),
}


def took_short_cut(path: Path, *, count: int) -> bool:
    return sample_video(path, count=count, short_side=64).short_cut


@pytest.mark.parametrize(("suffix", "options"), SHORT_CUT.values(), ids=SHORT_CUT)
def test_short_cut_is_bit_identical(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    path = draw_video(tmp_path / f"drawn.{suffix}", frames=203, options=options)
    assert took_short_cut(path, count=11), "this test is about the short cut"
    for count in (1, 2, 11, 60, 202):
        for threads in (1, 2, 5):
            assert_same_as_sequential(path, sample_video(path, count=count, short_side=64, threads=threads), count=count)


@pytest.mark.parametrize(("suffix", "arguments"), END_TO_END.values(), ids=END_TO_END)
def test_other_videos_are_decoded_from_end_to_end(tmp_path: Path, suffix: str, arguments: dict[str, object]) -> None:
    path = draw_video(tmp_path / f"drawn.{suffix}", **({"frames": 90} | arguments))
    assert not took_short_cut(path, count=11)
    assert_same_as_sequential(path, sample_video(path, count=11, short_side=64), count=11)


def test_variable_frame_rate_keeps_its_timestamps(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "drawn.mp4", durations=(1, 1, 5, 2))
    video = sample_video(path, count=120, short_side=64)
    assert [round(frame.pts_seconds * 25) for frame in video.frames[:6]] == [0, 1, 2, 7, 9, 10]
    assert_same_as_sequential(path, sample_video(path, count=9, short_side=64), count=9)


def test_sound_beside_the_picture_changes_nothing(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "drawn.mp4", sound=True)
    assert_same_as_sequential(path, sample_video(path, count=9, short_side=64), count=9)


@needs_real_videos
@pytest.mark.parametrize("name", sorted(path.name for path in REAL.glob("*")) if REAL.is_dir() else [])
def test_real_videos_are_bit_identical(name: str) -> None:
    path = REAL / name
    if name == "physicsworks_audio.webm":
        with pytest.raises(VideoError, match="no video stream"):
            sample_video(path, count=10, short_side=64)
        return
    images = decode_sequentially(path).images
    short_side = min(images[0].shape[:2])
    video = sample_video(path, count=10, short_side=short_side)
    damaged = "damaged: 1 of 50 packets do not decode; incomplete: 49 of 50 frames decode; 1 of 49 frames are damaged"
    assert video.note == (damaged if name == "corrupted.mp4" else "")
    if name == "video_90.mov":
        assert (video.width, video.height) == (320, 568)
        for frame in video.frames:
            np.testing.assert_array_equal(frame.image, np.rot90(images[frame.frame_index], k=-1))
    else:
        assert_same_as_sequential(path, video, count=10)


@pytest.mark.parametrize("total", [1, 2, 49, 50, 51, 7500])
def test_positions_follow_linspace(total: int) -> None:
    positions = sample_positions(total, count=50)
    assert len(positions) == len(set(positions)) == min(total, 50)
    assert (positions[0], positions[-1]) == (0, total - 1)
    if total > 50:
        assert positions == [int(value) for value in np.linspace(0, total - 1, 50)]


def test_fewer_frames_than_asked_for_are_all_kept(tmp_path: Path) -> None:
    video = sample_video(draw_video(tmp_path / "drawn.mp4", frames=7), count=50, short_side=64)
    assert [frame.frame_index for frame in video.frames] == list(range(7))


def test_an_edit_list_hides_its_frames(tmp_path: Path) -> None:
    source = draw_video(tmp_path / "whole.mp4", options={"x264-params": "keyint=120"})
    path = tmp_path / "trimmed.mp4"
    with av.open(str(source)) as whole, av.open(str(path), "w") as trimmed:
        stream = trimmed.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - 20 * 512, packet.dts - 20 * 512, stream
                trimmed.mux(packet)
    video = sample_video(path, count=10, short_side=64)
    assert_same_as_sequential(path, video, count=10)


def test_odd_names_are_names(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "drawn.mp4", frames=3)
    odd = path.rename(tmp_path / "http:?%20d&é.mp4")
    assert len(sample_video(odd, count=2, short_side=32).frames) == 2


def test_drawing_a_video_leaves_the_priority_of_the_process_as_it_was(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    draw_video(tmp_path / "drawn.mkv", frames=3, codec="libsvtav1", options={"preset": "12"})
    assert os.sched_getscheduler(0) == before
