"""Frame-exact sampling: the frames that decoding the whole video would give, without decoding the whole video.

The reference is a full sequential decode: n frames in presentation order, of which `count` evenly spaced ones are kept.
The shortcut first reads all packets, which costs little. It then decodes only from the key frame before a wanted frame to
that frame, and skips frames that no other frame refers to. It is taken only where one packet is one frame and a key frame
resets the decoder (H.264 with IDR frames, timestamps complete and unique); anything else is decoded from end to end. Both
ways give the same bits. Each video gets one thread: processes over videos use the cores better.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Discard, Disposition
from numpy.typing import NDArray
from PIL import Image

# Pictures, subtitles and playlists open as "videos" too; a renamed photo must not pass for a film of one frame.
_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg"}


class VideoError(Exception):
    """Why a file gives no frames, in a few words for a table."""


@dataclass(frozen=True, eq=False)
class SampledFrame:
    """`frame_index` counts decoded frames from 0, `pts_seconds` is the container's timestamp.

    `image` is RGB uint8 [height, width, 3].
    """

    frame_index: int
    pts_seconds: float
    image: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SampledVideo:
    """`width` and `height` are the source's, in pixels, after rotation. `note` is empty unless something was amiss."""

    frames: list[SampledFrame]
    source_frames: int
    width: int
    height: int
    note: str


def sample_video(path: Path, *, count: int, short_side: int) -> SampledVideo:
    """Keep `count` evenly spaced frames (or all, if fewer), upright, with the short side resized to `short_side` pixels.

    Raises `VideoError` with the reason when the file gives no frame.
    """
    _check_file(path)
    index = _index_packets(path)
    video = _decode_wanted(path, index, count=count, short_side=short_side) if index.regular else None
    return video or _decode_all(path, index, count=count, short_side=short_side)


def sample_positions(total: int, *, count: int) -> list[int]:
    """Evenly spaced positions in `total` frames, including the first and the last; all positions if `total` <= `count`."""
    if total <= count:
        return list(range(total))
    positions: list[int] = np.linspace(0, total - 1, count).astype(int).tolist()
    return positions


@dataclass(frozen=True)
class _PacketIndex:
    """What the packets say before any is decoded, in decoding order."""

    pts: list[int | None]
    entries: list[int]  # packets from which decoding can start afresh
    expected: int  # frames to expect
    regular: bool  # one packet is one frame, and the timestamps give the order


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            if not stream.read(1):
                raise VideoError("empty file")
    except FileNotFoundError as error:
        raise VideoError("file is missing") from error
    except IsADirectoryError as error:
        raise VideoError("not a file but a folder") from error
    except PermissionError as error:
        raise VideoError("cannot be read: permission denied") from error
    except OSError as error:
        raise VideoError(f"cannot be read: {error.strerror}") from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream that is not a cover picture, set to decode in one thread."""
    try:
        # `file:` and the whitelist keep odd file names and playlists from reaching for anything but this disk.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except av.error.FFmpegError as error:
        raise VideoError(f"not a video: {error.strerror}") from error
    with container:
        if container.format.name not in _CONTAINERS:
            raise VideoError(f"not a video: format {container.format.name}")
        streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not streams:
            raise VideoError("no video stream")
        stream = streams[0]
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        if stream.codec_context is None:
            raise VideoError("no decoder for its codec")
        stream.codec_context.thread_count = 1
        stream.codec_context.thread_type = "NONE"
        yield container, stream


def _index_packets(path: Path) -> _PacketIndex:
    pts: list[int | None] = []
    entries: list[int] = []
    discarded = 0
    whole = True
    with _opened(path) as (container, stream):
        header_frames = stream.frames
        is_h264 = stream.codec_context.name == "h264"
        extradata = stream.codec_context.extradata
        length_size = (extradata[4] & 3) + 1 if extradata and extradata[0] == 1 else None
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if packet.is_keyframe and is_h264 and _is_idr(bytes(packet), length_size=length_size):
                    entries.append(len(pts))
                discarded += packet.is_discard
                whole = whole and not packet.is_corrupt and not packet.has_sidedata("new_extradata")
                pts.append(packet.pts)
        except av.error.FFmpegError:
            whole = False
    known = {value for value in pts if value is not None}
    regular = whole and not discarded and entries[:1] == [0] and len(known) == len(pts) and min(known) == pts[0]
    expected = len(pts) - discarded
    if not discarded and header_frames > expected:
        regular, expected = False, header_frames
    return _PacketIndex(pts=pts, entries=entries, expected=expected, regular=regular)


def _is_idr(packet: bytes, *, length_size: int | None) -> bool:
    """Whether an H.264 access unit is an IDR picture (ITU-T H.264, 7.4.1.2.4): nothing after it refers to anything before it.

    Containers also flag recovery points as key frames, and decoding from those need not give the same bits.
    """
    if length_size is None:  # Annex B: start codes
        types = [packet[match.end()] & 31 for match in re.finditer(rb"\x00\x00\x01(?=.)", packet, re.DOTALL)]
    else:
        types, offset = [], 0
        while offset + length_size < len(packet):
            types.append(packet[offset + length_size] & 31)
            offset += length_size + int.from_bytes(packet[offset : offset + length_size], "big")
    slices = [kind for kind in types if 1 <= kind <= 5]
    return bool(slices) and set(slices) == {5}


def _decode_wanted(path: Path, index: _PacketIndex, *, count: int, short_side: int) -> SampledVideo | None:
    """Decode only what the wanted frames need. Returns None when anything differs from what the packets promised."""
    order = sorted(pts for pts in index.pts if pts is not None)
    wanted = {order[position]: position for position in sample_positions(len(order), count=count)}
    stop_after: dict[int, int] = {}  # entry packet -> last packet to decode from there
    for number, pts in enumerate(index.pts):
        if pts in wanted:
            stop_after[index.entries[bisect_right(index.entries, number) - 1]] = number

    found: dict[int, SampledFrame] = {}
    size = (0, 0)
    last = -1
    with _opened(path) as (container, stream):
        context = stream.codec_context
        try:
            for number, packet in enumerate(container.demux(stream)):
                last = stop_after.get(number, last)
                if number > last:
                    continue
                if packet.pts != index.pts[number]:
                    return None
                context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
                frames = context.decode(packet)
                if number == last:
                    frames += context.decode(None)
                    context.flush_buffers()
                for frame in frames:
                    # A packet of an interlaced video may be half a frame.
                    if frame.is_corrupt or frame.interlaced_frame or frame.pts is None:
                        return None
                    if frame.pts in wanted:
                        position = wanted[frame.pts]
                        image = _upright_rgb(frame)
                        size = image.shape[:2] if position == 0 else size
                        seconds = float(frame.pts * stream.time_base)
                        found[position] = SampledFrame(position, seconds, _resize(image, short_side=short_side))
                if len(found) == len(wanted):
                    break
        except av.error.FFmpegError:
            return None
    if len(found) != len(wanted):
        return None
    kept = [found[position] for position in sorted(found)]
    return SampledVideo(kept, source_frames=len(order), width=size[1], height=size[0], note="")


def _decode_all(path: Path, index: _PacketIndex, *, count: int, short_side: int) -> SampledVideo:
    """The reference. One pass if as many frames decode as there are packets, else a second pass with the true number.

    A decoding error ends the video there.
    """
    expected = sample_positions(len(index.pts), count=count)
    video, error = _decode_positions(path, expected, short_side=short_side)
    if video.source_frames == 0:
        raise VideoError(f"no frame decodes: {error or 'the video stream is empty'}")
    positions = sample_positions(video.source_frames, count=count)
    if positions != expected:
        total = video.source_frames
        video, error = _decode_positions(path, positions, short_side=short_side)
        assert video.source_frames == total, f"{path}: two decodes differ"
    notes = [video.note] if video.note else []
    if error or video.source_frames < index.expected:
        cause = "truncated" if error else "incomplete"
        notes.insert(0, f"{cause}: {video.source_frames} of {max(index.expected, video.source_frames)} frames decode")
    return replace(video, note="; ".join(notes))


def _decode_positions(path: Path, positions: list[int], *, short_side: int) -> tuple[SampledVideo, str]:
    """Decode everything and keep the frames at `positions` that exist. The text is the error that ended the decode, if any.

    Only wanted frames are kept, so memory does not grow with the video.
    """
    wanted = set(positions)
    kept: list[SampledFrame] = []
    size = (0, 0)
    total = damaged = 0
    ended_by = ""
    with _opened(path) as (container, stream):
        rate = stream.average_rate
        try:
            for frame in container.decode(stream):
                if total in wanted:
                    if frame.pts is None and not rate:
                        raise VideoError("neither timestamps nor a frame rate")
                    seconds = float(total / rate) if frame.pts is None else float(frame.pts * stream.time_base)
                    image = _upright_rgb(frame)
                    size = image.shape[:2] if total == 0 else size
                    kept.append(SampledFrame(total, seconds, _resize(image, short_side=short_side)))
                damaged += frame.is_corrupt
                total += 1
        except av.error.FFmpegError as error:
            ended_by = error.strerror
    note = f"{damaged} of {total} frames are damaged" if damaged else ""
    return SampledVideo(kept, source_frames=total, width=size[1], height=size[0], note=note), ended_by


def _upright_rgb(frame: Any) -> NDArray[np.uint8]:
    """The frame as RGB, turned and mirrored as its display matrix says (right angles only)."""
    image: NDArray[np.uint8] = frame.to_ndarray(format="rgb24", threads=1)
    matrices = [data for data in frame.side_data if data.type == SideDataType.DISPLAYMATRIX]
    if not matrices:
        return image
    # FFmpeg, libavutil/display.h: x' = a x + c y, y' = b x + d y, nine native-endian 16.16 integers (a, b, u, c, d, v, ...).
    a, b, _, c, d = np.frombuffer(bytes(matrices[0]), dtype=np.int32)[:5]
    if a == d == 0:
        image = image.transpose(1, 0, 2)
        a, d = c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)


def _resize(image: NDArray[np.uint8], *, short_side: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = short_side / min(height, width)
    size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
    if size == (width, height):
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
