"""Which files are videos, which of their streams is the film, and that files are found by all suffixes that are decoded."""

import os
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from pipeline.base.containers import CONTAINERS, VIDEO_SUFFIXES
from pipeline.corpus.sources import local_videos
from pipeline.frames.decoding import sample_video
from pipeline.frames.opening import VideoError
from tests.drawn_videos import draw_sound, draw_video, four_corners, moving_shapes

CODECS = {"webm": "libvpx", "wmv": "msmpeg4v3", "asf": "msmpeg4v3", "flv": "flv1", "mpg": "mpeg2video"}
CODECS |= {"3gp": "mpeg4", "3g2": "mpeg4", "avi": "mpeg4", "divx": "mpeg4", "vob": "mpeg2video"}
FORMATS = {"divx": "avi", "m2t": "mpegts", "qt": "mov", "f4v": "mp4", "mpeg": "vob", "m2p": "vob", "m4v": "mp4"}
OGG = {".ogv", ".ogm", ".ogg"}  # this FFmpeg writes no picture into Ogg


@pytest.mark.parametrize("suffix", [suffix for suffix in VIDEO_SUFFIXES if suffix not in OGG])
def test_what_is_found_is_decoded_and_what_is_decoded_is_found(tmp_path: Path, suffix: str) -> None:
    name = suffix.removeprefix(".")
    path = tmp_path / f"a-video_1{suffix.upper()}"
    written = draw_video(
        tmp_path / f"drawn.{name}", frames=6, width=176, height=144, codec=CODECS.get(name, "libx264"), format=FORMATS.get(name)
    )
    written.rename(path)
    assert local_videos(tmp_path, ["a-video_1"]) == {"a-video_1": path}
    assert len(sample_video(path, count=3, short_side=32).frames) == 3
    with av.open(str(path)) as container:
        assert suffix in CONTAINERS[container.format.name]


def test_of_two_files_of_one_video_the_suffix_listed_first_wins(tmp_path: Path) -> None:
    for name in ("a.ogg", "a.webm", "a.mp4", "b.ts", "b.avi", "c.txt"):
        (tmp_path / name).touch()
    found = local_videos(tmp_path, ["a", "b", "c"])
    assert found == {"a": tmp_path / "a.mp4", "b": tmp_path / "b.avi"}


def test_pictures_are_no_videos(tmp_path: Path) -> None:
    for name, picture_format in (("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("gif", "GIF")):
        path = tmp_path / f"{name}.mp4"
        Image.new("RGB", (64, 64), "red").save(path, format=picture_format)
        with pytest.raises(VideoError, match=f"not a video: format {name}"):
            sample_video(path, count=4, short_side=32)


@pytest.mark.parametrize("brand", ["avif", "heic", "mif1", "heix"])
def test_still_pictures_of_the_mp4_family_are_no_videos(tmp_path: Path, brand: str) -> None:
    still = draw_video(tmp_path / "still.avif", frames=1, codec="libsvtav1", options={"preset": "12"})
    path = still.rename(tmp_path / "still.mp4")
    data = path.read_bytes()
    assert data[8:12] == b"avif"
    path.write_bytes(data[:8] + brand.encode() + data[12:])
    with pytest.raises(VideoError, match=f"not a video but a still picture: brand {brand}"):
        sample_video(path, count=4, short_side=32)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)
    with pytest.raises(VideoError, match="not a regular file"):
        sample_video(path, count=4, short_side=32)


def test_folders_and_missing_files_say_so(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    for path, reason in ((tmp_path / "folder.mp4", "not a file but a folder"), (tmp_path / "nowhere.mp4", "file is missing")):
        with pytest.raises(VideoError, match=reason):
            sample_video(path, count=4, short_side=32)


def test_odd_names_are_names(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "drawn.mp4", frames=3)
    odd = path.rename(tmp_path / "http:?%20d&é.mp4")
    assert len(sample_video(odd, count=2, short_side=32).frames) == 2


def test_titles_in_another_encoding_are_no_error(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "drawn.mkv", frames=3, title="TITLE-Y")
    data = path.read_bytes()
    assert b"TITLE-Y" in data
    path.write_bytes(data.replace(b"TITLE-Y", "Crème-Y".encode("latin-1")))
    assert len(sample_video(path, count=2, short_side=32).frames) == 2


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


Default = av.stream.Disposition.default


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ((1, (192, 128), Default), (20, (96, 64), 0), 1),  # one picture, larger and flagged: a cover all the same
        ((20, (96, 64), 0), (20, (64, 48), Default), 1),
        ((20, (64, 48), Default), (20, (96, 64), Default), 1),
        ((20, (96, 64), Default), (20, (96, 64), Default), 0),
    ],
    ids=["a cover that is not flagged as one", "the default", "the larger", "the first"],
)
def test_of_several_streams_the_one_is_taken_that_a_player_shows(
    tmp_path: Path, first: tuple, second: tuple, chosen: int
) -> None:
    path = tmp_path / "several.mp4"
    pictures = (four_corners, moving_shapes)
    with av.open(str(path), "w") as container:
        streams = []
        for frames, (width, height), disposition in (first, second):
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt, stream.disposition = width, height, "yuv420p", disposition
            streams.append((stream, frames, width, height))
        container.start_encoding()
        for (stream, frames, width, height), picture in zip(streams, pictures, strict=True):
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    video = sample_video(path, count=2, short_side=48)
    frames, size, _ = (first, second)[chosen]
    assert (video.source_frames, video.width, video.height) == (frames, *size)
    still = video.frames[-1].image[0, 0].astype(int)
    assert (abs(still - [255, 0, 0]).sum() < 60) == (chosen == 0), "the other stream shows other pictures"
