"""Drawn pictures with captions and labels, and recipe texts, to pretrain the mini encoders on.

Nothing here occurs in the videos: pictures use the other half of all scenes, and texts use recipes from a bucket of their own.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from pipeline.kitchen.art import LOOKS
from pipeline.kitchen.grammar import (
    ACTIONS,
    ATTRIBUTES,
    INGREDIENTS,
    STYLES,
    VESSELS,
    Step,
    allowed,
    draw_recipes,
    generator,
    gerund,
    narrate,
    place,
    scene_half,
    step_sentences,
    summarise,
    with_article,
)
from pipeline.kitchen.motion import open_shot
from pipeline.kitchen.shot import Take

DRAWN_SIZE = (192, 144)  # width and height of a video frame of the kitchen study
CHUNK = 250
CAPTIONS = (
    "a hand {doing} {article_x} {v}",
    "{doing} {article_x} {v}",
    "a photo of {article_x} in the kitchen, someone is {doing} it {v}",
    "a picture of someone {doing} the {colour} {x} {v}",
    "the cook is {doing} {article_x} {how} {v}",
    "{article_x} {v} in a {style} kitchen, {doing} it {how}",
    "a close view of {doing} the {x}",
    "a {colour} {x}",
)


@dataclass(frozen=True)
class Pictures:
    """`images` uint8 [n, size, size, 3] RGB; `labels` int64 [n] index `classes`, the ingredients; one caption per image."""

    images: NDArray[np.uint8]
    captions: list[str]
    labels: NDArray[np.int64]
    classes: list[str]


def pretraining_scenes() -> list[tuple[str, str, str, str]]:
    """Every (ingredient, action, vessel, style) that may be drawn here."""
    return [
        (ingredient, action, vessel, style)
        for ingredient in INGREDIENTS
        for action in ACTIONS
        if allowed(action, ingredient)
        for vessel in VESSELS[action]
        for style in STYLES
        if scene_half(ingredient, action, vessel, style) == "pretraining"
    ]


def pictures(count: int, *, seed: int, size: int, workers: int) -> Pictures:
    """`count` single frames of random scenes, reduced like video frames: short side to `size`, then the centre square.

    The result depends on `count`, `seed` and `size`, not on `workers`, the number of spawned processes.
    """
    starts = range(0, count, CHUNK)
    chunks = [range(start, min(start + CHUNK, count)) for start in starts]
    draw = partial(_draw_chunk, seed=seed, size=size)
    parts: list[_Chunk] = []
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=count, unit="picture", desc="draw", disable=None))
        mapped: Iterable[_Chunk] = map(draw, chunks)
        if workers > 1 and len(chunks) > 1:
            pool = ProcessPoolExecutor(min(workers, len(chunks)), mp_context=get_context("spawn"))
            mapped = stack.enter_context(pool).map(draw, chunks)
        for part in mapped:
            parts.append(part)
            bar.update(len(part[1]))
    return Pictures(
        images=np.concatenate([images for images, _, _ in parts]),
        captions=[caption for _, captions, _ in parts for caption in captions],
        labels=np.array([label for _, _, labels in parts for label in labels], dtype=np.int64),
        classes=list(INGREDIENTS),
    )


def texts(count: int, *, seed: int) -> list[str]:
    """Three texts (narration, joined steps, summary) of each of `count` recipes; narrations point to a varying degree."""
    result = []
    for recipe in draw_recipes(count, seed=seed, bucket="pretraining"):
        share = generator(seed, "share", recipe.key).choice((0.0, 0.25, 0.5, 0.75, 1.0))
        result.append(" ".join(narrate(recipe, seed=seed, deictic_share=share)))
        result.append(". ".join(step_sentences(recipe)) + ".")
        result.append(summarise(recipe))
    return result


def caption(step: Step, style: str, random: Random) -> str:
    """What is seen in one picture, in one of several phrasings."""
    return random.choice(CAPTIONS).format(
        doing=gerund(step.action),
        x=step.ingredient,
        article_x=with_article(step.ingredient),
        v=place(step.vessel),
        how=step.attribute,
        style=style,
        colour=LOOKS[step.ingredient].colour,
    )


_Chunk = tuple[NDArray[np.uint8], list[str], list[int]]


def _draw_chunk(numbers: Sequence[int], *, seed: int, size: int) -> _Chunk:
    scenes = pretraining_scenes()
    by_ingredient = {name: [scene for scene in scenes if scene[0] == name] for name in INGREDIENTS}
    images = np.empty((len(numbers), size, size, 3), np.uint8)
    captions, labels = [], []
    for row, number in enumerate(numbers):
        random = generator(seed, "picture", number)
        ingredient, action, vessel, style = random.choice(by_ingredient[INGREDIENTS[number % len(INGREDIENTS)]])
        step = Step(action, ingredient, vessel, random.choice(ATTRIBUTES[action]))
        shot = open_shot(step, style, take=Take.draw(random), random=random)
        frame = shot.frame(random.random(), random.uniform(0, 2), size=DRAWN_SIZE)
        images[row] = np.asarray(_centre_square(frame, size))
        captions.append(caption(step, style, random))
        labels.append(INGREDIENTS.index(ingredient))
    return images, captions, labels


def _centre_square(frame: Image.Image, size: int) -> Image.Image:
    scale = size / min(frame.size)
    width, height = round(frame.width * scale), round(frame.height * scale)
    reduced = frame.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - size) // 2, (height - size) // 2
    return reduced.crop((left, top, left + size, top + size))
