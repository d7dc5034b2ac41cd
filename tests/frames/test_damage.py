"""What decodes of a damaged video is kept, and its note says what does not."""

import io
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from pipeline.frames.decoding import sample_video
from pipeline.frames.opening import VideoError
from tests.drawn_videos import cut_short, damage, draw_sound, draw_video
from tests.frames.reference import assert_same_as_sequential, decode_sequentially

GROUPS = {"x264-params": "keyint=50:scenecut=0"}


def break_unit(path: Path, *, packet: int, contents: bytes) -> Path:
    """Overwrite the start of one NAL unit of an MP4, after its length."""
    with av.open(str(path)) as container:
        units = [each for each in container.demux(video=0) if each.size]
        place = units[packet].pos
    data = bytearray(path.read_bytes())
    data[place + 4 : place + 4 + len(contents)] = contents
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("count", [2, 3, 7])
def test_a_frame_of_a_size_that_no_picture_has_loses_no_video(tmp_path: Path, count: int) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for number in range(7):
            jpeg = io.BytesIO()
            Image.new("RGB", (8, 4096) if number == 3 else (96, 64), (9 * number, 0, 0)).save(jpeg, "JPEG")
            packet = av.Packet(jpeg.getvalue())
            packet.pts = packet.dts = number
            packet.duration, packet.time_base, packet.stream = 1, Fraction(1, 10), stream
            container.mux(packet)
    video = sample_video(path, count=count, short_side=32)
    assert (len(video.frames), video.source_frames, video.width, video.height) == (min(count, 6), 6, 96, 64)
    assert "1 frames are left out" in video.note


@pytest.mark.parametrize("contents", [b"\xff" * 40, b"\0" * 40, b"\x41\0\x10"], ids=["noise", "zeros", "another header"])
def test_one_broken_unit_costs_one_frame_whatever_the_number_of_frames(tmp_path: Path, contents: bytes) -> None:
    path = draw_video(tmp_path / "drawn.mp4", frames=300, options=GROUPS)
    break_unit(path, packet=60, contents=contents)
    videos = {count: sample_video(path, count=count, short_side=64) for count in (3, 7, 20, 50)}
    notes = {video.note for video in videos.values()}
    assert len(notes) == 1 and notes != {""}, "the same is told, however many frames are wanted"
    for count, video in videos.items():
        assert video.source_frames >= 299
        assert_same_as_sequential(path, video, count=count)


def test_what_comes_after_damage_is_kept(tmp_path: Path) -> None:
    path = damage(draw_video(tmp_path / "drawn.mp4", options={"x264-params": "keyint=30"}), start=0.3, length=900)
    reference = decode_sequentially(path)
    video = sample_video(path, count=10, short_side=64)
    assert reference.bad_packets and video.frames[-1].pts_seconds > 4
    assert f"damaged: {reference.bad_packets} of 120 packets do not decode" in video.note
    assert f"incomplete: {len(reference.images)} of 120 frames decode" in video.note
    assert_same_as_sequential(path, video, count=10)


def test_a_download_cut_short_keeps_what_decodes(tmp_path: Path) -> None:
    path = cut_short(draw_video(tmp_path / "drawn.mp4", container_options={"movflags": "faststart"}), share=0.6)
    video = sample_video(path, count=10, short_side=64)
    assert 10 < video.source_frames < 120
    assert f"{video.source_frames} of 120 frames decode" in video.note
    assert_same_as_sequential(path, video, count=10)


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("webm", "libvpx", {"deadline": "realtime", "cpu-used": "8"}),
        ("mkv", "libx264", {}),
        ("flv", "libx264", {}),
        ("avi", "mpeg4", {}),
    ],
)
def test_a_cut_file_is_told_by_the_length_in_its_header(tmp_path: Path, suffix: str, codec: str, options: dict[str, str]) -> None:
    path = draw_video(tmp_path / f"drawn.{suffix}", codec=codec, options=options)
    assert sample_video(path, count=5, short_side=64).note == ""
    video = sample_video(cut_short(path, share=0.5), count=5, short_side=64)
    assert 20 < video.source_frames < 90
    assert "cut short: packets end after " in video.note


def test_sound_that_lasts_longer_than_the_pictures_is_no_cut(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "drawn.mkv", frames=50, sound=True, sound_seconds=6.0)
    path.write_bytes(path.read_bytes().replace(b"DURATION", b"XURATION"))  # the streams do not say how long they are
    with av.open(str(path)) as container:
        assert container.duration > 5.5e6
    assert sample_video(path, count=5, short_side=64).note == ""
    cut_short(path, share=0.5)
    assert "cut short: packets end after" in sample_video(path, count=5, short_side=64).note


def test_pictures_shown_for_long_are_no_cut(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "slides.mkv", frames=6, durations=(100,))
    assert sample_video(path, count=5, short_side=64).note == ""


def test_decoding_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw_video(tmp_path / "drawn.mp4", frames=250, options={"bf": "0"})
    monkeypatch.setattr("pipeline.frames.opening._SECONDS", 0.001)
    monkeypatch.setattr("pipeline.frames.opening._SECONDS_PER_MEGABYTE", 0)
    with pytest.raises(VideoError, match="takes more than 0 s of processor time"):
        sample_video(path, count=250, short_side=64)


def garble_pictures(data: bytes) -> bytes:
    """Set every byte of the media data of an MP4, so that the headers hold and no picture does."""
    start = data.index(b"mdat") + 4
    size = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    return data[:start] + b"\xff" * size + data[start + size :]


def test_files_without_a_frame_say_why(tmp_path: Path) -> None:
    drawn = draw_video(tmp_path / "drawn.mp4", frames=3)
    text = tmp_path / "text.mp4"
    text.write_text("A recipe for soup.\n" * 50)
    playlist = tmp_path / "playlist.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{drawn}\n#EXT-X-ENDLIST\n")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    garbled = tmp_path / "garbled.mp4"
    garbled.write_bytes(garble_pictures(drawn.read_bytes()))
    noise = damage(shutil.copy(drawn, tmp_path / "noise.mp4"), start=0.0, length=drawn.stat().st_size)
    reasons = {
        "not a video: Invalid data": text,
        "not a video": playlist,
        "not a video: Invalid": noise,
        "empty file": empty,
        "no frame decodes: ": garbled,
        "no (video stream|frame decodes)": draw_video(tmp_path / "no_frames.mp4", frames=0),
        "no video stream": draw_sound(tmp_path / "sound.mp4"),
    }
    for reason, path in reasons.items():
        with pytest.raises(VideoError, match=reason):
            sample_video(path, count=4, short_side=32)


def test_random_noise_never_raises_anything_but_a_reason(tmp_path: Path) -> None:
    whole = draw_video(tmp_path / "drawn.mp4", frames=10).read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "noisy.mp4"
    told = 0
    for _ in range(60):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 12):
            data[int(place)] = int(random.integers(256))
        path.write_bytes(data)
        try:
            told += bool(sample_video(path, count=4, short_side=32).note)
        except VideoError:
            told += 1
    assert told > 20
