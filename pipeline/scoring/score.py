"""Scores of one row: every metric of the registry, with intervals over videos and training seeds."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from pipeline.base.code import code_digest
from pipeline.base.files import read_json, write_json
from pipeline.base.paths import predictions_file
from pipeline.base.scratch import file_sha256, fingerprint, keep_only, scratch_folder
from pipeline.scoring.metrics import METRICS, OverCorpus, PerVideo, signatures
from pipeline.scoring.predictions import Summaries, read_predictions
from pipeline.scoring.record import Interval, Score, VideoScores
from pipeline.scoring.statistics import (
    Estimate,
    Resampled,
    bootstrap_interval,
    mean_over_seeds,
    percentile_interval,
    resample_counts,
)


def score_file(row: str, *, resamples: int) -> tuple[dict[str, Score], VideoScores]:
    """Scores of `predictions/<row>.jsonl`, kept in scratch under the file's contents and the code of scoring."""
    path = predictions_file(row)
    key = fingerprint(file_sha256(path), resamples, signatures(), code_digest("pipeline.scoring.score"))
    with scratch_folder(f"score.{row}", key) as scratch:
        kept = scratch / "scores.json"
        if not kept.exists():
            scores, per_video = score_row(read_predictions(path), resamples=resamples, seed=0)
            metrics = {metric: score.model_dump(mode="json") for metric, score in scores.items()}
            write_json(kept, {"metrics": metrics, "per_video": per_video.model_dump(mode="json")})
        found = read_json(kept)
        keep_only(scratch)
    per_video = VideoScores.model_validate(found["per_video"])
    return {metric: Score.model_validate(score) for metric, score in found["metrics"].items()}, per_video


def score_row(summaries: Summaries, *, resamples: int, seed: int) -> tuple[dict[str, Score], VideoScores]:
    """Scores by metric, in the registry's order; and the scores of every video, for the metrics by which rows are compared.

    Intervals are percentile bootstraps with `resamples` resamples of videos and training seeds; a corpus metric is recomputed
    on every resample. `std` is the standard deviation of the seeds' figures, None for one seed.
    """
    scores: dict[str, Score] = {}
    kept: dict[str, list[list[float]]] = {}
    for metric in METRICS:
        if isinstance(metric.scorer, PerVideo):
            values = [metric.scorer.score(texts, summaries.references) for texts in summaries.predictions]
            scores[metric.key] = _per_video(values, summaries.seeds, resamples=resamples, seed=seed)
            if metric.compared:
                kept[metric.key] = [[round(value, 6) for value in row] for row in values]
        else:
            scores[metric.key] = _over_corpus(metric.scorer, summaries, resamples=resamples, seed=seed)
    return scores, VideoScores(videos=list(summaries.videos), seeds=list(summaries.seeds), scores=kept)


def _per_video(values: list[list[float]], seeds: Sequence[int], *, resamples: int, seed: int) -> Score:
    interval = partial(bootstrap_interval, resamples=resamples, seed=seed)
    return _score(interval(values), seeds, [interval(row) for row in values])


def _over_corpus(scorer: OverCorpus, summaries: Summaries, *, resamples: int, seed: int) -> Score:
    counts = resample_counts(len(summaries.videos), resamples=resamples, seed=seed)
    statistics = [scorer.statistics(texts, summaries.references) for texts in summaries.predictions]
    points = [float(scorer.combine(row.sum(axis=0))) for row in statistics]
    samples = [scorer.combine(counts @ row) for row in statistics]
    per_seed = [percentile_interval(point, Resampled(sample)) for point, sample in zip(points, samples, strict=True)]
    over_seeds = mean_over_seeds(np.stack(samples, axis=1), seed=seed)
    return _score(percentile_interval(float(np.mean(points)), over_seeds), summaries.seeds, per_seed)


def _score(estimate: Estimate, seeds: Sequence[int], per_seed: Sequence[Estimate]) -> Score:
    """Two seeds far apart can stretch an interval beyond the scale; it is cut off there."""
    std = round(float(np.std([each.mean for each in per_seed], ddof=1)), 6) if len(per_seed) > 1 else None
    return Score(
        mean=estimate.mean,
        ci95_low=max(0.0, estimate.ci95_low),
        ci95_high=min(100.0, estimate.ci95_high),
        std=std,
        per_seed={
            str(seed): Interval(mean=each.mean, ci95_low=each.ci95_low, ci95_high=each.ci95_high)
            for seed, each in zip(seeds, per_seed, strict=True)
        },
    )
