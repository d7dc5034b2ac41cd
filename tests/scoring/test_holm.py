"""Holm's procedure, by hand."""

import pytest

from pipeline.scoring.holm import holm, holm_levels


def test_holm_by_hand() -> None:
    # sorted: .01 x 4, .02 x 3, .03 x 2, .04 x 1, then never smaller than the one before
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_holm_levels_are_those_of_the_procedure() -> None:
    assert holm_levels([0.04, 0.001, 0.02], size=3) == pytest.approx([0.05, 0.05 / 3, 0.05 / 2])
    assert holm_levels([0.04], size=10) == pytest.approx([0.005])
    assert holm([0.01, 0.2], size=8) == pytest.approx([0.08, 1.0])
