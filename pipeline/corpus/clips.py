"""Clips of a video joined to one file, their packets as they are: nothing is decoded, and nothing lost."""

from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from pipeline.base.files import replacing

Segments = list[tuple[float, float]]  # start and end of each clip, in seconds


def join_clips(clips: Sequence[Path], out: Path) -> Segments:
    """Write film and sound of `clips`, one after another, to `out`; returns where each lies in it.

    Sound is left out unless every clip has it. Raises `ValueError` if a clip cannot be read, hides frames, or does not fit the
    first.
    """
    try:
        with ExitStack() as opened, replacing(out) as temporary:
            sources = [opened.enter_context(av.open(str(clip))) for clip in clips]
            target = opened.enter_context(av.open(str(temporary), "w"))
            streams = [_streams(source) for source in sources]
            kinds = [kind for kind in ("video", "audio") if all(kind in found for found in streams)]
            if "video" not in kinds:
                raise ValueError("one of its clips has no film")
            for kind in kinds:
                if len({_form(found[kind]) for found in streams}) > 1:
                    raise ValueError(f"its clips differ in the form of their {kind}")
            written = {kind: target.add_stream_from_template(streams[0][kind]) for kind in kinds}
            segments: Segments = []
            after = _After()
            for source, found in zip(sources, streams, strict=True):
                segments.append(after.append(source, {kind: found[kind] for kind in kinds}, target, written))
            target.close()  # what it still holds is part of the file that is renamed
            return segments
    except FFmpegError as error:
        raise ValueError(f"its clips cannot be joined ({type(error).__name__}: {str(error)[:200]})") from error


class _After:
    """Where the next clip begins: no packet comes before one of the last clip, in either order."""

    def __init__(self) -> None:
        self._shown = Fraction(0)  # when all that was written has been shown
        self._decoded: dict[str, Fraction] = {}  # by kind, when the last packet was decoded

    def append(self, source: Any, streams: dict[str, Any], target: Any, written: dict[str, Any]) -> tuple[float, float]:
        packets = [packet for packet in source.demux(list(streams.values())) if packet.dts is not None and packet.pts is not None]
        film = [packet for packet in packets if packet.stream.type == "video"]
        if not film:
            raise ValueError("one of its clips is empty")
        # Its file says so in a list that packets do not carry along: joined, they would be shown, and every later place be wrong.
        if hidden := sum(packet.is_discard or packet.pts < 0 for packet in film):
            raise ValueError(f"one of its clips hides {hidden} of its {len(film)} frames, as `ffmpeg -ss ... -c copy` cuts them")
        start = min(packet.pts * packet.time_base for packet in packets)
        begin = self._shown
        for kind in streams:
            first = next((packet.dts * packet.time_base for packet in packets if packet.stream.type == kind), None)
            if first is not None and kind in self._decoded:
                begin = max(begin, self._decoded[kind] - (first - start))
        end = begin
        for packet in packets:
            kind, base, length = packet.stream.type, packet.time_base, packet.duration or 0
            moved = round((begin - start) / base)
            packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
            end = max(end, (packet.pts + length) * base)
            self._decoded[kind] = (packet.dts + max(length, 1)) * base
            packet.stream = written[kind]
            target.mux(packet)
        self._shown = end
        return float(begin), float(end)


def _streams(source: Any) -> dict[str, Any]:
    return {kind: found[0] for kind in ("video", "audio") if (found := getattr(source.streams, kind))}


def _form(stream: Any) -> tuple[Any, ...]:
    """What must be the same for packets of one stream to follow those of another."""
    codec = stream.codec_context
    names = ("width", "height") if stream.type == "video" else ("sample_rate", "layout")
    return (codec.name, bytes(codec.extradata or b""), *(str(getattr(codec, name)) for name in names))
