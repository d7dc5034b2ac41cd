"""The kitchens of the drawn videos: wall, window, shelf and table, in several styles.

Everything is drawn on a canvas of `CANVAS` pixels and centred on `CENTRE`; frames are cut out of it with a small margin
left for camera shake, then reduced. Static parts are drawn once and kept per process.
"""

from dataclasses import dataclass
from functools import cache
from random import Random

from PIL import Image

from pipeline.kitchen.sketch import Colour, Sketch

CANVAS = (400, 300)
MARGIN = (8, 6)
CENTRE = (200, 206)  # where the food lies
HORIZON = 112  # where the wall meets the table


@dataclass(frozen=True)
class Style:
    wall: Colour
    joint: Colour
    tile: tuple[int, int]  # width and height of a tile
    table: Colour
    grain: Colour
    accent: Colour


STYLES = {
    "oak": Style((236, 232, 220), (212, 206, 190), (34, 34), (190, 138, 84), (164, 112, 62), (196, 74, 56)),
    "marble": Style((186, 212, 196), (160, 190, 172), (40, 20), (226, 226, 228), (196, 198, 206), (64, 120, 110)),
    "slate": Style((186, 106, 84), (214, 190, 174), (36, 18), (84, 90, 98), (66, 72, 80), (230, 190, 80)),
    "painted": Style((250, 238, 206), (230, 214, 172), (46, 46), (132, 170, 196), (110, 150, 178), (240, 160, 60)),
    "butcher block": Style((76, 136, 146), (96, 156, 164), (26, 26), (214, 172, 118), (150, 102, 60), (244, 226, 190)),
    "steel": Style((206, 208, 214), (182, 186, 194), (60, 30), (158, 164, 172), (182, 188, 196), (200, 60, 70)),
}


@cache
def background(style: str) -> Image.Image:
    """Wall, window, shelf and table of one kitchen style, RGB of size `CANVAS`."""
    look, random = STYLES[style], Random(style)
    width, height = CANVAS
    s = Sketch(width, height)
    s.box(0, 0, width, height, look.wall)
    tile_width, tile_height = look.tile
    for row in range(HORIZON // tile_height + 1):
        s.line([(0, row * tile_height), (width, row * tile_height)], look.joint, 2)
        shift = (row % 2) * tile_width / 2 if tile_width > tile_height else 0.0
        for column in range(width // tile_width + 2):
            x = column * tile_width - shift
            s.line([(x, row * tile_height), (x, (row + 1) * tile_height)], look.joint, 2)
    window = 34 if random.random() < 0.5 else 270
    _window(s, window, look)
    _shelf(s, 270 if window < 100 else 34, look, random)
    s.box(0, HORIZON, width, height, look.table)
    s.box(0, HORIZON, width, HORIZON + 7, tuple(int(0.7 * part) for part in look.table))
    _grain(s, style, look, random)
    return s.image.reduce(2).convert("RGB")


def _grain(s: Sketch, style: str, look: Style, random: Random) -> None:
    width, height = CANVAS
    if style == "butcher block":
        for row in range(HORIZON + 7, height, 24):
            s.line([(0, row), (width, row)], look.grain, 2)
            for joint in range((row * 7) % 60, width, 60):
                s.line([(joint, row), (joint, row + 24)], look.grain, 2)
    elif style in ("marble", "slate"):
        for _ in range(16):
            x, y = random.uniform(0, width), random.uniform(HORIZON + 10, height)
            path = [(x + 18 * step, y + step * random.uniform(-6, 10)) for step in range(5)]
            s.line(path, look.grain, 2)
    else:
        for row in range(HORIZON + 16, height, 18 if style == "oak" else 32):
            s.line([(0, row), (width, row + random.uniform(-4, 4))], look.grain, 2)


def _window(s: Sketch, left: float, look: Style) -> None:
    s.box(left, 6, left + 96, 92, (250, 250, 248), 3)
    s.box(left + 6, 12, left + 90, 86, (160, 208, 242))
    s.ellipse(left + 30, 86, 34, 22, (120, 176, 96))
    s.ellipse(left + 70, 88, 28, 26, (98, 158, 84))
    s.box(left + 6, 86, left + 90, 112, look.wall)
    s.box(left + 45, 12, left + 51, 86, (250, 250, 248))
    s.box(left - 4, 86, left + 100, 94, (236, 234, 228), 2)
    s.polygon([(left + 6, 12), (left + 30, 12), (left + 8, 70), (left + 6, 70)], look.accent)
    s.polygon([(left + 90, 12), (left + 66, 12), (left + 88, 70), (left + 90, 70)], look.accent)


def _shelf(s: Sketch, left: float, look: Style, random: Random) -> None:
    for top in (46, 98):
        s.box(left, top, left + 104, top + 6, (132, 92, 60), 1)
        x = left + 6.0
        while x < left + 90:
            wide, high = random.uniform(14, 22), random.uniform(18, 34)
            body = random.choice((look.accent, (226, 220, 206), (120, 140, 150), (170, 120, 90)))
            s.box(x, top - high, x + wide, top, body, 4)
            s.box(x + 2, top - high - 4, x + wide - 2, top - high + 2, (96, 84, 76), 2)
            x += wide + random.uniform(4, 12)
