"""The reference: every frame of a video, decoded one packet after the other, of which some are kept.

A packet that does not decode is counted, and the next one is tried, as FFmpeg's own program does.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.frames.opening import Deadline, VideoError, opened, read_packets
from pipeline.frames.pictures import PictureMaker, is_likely, pixel_aspect


@dataclass(frozen=True, eq=False)
class SampledFrame:
    """`frame_index` counts decoded frames from 0. `pts_seconds` is the container's timestamp, or as the video's note says.

    `image` is RGB uint8 [height, width, 3], upright, with square pixels.
    """

    frame_index: int
    pts_seconds: float
    image: NDArray[np.uint8]


class DecodedFrames:
    """What is known of the frames that were decoded, and those that were kept."""

    def __init__(self, short_side: int) -> None:
        self.kept: list[SampledFrame] = []
        self.size = (0, 0)  # width and height of the first frame, as displayed
        self.changes: list[str] = []  # what was done to kept pictures
        self.total = 0
        self.damaged = 0
        self.bad_packets = 0
        self.unlikely = 0  # left out for their size
        self.error = ""  # the latest
        self.untimed = ""  # why the timestamps cannot be used
        self._short_side = short_side
        self._maker: PictureMaker | None = None
        self._latest: int | None = None

    def see(self, frame: Any, stream: Any) -> None:
        """Take note of a frame, in the order in which the decoder gives them."""
        self.total += 1
        self.damaged += frame.is_corrupt
        if self._maker is None:  # by the first frame, which both ways of decoding see first
            self._maker = PictureMaker(aspect=pixel_aspect(stream), short_side=self._short_side)
        if frame.pts is None:
            self.untimed = "are missing"
        elif self._latest is not None and frame.pts < self._latest:
            self.untimed = self.untimed or "fall"
        self._latest = frame.pts if frame.pts is not None else self._latest

    def keep(self, position: int, frame: Any, stream: Any, *, before: Any | None = None, after: Any | None = None) -> None:
        """Keep a frame that was seen as the one at `position`."""
        assert self._maker, "a frame is seen before it is kept"
        picture = self._maker.make(frame, before=before, after=after)
        if position == 0:
            self.size = picture.size
        self.changes += [change for change in picture.changes if change not in self.changes]
        seconds = float("nan") if frame.pts is None else float(frame.pts * stream.time_base)
        self.kept.append(SampledFrame(position, seconds, picture.image))

    def go_on(self, later: "DecodedFrames") -> bool:
        """Add what comes after it; whether that was all as it would have been if one had seen the other's frames, too."""
        if self._maker is None or later._maker is None or later._maker.aspect != self._maker.aspect:
            return False
        if self._latest is None or later._latest is None or later._latest < self._latest:
            return False
        self.total += later.total
        self.changes += [change for change in later.changes if change not in self.changes]
        self.kept += later.kept
        self._latest = later._latest
        return True

    def count_time(self, rate: Fraction | None) -> None:
        """Without usable timestamps every time is the frame's number over the rate; the two are never mixed."""
        if not self.untimed:
            return
        if not rate:
            raise VideoError(f"timestamps {self.untimed}, and there is no frame rate")
        self.kept = [replace(frame, pts_seconds=float(frame.frame_index / rate)) for frame in self.kept]


def decode_in_sequence(
    path: Path, positions: Collection[int], deadline: Deadline, *, short_side: int, limit: int | None = None
) -> DecodedFrames:
    """Decode everything, or the first `limit` frames, and keep the frames at `positions` that exist.

    Only wanted frames are kept, so memory does not grow with the video.
    """
    wanted = set(positions)
    decoded = DecodedFrames(short_side)
    with opened(path) as (container, stream):
        frames = islice(_likely(_frames(container, stream, deadline, decoded), decoded), limit)
        for number, (before, frame, after) in enumerate(_with_neighbours(frames)):
            decoded.see(frame, stream)
            if number in wanted:
                decoded.keep(number, frame, stream, before=before, after=after)
        decoded.count_time(stream.average_rate or stream.guessed_rate)
    return decoded


def _frames(container: Any, stream: Any, deadline: Deadline, decoded: DecodedFrames) -> Iterator[Any]:
    for packet in chain(read_packets(container, [stream], deadline, []), [None]):  # None asks for what the decoder still holds
        try:
            frames = stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            decoded.bad_packets += 1
            decoded.error = error.strerror
            continue
        yield from frames


def _likely(frames: Iterator[Any], decoded: DecodedFrames) -> Iterator[Any]:
    """Leave out frames that a damaged header explains: of another size than the first, and of one that no picture is taken in."""
    first = (0, 0)
    for number, frame in enumerate(frames):
        size = (frame.width, frame.height)
        first = first if number else size
        if size != first and not is_likely(*size):
            decoded.unlikely += 1
            continue
        yield frame


def _with_neighbours(frames: Iterator[Any]) -> Iterator[tuple[Any | None, Any, Any | None]]:
    """Each frame with the one before it and the one after it."""
    before = frame = None
    for after in chain(frames, [None]):
        if frame is not None:
            yield before, frame, after
        before, frame = frame, after
