"""Frame-exact sampling: the frames that decoding the whole video would give, without decoding the whole video.

The reference is a full sequential decode, packet by packet, that goes on after an error: n frames in the order in which they are
shown, of which `count` evenly spaced ones are kept. The shortcut first reads all packets (`pipeline.frames.packets`). It then
decodes only from the key frame before a wanted frame to that frame, and skips frames that no other frame refers to. It is taken
only where one packet is one frame and a key frame resets the decoder (H.264 with IDR frames, timestamps complete, unique and in
the codec's own order, headers without damage); anything else is decoded from end to end. Both ways give the same bits. Each video
gets one thread: processes over videos use the cores better.

Damage inside a picture that nothing wanted depends on is not looked for by the shortcut; it changes no picture that is kept.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.frames.opening import VideoError, check_file, opened
from pipeline.frames.packets import PacketIndex, index_packets
from pipeline.frames.picture import Deinterlacer, display_size, dynamic_range, picture_of, shape_of
from pipeline.frames.timestamps import in_seconds

# A video may take five minutes and a minute for every six megabytes: far more than any that decodes.
_SECONDS, _SECONDS_PER_BYTE = 300.0, 1e-5


@dataclass(frozen=True, eq=False)
class SampledFrame:
    """`frame_index` counts decoded frames from 0, `pts_seconds` is the container's timestamp.

    `image` is RGB uint8 [height, width, 3] with square pixels.
    """

    frame_index: int
    pts_seconds: float
    image: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SampledVideo:
    """`width` and `height` are those at which a player shows the video. `note` is empty unless something was amiss."""

    frames: list[SampledFrame]
    source_frames: int
    width: int
    height: int
    note: str
    short_cut: bool = False  # whether only a part of it was decoded
    kind: str = ""  # container and codec


def sample_video(path: Path, *, count: int, short_side: int, whole: bool = False) -> SampledVideo:
    """Keep `count` evenly spaced frames (or all, if fewer), upright, with the short side resized to `short_side` pixels.

    With `whole`, the whole video is decoded. Raises `VideoError` with the reason when the file gives no frame, or takes so long
    that something must be wrong with it.
    """
    check_file(path)
    check = _deadline(path)
    index = index_packets(path, check=check)
    video = None
    if index.regular and not whole:
        video = _decode_wanted(path, index, count=count, short_side=short_side, check=check)
    video = video or _decode_all(path, index, count=count, short_side=short_side, check=check)
    notes = [index.missing, video.note]
    return replace(video, note="; ".join(note for note in notes if note), kind=index.kind)


def sample_positions(total: int, *, count: int) -> list[int]:
    """Evenly spaced positions in `total` frames, including the first and the last; all positions if `total` <= `count`."""
    if total <= count:
        return list(range(total))
    positions: list[int] = np.linspace(0, total - 1, count).astype(int).tolist()
    return positions


def _decode_wanted(
    path: Path, index: PacketIndex, *, count: int, short_side: int, check: Callable[[], None]
) -> SampledVideo | None:
    """Decode only what the wanted frames need. Returns None when anything differs from what the packets promised."""
    order = sorted(pts for pts in index.pts if pts is not None)
    wanted = {order[position]: position for position in sample_positions(len(order), count=count)}
    stop_after: dict[int, int] = {}  # entry packet -> last packet to decode from there
    for number, pts in enumerate(index.pts):
        if pts in wanted:
            stop_after[index.entries[bisect_right(index.entries, number) - 1]] = number

    found: dict[int, SampledFrame] = {}
    size, notes = (0, 0), dict.fromkeys([""])
    last = -1
    latest: int | None = None  # the timestamp of the frame that came out last
    with opened(path) as (container, stream):
        context, shape = stream.codec_context, shape_of(stream, short_side=short_side)
        context.options = {"err_detect": "+bitstream+buffer+explode"}  # damage is an error here, and not concealed
        notes[shape.note] = None
        try:
            for number, packet in enumerate(container.demux(stream)):
                check()
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
                    # A packet of an interlaced video may be half a frame. Pictures come out as their timestamps rise.
                    if frame.is_corrupt or frame.interlaced_frame or frame.pts is None:
                        return None
                    if latest is not None and frame.pts <= latest:
                        return None
                    latest = frame.pts
                    if frame.pts in wanted:
                        position = wanted[frame.pts]
                        size = display_size(frame, shape) if position == 0 else size
                        notes[_tone_mapped(frame)] = None
                        seconds = float(frame.pts * stream.time_base)
                        found[position] = SampledFrame(position, seconds, picture_of(frame, shape))
                if len(found) == len(wanted):
                    break
        except av.error.FFmpegError:
            return None
    if len(found) != len(wanted):
        return None
    kept = [found[position] for position in sorted(found)]
    note = "; ".join(filter(None, notes))
    return SampledVideo(kept, source_frames=len(order), width=size[0], height=size[1], note=note, short_cut=True)


@dataclass
class _Pass:
    """What a decode from end to end gave. `stamps` are those of all frames, `pictures` those of the wanted ones."""

    stamps: list[int | None] = field(default_factory=list)
    pictures: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    damaged: int = 0
    interlaced: int = 0
    bad_packets: int = 0
    error: str = ""  # the last one
    cut: bool = False  # whether reading the file ended with an error
    notes: dict[str, None] = field(default_factory=dict)
    rate: Any = None
    time_base: Any = None


def _decode_all(path: Path, index: PacketIndex, *, count: int, short_side: int, check: Callable[[], None]) -> SampledVideo:
    """The reference. One pass if as many frames decode as there are packets, else a second pass with the true number."""
    expected = sample_positions(len(index.pts), count=count)
    done = _decode_positions(path, set(expected), short_side=short_side, deinterlace=False, check=check)
    total = len(done.stamps)
    if not total:
        raise VideoError(f"no frame decodes: {done.error or 'the video stream is empty'}")
    positions = sample_positions(total, count=count)
    if positions != expected or done.interlaced:
        done = _decode_positions(path, set(positions), short_side=short_side, deinterlace=bool(done.interlaced), check=check)
        assert len(done.stamps) == total, f"{path}: two decodes differ"
    seconds, told = in_seconds(done.stamps, rate=done.rate, time_base=done.time_base)
    notes = [_lost(done, total, index), told, *done.notes]
    if done.damaged:
        notes.append(f"{done.damaged} of {total} frames are damaged")
    if done.interlaced:
        notes.append(f"{done.interlaced} of {total} frames are interlaced, and were deinterlaced")
    frames = [SampledFrame(position, seconds[position], done.pictures[position]) for position in positions]
    width, height = done.size
    note = "; ".join(note for note in notes if note)
    return SampledVideo(frames, source_frames=total, width=width, height=height, note=note)


def _lost(done: _Pass, total: int, index: PacketIndex) -> str:
    """What is said of frames that are missing."""
    causes = ["truncated"] if done.cut else []
    if done.bad_packets:
        causes.append(f"{done.bad_packets} damaged packet{'s' if done.bad_packets > 1 else ''}")
    if not causes and total < index.expected:
        causes.append("incomplete")
    return f"{' and '.join(causes)}: {total} of {max(index.expected, total)} frames decode" if causes else ""


def _decode_positions(path: Path, wanted: set[int], *, short_side: int, deinterlace: bool, check: Callable[[], None]) -> _Pass:
    """Decode everything and keep the pictures at the positions that are `wanted`, so that memory does not grow with the video."""
    done = _Pass()
    with opened(path) as (container, stream):
        done.rate, done.time_base = stream.average_rate, stream.time_base
        shape = shape_of(stream, short_side=short_side)
        done.notes[shape.note] = None
        deinterlacer = Deinterlacer(stream) if deinterlace else None
        shown = 0

        def keep(frames: list[Any]) -> None:
            nonlocal shown
            for frame in frames:
                if shown == 0:
                    done.size = display_size(frame, shape)
                if shown in wanted:
                    done.notes[_tone_mapped(frame)] = None
                    done.pictures[shown] = picture_of(frame, shape)
                shown += 1

        for frame in _frames(container, stream, done, check):
            done.stamps.append(frame.pts)
            done.damaged += frame.is_corrupt
            done.interlaced += frame.interlaced_frame
            keep([frame] if deinterlacer is None else deinterlacer.push(frame))
        if deinterlacer is not None and done.stamps:
            keep(deinterlacer.push(None))
    return done


def _frames(container: Any, stream: Any, done: _Pass, check: Callable[[], None]) -> Iterator[Any]:
    """All frames that decode, in the order in which they are shown. A packet that does not decode is counted."""
    for packet in _packets(container, stream, done):
        check()
        try:
            yield from stream.codec_context.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            done.error = error.strerror
            done.bad_packets += 1


def _packets(container: Any, stream: Any, done: _Pass) -> Iterator[Any]:
    """All packets with content, then None, which asks the decoder for what it holds back."""
    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except av.error.FFmpegError as error:
        done.error, done.cut = error.strerror, True
    yield None


def _tone_mapped(frame: Any) -> str:
    kind = dynamic_range(frame)
    return f"high dynamic range ({kind}), mapped to BT.709" if kind else ""


def _deadline(path: Path) -> Callable[[], None]:
    """Raises `VideoError` when the file has taken far longer than any of its size should; only then does a clock matter."""
    allowed = _SECONDS + _SECONDS_PER_BYTE * path.stat().st_size
    end = time.monotonic() + allowed

    def check() -> None:
        if time.monotonic() > end:
            raise VideoError(f"decoding takes longer than {allowed:.0f} seconds")

    return check
