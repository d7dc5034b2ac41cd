"""Where a text names entities: the same as are counted, and where they stand."""

import random
from itertools import pairwise

from pipeline.corpus.entities import entities_in
from pipeline.evaluation.mentions import Mention, mentions

NAMES = ("egg", "pepper", "red pepper", "cherry", "half & half", "tomato", "eggplant")


def test_places_are_those_of_the_words() -> None:
    text = "Two Eggs, (red  pepper) and pepper; an eggplant, half & half."
    found = mentions(text, NAMES)
    assert [each.name for each in found] == ["egg", "red pepper", "pepper", "eggplant", "half & half"]
    assert [text[each.start : each.end] for each in found] == ["Eggs", "red  pepper", "pepper", "eggplant", "half & half"]
    assert mentions("nothing of them", NAMES) == [] and mentions("", NAMES) == []
    assert mentions("egg egg", NAMES) == [Mention(0, 3, "egg"), Mention(4, 7, "egg")], "every mention counts"


def test_what_is_marked_is_what_is_counted() -> None:
    words = [
        "red",
        "pepper",
        "peppers",
        "egg",
        "eggs",
        "cherries",
        "half",
        "&",
        "tomatoes",
        "the",
        "and,",
        "egg.",
        "(red",
        "pepper)",
    ]
    generator = random.Random(0)
    for _ in range(300):
        text = " ".join(generator.choices(words, k=8))
        found = mentions(text, NAMES)
        assert {each.name for each in found} == entities_in(text, NAMES), text
        assert all(one.end <= other.start for one, other in pairwise(found))
