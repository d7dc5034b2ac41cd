"""CIDEr-D by hand: rare words weigh, counts are clipped, length costs, and one document knows nothing that is rare."""

import math

import pytest

from pipeline.scoring.cider import SIGMA, cider

REFERENCES = ["fry the onion", "fry the rice", "boil the egg"]


def test_a_value_by_hand() -> None:
    """Of three documents, "fry" is in two and "the" in all. "fry the rice" against "fry the onion":
    unigrams: only "fry" is shared and counts, since "the" weighs nothing; bigrams: "fry the"; trigrams: none; no order 4.
    """
    rare, half = math.log(3), math.log(3 / 2)
    norm = math.hypot(rare, half)
    unigrams = half * half / (norm * norm)
    bigrams = half * half / (norm * norm)
    assert cider(["fry the rice", "x", "y"], REFERENCES)[0] == pytest.approx(1000 * (unigrams + bigrams) / 4)


def test_the_reference_itself_scores_by_the_orders_that_it_has() -> None:
    assert cider(REFERENCES, REFERENCES) == pytest.approx([750.0] * 3), "three words have no n-gram of order 4"
    longer = [f"{text} in the hot pan" for text in REFERENCES]
    assert cider([text.upper() + "!" for text in longer], longer) == pytest.approx([1000.0] * 3), "case and marks do not count"


def test_length_costs_and_repeated_words_gain_nothing() -> None:
    references = ["onion", "rice", "egg"]
    alone, again = cider(["onion", "x", "y"], references)[0], cider(["onion onion", "x", "y"], references)[0]
    # The counts are clipped at the reference's, while the norm grows with them: half, and the penalty of one word more.
    assert again == pytest.approx(alone / 2 * math.exp(-1 / (2 * SIGMA**2)))


def test_without_a_second_document_nothing_is_rare() -> None:
    assert cider(["fry the onion"], ["fry the onion"]) == [0.0]
    assert cider(["", "egg"], ["fry the onion", ""]) == [0.0, 0.0]


def test_the_documents_are_the_references_that_are_scored() -> None:
    few, many = cider(["fry the egg"] * 3, REFERENCES)[0], cider(["fry the egg"] * 4, [*REFERENCES, "fry it"])[0]
    assert few != many
