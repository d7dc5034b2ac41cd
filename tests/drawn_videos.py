"""Small videos for tests, written with PyAV: moving shapes over a texture, so that codecs use every kind of frame."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

X264 = {"preset": "medium", "crf": "26"}
QUARTER_TURN = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}  # clockwise: a, b, c, d
MIRRORED = (-1, 0, 0, 1)

Picture = Callable[[int, int, int], NDArray[np.uint8]]


def moving_shapes(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Frame `number`: a scrolling texture, a square on its way through it, and a new scene every 45 frames."""
    rows, columns = np.mgrid[0:height, 0:width]
    scene = number // 45
    texture = 100 + 60 * np.sin((columns + 2 * number) / (7 + scene)) + 50 * np.cos((rows - number) / (5 + scene))
    image = np.stack([texture, np.roll(texture, 5 * scene, axis=0), 255 - texture], axis=2)
    side = height // 3
    left = int((width - side) * (0.5 + 0.5 * np.sin(number / 9)))
    top = int((height - side) * (0.5 + 0.5 * np.cos(number / 13)))
    image[top : top + side, left : left + side] = [(37 * number) % 256, 220, 30]
    return image.clip(0, 255).astype(np.uint8)


def four_corners(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Red top left, green top right, blue bottom left, white bottom right; the same in every frame."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    top, left = slice(0, height // 2), slice(0, width // 2)
    bottom, right = slice(height // 2, None), slice(width // 2, None)
    image[top, left], image[top, right] = (255, 0, 0), (0, 255, 0)
    image[bottom, left], image[bottom, right] = (0, 0, 255), (255, 255, 255)
    return image


@contextmanager
def _as_scheduled() -> Iterator[None]:
    """SVT-AV1 gives the thread that encodes a real-time priority, if it may, and every process started later inherits that."""
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)


def draw_video(
    path: Path,
    *,
    frames: int = 120,
    width: int = 96,
    height: int = 64,
    rate: int = 25,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    durations: tuple[int, ...] = (1,),
    picture: Picture = moving_shapes,
    aspect: Fraction = Fraction(1),
    sound: bool = False,
    samples: NDArray[np.float32] | None = None,
    sound_seconds: float | None = None,
    format: str | None = None,
    title: str = "",
) -> Path:
    """Write a video in the container that `format`, or else its suffix, names.

    Frame k is shown `durations[k % len(durations)]` times 1/`rate` s. Its sound is silent, or `samples`, 16,000 a second.
    """
    with _as_scheduled(), av.open(str(path), "w", format=format, options=container_options or {}) as container:
        container.metadata.update({"title": title} if title else {})
        stream = container.add_stream(codec, rate=rate, options=X264 | (options or {}) if codec == "libx264" else options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = Fraction(1, rate)
        stream.codec_context.sample_aspect_ratio = aspect
        audio = container.add_stream("aac", rate=16000, layout="mono") if sound or samples is not None else None
        container.start_encoding()  # writes the header, even if no frame follows
        tick = 0
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, rate)
            tick += durations[number % len(durations)]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            _mux_sound(container, audio, silence(sound_seconds or frames / rate) if samples is None else samples)
    return path


def draw_sound(path: Path) -> Path:
    """A file with one audio stream and no video."""
    with av.open(str(path), "w") as container:
        _mux_sound(container, container.add_stream("aac", rate=16000, layout="mono"), silence(1.0))
    return path


def set_display_matrix(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Overwrite the display matrix in the track header of an MP4 (ISO/IEC 14496-12, 8.3.2), as a phone held sideways does."""
    data = bytearray(path.read_bytes())
    box = data.index(b"tkhd")
    assert data[box + 4] == 0, "version 1 track header"
    a, b, c, d = (value * 65536 for value in matrix)
    offset = box + 4 + 4 + 20 + 8 + 8  # type, version and flags, times and id, reserved, layer to volume
    data[offset : offset + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], dtype=">i4").tobytes()
    path.write_bytes(data)
    return path


def cut_short(path: Path, *, share: float) -> Path:
    """Keep only the first `share` of the bytes, as a broken download does."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def damage(path: Path, *, start: float, length: int) -> Path:
    """Overwrite `length` bytes, from share `start` of the file on."""
    data = bytearray(path.read_bytes())
    begin = int(len(data) * start)
    data[begin : begin + length] = np.random.default_rng(3).integers(0, 256, length, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    return path


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(int(seconds * 16000), np.float32)


def _mux_sound(container: av.container.OutputContainer, stream: av.AudioStream, samples: NDArray[np.float32]) -> None:
    for start in range(0, len(samples) // 1024 * 1024, 1024):
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.planes[0].update(samples[start : start + 1024].astype(np.float32).tobytes())
        frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
