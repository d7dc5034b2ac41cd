"""What the packets of a video say before any is decoded: how many frames to expect, where decoding can start, what is missing.

Reading all packets costs little beside decoding. The headers of H.264 pictures say in which order they are shown: timestamps are
believed only if they say the same. They do not where a file has the times of decoding in their place, as many an AVI does.
FFmpeg's own reader of headers, in one of its bitstream filters, tells whether any is damaged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

from pipeline.frames.h264 import Headers, Unreadable
from pipeline.frames.opening import opened

_SLACK = (0.5, 0.01)  # seconds, and share of the whole, by which a header may be wrong about the end


@dataclass(frozen=True)
class PacketIndex:
    """Packets of the film in decoding order. `kind`: container and codec."""

    kind: str
    pts: list[int | None]
    entries: list[int]  # packets from which decoding can start afresh
    expected: int  # frames to expect
    regular: bool  # one packet is one frame, the timestamps give the order, and a key frame resets the decoder
    missing: str  # says so if the file ends before its header says


def index_packets(path: Path, *, check: Callable[[], None]) -> PacketIndex:
    """Read all packets. `check` is called for each, and may raise."""
    read = _Read()
    with opened(path, all_streams=True) as (container, stream):
        kind = f"{container.format.name.partition(',')[0]}, {stream.codec_context.name}"
        header_frames = stream.frames
        order = _Order(stream) if stream.codec_context.name == "h264" else None
        try:
            for packet in container.demux():
                check()
                if packet.size:
                    read.end(packet)
                    if packet.stream is stream:
                        read.film(packet, order)
        except av.error.FFmpegError:
            read.whole = False
        missing = _missing(container, stream, read)
    pts, discarded = read.pts, read.discarded
    known = {value for value in pts if value is not None}
    regular = (
        order is not None and bool(known) and order.is_that_of(pts) and len(known) == len(pts) and min(known) == pts[0]
        and read.whole and not discarded and read.entries[:1] == [0]
    )  # fmt: skip
    expected = len(pts) - discarded
    if not discarded and header_frames > expected:
        regular, expected = False, header_frames
    return PacketIndex(kind=kind, pts=pts, entries=read.entries, expected=expected, regular=regular, missing=missing)


@dataclass
class _Read:
    pts: list[int | None] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    discarded: int = 0
    whole: bool = True
    ends: dict[int, float] = field(default_factory=dict)  # seconds at which the last packet of each stream ends

    def end(self, packet: Any) -> None:
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None and packet.time_base is not None:
            end = float((stamp + (packet.duration or 0)) * packet.time_base)
            self.ends[packet.stream_index] = max(end, self.ends.get(packet.stream_index, end))

    def film(self, packet: Any, order: "_Order | None") -> None:
        self.discarded += packet.is_discard
        self.whole = self.whole and not packet.is_corrupt and not packet.has_sidedata("new_extradata")
        self.pts.append(packet.pts)
        is_key = packet.is_keyframe
        if order is not None and order.add(packet) and is_key:
            self.entries.append(len(self.pts) - 1)


class _Order:
    """The order in which pictures are shown, as H.264 says it."""

    def __init__(self, stream: Any) -> None:
        self._places: list[tuple[int, int]] = []  # of each picture: the number of IDR pictures so far, and its order after that
        self._resets = 0
        try:
            self._headers: Headers | None = Headers(stream.codec_context.extradata)
            self._checked = BitStreamFilterContext("h264_metadata", stream)
        except (Unreadable, IndexError, av.error.FFmpegError):
            self._headers = None

    def add(self, packet: Any) -> bool:
        """Read the next packet; returns whether it is an IDR picture, so that nothing after it refers to anything before it. The
        packet is empty afterwards.

        Containers also flag recovery points as key frames, and decoding from those need not give the same bits.
        """
        if self._headers is None:
            return False
        try:
            picture = self._headers.read(bytes(packet))
            self._checked.filter(packet)
        except (Unreadable, av.error.FFmpegError):
            self._headers = None
            return False
        self._resets += picture.is_idr
        self._places.append((self._resets, picture.order))
        return picture.is_idr

    def is_that_of(self, pts: Sequence[int | None]) -> bool:
        """Whether the timestamps of all packets put the pictures into this order. Not if a header could not be read."""
        known = [stamp for stamp in pts if stamp is not None]
        if self._headers is None or len(known) < len(pts):
            return False
        numbers = range(len(known))
        return sorted(numbers, key=lambda number: known[number]) == sorted(numbers, key=lambda number: self._places[number])


def _missing(container: Any, stream: Any, read: _Read) -> str:
    """Says so if the packets end before the stream, or the longest stream before the file, as the headers have them."""
    if stream.index not in read.ends:
        return ""
    shown = sorted(float(value * stream.time_base) for value in read.pts if value is not None)
    longest_frame = max((b - a for a, b in pairwise(shown)), default=0.0)  # not every container says how long the last one is
    told = []
    if stream.duration is not None:
        told.append(
            (read.ends[stream.index], float((stream.start_time or 0) * stream.time_base + stream.duration * stream.time_base))
        )
    if container.duration is not None:
        told.append((max(read.ends.values()), ((container.start_time or 0) + container.duration) / av.time_base))
    for end, claimed in told:
        if claimed - end > max(_SLACK[0], _SLACK[1] * claimed, 1.5 * longest_frame):
            return f"cut short: it ends at {end:.1f} s, and its header says {claimed:.1f} s"
    return ""
