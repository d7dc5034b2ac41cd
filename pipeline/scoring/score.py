"""Scores of one row: every metric of the registry, with intervals over videos and training seeds."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.base.code import code_digest
from pipeline.base.files import read_json, write_json
from pipeline.base.paths import predictions_file
from pipeline.base.resumable import kept_file
from pipeline.base.scratch import file_sha256, fingerprint, keep_only, scratch_folder
from pipeline.scoring.entity import Entities
from pipeline.scoring.metrics import METRICS, Metric, OverCorpus, PerVideo, PerVideoEntities, signatures
from pipeline.scoring.predictions import Summaries, read_predictions
from pipeline.scoring.record import Interval, Score, VideoScores
from pipeline.scoring.statistics import (
    Estimate,
    Resampled,
    bootstrap_interval,
    mean_over_seeds,
    percentile_interval,
    resampled_sums,
)


def score_file(
    row: str, *, resamples: int, entities: Entities | None, root: Path = Path(), also: Collection[str] = ()
) -> tuple[dict[str, Score], VideoScores]:
    """Scores of `predictions/<row>.jsonl` below `root`, kept in scratch under the file's contents and the code of scoring.

    `also` is as in `score_row`.
    """
    path = root / predictions_file(row)
    known = None if entities is None else [sorted(entities.names), {video: sorted(names) for video, names in entities.of.items()}]
    key = fingerprint(file_sha256(path), resamples, signatures(), known, sorted(also), code_digest("pipeline.scoring.score"))
    with scratch_folder(f"score.{row}", key) as scratch:

        def score(kept: Path) -> None:
            scores, per_video = score_row(read_predictions(path), resamples=resamples, seed=0, entities=entities, also=also)
            metrics = {metric: score.model_dump(mode="json") for metric, score in scores.items()}
            write_json(kept, {"metrics": metrics, "per_video": per_video.model_dump(mode="json")})

        found = read_json(kept_file(scratch, "scores.json", score))
        keep_only(scratch)
    per_video = VideoScores.model_validate(found["per_video"])
    return {metric: Score.model_validate(score) for metric, score in found["metrics"].items()}, per_video


def score_row(
    summaries: Summaries, *, resamples: int, seed: int, entities: Entities | None = None, also: Collection[str] = ()
) -> tuple[dict[str, Score], VideoScores]:
    """Scores by metric, in the registry's order; and the scores of every video, for the metrics by which rows are compared and
    those of `also`.

    Of several draws the mean counts, video by video. Without `entities`, metrics that need them are left out. Intervals are
    percentile bootstraps with `resamples` resamples of videos and training seeds; a corpus metric is recomputed on every
    resample. `std` is the standard deviation of the seeds' figures, None for one seed.
    """
    scores: dict[str, Score] = {}
    kept: dict[str, list[list[float]]] = {}
    for metric in METRICS:
        if isinstance(metric.scorer, OverCorpus):
            scores[metric.key] = _over_corpus(metric, metric.scorer, summaries, resamples=resamples, seed=seed)
        elif isinstance(metric.scorer, PerVideo) or (isinstance(metric.scorer, PerVideoEntities) and entities is not None):
            values = mean_over_draws(partial(_texts_scored, metric.scorer, summaries, entities), summaries)
            scores[metric.key] = score_values(metric, values, summaries.seeds, resamples=resamples, seed=seed)
            if metric.compared or metric.key in also:
                kept[metric.key] = [[round(value, 6) for value in row] for row in values]
    return scores, VideoScores(videos=list(summaries.videos), seeds=list(summaries.seeds), scores=kept)


def _texts_scored(
    scorer: PerVideo | PerVideoEntities, summaries: Summaries, entities: Entities | None, texts: Sequence[str]
) -> list[float]:
    if isinstance(scorer, PerVideo):
        return scorer.score(texts, summaries.references)
    assert entities is not None, "left out before"
    return scorer.score(texts, summaries.videos, entities)


def mean_over_draws(score: Callable[[Sequence[str]], list[float]], summaries: Summaries) -> list[list[float]]:
    """`[seed][video]`: what `score` gives for the texts of all videos, the mean over draws."""
    drawn = np.array([[score(texts) for texts in seeds] for seeds in summaries.draws])
    values: list[list[float]] = drawn.mean(axis=0).tolist()
    return values


def score_values(metric: Metric, values: list[list[float]], seeds: Sequence[int], *, resamples: int, seed: int) -> Score:
    """The score of a metric whose figures `[seed][video]` are known, with its intervals."""
    interval = partial(bootstrap_interval, resamples=resamples, seed=seed)
    return _score(metric, interval(values), seeds, [interval(row) for row in values])


def _over_corpus(metric: Metric, scorer: OverCorpus, summaries: Summaries, *, resamples: int, seed: int) -> Score:
    by_draw = [[scorer.statistics(texts, summaries.references) for texts in seeds] for seeds in summaries.draws]
    statistics = [np.sum(draws, axis=0) for draws in zip(*by_draw, strict=True)]  # the draws of a video are one corpus
    points = [float(scorer.combine(row.sum(axis=0))) for row in statistics]
    samples = [scorer.combine(resampled_sums(row, resamples=resamples, seed=seed)) for row in statistics]
    per_seed = [percentile_interval(point, Resampled(sample)) for point, sample in zip(points, samples, strict=True)]
    over_seeds = mean_over_seeds(np.stack(samples, axis=1), seed=seed)
    return _score(metric, percentile_interval(float(np.mean(points)), over_seeds), summaries.seeds, per_seed)


def _score(metric: Metric, estimate: Estimate, seeds: Sequence[int], per_seed: Sequence[Estimate]) -> Score:
    """Two seeds far apart can stretch an interval beyond the scale; it is cut off there."""
    std = round(float(np.std([each.mean for each in per_seed], ddof=1)), 6) if len(per_seed) > 1 else None
    return Score(
        mean=estimate.mean,
        ci95_low=max(0.0, estimate.ci95_low),
        ci95_high=min(metric.highest, estimate.ci95_high),
        std=std,
        per_seed={
            str(seed): Interval(mean=each.mean, ci95_low=each.ci95_low, ci95_high=each.ci95_high)
            for seed, each in zip(seeds, per_seed, strict=True)
        },
    )
