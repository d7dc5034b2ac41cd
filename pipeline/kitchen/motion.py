"""The animation: what happens to an ingredient while it is sliced, fried, poured over, and so on."""

from functools import cache
from math import cos, pi, sin
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.kitchen.grammar import Step
from pipeline.kitchen.shot import FOOD_SIZE, Animate, Shot, Take
from pipeline.kitchen.sketch import Colour


def _tinted(image: Image.Image, colour: Colour, amount: float) -> Image.Image:
    tinted = Image.blend(image.convert("RGB"), Image.new("RGB", image.size, colour[:3]), amount)
    tinted.putalpha(image.getchannel("A"))
    return tinted


def _turned(shot: Shot, angles: int, spread: float) -> list[Image.Image]:
    if not shot.pieces:
        turns = [spread * (number / (angles - 1) - 0.5) for number in range(angles)]
        shot.pieces = [shot.food.rotate(turn, Image.Resampling.BILINEAR, expand=True) for turn in turns]
    return shot.pieces


@cache
def _wisp() -> Image.Image:
    mask = Image.new("L", (56, 84))
    draw = ImageDraw.Draw(mask)
    for number in range(12):
        x, y = 28 + 11 * sin(number * 0.75), 72 - number * 5
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=150)
    image = Image.new("RGBA", mask.size, (255, 255, 255, 0))
    image.putalpha(mask.filter(ImageFilter.GaussianBlur(5)))
    return image


def _steam(shot: Shot, sheet: Image.Image, seconds: float, top: float) -> None:
    for number, x in enumerate((136, 250, 196)):
        rise = (0.7 * seconds + number / 3) % 1
        shot.put(sheet, _wisp(), shot.x - 200 + x + 6 * sin(3 * seconds + number), top + 40 - 70 * rise)


def _flames(draw: ImageDraw.ImageDraw, seconds: float, y: float) -> None:
    for number in range(9):
        x = 120 + 20 * number
        high = 22 + 9 * sin(14 * seconds + 2.1 * number)
        draw.polygon([(x - 9, y), (x + 2 * sin(9 * seconds + number), y - high), (x + 9, y)], fill=(255, 140, 30, 230))
        draw.polygon([(x - 6, y), (x, y - 0.6 * high), (x + 6, y)], fill=(70, 130, 255, 240))


def _uncut(shot: Shot, sheet: Image.Image, share: float) -> float:
    """Paste the left part of the food that is still whole; returns where the cut is."""
    width, height = shot.food.size
    left = round(shot.x - 0.72 * width)
    rest = max(1, round(width * (1 - share)))
    part = shot.food.crop((0, 0, rest, height))
    sheet.paste(part, (left, shot.bottom - height), part)
    return left + rest


def _slice(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    count = 8 if shot.step.attribute == "thinly" else 5
    height = shot.food.height
    done = int(progress * count + 0.5)
    cut = _uncut(shot, sheet, 0.5 * done / count)
    tall, thick = 0.78 * height, 9 if count == 8 else 14
    for number in reversed(range(done)):
        x = cut + 24 + number * (thick + 9)
        y = shot.bottom - tall / 2 + 2
        wide = 0.24 * tall
        draw.ellipse((x + thick - wide, y - tall / 2, x + thick + wide, y + tall / 2), fill=shot.look.skin)
        draw.ellipse((x - wide, y - tall / 2, x + wide, y + tall / 2), fill=shot.look.skin)
        draw.ellipse((x - wide + 4, y - tall / 2 + 5, x + wide - 4, y + tall / 2 - 5), fill=shot.look.flesh)
    shot.put_hand(sheet, cut + 6, shot.bottom - 2 - 44 * abs(sin(5.5 * seconds)))


def _chop(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    fine = shot.step.attribute == "finely"
    count, half = (44, 6) if fine else (22, 9)
    cut = _uncut(shot, sheet, 0.5 * progress)
    for first, second, third in sorted(shot.specks[: int(count * (0.2 + 0.8 * progress))], key=lambda speck: speck[1]):
        x, y = cut + 22 + 96 * first * (0.5 + 0.5 * progress), shot.bottom - 44 * second * (1 - abs(first - 0.45)) + 4
        lean = (third - 0.5) * half
        top = [(x - half, y - half + lean), (x, y - 1.5 * half), (x + half, y - half - lean), (x, y - 0.3 * half)]
        draw.polygon(
            [(x - half, y - half + lean), (x, y - 0.3 * half), (x, y + half), (x - half, y + 0.4 * half)], shot.look.skin
        )
        side = tuple(int(0.8 * part) for part in shot.look.flesh)
        draw.polygon([(x, y - 0.3 * half), (x + half, y - half - lean), (x + half, y + 0.4 * half), (x, y + half)], side)
        draw.polygon(top, shot.look.flesh)
    shot.put_hand(sheet, cut + 2, shot.bottom - 54 * abs(sin(9 * seconds)))


def _peel(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    if not shot.pieces:
        shot.pieces = [_tinted(shot.food, shot.look.flesh, 0.86)]
    width, height = shot.food.size
    shot.put(sheet, shot.food, shot.x, shot.bottom)
    edge = width * (1 - 0.55 * max(0.12, progress))
    region = Image.new("L", shot.food.size)
    zigzag = [(edge + (5 if row % 2 else -5), row * height / 6) for row in range(7)]
    ImageDraw.Draw(region).polygon([*zigzag, (width, height), (width, 0)], fill=255)
    mask = ImageChops.multiply(region, shot.food.getchannel("A"))
    sheet.paste(shot.pieces[0], (round(shot.x - width / 2), shot.bottom - height), mask)
    for number in range(1 + int(5 * progress)):
        x, y = shot.x - 112 + 30 * (number % 2) + 4 * number, shot.bottom + 2 - 15 * (number // 2)
        draw.arc((x - 18, y - 12, x + 18, y + 14), 150 + 20 * number, 460 + 20 * number, fill=shot.look.skin, width=8)
        draw.arc((x - 12, y - 7, x + 12, y + 9), 170, 400, fill=shot.look.flesh, width=3)
    blade_x = shot.x - width / 2 + edge
    blade_y = shot.bottom - height * (0.5 + 0.38 * cos(6 * seconds))
    strip = [(blade_x + 4, blade_y), (blade_x + 16, blade_y + 18), (blade_x + 6, blade_y + 34)]
    draw.line(strip, fill=shot.look.skin, width=8)
    shot.put_hand(sheet, blade_x + 4, blade_y)


def _grate(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    left, floor = shot.x - 96, shot.bottom + 2
    draw.polygon([(left + 14, floor - 132), (left + 82, floor - 132), (left + 98, floor), (left, floor)], (190, 196, 206))
    side = [(left + 82, floor - 132), (left + 96, floor - 126), (left + 112, floor - 6), (left + 98, floor)]
    draw.polygon(side, (132, 138, 150))
    draw.arc((left + 24, floor - 160, left + 72, floor - 112), 180, 360, fill=(60, 62, 70), width=10)
    for row in range(6):
        for column in range(4):
            hole_x, hole_y = left + 20 + column * 19 - (row % 2) * 5, floor - 118 + row * 19
            draw.ellipse((hole_x - 4, hole_y - 3, hole_x + 6, hole_y + 5), fill=(84, 90, 100))
            draw.arc((hole_x - 4, hole_y - 5, hole_x + 6, hole_y + 4), 180, 360, fill=(246, 248, 252), width=2)
    for first, second, third in shot.specks[: int(16 + 44 * progress)]:
        x, y = left - 30 + 130 * first, floor + 10 - 40 * second * (1 - abs(2 * first - 1))
        length = 8 if shot.step.attribute == "finely" else 14
        colour = shot.look.flesh if third < 0.65 else shot.look.skin
        draw.line([(x, y), (x + length * cos(6 * third), y + 0.5 * length * sin(6 * third))], fill=colour, width=5)
    swing = sin(8 * seconds)
    x, bottom = left + 122, floor - 14 + 18 * swing
    shot.put(sheet, shot.food, x, bottom)
    shot.put_hand(sheet, x + 36, bottom - 50)


def _fry(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    _flames(draw, seconds, 284)
    golden = 0.4 if shot.step.attribute == "until golden" else 0.2
    for first, second, third in shot.specks[:26]:
        grow = (1.6 * seconds + third) % 1
        x, y, r = 200 + 210 * (first - 0.5), 214 + 54 * (second - 0.5), 2 + 5 * grow
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(255, 232, 150, 220), width=2)
    images = _turned(shot, 5, 26)
    swing = sin(5 * seconds)
    image = _tinted(images[round(2 + 2 * swing)], (206, 124, 36), golden * progress)
    shot.put(sheet, image, shot.x - 16 + 6 * swing, shot.bottom - 4 - 22 * max(0, sin(7 * seconds)))
    _steam(shot, sheet, seconds, 110)
    shot.put_hand(sheet, shot.x + 46 + 14 * swing, shot.bottom - 8)


def _boil(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    assert shot.vessel.surface is not None
    x, y, rx, ry = shot.vessel.surface
    draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=(126, 186, 222))
    _steam(shot, sheet, seconds, 76)
    images = _turned(shot, 5, 24)
    image = images[round(2 + 2 * sin(3 * seconds))]
    dip = 0.2 + 0.05 * sin(4 * seconds)
    above = image.crop((0, 0, image.width, round(image.height * (1 - dip))))
    bottom = y + 16
    shot.put(sheet, above, shot.x, bottom)
    half = 0.5 * image.width
    draw.ellipse((shot.x - half, bottom - 9, shot.x + half, bottom + 11), fill=(150, 204, 234, 150))
    draw.arc((shot.x - half - 8, bottom - 14, shot.x + half + 8, bottom + 14), 10, 170, fill=(240, 250, 255), width=3)
    for first, second, third in shot.specks[:34]:
        grow = (1.3 * seconds + third) % 1
        angle, out = 2 * pi * first, 0.35 + 0.6 * second
        bx, by, r = x + rx * out * cos(angle), y + ry * out * sin(angle) - 4 * grow, 3 + 6 * grow
        if by > y - 4 or abs(bx - shot.x) > half:
            draw.ellipse((bx - r, by - r, bx + r, by + r), fill=(226, 242, 250, 150), outline=(255, 255, 255), width=2)
    shot.put_front(sheet)
    _flames(draw, seconds, 299)


def _bake(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    glow = int(46 + 30 * sin(5 * seconds))
    draw.rectangle((66, 112, 334, 280), fill=(255, 120, 20, glow))
    brown = 0.45 if shot.step.attribute == "until brown" else 0.3
    image = _tinted(shot.food, (166, 92, 28), brown * progress)
    shot.put(sheet, image, shot.x, shot.bottom)
    for number in range(5):
        x, rise = 96 + 52 * number, (0.6 * seconds + 0.23 * number) % 1
        path = [(x + 6 * sin(0.5 * step + 6 * seconds), 214 - 60 * rise - 7 * step) for step in range(7)]
        draw.line(path, fill=(255, 190, 90, 170), width=4)
    draw.line([(80, 274), (320, 274)], fill=(255, 110 + glow, 40), width=8)
    draw.line([(80, 119), (320, 119)], fill=(255, 110 + glow, 40), width=8)


def _mix(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    assert shot.vessel.surface is not None
    x, y, rx, ry = shot.vessel.surface
    turn = (5 if shot.step.attribute == "slowly" else 7) * seconds
    draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=(246, 240, 222))
    for number in range(3):
        r = 0.9 - 0.25 * number
        start = 57 * turn + 90 * number
        draw.arc((x - r * rx, y - r * ry, x + r * rx, y + r * ry), start, start + 200, fill=(222, 206, 170), width=4)
    images = _turned(shot, 7, 60)
    image, left = images[round(3 + 3 * sin(turn))], shot.x - 12 - 16 * cos(turn)
    shot.put(sheet, image.crop((0, 0, image.width, round(0.86 * image.height))), left, y + 20)
    draw.ellipse((left - 44, y + 10, left + 44, y + 28), fill=(246, 240, 222, 235))
    shot.put_hand(sheet, x + 52 + 34 * cos(turn), y + 10 + 14 * sin(turn))
    shot.put_front(sheet)


def _blend(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    images = _turned(shot, 9, 320)
    swing = images[int(11 * seconds) % 9 if progress > 0.15 else 4]
    shake = 2 * sin(40 * seconds)
    level = 226 - 70 * progress
    shot.put(sheet, swing, 200 + shake, 168 - 0.5 * FOOD_SIZE + swing.height / 2 + 30)
    draw.polygon([(128, level), (272, level - 8 * sin(9 * seconds)), (264, 248), (136, 248)], (*shot.look.flesh[:3], 170))
    for first, second, third in shot.specks[:30]:
        angle = 2 * pi * first + 9 * seconds
        bx, by = 200 + 62 * cos(angle) * (0.6 + 0.4 * third), 232 - 120 * second * (0.3 + 0.7 * progress)
        draw.polygon(
            [(bx - 6, by), (bx, by - 6), (bx + 6, by + 1), (bx, by + 6)], shot.look.skin if third < 0.5 else shot.look.flesh
        )
    shot.put_front(sheet)


def _sprinkle(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    shot.put(sheet, shot.food, shot.x, shot.bottom)
    shake = 9 * sin(12 * seconds)
    top = shot.bottom - shot.food.height
    x, y = shot.x + 8 + shake, top - 16 + 0.5 * shake
    for first, second, third in shot.specks:
        fall = (1.7 * seconds + third) % 1
        gx, gy = x + 66 * (first - 0.5) * (0.3 + 0.7 * fall), y + (shot.food.height + 12) * fall * (0.4 + 0.6 * second)
        draw.ellipse((gx - 3, gy - 3, gx + 3, gy + 3), fill=(255, 255, 255), outline=(176, 180, 190))
    shot.put_hand(sheet, x, y)


def _pour(shot: Shot, sheet: Image.Image, draw: ImageDraw.ImageDraw, progress: float, seconds: float) -> None:
    spread = 40 + 56 * progress
    draw.ellipse((shot.x - spread, shot.bottom - 20, shot.x + spread, shot.bottom + 10), fill=(226, 184, 40, 190))
    shot.put(sheet, shot.food, shot.x, shot.bottom)
    top = shot.bottom - shot.food.height
    x, y = shot.x + 14 + 6 * sin(3 * seconds), top - 30
    wave = 2 * sin(16 * seconds)
    path = [(x, y), (x - 4 + wave, y + 16), (x - 8 - wave, y + 34), (x - 12, top + 0.55 * shot.food.height)]
    draw.line(path, fill=(240, 196, 36, 235), width=9, joint="curve")
    draw.line(path, fill=(255, 236, 130, 235), width=3, joint="curve")
    draw.ellipse((x - 34, path[-1][1] - 5, x + 10, path[-1][1] + 9), fill=(240, 196, 36, 190))
    shot.put_front(sheet)
    shot.put_hand(sheet, x + 2, y)


_ACTIONS: dict[str, tuple[Animate, str | None]] = {
    "slice": (_slice, "knife"),
    "chop": (_chop, "cleaver"),
    "peel": (_peel, "peeler"),
    "grate": (_grate, "nothing"),
    "fry": (_fry, "spatula"),
    "boil": (_boil, None),
    "bake": (_bake, None),
    "mix": (_mix, "spoon"),
    "blend": (_blend, None),
    "sprinkle": (_sprinkle, "shaker"),
    "pour": (_pour, "bottle"),
}


def open_shot(step: Step, style: str, *, take: Take, random: Random) -> Shot:
    """The shot of one step, with the animation and the tool of its action."""
    animate, tool = _ACTIONS[step.action]
    return Shot(step, style, take=take, random=random, animate=animate, tool=tool)
