"""From a decoded frame to the picture that a viewer sees: colours, square pixels, upright, small.

Shapes: H height and W width, in pixels.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray
from PIL import Image

from pipeline.frames.opening import VideoError

Picture = NDArray[np.uint8]

_WIDEST_PIXEL = 10  # a pixel that is told to be longer is a slip of a header
_LONGEST = 32  # times the short side; anything longer is no film, and could fill the memory
_MOST_PIXELS = 1 << 27  # of a frame as it is decoded: 16 k by 8 k
_HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics (ITU-T H.273, table 3)


@dataclass(frozen=True)
class Shape:
    """How the frames of a stream become pictures. `pixel`: the width of a pixel over its height."""

    pixel: Fraction
    short_side: int
    note: str = ""


def shape_of(stream: Any, *, short_side: int) -> Shape:
    """What the stream says of its pixels; a ratio that no camera has is left out, with a note."""
    ratio = stream.sample_aspect_ratio
    if ratio is None or ratio <= 0:
        return Shape(Fraction(1), short_side)
    ratio = Fraction(ratio)
    if not Fraction(1, _WIDEST_PIXEL) <= ratio <= _WIDEST_PIXEL:
        told = f"pixels of {ratio.numerator}:{ratio.denominator} are taken for square"
        return Shape(Fraction(1), short_side, told)
    return Shape(ratio, short_side)


def display_size(frame: Any, shape: Shape) -> tuple[int, int]:
    """Width and height at which a player shows a frame: square pixels, upright."""
    width, height = max(1, round(frame.width * shape.pixel)), frame.height
    a, b, c, d = _matrix(frame)
    return (height, width) if a == d == 0 and b and c else (width, height)


def picture_of(frame: Any, shape: Shape) -> Picture:
    """RGB uint8 [H, W, 3] with square pixels, upright, the short side `shape.short_side` pixels long.

    Raises `VideoError` for a frame that is too large, or too long and narrow, before memory is taken for it.
    """
    width, height = display_size(frame, shape)
    scale = shape.short_side / min(width, height)
    if max(width, height) > _LONGEST * min(width, height) or frame.width * frame.height > _MOST_PIXELS:
        raise VideoError(f"{width} x {height} pixels: no film has such a shape")
    target = (max(shape.short_side, round(width * scale)), max(shape.short_side, round(height * scale)))
    image = _upright(_rgb(frame), _matrix(frame))
    if target == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(Image.fromarray(image).resize(target, Image.Resampling.BICUBIC))


def dynamic_range(frame: Any) -> str:
    """PQ or HLG for a frame with a high dynamic range, empty for all others."""
    return _HDR.get(int(frame.color_trc), "")


class Deinterlacer:
    """FFmpeg's filter `bwdif`: as many frames come out as go in, a little later; frames that are whole come out as they are."""

    def __init__(self, stream: Any) -> None:
        self._graph = Graph()
        source = self._graph.add_buffer(template=stream, time_base=Fraction(1, 1000))
        bwdif, sink = self._graph.add("bwdif", "mode=send_frame:deint=interlaced"), self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()
        self._number = 0

    def push(self, frame: Any | None) -> list[Any]:
        """Frames that are ready. None, after the last one, brings the rest."""
        if frame is not None:
            frame.pts, frame.time_base = self._number, Fraction(1, 1000)
            self._number += 1
        self._graph.push(frame)
        ready = []
        while True:
            try:
                ready.append(self._graph.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return ready


def _rgb(frame: Any) -> Picture:
    if not dynamic_range(frame):
        image: Picture = frame.to_ndarray(format="rgb24", threads=1)
        return image
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format.name, time_base=Fraction(1, 1000))
    mapped = graph.add("scale", "out_transfer=bt709:out_primaries=bt709:intent=perceptual")
    packed, sink = graph.add("format", "rgb24"), graph.add("buffersink")
    source.link_to(mapped)
    mapped.link_to(packed)
    packed.link_to(sink)
    graph.configure()
    graph.push(frame)
    toned: Any = graph.pull()
    pixels: Picture = toned.to_ndarray()
    return pixels


def _matrix(frame: Any) -> tuple[int, int, int, int]:
    """a, b, c, d of the display matrix: x' = a x + c y, y' = b x + d y, up to a common factor (FFmpeg, libavutil/display.h)."""
    try:
        found = [data for data in frame.side_data if data.type == SideDataType.DISPLAYMATRIX]
    except ValueError:  # side data of a kind that PyAV has no name for keeps it from giving any; of the matrix it knows the angle
        quarter = round(frame.rotation / 90) % 4  # anticlockwise
        return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[quarter]
    if not found:
        return 1, 0, 0, 1
    # Nine native-endian 16.16 integers (a, b, u, c, d, v, ...).
    a, b, _, c, d = np.frombuffer(bytes(found[0]), dtype=np.int32)[:5].tolist()
    return a, b, c, d


def _upright(image: Picture, matrix: tuple[int, int, int, int]) -> Picture:
    """Turned and mirrored; right angles only."""
    a, b, c, d = matrix
    if a == d == 0 and b and c:
        image = image.transpose(1, 0, 2)
        a, d = c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)
