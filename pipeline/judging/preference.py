"""Which of two rows judges prefer, how sure that is, and whether they agree.

The interval of a share is by bootstrap over videos and, where there are several judges, over judges: they stand where training
seeds stand in `pipeline.scoring.statistics`, so that it says how far the share would move with other videos and other judges.
A share is the mean over judges of the share among the videos that each answered. Of the two p values, the bootstrap's is about
other videos and judges like these; the randomisation test swaps the two rows video by video, and is about these judges.

Source: K. Krippendorff, Content Analysis, 2004, chapter 11 (alpha).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pipeline.judging.answers import Judge
from pipeline.judging.questions import Mark, Question
from pipeline.judging.sheet import Key
from pipeline.judging.votes import TIE, marked, over_videos, votes
from pipeline.scoring.statistics import (
    Estimate,
    Floats,
    Resampled,
    detectable_difference,
    mean_over_seeds,
    percentile_interval,
    randomisation_p,
    resampled_sums,
)

SEED = 0  # of the resamples, as in the report


@dataclass(frozen=True)
class Share:
    """In per cent. `detectable` is the smallest true distance from even that 80 % of such studies would find at 5 %."""

    estimate: Estimate
    p_bootstrap: float
    p_randomisation: float
    detectable: float
    judges: int
    videos: int

    @property
    def over(self) -> str:
        """What the interval is over."""
        return "videos and judges" if self.judges > 1 else "videos"


@dataclass(frozen=True)
class Agreement:
    """`alpha` is None, for `reason`, where it is not defined. `equal` is the share of pairs of answers that are the same, in per
    cent; None where no video has two.
    """

    alpha: float | None
    equal: float | None
    reason: str


@dataclass(frozen=True)
class Preference:
    """The share of the first row, ties as half of each. `wins`, `ties` and `losses` count answers."""

    question: Question
    share: Share
    wins: int
    ties: int
    losses: int
    agreement: Agreement


@dataclass(frozen=True)
class Marked:
    """How often an error was marked in summaries of each row, in per cent, and the first minus the second."""

    mark: Mark
    first: float
    second: float
    difference: Share


def preference(judges: Sequence[Judge], key: Key, question: Question, *, resamples: int) -> Preference | None:
    """None if none of them answered this question."""
    votes_JV = votes(judges, key, question)
    if np.isnan(votes_JV).all():
        return None
    wins, ties, losses = (int((votes_JV == value).sum()) for value in (1, TIE, 0))
    return Preference(question, _share(votes_JV, even=TIE, resamples=resamples), wins, ties, losses, agreement(votes_JV))


def marks(judges: Sequence[Judge], key: Key, mark: Mark, *, resamples: int) -> Marked:
    first_JV, second_JV = marked(judges, key, mark)
    first, second = (round(100 * float(_by_judge(values).mean()), 6) for values in (first_JV, second_JV))
    return Marked(mark, first, second, _share(first_JV - second_JV, even=0, resamples=resamples))


def agreement(votes_JV: Floats) -> Agreement:
    """Of several judges on one question, as nominal data."""
    twice_JV = votes_JV[:, (~np.isnan(votes_JV)).sum(axis=0) > 1]
    if twice_JV.size == 0:
        return Agreement(None, None, "no video was judged twice")
    pairs = np.array(
        [[a == b, not np.isnan(a + b)] for one, other in combinations(twice_JV, 2) for a, b in zip(one, other, strict=True)]
    )
    equal = round(100 * float(pairs[:, 0].sum() / pairs[:, 1].sum()), 6)
    if len(np.unique(twice_JV[~np.isnan(twice_JV)])) == 1:
        return Agreement(None, equal, "all answers are the same, so chance cannot be told")
    from nltk.metrics.agreement import AnnotationTask

    given = [(judge, video, answer) for (judge, video), answer in np.ndenumerate(twice_JV) if not np.isnan(answer)]
    return Agreement(round(float(AnnotationTask(given).alpha()), 6), equal, "")


def _share(values_JV: Floats, *, even: float, resamples: int) -> Share:
    values_JV = values_JV[~np.isnan(values_JV).all(axis=1)]
    means_v, seen_V = over_videos(values_JV)
    resampled = _resampled(100 * values_JV[:, seen_V], resamples=resamples)
    return Share(
        estimate=percentile_interval(100 * float(_by_judge(values_JV).mean()), resampled),
        p_bootstrap=round(Resampled(resampled.figures - 100 * even, resampled.seed_variances).p(), 6),
        p_randomisation=round(randomisation_p(means_v - even, resamples=resamples, seed=SEED), 6),
        detectable=round(detectable_difference(float(resampled.figures.std()), resampled.freedom), 6),
        judges=len(values_JV),
        videos=int(seen_V.sum()),
    )


def _by_judge(values_JV: Floats) -> Floats:
    """`[J]`: of each judge who answered, the mean over the videos that he answered."""
    answered = values_JV[~np.isnan(values_JV).all(axis=1)]
    means: Floats = np.nanmean(answered, axis=1)
    return means


def _resampled(values_JV: Floats, *, resamples: int) -> Resampled:
    """A judge none of whose videos is drawn keeps his own mean in that resample: it happens only to who answered very few."""
    there_JV = ~np.isnan(values_JV)
    sums_RJ = resampled_sums(np.where(there_JV, values_JV, 0.0).T, resamples=resamples, seed=SEED)
    drawn_RJ = resampled_sums(there_JV.T.astype(float), resamples=resamples, seed=SEED)
    means_RJ = np.where(drawn_RJ > 0, sums_RJ / np.maximum(drawn_RJ, 1), np.nanmean(values_JV, axis=1))
    return mean_over_seeds(means_RJ, seed=SEED)
