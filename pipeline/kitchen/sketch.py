"""Shapes drawn at twice their size and reduced, which smooths their edges; and shading that makes flat shapes round."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, ...]
Point = tuple[float, float]

OVERSAMPLING = 2


@dataclass(frozen=True)
class Sprite:
    """An RGBA image and where its upper left corner belongs."""

    image: Image.Image
    left: int
    top: int


class Sketch:
    """A transparent sheet of `width` x `height` units on which shapes are drawn at twice the resolution."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGBA", (width * OVERSAMPLING, height * OVERSAMPLING))
        self._draw = ImageDraw.Draw(self.image)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        k = OVERSAMPLING
        self._draw.ellipse((k * (x - rx), k * (y - ry), k * (x + rx), k * (y + ry)), fill=fill)

    def ring(self, x: float, y: float, rx: float, ry: float, colour: Colour, width: float) -> None:
        k = OVERSAMPLING
        self._draw.ellipse((k * (x - rx), k * (y - ry), k * (x + rx), k * (y + ry)), outline=colour, width=round(k * width))

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        self._draw.polygon([(OVERSAMPLING * x, OVERSAMPLING * y) for x, y in points], fill=fill)

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        scaled = [(OVERSAMPLING * x, OVERSAMPLING * y) for x, y in points]
        self._draw.line(scaled, fill=fill, width=round(OVERSAMPLING * width), joint="curve")

    def stroke(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """A line with round ends."""
        self.line(points, fill, width)
        for x, y in (points[0], points[-1]):
            self.ellipse(x, y, width / 2, width / 2, fill)

    def arc(self, x: float, y: float, rx: float, ry: float, start: float, end: float, colour: Colour, width: float) -> None:
        k = OVERSAMPLING
        box = (k * (x - rx), k * (y - ry), k * (x + rx), k * (y + ry))
        self._draw.arc(box, start, end, fill=colour, width=round(k * width))

    def pie(self, x: float, y: float, rx: float, ry: float, start: float, end: float, fill: Colour) -> None:
        k = OVERSAMPLING
        self._draw.pieslice((k * (x - rx), k * (y - ry), k * (x + rx), k * (y + ry)), start, end, fill=fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour, radius: float = 0) -> None:
        k = OVERSAMPLING
        self._draw.rounded_rectangle((k * left, k * top, k * right, k * bottom), k * radius, fill=fill)

    def sprite(self) -> Sprite:
        """Reduced to one pixel per unit and cropped to what was drawn."""
        reduced = self.image.reduce(OVERSAMPLING)
        left, top, right, bottom = reduced.getbbox() or (0, 0, 1, 1)
        return Sprite(reduced.crop((left, top, right, bottom)), left, top)


def rounded(image: Image.Image, *, radius: float, depth: float) -> Image.Image:
    """Shade a flat RGBA shape as if light fell on it from the upper left."""
    alpha = image.getchannel("A")
    soft = np.asarray(alpha.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / 255
    step = max(1, round(radius * 0.6))
    relief = np.roll(soft, (-step, -step), (0, 1)) - np.roll(soft, (step, step), (0, 1))
    pixels = np.asarray(image).copy()
    light = 1 + depth * relief[..., None]
    pixels[..., :3] = np.clip(pixels[..., :3] * light + 26 * np.clip(relief, 0, 1)[..., None], 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)
