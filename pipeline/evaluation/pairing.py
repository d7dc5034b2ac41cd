"""Two files of summaries of the same videos against each other: scores, differences and tests, by the report's own convention.

A metric that has a figure for every video is tested as in the report (`pipeline.scoring.statistics.compare`). Corpus BLEU has
none: its difference is taken on every resample, and there is no randomisation test and no effect size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.scoring.metrics import METRICS, Metric, OverCorpus, PerVideo
from pipeline.scoring.predictions import Summaries
from pipeline.scoring.record import Score
from pipeline.scoring.score import score_row
from pipeline.scoring.statistics import (
    Estimate,
    Resampled,
    compare,
    detectable_difference,
    mean_over_seeds,
    percentile_interval,
    resampled_sums,
)

SEED = 0  # of the resamples, as in the report
COMPARABLE = tuple(metric for metric in METRICS if isinstance(metric.scorer, PerVideo | OverCorpus))  # need no entities
PER_VIDEO = tuple(metric.key for metric in COMPARABLE if isinstance(metric.scorer, PerVideo))


@dataclass(frozen=True)
class Paired:
    """One metric: both scores, and `a` minus `b`. `p_randomisation` and `effect_size` are None for a corpus metric."""

    metric: Metric
    a: Score
    b: Score
    difference: Estimate
    p_bootstrap: float
    p_randomisation: float | None
    effect_size: float | None
    detectable: float


def pair(a: Summaries, b: Summaries, *, resamples: int, names: tuple[str, str] = ("the first", "the second")) -> list[Paired]:
    """Every metric that needs no entities. Other videos, or another reference of a video, are a `ValueError` that names them."""
    check_aligned(a, b, names=names)
    (scores_a, videos_a), (scores_b, videos_b) = (
        score_row(each, resamples=resamples, seed=SEED, also=PER_VIDEO) for each in (a, b)
    )
    found = []
    for metric in COMPARABLE:
        mine, theirs = scores_a[metric.key], scores_b[metric.key]
        if isinstance(metric.scorer, OverCorpus):
            resampled = _resampled(metric.scorer, a, resamples, 0) - _resampled(metric.scorer, b, resamples, 1)
            estimate = percentile_interval(mine.mean - theirs.mean, resampled)
            detectable = detectable_difference(float(resampled.figures.std()), resampled.freedom)
            found.append(Paired(metric, mine, theirs, estimate, resampled.p(), None, None, detectable))
        else:
            tested = compare(videos_a.scores[metric.key], videos_b.scores[metric.key], resamples=resamples, seed=SEED)
            tests = (tested.p_bootstrap, tested.p_randomisation, tested.effect_size, tested.detectable())
            found.append(Paired(metric, mine, theirs, tested, *tests))
    return found


def check_aligned(a: Summaries, b: Summaries, *, names: tuple[str, str]) -> None:
    """Raise `ValueError` unless both have the same videos, and the same reference of each."""
    for (having, of), (lacking, others) in (((names[0], a), (names[1], b)), ((names[1], b), (names[0], a))):
        if lost := sorted(set(of.videos) - set(others.videos)):
            some = ", ".join(map(repr, lost[:5])) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
            raise ValueError(f"{lacking}: no summary of {some}, which {having} has; only the same videos can be compared")
    other = [video for video, mine, theirs in zip(a.videos, a.references, b.references, strict=True) if mine != theirs]
    if other:
        raise ValueError(
            f"{names[0]} and {names[1]}: different references of video {other[0]!r} ({len(other)} such videos); "
            "score both by the same"
        )


def as_table(found: Sequence[Paired]) -> pd.DataFrame:
    """Cells of text, for the terminal."""
    return pd.DataFrame(
        {
            "Metric": paired.metric.short,
            "a": _score(paired.a),
            "b": _score(paired.b),
            "a - b [95 %]": _difference(paired.difference),
            "p bootstrap": _p(paired.p_bootstrap),
            "p randomisation": _p(paired.p_randomisation),
            "d_z": "-" if paired.effect_size is None else f"{paired.effect_size:+.2f}",
            "detectable": f"{paired.detectable:.2f}",
        }
        for paired in found
    )


def as_json(found: Sequence[Paired]) -> dict[str, Any]:
    """By metric; an infinite effect size, that of a constant difference, is null."""
    return {
        paired.metric.key: {
            "a": paired.a.model_dump(),
            "b": paired.b.model_dump(),
            "difference": paired.difference.mean,
            "ci95_low": paired.difference.ci95_low,
            "ci95_high": paired.difference.ci95_high,
            "p_bootstrap": paired.p_bootstrap,
            "p_randomisation": paired.p_randomisation,
            "effect_size": paired.effect_size if paired.effect_size is not None and np.isfinite(paired.effect_size) else None,
            "detectable": paired.detectable,
            "signature": paired.metric.signature,
        }
        for paired in found
    }


def _resampled(scorer: OverCorpus, summaries: Summaries, resamples: int, stream: int) -> Resampled:
    by_draw = [[scorer.statistics(texts, summaries.references) for texts in seeds] for seeds in summaries.draws]
    statistics = [np.sum(draws, axis=0) for draws in zip(*by_draw, strict=True)]
    samples = [scorer.combine(resampled_sums(row, resamples=resamples, seed=SEED)) for row in statistics]
    return mean_over_seeds(np.stack(samples, axis=1), seed=SEED, stream=stream)


def _score(score: Score) -> str:
    return f"{score.mean:.2f} [{score.ci95_low:.2f}, {score.ci95_high:.2f}]"


def _difference(found: Estimate) -> str:
    return f"{found.mean:+.2f} [{found.ci95_low:+.2f}, {found.ci95_high:+.2f}]"


def _p(p: float | None) -> str:
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
