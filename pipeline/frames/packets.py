"""What the packets of a video say before any is decoded: the order of its frames, where decoding can start, what is missing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline.frames.h264 import CodedOrder
from pipeline.frames.opening import Deadline, opened, opened_container, read_packets

# These say in a header how long they are. The others are measured by their last packet, so nothing can be compared.
_WITH_DURATION = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "asf"}
_TOLERANCE_SECONDS = 0.5
_HELD_BYTES = 64_000_000


@dataclass(frozen=True)
class PacketIndex:
    """The packets in decoding order. `notes` says what is missing; it is empty when nothing is."""

    pts: list[int | None]
    order: CodedOrder | None  # only where one packet is one frame, and the timestamps give the order that the codec says
    expected: int  # frames to expect
    kind: str  # container and codec
    notes: list[str]
    held: list[Any]  # the packets themselves, so that they are not read again; none where they are many bytes


def index_packets(path: Path, deadline: Deadline) -> PacketIndex:
    """Read all packets of the video, which costs little. Raises `VideoError` when it does not open."""
    pts: list[int | None] = []
    span = _Span()
    held: list[Any] = []
    size = discarded = 0
    whole = True
    broken: list[str] = []
    with opened(path) as (container, stream):
        header_frames = stream.frames
        context = stream.codec_context
        order = CodedOrder(context.extradata) if context.name == "h264" else None
        kind = f"{container.format.name}/{context.name}"
        for packet in read_packets(container, [stream], deadline, broken):
            if order:
                order.add(bytes(packet))
                size += packet.size
                if size <= _HELD_BYTES:
                    held.append(packet)
            discarded += packet.is_discard
            whole = whole and not packet.is_corrupt and not packet.has_sidedata("new_extradata")
            pts.append(packet.pts)
            span.add(packet)
        notes = [f"reading ends early: {broken[0]}"] if broken else []
        if container.format.name in _WITH_DURATION and not broken:
            notes += _cut_short(path, container, stream, span, deadline)
    regular = whole and not broken and not discarded and None not in pts
    regular = regular and order is not None and order.simple and _ranks(pts) == _ranks(order.shown) is not None
    expected = len(pts) - discarded
    if not discarded and header_frames > expected:
        regular, expected = False, header_frames
    return PacketIndex(
        pts, order if regular else None, expected=expected, kind=kind, notes=notes, held=held if size <= _HELD_BYTES else []
    )


def _ranks(values: Sequence[Any]) -> list[int] | None:
    """Which place each value takes when they are sorted; None when two are the same."""
    places = {value: place for place, value in enumerate(sorted(set(values)))}
    return [places[value] for value in values] if len(places) == len(values) else None


class _Span:
    """From the first to the end of the last packet, and the longest distance between two, in the stream's time base."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._end = 0

    def add(self, packet: Any) -> None:
        time = packet.dts if packet.pts is None else packet.pts
        if time is not None:
            self._end = time + (packet.duration or 0) if not self._times else max(self._end, time + (packet.duration or 0))
            self._times.append(time)

    def seconds(self, time_base: Fraction) -> tuple[float, float]:
        times = sorted(self._times)
        longest = max((later - earlier for earlier, later in pairwise(times)), default=0)
        return float((self._end - times[0]) * time_base), float(longest * time_base)


def _cut_short(path: Path, container: Any, stream: Any, span: _Span, deadline: Deadline) -> list[str]:
    """A note when the packets end before the header says: the file is a part of one, most often of a download."""
    if not span._times:
        return []
    length, longest = span.seconds(stream.time_base)
    tolerance = _TOLERANCE_SECONDS + longest
    promised = _stream_seconds(stream)
    if promised is None and container.duration is not None:
        promised = container.duration / 1e6
        if promised - length > tolerance:  # sound or subtitles may last longer than the pictures
            length = max(length, _longest_stream_seconds(path, deadline))
    if promised is None or promised - length <= tolerance:
        return []
    return [f"cut short: packets end after {length:.1f} of {promised:.1f} s"]


def _stream_seconds(stream: Any) -> float | None:
    """How long the header says that the stream is; Matroska keeps it as a tag `hours:minutes:seconds`."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    tagged = re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)\0*", stream.metadata.get("DURATION", ""))
    return int(tagged[1]) * 3600 + int(tagged[2]) * 60 + float(tagged[3]) if tagged else None


def _longest_stream_seconds(path: Path, deadline: Deadline) -> float:
    """From the first packet to the end of the last, whichever streams they belong to."""
    spans: dict[int, tuple[_Span, Fraction]] = {}
    with opened_container(path) as container:
        for packet in read_packets(container, container.streams, deadline, []):
            span, _ = spans.setdefault(packet.stream_index, (_Span(), packet.time_base))
            span.add(packet)
    return max((span.seconds(time_base)[0] for span, time_base in spans.values() if span._times), default=0.0)
