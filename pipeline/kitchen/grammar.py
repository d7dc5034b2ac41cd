"""Plots and texts of the drawn kitchen: from one plot come the animation, the narration, the step sentences and the summary.

Ingredients are drawn without regard to the dish, so what a narration hides by pointing ("now slice this") cannot be
guessed from the rest of it. Stable hashes keep the splits and the pretraining material apart (`bucket_of`, `scene_half`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

INGREDIENTS = (
    "tomato", "carrot", "onion", "mushroom", "egg", "fish", "lemon", "broccoli", "cheese", "shrimp",
    "chicken leg", "red pepper", "green pepper", "cucumber", "corn", "potato", "eggplant", "garlic", "apple", "avocado",
)  # fmt: skip
STYLES = ("oak", "marble", "slate", "painted", "butcher block", "steel")

_BOARDS = ("wooden board", "plastic board", "plate")
VESSELS = {
    "slice": _BOARDS,
    "chop": _BOARDS,
    "peel": _BOARDS,
    "grate": _BOARDS,
    "fry": ("pan", "wok"),
    "boil": ("pot", "casserole"),
    "bake": ("oven tray", "baking dish"),
    "mix": ("blue bowl", "glass bowl"),
    "blend": ("blender", "food processor"),
    "sprinkle": ("plate", "blue bowl", "oven tray", "pan"),
    "pour": ("plate", "glass bowl", "baking dish", "wok"),
}
ACTIONS = tuple(VESSELS)
ATTRIBUTES = {
    "slice": ("thinly", "thickly"),
    "chop": ("finely", "roughly"),
    "peel": ("carefully", "quickly"),
    "grate": ("finely", "coarsely"),
    "fry": ("until golden", "in hot oil"),
    "boil": ("gently", "until soft"),
    "bake": ("until golden", "until brown"),
    "mix": ("slowly", "well"),
    "blend": ("until smooth", "quickly"),
    "sprinkle": ("evenly", "lightly"),
    "pour": ("slowly", "generously"),
}
_UNPEELABLE = ("mushroom", "fish", "cheese", "chicken leg", "broccoli", "red pepper", "green pepper", "tomato")
_GRATEABLE = ("carrot", "cheese", "potato", "cucumber", "garlic", "lemon", "apple", "onion", "eggplant", "mushroom", "broccoli")

_PREPARE = ("slice", "chop", "peel", "grate")
_FINISH = ("sprinkle", "pour")
COOKING = {  # dish: what may follow the preparation
    "soup": ("boil", "blend", "mix", *_FINISH),
    "salad": ("mix", "boil", *_FINISH),
    "stir fry": ("fry", "mix", *_FINISH),
    "omelette": ("fry", "mix", *_FINISH),
    "pie": ("bake", "mix", "boil", *_FINISH),
    "pasta": ("boil", "fry", "mix", *_FINISH),
    "pizza": ("bake", "fry", *_FINISH),
    "tacos": ("fry", "mix", "bake", *_FINISH),
    "curry": ("fry", "boil", "blend", *_FINISH),
    "dip": ("blend", "mix", "bake", *_FINISH),
}
DISHES = tuple(COOKING)

_BUCKETS = (("pretraining", 0.35), ("train", 0.7), ("validation", 0.82), ("test", 1.0))


@dataclass(frozen=True)
class Step:
    action: str
    ingredient: str
    vessel: str
    attribute: str


@dataclass(frozen=True)
class Recipe:
    """A plot: a dish cooked in a kitchen of one style. `bucket` is pretraining or the name of a split."""

    dish: str
    style: str
    steps: tuple[Step, ...]
    bucket: str

    @property
    def key(self) -> str:
        """The canonical name of this recipe instance: dish and ordered steps."""
        return " | ".join([self.dish, *(f"{step.action}, {step.ingredient}, {step.vessel}" for step in self.steps)])

    @property
    def ingredients(self) -> tuple[str, ...]:
        """In order of first appearance."""
        return tuple(dict.fromkeys(step.ingredient for step in self.steps))

    @property
    def scenes(self) -> tuple[Step, ...]:
        """What a video of it shows."""
        return self.steps


def allowed(action: str, ingredient: str) -> bool:
    if action == "peel":
        return ingredient not in _UNPEELABLE
    return action != "grate" or ingredient in _GRATEABLE


def _unit(text: str) -> float:
    """A stable number in [0, 1) for a text, the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def generator(*parts: object) -> Random:
    """A generator that depends only on `parts`."""
    return Random(hashlib.sha256(repr(parts).encode()).digest())


def bucket_of(dish: str, ingredients: Iterable[str]) -> str:
    """The owner of a dish with a set of ingredients: pretraining or one split.

    This is coarser than a recipe instance, and a summary names the dish and all ingredients. So buckets share neither recipes
    nor summaries.
    """
    place = _unit("recipe: " + " | ".join([dish, *sorted(set(ingredients))]))
    return next(name for name, end in _BUCKETS if place < end)


def scene_half(ingredient: str, action: str, vessel: str, style: str) -> str:
    """Whether a scene may be drawn for `pretraining` or for `summarisation`, never for both."""
    return "pretraining" if _unit(f"scene: {ingredient} | {action} | {vessel} | {style}") < 0.5 else "summarisation"


def draw_recipes(count: int, *, seed: int, bucket: str) -> list[Recipe]:
    """`count` different recipes of one bucket, each step a scene of that bucket's half.

    Raises `ValueError` when the grammar has too few recipes for `count`.
    """
    random = generator(seed, "recipes", bucket)
    found: dict[str, Recipe] = {}
    for _ in range(1000 + 200 * count):
        if len(found) == count:
            break
        recipe = _draw_recipe(random, bucket)
        if recipe is not None:
            found.setdefault(recipe.key, recipe)
    if len(found) < count:
        raise ValueError(f"the kitchen grammar has fewer than {count} different recipes for {bucket!r}; ask for fewer")
    return list(found.values())


def _draw_recipe(random: Random, bucket: str) -> Recipe | None:
    dish = random.choice(DISHES)
    style = random.choice(STYLES)
    names = random.sample(INGREDIENTS, random.choice((2, 3, 3)))
    if bucket_of(dish, names) != bucket:
        return None
    length = random.choice((3, 4, 4, 5))
    prepared = 2 if length > 3 else 1
    half = "pretraining" if bucket == "pretraining" else "summarisation"
    steps: list[Step] = []
    for position in range(length):
        name = names[position] if position < len(names) else random.choice(names)
        used = {step.action for step in steps if step.ingredient == name or step.action in _FINISH}
        pool = _PREPARE if position < prepared else COOKING[dish]
        options = [
            (action, vessel)
            for action in pool
            if action not in used and allowed(action, name)
            for vessel in VESSELS[action]
            if scene_half(name, action, vessel, style) == half
        ]
        if not options:
            return None
        action = random.choice(sorted({action for action, _ in options}))
        vessel = random.choice([vessel for candidate, vessel in options if candidate == action])
        steps.append(Step(action, name, vessel, random.choice(ATTRIBUTES[action])))
    return Recipe(dish, style, tuple(steps), bucket)


# What is said. {x} is the ingredient or a pointing word, {v} the place, {how} the attribute.

_OBJECT = {"sprinkle": "salt over ", "pour": "oil over "}
_GERUNDS = {"slice": "slicing", "chop": "chopping", "peel": "peeling", "grate": "grating", "fry": "frying", "boil": "boiling",
            "bake": "baking", "mix": "mixing", "blend": "blending", "sprinkle": "sprinkling", "pour": "pouring"}  # fmt: skip
_ON = (*_BOARDS, "oven tray")

_GREETINGS = (
    "hello everyone, today we make {dish}.",
    "hi and welcome back, this is {dish}.",
    "hey guys, let me cook {dish} for you.",
    "welcome, we are going to make {dish}.",
    "so today it is all about {dish}.",
)
_STARTS = ("first", "okay so", "now", "next", "then", "all right", "after that", "and then", "so now", "great, now")
_SAYINGS = (
    "{start} {do} {x} {v}.",
    "{start} i {do} {x} {how} {v}.",
    "{start} we {do} {x} {v}, {how}.",
    "{start} you {do} {x} {v}.",
    "{start} take {x} and {do_it} {v}.",
)
_CHATTER = ("that smells really good.", "take your time.", "my kids love that part.", "it is that easy.", "")
_GOODBYES = (
    "and that is it, enjoy.",
    "there you have it, thanks for watching.",
    "and we are done, see you next time.",
    "now it is ready to serve.",
)
_POINTING = ("this", "this one", "that one", "this here", "this guy")
_SUMMARIES = (
    "to make {dish}, {do}.",
    "{do} for {dish}.",
    "{do} to get {dish}.",
    "this is how to cook {dish}: {do}.",
    "learn to make {dish} by {doing}.",
    "{dish} is made by {doing}.",
    "the cook makes {dish} by {doing}.",
)


def place(vessel: str) -> str:
    return f"{'on' if vessel in _ON else 'in'} the {vessel}"


def gerund(action: str) -> str:
    """`slicing`, or with its object `sprinkling salt over`."""
    return (_GERUNDS[action] + " " + _OBJECT.get(action, "")).strip()


def with_article(noun: str) -> str:
    if noun in ("broccoli", "cheese", "corn", "garlic", "pasta"):
        return f"some {noun}"
    if noun == "tacos":
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def step_sentences(recipe: Recipe) -> list[str]:
    """One annotation per step, in YouCook2's style: lower case, imperative, everything named."""
    return [
        f"{step.action} {_OBJECT.get(step.action, '')}the {step.ingredient} {step.attribute} {place(step.vessel)}"
        for step in recipe.steps
    ]


def narrate(recipe: Recipe, *, seed: int, deictic_share: float) -> list[str]:
    """Spoken sentences. With probability `deictic_share`, a mention points to an ingredient or a place instead of naming it.

    Every random choice is made whether or not it is used. So two shares differ only in these mentions, and what is hidden at
    one share is hidden at every higher one.
    """
    return [sentence for part in narrated(recipe, seed=seed, deictic_share=deictic_share) for sentence in part]


def narrated(recipe: Recipe, *, seed: int, deictic_share: float) -> list[list[str]]:
    """The same in parts: the greeting, what is said to each step, the goodbye."""
    random = generator(seed, "narration", recipe.key)
    chatter_after = random.randrange(len(recipe.steps))
    chatter = random.choice(_CHATTER)
    parts = [[random.choice(_GREETINGS).format(dish=with_article(recipe.dish))]]
    for number, step in enumerate(recipe.steps):
        saying, pointing = random.choice(_SAYINGS), random.choice(_POINTING)
        start = "first" if number == 0 else random.choice(_STARTS[1:])
        named, placed = random.random() >= deictic_share, random.random() >= deictic_share
        said = saying.format(
            start=start,
            do=_verb(step.action),
            do_it=f"{_verb(step.action)} it",
            x=f"the {step.ingredient}" if named else pointing,
            v=place(step.vessel) if placed else "right here",
            how=step.attribute,
        )
        parts.append([said, chatter] if number == chatter_after and chatter else [said])
    return [*parts, [random.choice(_GOODBYES)]]


def summarise(recipe: Recipe) -> str:
    """One sentence that names the dish, every ingredient and what is done to it. Its form follows from the dish."""
    template = _SUMMARIES[DISHES.index(recipe.dish) % len(_SUMMARIES)]
    treatments: dict[tuple[str, ...], list[str]] = {}
    for name in recipe.ingredients:
        actions = [step.action for step in recipe.steps if step.ingredient == name]
        # At most two verbs each, those with an object of their own ("pour oil over") last.
        chosen = sorted(actions, key=lambda action: action in _OBJECT)[:2]
        treatments.setdefault(tuple(chosen), []).append(f"the {name}")
    plain = [f"{' and '.join(_verb(action) for action in actions)} {_listed(names)}" for actions, names in treatments.items()]
    gerunds = [f"{' and '.join(gerund(action) for action in actions)} {_listed(names)}" for actions, names in treatments.items()]
    return template.format(dish=with_article(recipe.dish), do=_listed(plain), doing=_listed(gerunds))


def _verb(action: str) -> str:
    return f"{action} {_OBJECT.get(action, '')}".strip()


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]
