"""Sampling gives, bit by bit, what decoding the whole video gives; files that give nothing say why."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import pipeline.frames.decoding
from pipeline.frames.decoding import SampledVideo, VideoError, sample_positions, sample_video
from tests.drawn_videos import (
    MIRRORED,
    QUARTER_TURN,
    cut_short,
    damage,
    draw_sound,
    draw_video,
    four_corners,
    set_display_matrix,
)

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


def decode_sequentially(path: Path) -> tuple[list[NDArray[np.uint8]], list[float | None]]:
    """The reference, written without the module under test: every frame up to the first error, not turned or resized."""
    images, seconds = [], []
    with av.open(str(path)) as container:
        try:
            for frame in container.decode(container.streams.video[0]):
                images.append(frame.to_ndarray(format="rgb24"))
                seconds.append(frame.time)
        except av.error.InvalidDataError:
            pass
    return images, seconds


def assert_same_as_sequential(path: Path, video: SampledVideo, *, count: int) -> None:
    images, seconds = decode_sequentially(path)
    positions = list(range(len(images))) if len(images) <= count else np.linspace(0, len(images) - 1, count).astype(int).tolist()
    assert video.source_frames == len(images)
    assert [frame.frame_index for frame in video.frames] == positions
    for frame in video.frames:
        assert frame.pts_seconds == pytest.approx(seconds[frame.frame_index], abs=1e-9)
        np.testing.assert_array_equal(frame.image, images[frame.frame_index])


def took_short_cut(path: Path, *, count: int) -> bool:
    index = pipeline.frames.decoding._index_packets(path)
    return index.regular and pipeline.frames.decoding._decode_wanted(path, index, count=count, short_side=64) is not None


@pytest.mark.parametrize(("suffix", "options"), SHORT_CUT.values(), ids=SHORT_CUT)
def test_short_cut_is_bit_identical(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    path = draw_video(tmp_path / f"drawn.{suffix}", frames=203, options=options)
    assert took_short_cut(path, count=11), "this test is about the short cut"
    for count in (1, 2, 11, 60, 202):
        assert_same_as_sequential(path, sample_video(path, count=count, short_side=64), count=count)


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
    images, _ = decode_sequentially(path)
    short_side = min(images[0].shape[:2])
    video = sample_video(path, count=10, short_side=short_side)
    assert video.note == ("truncated: 28 of 50 frames decode" if name == "corrupted.mp4" else "")
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


def corners(image: NDArray[np.uint8]) -> list[str]:
    """The colours top left, top right, bottom left, bottom right."""
    height, width = image.shape[:2]
    names = {(255, 0, 0): "red", (0, 255, 0): "green", (0, 0, 255): "blue", (255, 255, 255): "white"}
    points = [image[y, x] for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [names[min(names, key=lambda colour: int(np.abs(np.array(colour) - point).sum()))] for point in points]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (QUARTER_TURN[0], ["red", "green", "blue", "white"]),
        (QUARTER_TURN[90], ["blue", "red", "white", "green"]),
        (QUARTER_TURN[180], ["white", "blue", "green", "red"]),
        (QUARTER_TURN[270], ["green", "white", "red", "blue"]),
        (MIRRORED, ["green", "red", "white", "blue"]),
        ((0, 1, 1, 0), ["red", "blue", "green", "white"]),
    ],
)
def test_pictures_come_out_upright(tmp_path: Path, matrix: tuple[int, int, int, int], expected: list[str]) -> None:
    path = set_display_matrix(draw_video(tmp_path / "drawn.mp4", frames=5, picture=four_corners), matrix)
    video = sample_video(path, count=2, short_side=32)
    turned = matrix[0] == 0
    assert (video.width, video.height) == ((64, 96) if turned else (96, 64))
    assert video.frames[-1].image.shape == ((48, 32, 3) if turned else (32, 48, 3))
    assert corners(video.frames[-1].image) == expected


@pytest.mark.parametrize(
    ("width", "height", "shape"), [(96, 64, (40, 60, 3)), (64, 98, (61, 40, 3)), (64, 64, (40, 40, 3)), (16, 24, (60, 40, 3))]
)
def test_the_short_side_is_exact(tmp_path: Path, width: int, height: int, shape: tuple[int, int, int]) -> None:
    path = draw_video(tmp_path / "drawn.mp4", frames=3, width=width, height=height)
    frame = sample_video(path, count=1, short_side=40).frames[0]
    assert frame.image.shape == shape
    original = Image.fromarray(decode_sequentially(path)[0][0])
    np.testing.assert_array_equal(frame.image, np.asarray(original.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)))


def test_an_error_in_the_middle_ends_the_video_there(tmp_path: Path) -> None:
    path = damage(draw_video(tmp_path / "drawn.mp4", options={"x264-params": "keyint=30"}), start=0.3, length=900)
    images, _ = decode_sequentially(path)
    video = sample_video(path, count=10, short_side=64)
    assert video.note, "damage is told"
    assert_same_as_sequential(path, video, count=10)
    assert video.source_frames == len(images)


def test_a_download_cut_short_keeps_what_decodes(tmp_path: Path) -> None:
    path = cut_short(draw_video(tmp_path / "drawn.mp4", container_options={"movflags": "faststart"}), share=0.6)
    video = sample_video(path, count=10, short_side=64)
    assert 10 < video.source_frames < 120
    assert f"{video.source_frames} of 120 frames decode" in video.note
    assert_same_as_sequential(path, video, count=10)


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


def unusable(folder: Path) -> dict[str, Path]:
    drawn = draw_video(folder / "drawn.mp4", frames=3)
    photo = folder / "photo.mp4"
    Image.new("RGB", (64, 64), "red").save(photo, format="JPEG")
    picture = folder / "picture.mp4"
    Image.new("RGB", (64, 64), "red").save(picture, format="PNG")
    text = folder / "text.mp4"
    text.write_text("A recipe for soup.\n" * 50)
    playlist = folder / "playlist.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{drawn}\n#EXT-X-ENDLIST\n")
    empty = folder / "empty.mp4"
    empty.touch()
    no_frames = draw_video(folder / "no_frames.mp4", frames=0)
    noise = damage(shutil.copy(drawn, folder / "noise.mp4"), start=0.0, length=drawn.stat().st_size)
    garbled = folder / "garbled.mp4"
    garbled.write_bytes(garble_pictures(drawn.read_bytes()))
    (folder / "folder.mp4").mkdir()
    return {
        "not a video: format jpeg_pipe": photo,
        "not a video: format png_pipe": picture,
        "not a video: Invalid data": text,
        "not a video": playlist,
        "not a video: Invalid": noise,
        "empty file": empty,
        "no frame decodes: ": garbled,
        "no (video stream|frame decodes)": no_frames,
        "not a file but a folder": folder / "folder.mp4",
        "file is missing": folder / "nowhere.mp4",
        "no video stream": draw_sound(folder / "sound.mp4"),
    }


def garble_pictures(data: bytes) -> bytes:
    """Set every byte of the media data of an MP4, so that the headers hold and no picture does."""
    start = data.index(b"mdat") + 4
    size = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    return data[:start] + b"\xff" * size + data[start + size :]


def test_unusable_files_say_why(tmp_path: Path) -> None:
    for reason, path in unusable(tmp_path).items():
        with pytest.raises(VideoError, match=reason):
            sample_video(path, count=4, short_side=32)


def test_odd_names_are_names(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "drawn.mp4", frames=3)
    odd = path.rename(tmp_path / "http:?%20d&é.mp4")
    assert len(sample_video(odd, count=2, short_side=32).frames) == 2


def test_a_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    cover = tmp_path / "cover.jpg"
    Image.new("RGB", (64, 64), "red").save(cover)
    path = tmp_path / "song.m4a"
    with (
        av.open(str(draw_sound(tmp_path / "sound.mp4"))) as sound,
        av.open(str(cover)) as picture,
        av.open(str(path), "w", format="mp4") as song,
    ):
        streams = {id(source): song.add_stream_from_template(source.streams[0]) for source in (sound, picture)}
        streams[id(picture)].disposition = av.stream.Disposition.attached_pic
        for source in (picture, sound):
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = streams[id(source)]
                    song.mux(packet)
    with pytest.raises(VideoError, match="no video stream"):
        sample_video(path, count=4, short_side=32)
