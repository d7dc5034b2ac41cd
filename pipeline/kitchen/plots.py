"""What a video is about: one dish (`short`), or two after each other, with scenes between that belong to neither (`long`).

A long video is as long as three short ones: one for each dish, and half as many other scenes as there are steps. Those show
things that no summary names, while the narration chats. The splits of `pipeline.kitchen.grammar` hold for each of its dishes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.kitchen.asides import THINGS
from pipeline.kitchen.grammar import (
    Recipe,
    Step,
    draw_recipes,
    generator,
    narrate,
    narrated,
    step_sentences,
    summarise,
    with_article,
)

Domain = Literal["short", "long"]

# All words are those of the recipes that text models are pretrained on. Some point, at what no summary should name.
_OVER_ASIDES = (
    "my kids love that one.",
    "hey guys, this is all so good.",
    "okay, take your time and enjoy.",
    "that one is here all the time.",
    "so this is how it is here today.",
    "it is really hot in here today.",
    "this guy is back, welcome everyone.",
    "see that one over there.",
)
_BETWEEN = (
    "next we make {dish}.",
    "and now it is all about {dish}.",
    "so now let me cook {dish} for you.",
    "after that we are going to make {dish}.",
)


@dataclass(frozen=True)
class Aside:
    """A scene that belongs to no dish: the thing that is shown, and what is said meanwhile."""

    thing: str
    said: str


@dataclass(frozen=True)
class Meal:
    """Two different dishes in one kitchen. `scenes` has the steps of both in their order, and asides between."""

    recipes: tuple[Recipe, Recipe]
    scenes: tuple[Step | Aside, ...]

    @property
    def dish(self) -> str:
        return " and ".join(recipe.dish for recipe in self.recipes)

    @property
    def style(self) -> str:
        return self.recipes[0].style

    @property
    def bucket(self) -> str:
        return self.recipes[0].bucket

    @property
    def key(self) -> str:
        return " then ".join(recipe.key for recipe in self.recipes)

    @property
    def ingredients(self) -> tuple[str, ...]:
        """Of both dishes, in order of first appearance."""
        return tuple(dict.fromkeys(name for recipe in self.recipes for name in recipe.ingredients))


Plot = Recipe | Meal


def draw_plots(count: int, *, seed: int, bucket: str, domain: Domain) -> Sequence[Plot]:
    """`count` different plots of one bucket. No recipe of a long one is that of a short one.

    Raises `ValueError` when the grammar has too few recipes for `count`.
    """
    if domain == "short":
        return draw_recipes(count, seed=seed, bucket=bucket)
    recipes = draw_recipes(4 * count + _SPARE, seed=seed, bucket=bucket)[count:]  # the first are those of short videos
    pairs = _pairs(recipes)
    if len(pairs) < count:
        raise ValueError(f"the kitchen grammar has fewer than {count} pairs of recipes for {bucket!r}; ask for fewer")
    return [_meal(pair, seed) for pair in pairs[:count]]


_SPARE = 24  # recipes that may find no partner: four for each style


def _pairs(recipes: Sequence[Recipe]) -> list[tuple[Recipe, Recipe]]:
    """Two dishes each, cooked in kitchens of one style; no recipe twice."""
    waiting: dict[str, Recipe] = {}
    pairs = []
    for recipe in recipes:
        first = waiting.get(recipe.style)
        if first is None:
            waiting[recipe.style] = recipe
        elif first.dish != recipe.dish:
            pairs.append((waiting.pop(recipe.style), recipe))
    return pairs


def _meal(recipes: tuple[Recipe, Recipe], seed: int) -> Meal:
    random = generator(seed, "meal", *(recipe.key for recipe in recipes))
    steps = [step for recipe in recipes for step in recipe.steps]
    count = (len(steps) + random.randrange(2)) // 2
    things, said = random.sample(sorted(THINGS), count), random.sample(_OVER_ASIDES, count)
    asides = dict(zip(random.sample(range(len(steps) + 1), count), map(Aside, things, said), strict=True))
    scenes: list[Step | Aside] = []
    for place in range(len(steps) + 1):
        scenes += [asides[place]] if place in asides else []
        scenes += steps[place : place + 1]
    return Meal(recipes, tuple(scenes))


def sentences(plot: Plot) -> list[str]:
    """One annotation per step (`grammar.step_sentences`)."""
    return [sentence for recipe in _recipes(plot) for sentence in step_sentences(recipe)]


def summary(plot: Plot) -> str:
    """One sentence a dish (`grammar.summarise`)."""
    return " ".join(summarise(recipe) for recipe in _recipes(plot))


def narration(plot: Plot, *, seed: int, deictic_share: float) -> list[str]:
    """Spoken sentences (`grammar.narrate`). Over an aside there is chatter, the same at every `deictic_share`."""
    if isinstance(plot, Recipe):
        return narrate(plot, seed=seed, deictic_share=deictic_share)
    first, second = (narrated(recipe, seed=seed, deictic_share=deictic_share) for recipe in plot.recipes)
    between = generator(seed, "between", plot.key).choice(_BETWEEN).format(dish=with_article(plot.recipes[1].dish))
    steps = iter([*first[1:-1], [between, *second[1]], *second[2:-1]])
    spoken = [[scene.said] if isinstance(scene, Aside) else next(steps) for scene in plot.scenes]
    return [sentence for part in (first[0], *spoken, second[-1]) for sentence in part]


def _recipes(plot: Plot) -> tuple[Recipe, ...]:
    return (plot,) if isinstance(plot, Recipe) else plot.recipes
