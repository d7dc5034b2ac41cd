"""The reference, written without the modules under test: every frame of a video, one packet after the other."""

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.frames.decoding import SampledVideo
from tests.drawn_videos import QUARTER_TURN


@dataclass
class Reference:
    """Pictures as they were coded: neither turned nor resized. Times are the container's, or counted where it has none."""

    images: list[NDArray[np.uint8]]
    seconds: list[float]
    pts: list[int | None]
    bad_packets: int
    damaged: bool
    interlaced: bool
    aspect: Fraction
    matrix: tuple[int, int, int, int]  # of the first frame


def decode_sequentially(path: Path) -> Reference:
    """Every frame that decodes, in the order in which the decoder gives them, deinterlaced where it has fields."""
    frames, bad = [], 0
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.best("video")  # as FFmpeg's own program chooses
        stream.thread_type = "NONE"
        for packet in [*readable(container, stream), None]:
            try:
                frames += stream.codec_context.decode(packet)
            except av.error.FFmpegError:
                bad += 1
        times = [frame.pts for frame in frames]
        if None in times or times != sorted(times):
            rate = stream.average_rate or stream.guessed_rate
            seconds = [float(number / rate) for number in range(len(frames))]
        else:
            seconds = [float(pts * stream.time_base) for pts in times]
        interlaced = any(frame.interlaced_frame for frame in frames)
        images = [frame.to_ndarray(format="rgb24") for frame in (deinterlaced(frames) if interlaced else frames)]
        aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
        matrix = display_matrix(frames[0]) if frames else QUARTER_TURN[0]
        damaged = bool(bad) or any(frame.is_corrupt for frame in frames)
        return Reference(images, seconds, times, bad, damaged, interlaced, aspect, matrix)


def undetermined(path: Path, reference: Reference) -> set[int]:
    """Frames of a damaged video that the file does not determine: gaps show whatever was in the memory that FFmpeg used again.

    Here no frame is kept while the next ones are decoded, so it is other memory than that of the reference.
    """
    differing = set()
    number = 0
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.best("video")
        stream.thread_type = "NONE"
        for packet in [*readable(container, stream), None]:
            with suppress(av.error.FFmpegError):
                for frame in stream.codec_context.decode(packet):
                    same = np.array_equal(frame.to_ndarray(format="rgb24"), reference.images[number])
                    differing |= set() if same else {number}
                    number += 1
    return differing


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """The nearest right angle."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), dtype=np.int32)[:5])
            signs = [-1 if value < 0 else 1 for value in (a, b, c, d)]
            return (0, signs[1], signs[2], 0) if abs(b) + abs(c) > abs(a) + abs(d) else (signs[0], 0, 0, signs[3])
    return QUARTER_TURN[0]


def readable(container: av.container.InputContainer, stream: av.VideoStream) -> list[av.Packet]:
    packets = []
    try:
        for packet in container.demux(stream):
            packets += [packet] if packet.size else []
    except av.error.FFmpegError:
        pass
    return packets


def deinterlaced(frames: list[av.VideoFrame]) -> list[av.VideoFrame]:
    """All frames through one `bwdif`, as FFmpeg's own program does it; they have to be of one size."""
    graph = av.filter.Graph()
    source = graph.add_buffer(template=frames[0], time_base=Fraction(1, 1000))
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")).configure()
    out = []
    for frame in [*frames, None]:
        graph.vpush(frame)
        while True:
            try:
                out.append(graph.vpull())
            except (av.error.BlockingIOError, av.error.EOFError):
                break
    assert len(out) == len(frames)
    return out


def assert_same_as_sequential(path: Path, video: SampledVideo, *, count: int) -> None:
    """For videos that are neither turned nor resized."""
    reference = decode_sequentially(path)
    total = len(reference.images)
    positions = list(range(total)) if total <= count else np.linspace(0, total - 1, count).astype(int).tolist()
    assert video.source_frames == total
    assert [frame.frame_index for frame in video.frames] == positions
    for frame in video.frames:
        assert frame.pts_seconds == pytest.approx(reference.seconds[frame.frame_index], abs=1e-9)
        np.testing.assert_array_equal(frame.image, reference.images[frame.frame_index])


def turned(image: NDArray[np.uint8], matrix: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """By a display matrix of right angles: where the pixel at (x, y) from the middle goes, looked up pixel by pixel."""
    a, b, c, d = matrix
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    across, down = a * x + c * y, b * x + d * y
    out = np.empty((int(np.ptp(down)) + 1, int(np.ptp(across)) + 1, 3), dtype=np.uint8)
    out[down - down.min(), across - across.min()] = image
    return out


def resized(image: NDArray[np.uint8], width: float, height: float, *, short_side: int) -> NDArray[np.uint8]:
    """To square pixels and a short side in one step; `width` and `height` are those with square pixels."""
    scale = short_side / min(width, height)
    size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
