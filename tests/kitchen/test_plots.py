"""Long videos: three times as long, two dishes, things that no summary names; and splits that share nothing across domains."""

import json
import re
from itertools import combinations
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from PIL import Image

from pipeline.kitchen import plots
from pipeline.kitchen.asides import THINGS, open_aside
from pipeline.kitchen.grammar import INGREDIENTS, Recipe, Step, draw_recipes, generator, narrate
from pipeline.kitchen.plots import Aside, Meal, draw_plots, narration, sentences, summary
from pipeline.kitchen.scene import background
from pipeline.kitchen.shot import Take
from pipeline.kitchen.video import VideoPlan, draw_frames

ROOT = Path(__file__).parents[2]
SEED = 3
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def meals() -> dict[str, list[Meal]]:
    found = {split: draw_plots(60, seed=SEED, bucket=split, domain="long") for split in SPLITS}
    return {split: [plot for plot in some if isinstance(plot, Meal)] for split, some in found.items()}


def named(text: str) -> set[str]:
    return {name for name in INGREDIENTS if re.search(rf"\b{name}\b", text)}


def test_short_plots_are_the_recipes_as_they_were() -> None:
    short = draw_plots(20, seed=SEED, bucket="train", domain="short")
    assert list(short) == draw_recipes(20, seed=SEED, bucket="train")
    assert narration(short[0], seed=SEED, deictic_share=0.5) == narrate(short[0], seed=SEED, deictic_share=0.5)  # type: ignore[arg-type]


def test_long_plots_repeat_for_a_seed_and_differ_between_seeds(meals: dict[str, list[Meal]]) -> None:
    assert meals["test"] == draw_plots(60, seed=SEED, bucket="test", domain="long")
    assert meals["test"] != draw_plots(60, seed=SEED + 1, bucket="test", domain="long")
    assert all(len(some) == 60 == len({meal.key for meal in some}) for some in meals.values())


def test_two_dishes_in_one_kitchen_and_scenes_for_three(meals: dict[str, list[Meal]]) -> None:
    """As many scenes as three short videos have, the same share of them steps in every split."""
    short = mean(len(recipe.scenes) for recipe in draw_recipes(200, seed=SEED, bucket="train"))
    for some in meals.values():
        for meal in some:
            first, second = meal.recipes
            assert first.dish != second.dish and first.style == second.style
            assert [scene for scene in meal.scenes if isinstance(scene, Step)] == [*first.steps, *second.steps]
            things = [scene.thing for scene in meal.scenes if isinstance(scene, Aside)]
            assert len(set(things)) == len(things) >= 3
        assert 2.8 < mean(len(meal.scenes) for meal in some) / short < 3.2


def test_splits_share_no_recipe_across_domains_and_domains_share_none(meals: dict[str, list[Meal]]) -> None:
    short = {split: draw_recipes(60, seed=SEED, bucket=split) for split in (*SPLITS, "pretraining")}
    long = {split: [recipe for meal in some for recipe in meal.recipes] for split, some in meals.items()}
    both: dict[str, list[Recipe]] = {split: short[split] + long.get(split, []) for split in short}
    for one, other in combinations(both, 2):
        for of in (lambda recipe: recipe.key, lambda recipe: (recipe.dish, frozenset(recipe.ingredients))):
            assert not {of(recipe) for recipe in both[one]} & {of(recipe) for recipe in both[other]}
    for split in SPLITS:
        keys = [recipe.key for recipe in both[split]]
        assert len(set(keys)) == len(keys)


def test_the_summary_names_both_dishes_and_all_ingredients_and_nothing_else_that_is_shown(meals: dict[str, list[Meal]]) -> None:
    for meal in meals["train"]:
        spoken = " ".join(narration(meal, seed=SEED, deictic_share=0.0))
        assert named(summary(meal)) == set(meal.ingredients) == named(" ".join(sentences(meal))) == named(spoken)
        assert all(recipe.dish in text for recipe in meal.recipes for text in (summary(meal), spoken))
        assert not any(thing.rstrip("s") in f"{summary(meal)} {spoken}" for thing in THINGS)
        assert not named(" ".join(narration(meal, seed=SEED, deictic_share=1.0)))


def test_there_is_chatter_over_every_other_thing_whatever_is_hidden(meals: dict[str, list[Meal]]) -> None:
    for meal in meals["train"][:20]:
        said = [scene.said for scene in meal.scenes if isinstance(scene, Aside)]
        for share in (0.0, 1.0):
            spoken = narration(meal, seed=SEED, deictic_share=share)
            assert [sentence for sentence in spoken if sentence in said] == said
            assert len(spoken) == len(narration(meal, seed=SEED, deictic_share=0.5))


def test_text_models_know_every_word_of_the_chatter() -> None:
    vocabulary = json.loads((ROOT / "foundation" / "bart" / "tokenizer.json").read_text())["model"]["vocab"]
    lines = [line.replace("{dish}", "soup") for line in (*plots._OVER_ASIDES, *plots._BETWEEN)]
    assert {word for line in lines for word in re.findall("[a-z]+", line) if f"Ġ{word}" not in vocabulary} == set()
    assert not any(named(line) for line in lines)


@pytest.mark.parametrize("thing", sorted(THINGS))
def test_every_other_thing_is_seen_in_the_centre_and_moves(thing: str) -> None:
    random = generator("fixed", thing)
    view = open_aside(thing, "oak", take=Take.draw(random), random=random)
    frames = [np.asarray(view.frame(t, 2 * t, size=(192, 144)), dtype=float) for t in (0.1, 0.4)]
    empty = np.asarray(background("oak").reduce(2, (8, 6, 392, 294)), dtype=float)
    empty = empty[:, ::-1] if view.take.mirrored else empty
    assert np.abs(frames[0] - frames[1]).max() > 30
    assert (np.abs(frames[0] - empty)[:, 24:168].max(axis=-1) > 60).mean() > 0.08


def test_segments_leave_out_what_belongs_to_no_dish(meals: dict[str, list[Meal]]) -> None:
    meal = meals["test"][0]
    plan = VideoPlan("long", meal, (3,) * len(meal.scenes), SEED, (96, 72), 4)
    starts = [round(0.75 * number, 3) for number, scene in enumerate(meal.scenes) if isinstance(scene, Step)]
    assert [start for start, _ in plan.segments] == starts and len(starts) < len(meal.scenes)
    frames = list(draw_frames(plan))
    assert len(frames) == 3 * len(meal.scenes) and all(isinstance(frame, Image.Image) for frame in frames)


def test_asking_for_more_than_there_are_pairs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "_pairs", lambda recipes: [])
    with pytest.raises(ValueError, match="ask for fewer"):
        draw_plots(2, seed=SEED, bucket="train", domain="long")
