"""Length, repetition and BLEU as nlg-eval counts it, by hand; nothing wins by the first two."""

import math

import numpy as np
import pytest

from pipeline.scoring.bleu import nlgeval_bleu, nlgeval_statistics
from pipeline.scoring.form import length_ratio, lengths, repetition
from pipeline.scoring.metrics import METRICS


def test_length_is_of_all_words_together() -> None:
    counts = lengths(["Fry it!", "a b c d"], ["fry the red onion", "a b"])
    assert counts.tolist() == [[2, 4], [4, 2]]
    assert length_ratio(counts.sum(axis=0)) == 100
    assert length_ratio(counts).tolist() == [50, 200]
    assert length_ratio(np.array([0.0, 0.0])) == 0


def test_repetition_is_the_share_of_bigrams_that_came_before() -> None:
    texts = ["fry the egg, fry the egg", "fry the egg", "egg", "", "Stir stir stir stir"]
    assert repetition(texts, texts) == pytest.approx([100 * 2 / 5, 0, 0, 0, 100 * 2 / 3])


def test_nothing_is_better_for_being_long_or_repeating() -> None:
    assert {metric.key for metric in METRICS if not metric.ranks} == {"length_ratio", "repetition"}
    assert {metric.key: metric.highest for metric in METRICS if metric.highest != 100} == {
        "cider": 1000,
        "length_ratio": math.inf,
    }


def test_nlg_evals_bleu_by_hand() -> None:
    """White-space words with case: "Fry" is not "fry", "pan." not "pan". Of 6, 5, 4 and 3 n-grams 5, 4, 3 and 2 are right, and
    the reference has one word more.
    """
    statistics = nlgeval_statistics(["fry the onion in a pan"], ["fry the onion in a pan. Now"])
    assert statistics.tolist() == [[6, 7, 5, 4, 3, 2, 6, 5, 4, 3]]
    expected = 100 * math.exp(1 - 7 / 6) * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25
    assert nlgeval_bleu(statistics.sum(axis=0)) == pytest.approx(expected)


def test_nlg_evals_bleu_is_not_smoothed() -> None:
    one_order_missing = nlgeval_statistics(["fry the onion now here"], ["fry the onion and rice"])
    assert 0 < nlgeval_bleu(one_order_missing.sum(axis=0)) < 0.01
    assert nlgeval_bleu(nlgeval_statistics([""], ["fry the onion"]).sum(axis=0)) == 0
