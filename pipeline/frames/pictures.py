"""From a decoded frame to a picture: upright, with square pixels, without combs, in the colours of a normal screen.

Order: fields are joined and colours mapped on the frame as it was coded. Then it becomes RGB, is turned as its display matrix
says, and one resize gives it square pixels and its size.
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

from pipeline.frames.opening import VideoError, check_size

# Anamorphic film has 2, half-height capture 3. Beyond that a header is wrong more often than a picture is that odd.
_MAX_PIXEL_ASPECT = 5
_MAX_ASPECT = 16  # the long side over the short one: what is longer would fill the memory once its short side is resized
_HDR = {16: "PQ", 18: "HLG"}  # ITU-T H.273, transfer characteristics
_TONE_MAP = "scale=out_transfer=bt709:out_primaries=bt709:out_color_matrix=bt709:out_range=tv:intent=perceptual"
_SIDE_DATA_TYPES = 64  # more than FFmpeg has


@dataclass(frozen=True, eq=False)
class Picture:
    """`image` is RGB uint8 [height, width, 3]. `size` is the source's width and height in square pixels, upright."""

    image: NDArray[np.uint8]
    size: tuple[int, int]
    changes: tuple[str, ...]  # what was done to its contents, for a note


def pixel_aspect(stream: Any) -> Fraction:
    """Width over height of a coded pixel, by the container or else by the codec; 1 when nothing is said."""
    aspect = stream.sample_aspect_ratio
    if not aspect or aspect == 1:
        aspect = stream.codec_context.sample_aspect_ratio
    return Fraction(aspect) if aspect and aspect > 0 else Fraction(1)


def is_likely(width: int, height: int) -> bool:
    """Whether a picture of square pixels of this size would be taken."""
    try:
        check_size(width, height)
    except VideoError:
        return False
    return max(width, height) <= _MAX_ASPECT * min(width, height)


class PictureMaker:
    """Makes the pictures of one video. `aspect` is that of `pixel_aspect`; every short side is `short_side` pixels long."""

    def __init__(self, *, aspect: Fraction, short_side: int) -> None:
        self._believed = Fraction(1, _MAX_PIXEL_ASPECT) <= aspect <= _MAX_PIXEL_ASPECT
        self.aspect = aspect
        self._short_side = short_side
        self._tone_mapper: tuple[Any, Any] | None = None  # format of its frames, and the filters: they take seconds to set up

    def make(self, frame: Any, *, before: Any | None = None, after: Any | None = None) -> Picture:
        """The frame as it should be seen. The frames `before` and `after` it are needed where it is interlaced.

        Raises `VideoError` when it is too large, or too long for its width.
        """
        check_size(frame.width, frame.height)
        changes = []
        if not self._believed:
            changes.append(f"pixels of {self.aspect.numerator}:{self.aspect.denominator} are not believed and taken as square")
        matrix = _display_matrix(frame)
        square = self.aspect == 1 or not self._believed
        width, height = frame.width if square else float(frame.width * self.aspect), frame.height
        if matrix is not None and _swaps_sides(matrix):
            width, height = height, width
        if max(width, height) > _MAX_ASPECT * min(width, height):
            raise VideoError(f"pictures of {width:.0f}x{height:.0f} pixels: one side is more than {_MAX_ASPECT} times the other")

        if frame.interlaced_frame:
            frame = _join_fields(frame, before, after)
            changes.append("interlaced: deinterlaced")
        if (transfer := int(frame.color_trc)) in _HDR:
            frame = self._tone_mapped(frame)
            changes.append(f"HDR ({_HDR[transfer]}): tone-mapped")
        image = _turn(frame.to_ndarray(format="rgb24", threads=1), matrix)
        size = (max(1, round(width)), max(1, round(height)))
        return Picture(_resize(image, width, height, short_side=self._short_side), size=size, changes=tuple(changes))

    def _tone_mapped(self, frame: Any) -> Any:
        format_ = _format(frame)
        if self._tone_mapper is None or self._tone_mapper[0] != format_:
            self._tone_mapper = format_, _graph(frame, _TONE_MAP)
        graph = self._tone_mapper[1]
        graph.vpush(frame)
        return graph.vpull()


def _display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """`a, b, c, d` of FFmpeg, libavutil/display.h: x' = a x + c y, y' = b x + d y; None when there is none."""
    # A frame whose side data was looked at holds itself until garbage is collected, and FFmpeg then fills other memory: a copy.
    copy = frame.reformat(width=16, height=16, format="rgb24", threads=1)
    try:
        side_data = copy.side_data
    except ValueError:  # one is of a type that the binding has no name for, and then it gives none of them
        unnamed = sorted(set(range(_SIDE_DATA_TYPES)) - {kind.value for kind in SideDataType})
        side_data = _filtered([copy], ",".join(f"sidedata=mode=delete:type={number}" for number in unnamed))[0].side_data
    matrices = [data for data in side_data if data.type == SideDataType.DISPLAYMATRIX]
    if not matrices:
        return None
    # nine native-endian 16.16 integers: a, b, u, c, d, v, x, y, w
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrices[0]), dtype=np.int32)[:5])
    return a, b, c, d


def _swaps_sides(matrix: tuple[int, int, int, int]) -> bool:
    a, b, c, d = matrix
    return abs(b) + abs(c) > abs(a) + abs(d)


def _turn(image: NDArray[np.uint8], matrix: tuple[int, int, int, int] | None) -> NDArray[np.uint8]:
    """Turned and mirrored, by the nearest right angle."""
    if matrix is None:
        return image
    a, b, c, d = matrix
    if _swaps_sides(matrix):
        image = image.transpose(1, 0, 2)
        a, d = c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)


def _resize(image: NDArray[np.uint8], width: float, height: float, *, short_side: int) -> NDArray[np.uint8]:
    """`width` and `height` are those in square pixels, which the image itself need not have."""
    scale = short_side / min(height, width)
    size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _join_fields(frame: Any, before: Any | None, after: Any | None) -> Any:
    """The frame without combs. FFmpeg's `bwdif` looks at the frames on both sides, and gives one frame for each."""
    around = [other for other in (before, frame, after) if other is not None and _format(other) == _format(frame)]
    joined = _filtered(around, "bwdif=mode=send_frame:deint=interlaced")
    return joined[around.index(frame)]


def _format(frame: Any) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


def _filtered(frames: list[Any], filters: str) -> list[Any]:
    """What FFmpeg's filters make of all the frames."""
    graph = _graph(frames[0], filters)
    out = []
    for frame in [*frames, None]:
        graph.vpush(frame)
        while True:
            try:
                out.append(graph.vpull())
            except (av.error.BlockingIOError, av.error.EOFError):
                break
    return out


def _graph(frame: Any, filters: str) -> Any:
    """A chain of FFmpeg's filters, `name=options` with commas between them, for frames like `frame`."""
    graph = Graph()
    graph.threads = 1
    chain = [graph.add_buffer(template=frame, time_base=Fraction(1, 1000))]
    for description in filters.split(","):
        name, _, options = description.partition("=")
        chain.append(graph.add(name, options))
    chain.append(graph.add("buffersink"))
    graph.link_nodes(*chain)
    graph.configure()
    return graph
