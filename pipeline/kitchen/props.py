"""Vessels that hold the food, and hands with tools, drawn once and kept per process. Positions are on the scene's canvas."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from PIL import Image

from pipeline.kitchen.scene import CANVAS
from pipeline.kitchen.sketch import Colour, Sketch, Sprite, rounded

SKINS: tuple[Colour, ...] = ((246, 208, 178), (226, 172, 132), (172, 116, 78), (110, 72, 50))
SLEEVES: tuple[Colour, ...] = ((52, 86, 148), (240, 240, 240), (164, 48, 60), (66, 120, 84), (60, 60, 68))

WOOD: Colour = (206, 154, 96)
STEEL: Colour = (206, 212, 220)


@dataclass(frozen=True)
class Vessel:
    """`back` is drawn before the food, `front` (a rim, a glass) after it; food sits `lift` pixels above `CENTRE`."""

    back: Sprite
    front: Sprite | None = None
    lift: int = 0
    surface: tuple[int, int, int, int] | None = None  # centre and radii of what the vessel holds


@cache
def vessel(name: str) -> Vessel:
    return _VESSELS[name]()


def _shadow(s: Sketch, x: float, y: float, rx: float, ry: float) -> None:
    s.ellipse(x, y, rx, ry, (0, 0, 0, 60))


def _board(fill: Colour, edge: Colour, line: Colour) -> Vessel:
    s = Sketch(*CANVAS)
    s.polygon([(66, 156), (334, 156), (366, 276), (34, 276)], (0, 0, 0, 55))
    s.polygon([(34, 264), (366, 264), (366, 276), (34, 276)], edge)
    s.polygon([(70, 150), (330, 150), (366, 266), (34, 266)], fill)
    for row in (172, 194, 216, 240):
        grow = (row - 150) * 0.31
        s.line([(74 - grow, row), (326 + grow, row + 2)], line, 2)
    s.ellipse(306, 164, 12, 5, edge)
    return Vessel(s.sprite(), lift=4)


def _plate() -> Vessel:
    s = Sketch(*CANVAS)
    _shadow(s, 200, 226, 156, 58)
    s.ellipse(200, 218, 154, 56, (214, 218, 224))
    s.ellipse(200, 214, 152, 54, (250, 250, 252))
    s.ring(200, 214, 142, 48, (84, 120, 190), 4)
    s.ellipse(200, 216, 104, 34, (236, 238, 242))
    return Vessel(s.sprite(), lift=2)


def _pan(*, wok: bool) -> Vessel:
    s = Sketch(*CANVAS)
    body, inside = ((92, 60, 44), (52, 40, 36)) if wok else ((36, 38, 44), (62, 64, 72))
    if wok:
        for side in (-1, 1):
            s.ring(200 + side * 140, 206, 26, 14, (198, 160, 100), 8)
        s.pie(200, 206, 138, 92, 0, 180, body)
    else:
        s.stroke([(310, 198), (396, 168)], (24, 24, 28), 18)
        s.stroke([(318, 193), (392, 166)], (70, 70, 76), 4)
        s.ellipse(200, 222, 134, 54, body)
    s.ellipse(200, 206, 138, 52, (170, 172, 178) if wok else (24, 24, 28))
    s.ellipse(200, 208, 130, 46, inside)
    s.ellipse(200, 216, 104, 32, (206, 158, 52, 150))
    return Vessel(s.sprite(), lift=8, surface=(200, 212, 110, 32))


def _pot(body: Colour, inside: Colour, knob: Colour) -> Vessel:
    back, front = Sketch(*CANVAS), Sketch(*CANVAS)
    dark = tuple(int(0.72 * part) for part in body)
    for side in (-1, 1):
        back.box(200 + side * 138 - 18, 196, 200 + side * 138 + 18, 214, knob, 8)
    back.ellipse(200, 186, 130, 46, body)
    back.ellipse(200, 188, 120, 39, inside)
    front.pie(200, 262, 128, 30, 0, 180, dark)
    front.polygon([(70, 186), (330, 186), (328, 262), (72, 262)], body)
    front.polygon([(70, 186), (92, 186), (94, 262), (72, 262)], tuple(min(255, part + 30) for part in body))
    front.polygon([(292, 186), (330, 186), (328, 262), (294, 262)], dark)
    front.pie(200, 262, 126, 24, 0, 180, dark)
    hole = Sketch(*CANVAS)
    hole.ellipse(200, 186, 130, 46, (0, 0, 0, 255))
    front.image.paste((0, 0, 0, 0), (0, 0), hole.image)
    front.arc(200, 187, 126, 43, 0, 180, tuple(min(255, part + 46) for part in body), 7)
    return Vessel(back.sprite(), front.sprite(), lift=32, surface=(200, 190, 118, 37))


def _bowl(*, glass: bool) -> Vessel:
    back, front = Sketch(*CANVAS), Sketch(*CANVAS)
    body: Colour = (210, 232, 240, 120) if glass else (58, 108, 178)
    rim: Colour = (240, 250, 255, 230) if glass else (150, 190, 236)
    _shadow(back, 200, 274, 100, 20)
    back.ellipse(200, 192, 132, 48, rim)
    back.ellipse(200, 194, 124, 42, (196, 220, 228) if glass else (232, 238, 246))
    front.pie(200, 192, 130, 92, 0, 180, body)
    front.box(152, 276, 248, 288, body, 4)
    if not glass:
        for x in (110, 155, 200, 245, 290):
            front.ellipse(x, 248 - abs(x - 200) * 0.16, 8, 8, (236, 240, 248))
    hole = Sketch(*CANVAS)
    hole.ellipse(200, 192, 130, 46, (0, 0, 0, 255))
    front.image.paste((0, 0, 0, 0), (0, 0), hole.image)
    front.arc(200, 192, 129, 46, 0, 180, rim, 5)
    if glass:
        front.arc(200, 196, 112, 76, 110, 160, (255, 255, 255, 220), 6)
    return Vessel(back.sprite(), front.sprite(), lift=26, surface=(200, 198, 116, 34))


def _oven(*, dish: bool) -> Vessel:
    s = Sketch(*CANVAS)
    s.box(40, 70, 360, 296, (66, 68, 74), 10)
    s.box(40, 70, 360, 98, (96, 100, 108), 8)
    for x in (84, 130, 270, 316):
        s.ellipse(x, 84, 9, 9, (222, 224, 228))
        s.line([(x, 84), (x + 4, 78)], (60, 60, 66), 3)
    s.box(172, 76, 228, 93, (20, 26, 22), 2)
    s.box(184, 81, 216, 88, (250, 90, 50))
    s.box(58, 106, 342, 286, (60, 26, 14), 6)
    s.box(66, 112, 334, 280, (112, 48, 18))
    s.ellipse(200, 200, 124, 76, (150, 68, 22))
    s.stroke([(80, 118), (320, 118)], (255, 122, 34), 6)
    for y in (232, 256):
        s.line([(66, y), (334, y)], (170, 160, 150), 3)
    if dish:
        s.ellipse(200, 240, 118, 32, (228, 232, 240))
        s.ellipse(200, 232, 118, 32, (250, 250, 252))
        s.ellipse(200, 234, 104, 24, (214, 222, 232))
        s.arc(200, 240, 114, 30, 10, 170, (70, 120, 190), 5)
    else:
        s.polygon([(100, 214), (300, 214), (322, 254), (78, 254)], (44, 44, 48))
        s.polygon([(108, 218), (292, 218), (310, 248), (90, 248)], (92, 94, 100))
    return Vessel(s.sprite(), lift=0)


def _tray_on_table(*, dish: bool) -> Vessel:
    s = Sketch(*CANVAS)
    _shadow(s, 200, 238, 156, 50)
    if dish:
        s.ellipse(200, 228, 150, 52, (206, 214, 226))
        s.ellipse(200, 214, 150, 52, (250, 250, 252))
        s.ellipse(200, 218, 132, 40, (220, 226, 236))
        s.arc(200, 228, 146, 50, 8, 172, (70, 120, 190), 6)
    else:
        s.polygon([(72, 160), (328, 160), (360, 268), (40, 268)], (40, 40, 44))
        s.polygon([(82, 166), (318, 166), (344, 258), (56, 258)], (98, 100, 106))
        s.polygon([(90, 170), (310, 170), (334, 252), (66, 252)], (84, 86, 92))
    return Vessel(s.sprite(), lift=4)


def _blender(*, processor: bool) -> Vessel:
    back, front = Sketch(*CANVAS), Sketch(*CANVAS)
    base: Colour = (44, 46, 52) if processor else (176, 36, 44)
    jar = [(112, 96), (288, 96), (288, 248), (112, 248)] if processor else [(106, 78), (294, 78), (266, 250), (134, 250)]
    back.polygon([(118, 250), (282, 250), (304, 296), (96, 296)], base)
    back.ellipse(200, 272, 13, 13, (230, 232, 236))
    back.ellipse(200, 272, 8, 8, (90, 200, 120))
    back.polygon(jar, (222, 236, 242, 190))
    front.polygon(jar, (220, 240, 250, 46))
    top = jar[0][1]
    front.box(jar[0][0] - 6, top - 16, jar[1][0] + 6, top + 2, base, 6)
    front.box(182, top - 26, 218, top - 14, base, 4)
    front.stroke([(jar[0][0] + 16, top + 16), (jar[3][0] + 12, 236)], (255, 255, 255, 170), 7)
    front.line([jar[1], (jar[2][0], jar[2][1])], (180, 200, 210, 220), 4)
    front.line([jar[0], (jar[3][0], jar[3][1])], (180, 200, 210, 220), 4)
    handle = Sketch(*CANVAS)
    handle.ring(300, 160, 34, 46, base, 12)
    back.image = Image.alpha_composite(handle.image, back.image)
    return Vessel(back.sprite(), front.sprite(), lift=44, surface=(200, 246, 62, 10))


_VESSELS: dict[str, Callable[[], Vessel]] = {
    "wooden board": lambda: _board((222, 176, 116), (160, 110, 62), (204, 156, 96)),
    "plastic board": lambda: _board((244, 246, 246), (120, 186, 160), (226, 232, 232)),
    "plate": _plate,
    "pan": lambda: _pan(wok=False),
    "wok": lambda: _pan(wok=True),
    "pot": lambda: _pot((178, 186, 196), (120, 128, 138), (60, 62, 68)),
    "casserole": lambda: _pot((190, 54, 40), (240, 226, 206), (150, 36, 28)),
    "blue bowl": lambda: _bowl(glass=False),
    "glass bowl": lambda: _bowl(glass=True),
    "oven tray": lambda: _tray_on_table(dish=False),
    "baking dish": lambda: _tray_on_table(dish=True),
    "oven tray in the oven": lambda: _oven(dish=False),
    "baking dish in the oven": lambda: _oven(dish=True),
    "blender": lambda: _blender(processor=False),
    "food processor": lambda: _blender(processor=True),
}


@dataclass(frozen=True)
class Hand:
    """A hand with a tool; `grip` is the point of the image that belongs at the working position."""

    image: Image.Image
    grip: tuple[int, int]


@cache
def hand(tool: str, skin: int, sleeve: int) -> Hand:
    """A hand holding `tool`, coming from the right, RGBA. The tool's tip or edge is at (60, 150) of the sheet."""
    s = Sketch(300, 260)
    draw_tool, knuckles = _TOOLS[tool]
    draw_tool(s)
    x, y = knuckles
    colour = SKINS[skin]
    dark = tuple(int(0.8 * part) for part in colour)
    s.stroke([(x + 30, y - 14), (x + 150, y - 74)], colour, 40)
    s.stroke([(x + 70, y - 34), (x + 160, y - 80)], SLEEVES[sleeve], 56)
    s.ellipse(x + 14, y - 6, 32, 26, colour)
    for finger in range(4):
        fx, fy = x - 12 + finger * 12, y + 12 - finger * 5
        s.stroke([(fx, fy - 18), (fx - 3, fy)], dark, 13)
        s.stroke([(fx + 1, fy - 18), (fx - 2, fy - 1)], colour, 10)
    s.stroke([(x + 4, y - 20), (x - 20, y - 14)], colour, 13)
    image = rounded(s.image.reduce(2), radius=5, depth=0.35)
    left, top, right, bottom = image.getbbox() or (0, 0, 1, 1)
    return Hand(image.crop((left, top, right, bottom)), (60 - left, 150 - top))


def _knife(s: Sketch) -> None:
    s.polygon([(60, 150), (62, 60), (78, 40), (84, 50), (84, 150)], STEEL)
    s.line([(62, 150), (62, 62)], (250, 252, 255), 3)
    s.stroke([(80, 46), (96, 24)], (40, 36, 34), 14)


def _cleaver(s: Sketch) -> None:
    s.box(54, 62, 118, 150, STEEL, 3)
    s.box(54, 142, 118, 150, (250, 252, 255))
    s.ellipse(66, 74, 4, 4, (120, 126, 134))
    s.stroke([(112, 70), (138, 54)], (120, 74, 40), 15)


def _peeler(s: Sketch) -> None:
    s.stroke([(60, 150), (96, 112)], (230, 60, 50), 12)
    s.arc(60, 146, 18, 14, 120, 320, (150, 156, 166), 6)
    s.line([(46, 152), (76, 140)], (240, 244, 250), 4)


def _spatula(s: Sketch) -> None:
    s.stroke([(76, 132), (150, 70)], (40, 40, 44), 9)
    s.polygon([(40, 142), (72, 120), (92, 138), (58, 162)], (52, 52, 58))
    for shift in (0, 9, 18):
        s.line([(50 + shift, 144 - shift * 0.6), (62 + shift, 154 - shift * 0.7)], (130, 130, 136), 3)


def _spoon(s: Sketch) -> None:
    s.stroke([(64, 140), (140, 74)], WOOD, 10)
    s.ellipse(58, 146, 22, 15, WOOD)
    s.ellipse(56, 147, 15, 9, (176, 122, 70))


def _shaker(s: Sketch) -> None:
    s.polygon([(44, 128), (64, 150), (114, 106), (92, 84)], (236, 240, 246))
    s.polygon([(38, 134), (58, 156), (72, 142), (50, 120)], (150, 156, 166))
    for x, y in ((50, 138), (56, 144), (54, 132)):
        s.ellipse(x, y, 2, 2, (40, 40, 40))
    s.box(70, 104, 92, 122, (60, 110, 190), 3)


def _bottle(s: Sketch) -> None:
    s.polygon([(60, 150), (52, 142), (76, 116), (88, 126)], (120, 140, 50))
    s.polygon([(76, 116), (92, 128), (164, 84), (134, 46)], (206, 178, 50))
    s.polygon([(104, 92), (122, 110), (146, 94), (126, 72)], (248, 246, 226))


def _bare(s: Sketch) -> None:
    s.stroke([(60, 150), (84, 132)], (0, 0, 0, 0), 2)


_TOOLS = {
    "knife": (_knife, (104, 30)),
    "cleaver": (_cleaver, (142, 54)),
    "peeler": (_peeler, (104, 108)),
    "spatula": (_spatula, (156, 66)),
    "spoon": (_spoon, (146, 70)),
    "shaker": (_shaker, (112, 94)),
    "bottle": (_bottle, (150, 70)),
    "nothing": (_bare, (84, 142)),
}
