"""Sprites of the drawn kitchen's ingredients, with the colours of their skin and flesh. Drawn once and kept per process."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin

from PIL import Image

from pipeline.kitchen.sketch import Colour, Sketch, rounded


@dataclass(frozen=True)
class Look:
    """How an ingredient is drawn on a sheet of 120 x 120, its colours outside and inside, and the word for its colour."""

    draw: Callable[[Sketch], None]
    skin: Colour
    flesh: Colour
    colour: str


GREEN: Colour = (62, 142, 52)


def _tomato(s: Sketch) -> None:
    s.ellipse(60, 68, 52, 44, (216, 40, 30))
    for turn in range(5):
        a = turn * 2 * pi / 5 - pi / 2
        s.polygon([(60, 30), (60 + 24 * cos(a - 0.25), 32 + 13 * sin(a - 0.25)), (60 + 30 * cos(a), 33 + 17 * sin(a))], GREEN)
        s.polygon([(60, 30), (60 + 24 * cos(a + 0.25), 32 + 13 * sin(a + 0.25)), (60 + 30 * cos(a), 33 + 17 * sin(a))], GREEN)
    s.stroke([(60, 31), (64, 18)], (50, 112, 40), 6)


def _carrot(s: Sketch) -> None:
    for x, y in ((112, 2), (118, 18), (96, 2), (117, 34)):
        s.stroke([(88, 34), (x, y)], (58, 158, 56), 8)
    s.polygon([(4, 114), (66, 22), (84, 20), (100, 36), (98, 54), (12, 118)], (240, 122, 22))
    s.ellipse(84, 38, 18, 18, (240, 122, 22))
    for x, y in ((66, 42), (52, 64), (40, 78), (76, 60), (28, 94)):
        s.line([(x - 6, y - 4), (x + 6, y + 4)], (200, 88, 10), 2.5)


def _onion(s: Sketch) -> None:
    s.polygon([(48, 36), (56, 6), (64, 6), (72, 36)], (196, 150, 110))
    s.ellipse(60, 70, 50, 42, (150, 42, 98))
    s.polygon([(24, 44), (60, 16), (96, 44)], (150, 42, 98))
    for rx in (14, 30, 42):
        s.arc(60, 68, rx, 44, 90, 270, (190, 96, 146), 2.5)
        s.arc(60, 68, rx, 44, 270, 90, (112, 24, 70), 2.5)
    for x in (52, 60, 68):
        s.line([(60, 110), (x, 119)], (206, 178, 140), 2)


def _mushroom(s: Sketch) -> None:
    s.box(44, 58, 76, 114, (244, 232, 210), 12)
    s.pie(60, 64, 54, 54, 180, 360, (158, 112, 74))
    s.ellipse(60, 64, 54, 12, (132, 90, 58))
    s.ellipse(60, 66, 44, 7, (224, 200, 168))
    for x, y, r in ((36, 38, 7), (62, 26, 8), (86, 42, 6), (56, 48, 4)):
        s.ellipse(x, y, r, r * 0.8, (202, 164, 124))


def _egg(s: Sketch) -> None:
    s.ellipse(60, 70, 42, 44, (250, 238, 220))
    s.ellipse(60, 54, 34, 46, (250, 238, 220))
    s.polygon([(18, 68), (27, 46), (93, 46), (102, 68)], (250, 238, 220))
    for x, y in ((46, 80), (70, 90), (76, 62), (52, 48), (64, 68)):
        s.ellipse(x, y, 2, 2, (214, 180, 148))


def _fish(s: Sketch) -> None:
    s.polygon([(82, 62), (118, 28), (112, 62), (118, 96)], (66, 104, 150))
    s.polygon([(38, 40), (64, 18), (74, 44)], (66, 104, 150))
    s.ellipse(50, 62, 48, 30, (112, 156, 196))
    s.pie(50, 62, 48, 30, 20, 160, (214, 226, 234))
    s.polygon([(48, 84), (62, 104), (68, 80)], (66, 104, 150))
    s.arc(34, 62, 12, 26, 280, 80, (58, 88, 126), 3)
    for x, y in ((58, 54), (70, 56), (62, 66), (76, 66), (52, 66)):
        s.arc(x, y, 6, 6, 300, 60, (76, 118, 160), 2)
    s.ellipse(20, 55, 7, 7, (255, 255, 255))
    s.ellipse(19, 55, 4, 4, (20, 20, 30))


def _lemon(s: Sketch) -> None:
    s.polygon([(4, 66), (26, 44), (26, 84)], (246, 216, 40))
    s.polygon([(116, 62), (94, 42), (94, 84)], (246, 216, 40))
    s.ellipse(60, 64, 47, 36, (248, 220, 44))
    for x, y in ((40, 50), (56, 80), (76, 56), (84, 74), (36, 70), (60, 60)):
        s.ellipse(x, y, 1.8, 1.8, (216, 180, 20))
    s.polygon([(102, 48), (112, 26), (120, 40), (110, 52)], (88, 160, 60))


def _broccoli(s: Sketch) -> None:
    s.polygon([(48, 60), (72, 60), (78, 116), (44, 116)], (164, 200, 112))
    s.polygon([(48, 80), (24, 56), (34, 52), (54, 70)], (164, 200, 112))
    s.polygon([(70, 80), (96, 56), (86, 52), (66, 70)], (164, 200, 112))
    for x, y, r in ((26, 48, 22), (94, 48, 22), (60, 58, 22), (42, 28, 22), (78, 28, 22), (60, 40, 24)):
        s.ellipse(x, y, r, r, (40, 124, 44))
        for turn in range(7):
            s.ellipse(x + 0.65 * r * cos(turn * 0.9), y + 0.65 * r * sin(turn * 0.9), 4, 4, (72, 158, 66))


def _cheese(s: Sketch) -> None:
    s.polygon([(6, 62), (84, 18), (114, 48), (114, 62)], (255, 222, 96))
    s.polygon([(6, 62), (114, 58), (114, 104), (6, 108)], (244, 188, 44))
    for x, y, rx, ry in ((30, 84, 10, 9), (62, 92, 7, 6), (84, 76, 11, 10), (54, 72, 5, 4), (102, 94, 6, 6)):
        s.ellipse(x, y, rx, ry, (206, 142, 18))
    s.ellipse(78, 42, 9, 4, (226, 178, 50))


def _shrimp(s: Sketch) -> None:
    for x, y in ((2, 6), (10, 0)):
        s.line([(36, 34), (x, y)], (222, 92, 64), 2.5)
    s.polygon([(54, 100), (26, 118), (22, 100), (30, 86), (52, 86)], (226, 78, 48))
    for turn in range(16):
        a = pi * (1.16 + turn * 0.092)
        r = 14 + 9 * sin(pi * min(1, (16 - turn) / 14))
        s.ellipse(58 + 36 * cos(a), 62 + 36 * sin(a), r, r, (250, 150, 112))
    for turn in range(10):
        a = pi * (1.3 + turn * 0.14)
        s.line([(58 + 20 * cos(a), 62 + 20 * sin(a)), (58 + 56 * cos(a), 62 + 56 * sin(a))], (222, 92, 64), 3)
    for turn in range(5):
        a = pi * (1.45 + turn * 0.22)
        s.line([(58 + 18 * cos(a), 62 + 18 * sin(a)), (58 + 6 * cos(a + 0.2), 62 + 6 * sin(a + 0.2))], (222, 92, 64), 3)
    s.ellipse(28, 44, 5, 5, (20, 20, 20))


def _chicken_leg(s: Sketch) -> None:
    s.stroke([(66, 66), (102, 102)], (250, 242, 226), 12)
    s.ellipse(109, 100, 9, 9, (250, 242, 226))
    s.ellipse(100, 109, 9, 9, (250, 242, 226))
    s.ellipse(44, 44, 40, 38, (190, 108, 42))
    s.polygon([(76, 22), (86, 68), (90, 82), (80, 92), (62, 88), (22, 76)], (190, 108, 42))
    for x, y in ((30, 34), (50, 30), (36, 56), (58, 58), (70, 46)):
        s.ellipse(x, y, 5, 3, (152, 76, 24))


def _pepper(s: Sketch, body: Colour, dark: Colour) -> None:
    for x in (34, 86, 60):
        s.ellipse(x, 58, 28, 36, body)
        s.ellipse(x, 84, 22, 32, body)
    s.arc(46, 70, 10, 40, 290, 80, dark, 3)
    s.arc(74, 70, 10, 40, 100, 250, dark, 3)
    s.ellipse(60, 30, 24, 8, (70, 130, 44) if body[0] > 150 else (140, 180, 70))
    s.stroke([(60, 30), (58, 14), (68, 8)], (84, 140, 50) if body[0] > 150 else (160, 190, 90), 9)


def _cucumber(s: Sketch) -> None:
    s.stroke([(22, 98), (98, 24)], (44, 112, 48), 40)
    for shift in (-12, -4, 4, 12):
        s.line([(22 + shift, 98 + shift), (98 + shift, 24 + shift)], (110, 170, 82), 2)
    s.ellipse(22, 99, 15, 16, (206, 230, 160))
    s.ellipse(22, 99, 9, 10, (230, 244, 200))


def _corn(s: Sketch) -> None:
    s.ellipse(60, 56, 30, 54, (250, 206, 40))
    for row in range(11):
        for column in range(5):
            x, y = 40 + column * 10, 10 + row * 9
            if ((x - 60) / 27) ** 2 + ((y - 56) / 52) ** 2 < 1:
                s.ring(x, y, 5.5, 5, (206, 150, 14), 1.6)
    s.polygon([(60, 118), (14, 92), (10, 36), (32, 62), (48, 92)], (92, 166, 62))
    s.polygon([(60, 118), (106, 92), (110, 36), (88, 62), (72, 92)], (112, 184, 78))


def _potato(s: Sketch) -> None:
    for x, y, rx, ry in ((44, 66, 38, 36), (76, 60, 38, 34), (60, 70, 40, 38)):
        s.ellipse(x, y, rx, ry, (180, 134, 82))
    for x, y in ((34, 56), (56, 82), (82, 50), (90, 74), (58, 46), (38, 84)):
        s.ellipse(x, y, 4, 2.5, (120, 80, 42))


def _eggplant(s: Sketch) -> None:
    s.ellipse(42, 78, 36, 36, (72, 26, 92))
    s.polygon([(14, 56), (76, 20), (98, 42), (70, 102)], (72, 26, 92))
    s.ellipse(86, 33, 17, 16, (72, 26, 92))
    s.polygon([(100, 46), (70, 44), (84, 32), (70, 16), (94, 20), (104, 30)], (84, 148, 66))
    s.stroke([(98, 24), (112, 8)], (84, 148, 66), 9)


def _garlic(s: Sketch) -> None:
    s.polygon([(40, 56), (56, 4), (66, 4), (80, 56)], (232, 216, 224))
    for x, rx in ((34, 26), (86, 26), (60, 30)):
        s.ellipse(x, 78, rx, 34, (232, 216, 224))
    for x, a, b in ((50, 290, 70), (70, 110, 250), (24, 300, 60), (96, 120, 240)):
        s.arc(x, 78, 12, 32, a, b, (186, 150, 172), 3)
    s.ellipse(60, 111, 14, 5, (206, 190, 160))


def _apple(s: Sketch) -> None:
    s.ellipse(42, 70, 36, 42, (142, 206, 60))
    s.ellipse(78, 70, 36, 42, (142, 206, 60))
    s.ellipse(60, 34, 16, 7, (96, 152, 36))
    s.stroke([(60, 36), (64, 10)], (106, 70, 36), 6)
    s.polygon([(64, 22), (80, 4), (104, 8), (90, 22)], (48, 128, 48))


def _avocado(s: Sketch) -> None:
    for grow, fill in ((0, (44, 66, 34)), (7, (152, 190, 70)), (12, (222, 232, 146))):
        s.ellipse(60, 76, 44 - grow, 40 - grow, fill)
        s.ellipse(60, 38, 27 - grow, 34 - grow, fill)
        s.polygon([(33 + grow, 38), (87 - grow, 38), (102 - grow, 66), (18 + grow, 66)], fill)
    s.ellipse(60, 78, 20, 20, (122, 72, 34))
    s.ellipse(54, 72, 6, 6, (166, 112, 66))


LOOKS: dict[str, Look] = {
    "tomato": Look(_tomato, (216, 40, 30), (240, 96, 72), "red"),
    "carrot": Look(_carrot, (240, 122, 22), (252, 164, 70), "orange"),
    "onion": Look(_onion, (150, 42, 98), (238, 206, 226), "purple"),
    "mushroom": Look(_mushroom, (158, 112, 74), (246, 236, 218), "brown"),
    "egg": Look(_egg, (250, 238, 220), (250, 190, 40), "white"),
    "fish": Look(_fish, (112, 156, 196), (240, 168, 140), "blue"),
    "lemon": Look(_lemon, (248, 220, 44), (255, 244, 150), "yellow"),
    "broccoli": Look(_broccoli, (40, 124, 44), (164, 200, 112), "green"),
    "cheese": Look(_cheese, (244, 188, 44), (255, 222, 96), "yellow"),
    "shrimp": Look(_shrimp, (240, 120, 84), (255, 206, 186), "pink"),
    "chicken leg": Look(_chicken_leg, (190, 108, 42), (246, 212, 176), "brown"),
    "red pepper": Look(lambda s: _pepper(s, (208, 22, 34), (142, 8, 18)), (208, 22, 34), (250, 120, 100), "shiny"),
    "green pepper": Look(lambda s: _pepper(s, (36, 136, 44), (14, 84, 24)), (36, 136, 44), (168, 218, 120), "shiny"),
    "cucumber": Look(_cucumber, (44, 112, 48), (216, 238, 176), "long"),
    "corn": Look(_corn, (250, 206, 40), (255, 232, 130), "yellow"),
    "potato": Look(_potato, (180, 134, 82), (248, 226, 150), "brown"),
    "eggplant": Look(_eggplant, (72, 26, 92), (232, 222, 190), "dark"),
    "garlic": Look(_garlic, (232, 216, 224), (255, 246, 206), "white"),
    "apple": Look(_apple, (142, 206, 60), (246, 242, 206), "green"),
    "avocado": Look(_avocado, (44, 66, 34), (206, 222, 122), "ripe"),
}


@cache
def ingredient_sprite(name: str) -> Image.Image:
    """The whole ingredient, RGBA, 240 x 240 or a little less: twice the size it is shown at."""
    sketch = Sketch(120, 120)
    LOOKS[name].draw(sketch)
    return rounded(sketch.image, radius=16, depth=0.75).crop(sketch.image.getbbox())
