"""Files opened as videos: which files are, and which of their streams is the film."""

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.stream import Discard, Disposition

# Pictures, subtitles and playlists open as "videos" too; a renamed photo must not pass for a film of one frame.
CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg"}
_STILL_BRANDS = {"avif", "heic", "heim", "heis", "heix", "mif1"}  # ISO/IEC 23008-12, Annex B; MPEG-4 files of one picture
_STILL_CODECS = {"bmp", "gif", "jpegls", "mjpeg", "png", "tiff", "webp"}  # a cover, if there is one frame of it


class VideoError(Exception):
    """Why a file gives no frames, in a few words for a table."""


def check_file(path: Path) -> None:
    """Raise `VideoError` for what is no file with content. A pipe or a device is not opened: that could wait for ever."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise VideoError("not a file but a folder")
        if not stat.S_ISREG(kind):
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
def opened(path: Path, *, all_streams: bool = False) -> Iterator[tuple[Any, Any]]:
    """The container and the stream that a player would show, set to decode in one thread; packets of the others are left out
    unless `all_streams`.
    """
    try:
        # `file:` and the whitelist keep odd file names and playlists from reaching for anything but this disk.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise VideoError(f"not a video: {error.strerror}") from error
    with container:
        if container.format.name not in CONTAINERS:
            raise VideoError(f"not a video: format {container.format.name}")
        brand = container.metadata.get("major_brand", "").strip()
        if brand in _STILL_BRANDS:
            raise VideoError(f"not a video: a picture (HEIF, brand {brand})")
        stream = _film(container.streams.video)
        for other in () if all_streams else container.streams:
            if other is not stream:
                other.discard = Discard.all
        if stream.codec_context is None:
            raise VideoError("no decoder for its codec")
        stream.codec_context.thread_count = 1
        stream.codec_context.thread_type = "NONE"
        yield container, stream


def _film(streams: Sequence[Any]) -> Any:
    """No cover, if there is something else; then the default stream, the largest, the first."""
    films = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    if not films:
        raise VideoError("no video stream")
    return max(films, key=_rank)


def _rank(stream: Any) -> tuple[bool, bool, bool, int, int]:
    context = stream.codec_context
    if context is None:
        return (False, False, False, 0, -stream.index)
    frames = stream.frames or (0 if stream.average_rate else 1)
    cover = context.name in _STILL_CODECS and frames == 1
    return True, not cover, bool(stream.disposition & Disposition.default), context.width * context.height, -stream.index
