"""Whether automatic metrics prefer what judges prefer, video by video.

A metric that has a figure for every video is computed from the summaries of all videos, since CIDEr's depends on all references.
One that needs to know a video's entities is taken from the records in `metrics/`, unless those are means over several draws. Left
out are corpus metrics, and those by which nothing is better.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from pipeline.base.paths import metrics_file, predictions_file
from pipeline.base.scratch import file_sha256
from pipeline.judging.preference import SEED
from pipeline.judging.sheet import Compared, Key
from pipeline.judging.votes import TIE, over_videos
from pipeline.scoring.metrics import METRICS, Metric, PerVideo
from pipeline.scoring.predictions import read_predictions
from pipeline.scoring.record import read_record
from pipeline.scoring.statistics import Estimate, Floats, bootstrap_interval

_TINY = 1e-9  # differences of scores below this are rounding


@dataclass(frozen=True)
class Agreed:
    """`share`: of the `videos` on which the judges' majority prefers a row, where the metric prefers the same, in per cent; a tie
    of the metric is half. None where there is no such video. `tau` is Kendall's tau-b of the metric's difference and the share of
    judges, over all videos; None where either never changes.
    """

    metric: Metric
    share: Estimate | None
    videos: int
    tau: float | None


def differences(key: Key, *, root: Path = Path()) -> dict[str, Floats]:
    """By metric, the first row's score minus the second's, `[V]`, in the order of the key.

    Summaries other than those judged are a `ValueError` that names the row.
    """
    first, second = (_scores(row, list(key.first_is), root) for row in (key.first, key.second))
    return {metric: scores - second[metric] for metric, scores in first.items() if metric in second}


def against(votes_JV: Floats, differences_V: Floats, metric: Metric, *, resamples: int) -> Agreed:
    """One metric against all answers to one question."""
    share_v, seen_V = over_videos(votes_JV)
    majority, metrics = majority_of(share_v), _signs(differences_V[seen_V])
    agreed = np.where(metrics == 0, 50.0, 100.0 * (metrics == majority))[majority != 0]
    share = bootstrap_interval(agreed, resamples=resamples, seed=SEED) if len(agreed) else None
    scores = np.round(differences_V[seen_V], 9)
    varied = len(np.unique(scores)) > 1 and len(np.unique(share_v)) > 1
    tau = round(float(kendalltau(scores, share_v).statistic), 6) if varied else None
    return Agreed(metric, share, len(agreed), tau)


def always_one_row(votes_JV: Floats) -> float | None:
    """What a metric reaches that always prefers the same row, the one that judges prefer more often; None without a majority."""
    majority = majority_of(over_videos(votes_JV)[0])
    decided = majority[majority != 0]
    return round(100 * max(float((decided > 0).mean()), float((decided < 0).mean())), 6) if len(decided) else None


def majority_of(share_v: Floats) -> Floats:
    """1 where judges prefer the first row, -1 where the second, 0 where they are at odds; `share_v` is `[v]`, from 0 to 1."""
    majority: Floats = np.sign(np.round(share_v - TIE, 9))
    return majority


def _scores(row: Compared, videos: list[str], root: Path) -> dict[str, Floats]:
    predictions = root / predictions_file(row.row)
    record = read_record(root / metrics_file(row.row))
    digests = {file_sha256(predictions), record.made_from.get("predictions")}
    if digests != {row.predictions_sha256}:
        raise ValueError(
            f"row {row.row!r}: its summaries or scores are no longer those that were judged; take back {predictions} and "
            f"{root / metrics_file(row.row)} of the commit that made the sheet"
        )
    summaries, recorded = read_predictions(predictions), record.per_video
    seed = summaries.seeds.index(row.trained_seed)
    places = [summaries.videos.index(video) for video in videos]
    texts, references = summaries.predictions[seed], summaries.references
    found: dict[str, Floats] = {}
    for metric in METRICS:
        if not metric.ranks:
            continue
        if isinstance(metric.scorer, PerVideo):
            found[metric.key] = np.array(metric.scorer.score(texts, references))[places]
        elif metric.key in recorded.scores and len(summaries.draws) == 1:
            by_seed = recorded.scores[metric.key][recorded.seeds.index(row.trained_seed)]
            found[metric.key] = np.array([by_seed[recorded.videos.index(video)] for video in videos])
    return found


def _signs(values: Floats) -> Floats:
    signs: Floats = np.where(np.abs(values) < _TINY, 0.0, np.sign(values))
    return signs
