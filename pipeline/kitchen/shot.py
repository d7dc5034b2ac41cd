"""A scene before the camera: what stands still, how a frame is cut out, and, of a step of a recipe, where the food lies."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import cos, pi, sin
from random import Random

from PIL import Image, ImageDraw, ImageOps

from pipeline.kitchen.art import LOOKS, ingredient_sprite
from pipeline.kitchen.grammar import Step
from pipeline.kitchen.props import SKINS, SLEEVES, Hand, hand, vessel
from pipeline.kitchen.scene import CANVAS, CENTRE, MARGIN, background
from pipeline.kitchen.sketch import Sprite

FOOD_SIZE = 124  # canvas pixels of the longer side: two fifths of a frame's height


Animate = Callable[["Shot", Image.Image, ImageDraw.ImageDraw, float, float], None]
Moving = Callable[[Image.Image, ImageDraw.ImageDraw, float, float], None]


@dataclass(frozen=True)
class Take:
    """What varies between videos but carries no meaning: who cooks, and how the camera sees it."""

    skin: int
    sleeve: int
    mirrored: bool
    shake: float
    phase: float
    gains: tuple[float, float, float]

    @classmethod
    def draw(cls, random: Random) -> "Take":
        light = random.uniform(0.86, 1.08)
        return cls(
            skin=random.randrange(len(SKINS)),
            sleeve=random.randrange(len(SLEEVES)),
            mirrored=random.random() < 0.5,
            shake=random.uniform(0.2, 1.4),
            phase=random.uniform(0, 2 * pi),
            gains=(light * random.uniform(0.95, 1.05), light, light * random.uniform(0.92, 1.06)),
        )


def _lit(image: Image.Image, gains: tuple[float, float, float]) -> Image.Image:
    """The same RGB or RGBA image with its colours multiplied by `gains`."""
    red, green, blue = gains
    lit = image.convert("RGB").convert("RGB", (red, 0, 0, 0, 0, green, 0, 0, 0, 0, blue, 0))
    if image.mode == "RGBA":
        lit.putalpha(image.getchannel("A"))
    return lit


class View:
    """One scene in one take: `base`, an RGB image of size `CANVAS`, stands still; `moving` draws the rest for each frame."""

    def __init__(self, base: Image.Image, *, take: Take, moving: Moving) -> None:
        self.take, self.moving, self.base = take, moving, _lit(base, take.gains)

    def frame(self, progress: float, seconds: float, *, size: tuple[int, int]) -> Image.Image:
        """RGB image of `size` at `progress` in [0, 1] through the scene, `seconds` after its start (for swinging parts)."""
        sheet = self.base.copy()
        self.moving(sheet, ImageDraw.Draw(sheet, "RGBA"), progress, seconds)
        # Whole pixels of the reduced frame: finer steps would blur every tile anew and double the size of the video.
        left = MARGIN[0] + 2 * round(self.take.shake * sin(2.3 * seconds + self.take.phase))
        top = MARGIN[1] + 2 * round(self.take.shake * cos(1.7 * seconds + self.take.phase))
        box = (left, top, left + CANVAS[0] - 2 * MARGIN[0], top + CANVAS[1] - 2 * MARGIN[1])
        image = sheet.reduce(2, box)
        if image.size != size:
            image = image.resize(size, Image.Resampling.BICUBIC)
        return ImageOps.mirror(image) if self.take.mirrored else image


class Shot(View):
    """One step: a vessel with food in it, and a hand."""

    def __init__(self, step: Step, style: str, *, take: Take, random: Random, animate: Animate, tool: str | None) -> None:
        name = f"{step.vessel} in the oven" if step.action == "bake" else step.vessel
        self.step = step
        self.vessel = vessel(name)
        self.look = LOOKS[step.ingredient]
        self.hand: Hand | None = hand(tool, take.skin, take.sleeve) if tool else None
        self.food = _portion(step.ingredient, random)
        self.x = CENTRE[0] + random.randint(-10, 10)
        self.bottom = CENTRE[1] + 36 - self.vessel.lift + random.randint(-4, 4)
        self.specks = [(random.random(), random.random(), random.random()) for _ in range(60)]
        self.pieces: list[Image.Image] = []  # images that an animation reuses
        front = self.vessel.front
        self.front = None if front is None else Sprite(_lit(front.image, take.gains), front.left, front.top)
        base = background(style).copy()
        base.paste(self.vessel.back.image, (self.vessel.back.left, self.vessel.back.top), self.vessel.back.image)
        super().__init__(base, take=take, moving=partial(animate, self))

    def put(self, sheet: Image.Image, image: Image.Image, x: float, bottom: float) -> None:
        """Paste with the middle of its lower edge at (x, bottom)."""
        sheet.paste(image, (round(x - image.width / 2), round(bottom - image.height)), image)

    def put_front(self, sheet: Image.Image) -> None:
        if self.front is not None:
            sheet.paste(self.front.image, (self.front.left, self.front.top), self.front.image)

    def put_hand(self, sheet: Image.Image, x: float, y: float) -> None:
        assert self.hand is not None, f"no tool for {self.step.action}"
        sheet.paste(self.hand.image, (round(x - self.hand.grip[0]), round(y - self.hand.grip[1])), self.hand.image)


def _portion(name: str, random: Random) -> Image.Image:
    """The ingredient at its size in the scene, with small random changes of size, angle and tint."""
    sprite = ingredient_sprite(name)
    scale = FOOD_SIZE * random.uniform(0.9, 1.08) / max(sprite.size)
    image = sprite.resize((round(sprite.width * scale), round(sprite.height * scale)), Image.Resampling.BILINEAR, reducing_gap=2)
    image = image.rotate(random.uniform(-9, 9), Image.Resampling.BILINEAR)
    red, green, blue = (random.uniform(0.92, 1.08) for _ in range(3))
    return _lit(image, (red, green, blue))
