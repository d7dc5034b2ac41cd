"""Floors: what needs no training."""

import pandas as pd
import pytest

from pipeline.scoring.floors import FLOORS, floor_summaries, mean_words

TRAIN = pd.DataFrame(
    {
        "video_id": ["a", "b", "c", "d"],
        "recipe": ["soup", "soup", "cake", "cake"],
        "summary": ["one soup", "another soup here now", "one cake", "another cake here now"],
    }
)
TEST = pd.DataFrame(
    {
        "video_id": ["x", "y", "z"],
        "recipe": ["cake", "soup", "pie"],
        "source": ["one two three four five", "six", "seven eight nine ten"],
    }
)


def test_first_words_are_as_many_as_training_references_have_on_average() -> None:
    assert mean_words(TRAIN["summary"]) == 3
    assert floor_summaries("floor_lead", TRAIN, TEST, seed=0) == ["one two three", "six", "seven eight nine"]


def test_references_of_the_same_recipe_and_of_any_for_a_new_one() -> None:
    for seed in range(20):
        cake, soup, pie = floor_summaries("floor_recipe", TRAIN, TEST, seed=seed)
        assert "cake" in cake and "soup" in soup
        assert pie in set(TRAIN["summary"])


@pytest.mark.parametrize("name", FLOORS)
def test_a_seed_decides(name: str) -> None:
    many = pd.concat([TEST] * 10, ignore_index=True)
    again = [floor_summaries(name, TRAIN, many, seed=seed) for seed in (0, 0, 1)]
    assert again[0] == again[1]
    assert (again[0] != again[2]) == (name != "floor_lead")


def test_random_references_are_all_drawn() -> None:
    many = pd.concat([TEST] * 40, ignore_index=True)
    assert set(floor_summaries("floor_random", TRAIN, many, seed=0)) == set(TRAIN["summary"])
