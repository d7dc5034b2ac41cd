"""Plots and texts: what is said, what is hidden, and that buckets share nothing."""

import re
from itertools import combinations, pairwise

import pytest

from pipeline.kitchen.grammar import (
    ACTIONS,
    DISHES,
    INGREDIENTS,
    VESSELS,
    Recipe,
    draw_recipes,
    narrate,
    scene_half,
    step_sentences,
    summarise,
)

BUCKETS = ("pretraining", "train", "validation", "test")
SEED = 3


@pytest.fixture(scope="module")
def recipes() -> dict[str, list[Recipe]]:
    return {bucket: draw_recipes(150, seed=SEED, bucket=bucket) for bucket in BUCKETS}


def named(text: str) -> set[str]:
    return {name for name in INGREDIENTS if re.search(rf"\b{name}\b", text)}


def test_recipes_repeat_for_a_seed_and_differ_between_seeds() -> None:
    first = draw_recipes(20, seed=SEED, bucket="train")
    assert first == draw_recipes(20, seed=SEED, bucket="train")
    assert first != draw_recipes(20, seed=SEED + 1, bucket="train")


def test_buckets_share_no_recipe_and_no_text(recipes: dict[str, list[Recipe]]) -> None:
    for one, other in combinations(BUCKETS, 2):
        for of in (
            lambda recipe: recipe.key,
            lambda recipe: (recipe.dish, frozenset(recipe.ingredients)),
            lambda recipe: summarise(recipe),
            lambda recipe: tuple(step_sentences(recipe)),
            lambda recipe: tuple(narrate(recipe, seed=SEED, deictic_share=1.0)),
        ):
            assert not {of(recipe) for recipe in recipes[one]} & {of(recipe) for recipe in recipes[other]}


def test_buckets_of_different_seeds_are_as_disjoint(recipes: dict[str, list[Recipe]]) -> None:
    later = {recipe.key for recipe in draw_recipes(150, seed=SEED + 8, bucket="pretraining")}
    assert not later & {recipe.key for bucket in BUCKETS[1:] for recipe in recipes[bucket]}


def test_recipes_are_unique_and_every_scene_is_of_its_half(recipes: dict[str, list[Recipe]]) -> None:
    for bucket in BUCKETS:
        assert len({recipe.key for recipe in recipes[bucket]}) == len(recipes[bucket])
        half = "pretraining" if bucket == "pretraining" else "summarisation"
        for recipe in recipes[bucket]:
            assert 3 <= len(recipe.steps) <= 5
            for step in recipe.steps:
                assert scene_half(step.ingredient, step.action, step.vessel, recipe.style) == half


def test_every_ingredient_action_vessel_and_dish_occurs_on_both_sides(recipes: dict[str, list[Recipe]]) -> None:
    for bucket in ("pretraining", "train"):
        steps = [step for recipe in recipes[bucket] for step in recipe.steps]
        assert {step.ingredient for step in steps} == set(INGREDIENTS)
        assert {step.action for step in steps} == set(ACTIONS)
        assert {step.vessel for step in steps} == {name for names in VESSELS.values() for name in names}
        assert {recipe.dish for recipe in recipes[bucket]} == set(DISHES)


def test_share_zero_names_all_that_the_summary_says(recipes: dict[str, list[Recipe]]) -> None:
    for recipe in recipes["train"]:
        spoken = " ".join(narrate(recipe, seed=SEED, deictic_share=0.0))
        summary = summarise(recipe)
        assert named(summary) == set(recipe.ingredients) <= named(spoken)
        assert recipe.dish in spoken
        assert recipe.dish in summary


def test_the_form_of_a_summary_follows_from_the_dish(recipes: dict[str, list[Recipe]]) -> None:
    """What nobody can know costs nobody points."""
    forms = {dish: set() for dish in DISHES}
    for bucket in BUCKETS:
        for recipe in recipes[bucket]:
            start = re.sub(r"\b(an?|some) ", "", summarise(recipe)).replace(recipe.dish, "DISH").split()
            forms[recipe.dish].add(tuple(word for word in start if word in ("DISH", "learn", "made", "cook", "get", "for", "to")))
    assert all(len(found) == 1 for found in forms.values())
    assert len({form for found in forms.values() for form in found}) > 3


def test_share_one_names_no_ingredient(recipes: dict[str, list[Recipe]]) -> None:
    for recipe in recipes["train"]:
        assert not named(" ".join(narrate(recipe, seed=SEED, deictic_share=1.0)))


def test_what_is_hidden_at_a_share_stays_hidden_at_higher_ones(recipes: dict[str, list[Recipe]]) -> None:
    kept = []
    for recipe in recipes["train"]:
        spoken = [narrate(recipe, seed=SEED, deictic_share=share) for share in (0.0, 0.3, 0.5, 0.8, 1.0)]
        assert len({len(sentences) for sentences in spoken}) == 1
        for less, more in pairwise(spoken):
            assert all(named(b) <= named(a) for a, b in zip(less, more, strict=True))
        kept += [bool(named(b)) for a, b in zip(spoken[0], spoken[2], strict=True) if named(a)]
    assert 0.45 < sum(kept) / len(kept) < 0.55


def test_ingredients_do_not_follow_from_the_dish() -> None:
    """Were they to follow, a dish would make some of them several times likelier than others."""
    recipes = draw_recipes(2000, seed=SEED, bucket="train")
    for dish in DISHES:
        chosen = [name for recipe in recipes if recipe.dish == dish for name in recipe.ingredients]
        assert max(chosen.count(name) for name in INGREDIENTS) / len(chosen) < 0.12


def test_lengths_are_those_of_speech_and_of_a_short_summary(recipes: dict[str, list[Recipe]]) -> None:
    spoken = [len(" ".join(narrate(recipe, seed=SEED, deictic_share=0.5)).split()) for recipe in recipes["train"]]
    summaries = [len(summarise(recipe).split()) for recipe in recipes["train"]]
    assert 45 < sum(spoken) / len(spoken) < 70
    assert 15 < sum(summaries) / len(summaries) < 25


def test_asking_for_more_recipes_than_there_are_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.kitchen.grammar._BUCKETS", (("train", 1.0),))
    with pytest.raises(ValueError, match="ask for fewer"):
        draw_recipes(10, seed=SEED, bucket="test")
