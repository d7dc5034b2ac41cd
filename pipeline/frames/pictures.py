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


def draw_picture(
    frame: Any, *, aspect: Fraction, short_side: int, before: Any | None = None, after: Any | None = None
) -> Picture:
    """The frame as it should be seen, its short side `short_side` pixels long. `aspect` is that of `pixel_aspect`.

    The frames `before` and `after` it are needed where it is interlaced. Raises `VideoError` when it is too large or too long.
    """
    check_size(frame.width, frame.height)
    changes = []
    if not Fraction(1, _MAX_PIXEL_ASPECT) <= aspect <= _MAX_PIXEL_ASPECT:
        changes.append(f"pixels of {aspect.numerator}:{aspect.denominator} are not believed and taken as square")
        aspect = Fraction(1)
    matrix = _display_matrix(frame)
    turned = matrix is not None and matrix[0] == matrix[3] == 0
    width, height = frame.width if aspect == 1 else float(frame.width * aspect), frame.height
    if turned:
        width, height = height, width
    if max(width, height) > _MAX_ASPECT * min(width, height):
        raise VideoError(f"pictures of {width:.0f}x{height:.0f} pixels are more than {_MAX_ASPECT} times as long as wide")

    if frame.interlaced_frame:
        frame = _join_fields(frame, before, after)
        changes.append("interlaced: deinterlaced")
    if (transfer := int(frame.color_trc)) in _HDR:
        frame = _filtered([frame], "scale=out_transfer=bt709:out_primaries=bt709:out_color_matrix=bt709:out_range=tv")[0]
        changes.append(f"HDR ({_HDR[transfer]}): tone-mapped")
    image = _turn(frame.to_ndarray(format="rgb24", threads=1), matrix)
    size = (max(1, round(width)), max(1, round(height)))
    return Picture(_resize(image, width, height, short_side=short_side), size=size, changes=tuple(changes))


def _display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """`a, b, c, d` of FFmpeg, libavutil/display.h: x' = a x + c y, y' = b x + d y; None when there is none."""
    try:
        side_data = frame.side_data
    except ValueError:  # one is of a type that the binding has no name for, and then it gives none of them
        unnamed = sorted(set(range(_SIDE_DATA_TYPES)) - {kind.value for kind in SideDataType})
        side_data = _filtered([frame], ",".join(f"sidedata=mode=delete:type={number}" for number in unnamed))[0].side_data
    matrices = [data for data in side_data if data.type == SideDataType.DISPLAYMATRIX]
    if not matrices:
        return None
    # nine native-endian 16.16 integers: a, b, u, c, d, v, x, y, w
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrices[0]), dtype=np.int32)[:5])
    return a, b, c, d


def _turn(image: NDArray[np.uint8], matrix: tuple[int, int, int, int] | None) -> NDArray[np.uint8]:
    """Turned and mirrored, by right angles only."""
    if matrix is None:
        return image
    a, b, c, d = matrix
    if a == d == 0:
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
    around = [other for other in (before, frame, after) if other is not None and _alike(other, frame)]
    joined = _filtered(around, "bwdif=mode=send_frame:deint=interlaced")
    return joined[around.index(frame)]


def _alike(frame: Any, other: Any) -> bool:
    return (frame.width, frame.height, frame.format.name) == (other.width, other.height, other.format.name)


def _filtered(frames: list[Any], filters: str) -> list[Any]:
    """What a chain of FFmpeg's filters, `name=options` with commas between them, makes of the frames."""
    graph = Graph()
    graph.threads = 1
    chain = [graph.add_buffer(template=frames[0], time_base=Fraction(1, 1000))]
    for description in filters.split(","):
        name, _, options = description.partition("=")
        chain.append(graph.add(name, options))
    chain.append(graph.add("buffersink"))
    graph.link_nodes(*chain)
    graph.configure()
    out = []
    for frame in [*frames, None]:
        graph.vpush(frame)
        while True:
            try:
                out.append(graph.vpull())
            except (av.error.BlockingIOError, av.error.EOFError):
                break
    return out
