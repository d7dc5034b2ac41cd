"""Opening a video: which files pass for one, which of its streams is the film, and how long it may take.

Packets are read one by one. What breaks off the reading is kept, and what was read before it counts.
"""

import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.stream import Discard, Disposition

from pipeline.base.containers import CONTAINERS

# HEIF and AVIF stills open as films of one frame. Their sequences (msf1, hevc, avis) are films.
_STILL_BRANDS = {"heic", "heix", "heim", "heis", "mif1", "avif"}
_NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent
_MAX_PIXELS = 1 << 27  # 16384 x 8192: RGB of 400 MB
# Far more than any honest file takes on a slow core, so that only what never ends is lost.
_SECONDS = 600
_SECONDS_PER_MEGABYTE = 60


class VideoError(Exception):
    """Why a file gives no frames, in a few words for a table."""


class Deadline:
    """Processor time that one video may take, by the size of its file. A busy machine does not shorten it.

    It is looked at between packets, so a decoder that never returns from one packet is not caught.
    """

    def __init__(self, path: Path) -> None:
        self._seconds = _SECONDS + _SECONDS_PER_MEGABYTE * path.stat().st_size / 1e6
        self._end = time.thread_time() + self._seconds

    def check(self) -> None:
        """Raises `VideoError` when the time is up."""
        if time.thread_time() > self._end:
            raise VideoError(f"decoding takes more than {self._seconds:.0f} s of processor time")


def check_file(path: Path) -> None:
    """Raises `VideoError` for what is not a readable regular file with something in it. A pipe would be waited for for ever."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise VideoError("not a file but a folder")
        if not stat.S_ISREG(mode):
            raise VideoError("not a regular file but a pipe, a socket or a device")
        with path.open("rb") as stream:
            if not stream.read(1):
                raise VideoError("empty file")
    except FileNotFoundError as error:
        raise VideoError("file is missing") from error
    except PermissionError as error:
        raise VideoError("cannot be read: permission denied") from error
    except OSError as error:
        raise VideoError(f"cannot be read: {error.strerror}") from error


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and the video stream that a player would show, set to decode in one thread."""
    with opened_container(path) as container:
        stream = _film(container)
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        context = stream.codec_context
        if context is None:
            raise VideoError("no decoder for its codec")
        check_size(context.width, context.height)
        context.thread_count = 1
        context.thread_type = "NONE"
        yield container, stream


@contextmanager
def opened_container(path: Path) -> Iterator[Any]:
    try:
        # `file:` and the whitelist keep odd file names and playlists from reaching for anything but this disk.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise VideoError(f"not a video: {error.strerror}") from error
    with container:
        # Pictures, subtitles and playlists open as "videos" too; a renamed photo must not pass for a film of one frame.
        if container.format.name not in CONTAINERS:
            raise VideoError(f"not a video: format {container.format.name}")
        if (brand := container.metadata.get("major_brand", "").strip()) in _STILL_BRANDS:
            raise VideoError(f"not a video but a still picture: brand {brand}")
        yield container


def check_size(width: int, height: int) -> None:
    """Raises `VideoError` for pictures whose RGB alone would fill the memory."""
    if width * height > _MAX_PIXELS:
        raise VideoError(f"pictures of {width}x{height} pixels are too large")


def read_packets(container: Any, streams: Sequence[Any], deadline: Deadline, broken: list[str]) -> Iterator[Any]:
    """The packets of `streams` that hold data; `broken` gets the error that ends the reading early, if any."""
    try:
        for packet in container.demux(*streams):
            deadline.check()
            if packet.size:
                yield packet
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        broken.append(error.strerror)


def _film(container: Any) -> Any:
    """Of several streams a player takes a moving one, then the one flagged as default, then the largest, then the first."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _NO_FILM]
    if not streams:
        raise VideoError("no video stream")

    def preference(stream: Any) -> tuple[bool, bool, int, int]:
        context = stream.codec_context
        area = context.width * context.height if context else 0
        return stream.frames != 1, bool(stream.disposition & Disposition.default), area, -stream.index

    return max(streams, key=preference)
