"""Answers as numbers, seen from the sheet's first row: what was A and B is undone here and nowhere else.

Shapes: J judges, V videos of the sheet in the order of its key. NaN: not answered.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.judging.answers import Answer, Judge
from pipeline.judging.questions import Mark, Question, Side
from pipeline.judging.sheet import Key
from pipeline.scoring.statistics import Floats

TIE = 0.5


def votes(judges: Sequence[Judge], key: Key, question: Question) -> Floats:
    """`[J, V]`: 1 where the first row was chosen, 0 where the second was, a half where neither."""
    return np.array(
        [[_vote(judge.answers.get(video), key.first_is[video], question) for video in key.first_is] for judge in judges]
    )


def marked(judges: Sequence[Judge], key: Key, mark: Mark) -> tuple[Floats, Floats]:
    """Two `[J, V]`, of the first row and of the second: whether the error was marked in its summary.

    A video of which a judge answered no question was not looked at.
    """
    sides = [
        [_marks(judge.answers.get(video), side, mark) for video, side in key.first_is.items()]
        for judge in judges
    ]  # fmt: skip
    both = np.array(sides)
    return both[..., 0], both[..., 1]


def over_videos(values_JV: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The mean of those who answered, `[v]`, of the v videos that anybody answered; and which they are, `[V]` of bool."""
    seen_V = np.asarray(np.isfinite(values_JV).any(axis=0), dtype=np.bool_)
    means_v: Floats = np.nanmean(values_JV[:, seen_V], axis=0)
    return means_v, seen_V


def _vote(answer: Answer | None, first_is: Side, question: Question) -> float:
    if answer is None or question not in answer.chosen:
        return np.nan
    choice = answer.chosen[question]
    return TIE if choice == "same" else float(choice == first_is)


def _marks(answer: Answer | None, first_is: Side, mark: Mark) -> tuple[float, float]:
    if answer is None or not answer.chosen:
        return np.nan, np.nan
    second_is: Side = "B" if first_is == "A" else "A"
    return float(mark in answer.errors.get(first_is, [])), float(mark in answer.errors.get(second_is, []))
