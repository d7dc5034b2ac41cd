"""Things that are about in a kitchen and belong to no dish, each alone before the camera: what no summary should name."""

from collections.abc import Callable
from functools import cache
from math import cos, pi, sin
from random import Random

from PIL import Image, ImageDraw

from pipeline.kitchen.scene import background
from pipeline.kitchen.shot import Take, View
from pipeline.kitchen.sketch import Colour, Sketch, rounded

FUR: Colour = (96, 92, 98)
PETALS: tuple[Colour, ...] = ((236, 92, 150), (250, 250, 250), (150, 110, 220))


def open_aside(thing: str, style: str, *, take: Take, random: Random) -> View:
    """The scene with one of `THINGS`, in a kitchen of this style, somewhere near the middle."""
    draw, left = THINGS[thing], random.randint(-24, 24)

    def moving(sheet: Image.Image, pen: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
        draw(sheet, pen, left, seconds)

    return View(background(style), take=take, moving=moving)


def _paste(sheet: Image.Image, image: Image.Image, x: float, bottom: float) -> None:
    """With the middle of its lower edge at (x, bottom)."""
    sheet.paste(image, (round(x - image.width / 2), round(bottom - image.height)), image)


@cache
def _reduced(make: Callable[[Sketch], None]) -> Image.Image:
    """What is drawn on a sheet of 240 x 240, shaded, one pixel a unit, cut to what is there."""
    s = Sketch(240, 240)
    make(s)
    image = rounded(s.image, radius=12, depth=0.5).reduce(2)
    return image.crop(image.getbbox())


def _cat_body(s: Sketch) -> None:
    s.ellipse(120, 176, 62, 60, FUR)
    s.ellipse(120, 200, 40, 36, (222, 218, 214))
    for x in (96, 144):
        s.ellipse(x, 230, 20, 10, (240, 238, 236))
    s.polygon([(76, 68), (82, 14), (112, 48)], FUR)
    s.polygon([(164, 68), (158, 14), (128, 48)], FUR)
    s.polygon([(84, 56), (87, 28), (104, 48)], (232, 160, 164))
    s.polygon([(156, 56), (153, 28), (136, 48)], (232, 160, 164))
    s.ellipse(120, 88, 52, 46, FUR)
    s.ellipse(120, 106, 26, 20, (240, 238, 236))
    s.polygon([(112, 96), (128, 96), (120, 106)], (214, 120, 128))
    for side in (-1, 1):
        for y in (100, 108, 116):
            s.line([(120 + side * 24, 106), (120 + side * 70, y)], (250, 250, 250), 1.5)


def _cat(sheet: Image.Image, pen: ImageDraw.ImageDraw, left: int, seconds: float) -> None:
    x, floor = 200 + left, 268
    curl = [(x + 50 + 9 * part, floor - 20 - 13 * part - 16 * sin(0.5 * part) * sin(3 * seconds)) for part in range(8)]
    pen.line(curl, fill=FUR, width=16, joint="curve")
    pen.ellipse((curl[-1][0] - 9, curl[-1][1] - 9, curl[-1][0] + 9, curl[-1][1] + 9), fill=FUR)
    body = _reduced(_cat_body)
    _paste(sheet, body, x, floor)
    open_eyes = 8 if (0.5 * seconds) % 1 < 0.85 else 1
    for side in (-1, 1):
        eye_x, eye_y = x + side * 20, floor - body.height + 68
        pen.ellipse((eye_x - 9, eye_y - open_eyes, eye_x + 9, eye_y + open_eyes), fill=(206, 222, 84))
        pen.ellipse((eye_x - 3, eye_y - open_eyes, eye_x + 3, eye_y + open_eyes), fill=(20, 20, 24))


def _phone_body(s: Sketch) -> None:
    s.box(70, 20, 176, 226, (26, 28, 34), 16)
    s.box(78, 40, 168, 206, (60, 120, 210), 4)
    s.box(78, 40, 168, 84, (40, 92, 176), 4)
    s.ellipse(123, 112, 22, 22, (244, 246, 250))
    s.ellipse(123, 106, 9, 9, (60, 120, 210))
    s.pie(123, 130, 16, 14, 180, 360, (60, 120, 210))
    s.ellipse(101, 178, 14, 14, (74, 196, 96))
    s.ellipse(145, 178, 14, 14, (226, 66, 60))
    s.box(110, 28, 136, 32, (90, 94, 104), 2)


def _phone(sheet: Image.Image, pen: ImageDraw.ImageDraw, left: int, seconds: float) -> None:
    x, floor = 200 + left, 272
    body, ringing = _reduced(_phone_body), (0.8 * seconds) % 1 < 0.6
    turn = 12 + (3 * sin(42 * seconds) if ringing else 0)
    image = body.rotate(turn, Image.Resampling.BILINEAR, expand=True)
    pen.ellipse((x - 74, floor - 14, x + 74, floor + 8), fill=(0, 0, 0, 60))
    _paste(sheet, image, x, floor)
    for number in range(3) if ringing else ():
        r = 96 + 20 * number
        pen.arc((x - r, floor - 106 - r, x + r, floor - 106 + r), 320, 20, fill=(255, 255, 255, 210), width=5)
        pen.arc((x - r, floor - 106 - r, x + r, floor - 106 + r), 160, 220, fill=(255, 255, 255, 210), width=5)


def _window(sheet: Image.Image, pen: ImageDraw.ImageDraw, left: int, seconds: float) -> None:
    x = 200 + left
    pen.rectangle((x - 136, 14, x + 136, 272), fill=(250, 250, 248))
    pen.rectangle((x - 124, 26, x + 124, 260), fill=(160, 208, 242))
    pen.ellipse((x + 60, 40, x + 106, 86), fill=(255, 226, 96))
    drift = (26 * seconds) % 60
    for cloud_x, y in ((x - 96 + drift, 76), (x - 40 + 0.6 * drift, 118)):
        for shift, r in ((0, 14), (18, 19), (38, 13)):
            pen.ellipse((cloud_x + shift - r, y - r, cloud_x + shift + r, y + r), fill=(255, 255, 255))
    pen.pieslice((x - 124, 176, x + 40, 344), 180, 360, fill=(120, 176, 96))
    pen.pieslice((x - 20, 196, x + 124, 324), 180, 360, fill=(98, 158, 84))
    flap, bird_x, bird_y = 9 * sin(13 * seconds), x - 84 + (50 * seconds) % 150, 150 - 10 * sin(2 * seconds)
    pen.line([(bird_x - 13, bird_y - flap), (bird_x, bird_y), (bird_x + 13, bird_y - flap)], fill=(40, 44, 52), width=4)
    pen.rectangle((x - 5, 26, x + 5, 260), fill=(250, 250, 248))
    pen.rectangle((x - 124, 138, x + 124, 147), fill=(250, 250, 248))
    pen.rectangle((x - 148, 260, x + 148, 276), fill=(226, 222, 214))


def _vase(s: Sketch) -> None:
    s.polygon([(88, 120), (152, 120), (172, 190), (146, 232), (94, 232), (68, 190)], (70, 128, 176))
    s.ellipse(120, 120, 32, 9, (44, 84, 122))
    for y in (168, 196):
        s.line([(78, y), (162, y)], (230, 238, 246), 4)


def _flowers(sheet: Image.Image, pen: ImageDraw.ImageDraw, left: int, seconds: float) -> None:
    x, floor = 200 + left, 274
    vase = _reduced(_vase)
    rim = floor - vase.height + 8
    for number, petal in enumerate(PETALS):
        lean = 52 * (number - 1) + 9 * sin(2.6 * seconds + number)
        top_x, top_y = x + lean, rim - 92 - (22 if number == 1 else 0)
        pen.line([(x + 12 * (number - 1), rim), (x + 0.6 * lean, rim - 50), (top_x, top_y)], fill=(58, 128, 58), width=6)
        for turn in range(6):
            a = turn * pi / 3 + 0.2 * sin(2.6 * seconds)
            petal_x, petal_y = top_x + 19 * cos(a), top_y + 19 * sin(a)
            pen.ellipse((petal_x - 13, petal_y - 13, petal_x + 13, petal_y + 13), fill=petal)
        pen.ellipse((top_x - 11, top_y - 11, top_x + 11, top_y + 11), fill=(250, 208, 60))
    _paste(sheet, vase, x, floor)


def _clock_body(s: Sketch) -> None:
    for x in (62, 178):
        s.ellipse(x, 52, 34, 28, (196, 60, 52))
        s.stroke([(120 + (x - 120) * 0.7, 196), (x, 232)], (90, 94, 100), 12)
    s.stroke([(120, 20), (120, 36)], (90, 94, 100), 8)
    s.ellipse(120, 130, 92, 92, (196, 60, 52))
    s.ellipse(120, 130, 78, 78, (250, 248, 240))
    for hour in range(12):
        a = hour * pi / 6
        s.line([(120 + 64 * cos(a), 130 + 64 * sin(a)), (120 + 74 * cos(a), 130 + 74 * sin(a))], (40, 40, 46), 4)


def _clock(sheet: Image.Image, pen: ImageDraw.ImageDraw, left: int, seconds: float) -> None:
    x, floor = 200 + left, 268
    body = _reduced(_clock_body)
    _paste(sheet, body, x, floor)
    y = floor - body.height + 111
    for length, angle, wide in ((40, 0.4 * seconds - 2.2, 8), (60, 2.4 * seconds - 1.2, 5)):
        pen.line([(x, y), (x + length * cos(angle), y + length * sin(angle))], fill=(36, 38, 44), width=wide)
    pen.ellipse((x - 7, y - 7, x + 7, y + 7), fill=(36, 38, 44))


THINGS: dict[str, Callable[[Image.Image, ImageDraw.ImageDraw, int, float], None]] = {
    "cat": _cat,
    "clock": _clock,
    "flowers": _flowers,
    "phone": _phone,
    "window": _window,
}
