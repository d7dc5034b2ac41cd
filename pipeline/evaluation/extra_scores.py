"""Scores by models that a study names in `extra_metrics`, of every row's summaries: those of swapped frames, too.

Nothing of training or of `evaluate` depends on their weights. What is scored is kept in scratch, row by row.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.code import code_digest
from pipeline.base.files import listed, read_json, write_json
from pipeline.base.params import Params
from pipeline.base.paths import FEATURES, PREDICTIONS, WEIGHTS
from pipeline.base.resumable import kept_file
from pipeline.base.scratch import file_sha256, fingerprint, keep_only, scratch_folder
from pipeline.scoring.metrics import EXTRA, Metric
from pipeline.scoring.predictions import Summaries, read_predictions
from pipeline.scoring.record import ExtraRow, ExtraScores, Score
from pipeline.scoring.score import mean_over_draws, score_values

if TYPE_CHECKING:
    import torch


class Scorer:
    """A metric that is ready. `of` scores the texts of all videos; `made_from` is what decides it beside them."""

    def __init__(self, metric: Metric, signature: str, made_from: Sequence[str], of: Callable[[Summaries], "Scored"]) -> None:
        self.metric, self.signature, self.made_from, self.of = metric, signature, made_from, of


Scored = tuple[list[list[float]], int]  # `[seed][video]`, and of how many videos


def extra_scores(params: Params) -> ExtraScores:
    """Every metric that the study names, of every file of `predictions/`. None named: nothing is opened."""
    names = params.current.extra_metrics
    if not names:
        return ExtraScores(signatures={}, videos={}, rows={})
    from pipeline.base.device import choose_device

    device = choose_device(params.runtime.device)
    scorers = [_OPEN[metric.key](metric, params, device) for metric in EXTRA if metric.key in names]
    rows, videos = {}, {}
    for path in listed(PREDICTIONS, "*.jsonl"):
        digest, metrics = file_sha256(path), {}
        for scorer in scorers:
            metrics[scorer.metric.key], videos[scorer.metric.key] = _kept(scorer, path, digest, params)
        rows[path.stem] = ExtraRow(predictions=digest, metrics=metrics)
        print(f"{path.stem}: {', '.join(f'{key} {score.mean:.2f}' for key, score in metrics.items())}", flush=True)
    return ExtraScores(signatures={scorer.metric.key: scorer.signature for scorer in scorers}, videos=videos, rows=rows)


def _kept(scorer: Scorer, path: Path, digest: str, params: Params) -> tuple[Score, int]:
    resamples = params.current.bootstrap_resamples
    code = code_digest("pipeline.evaluation.extra_scores", f"pipeline.evaluation.{scorer.metric.key}")
    key = fingerprint(scorer.signature, list(scorer.made_from), digest, resamples, params.runtime.device, code)
    with scratch_folder(f"extra.{scorer.metric.key}.{path.stem}", key) as scratch:

        def score(kept: Path) -> None:
            summaries = read_predictions(path)
            values, videos = scorer.of(summaries)
            found = score_values(scorer.metric, values, summaries.seeds, resamples=resamples, seed=0)
            write_json(kept, {"score": found.model_dump(mode="json"), "videos": videos})

        found = read_json(kept_file(scratch, "score.json", score))
        keep_only(scratch)
    return Score.model_validate(found["score"]), int(found["videos"])


def _bertscore(metric: Metric, params: Params, device: "torch.device") -> Scorer:
    from pipeline.evaluation.bertscore import open_bertscore

    scorer = open_bertscore(device)

    def of(summaries: Summaries) -> Scored:
        return mean_over_draws(lambda texts: scorer.score(texts, summaries.references), summaries), len(summaries.videos)

    return Scorer(metric, scorer.signature, (), of)


def _clipscore(metric: Metric, params: Params, device: "torch.device") -> Scorer:
    from pipeline.evaluation.clipscore import open_clipscore
    from pipeline.features.schema import feature_digests

    features = FEATURES / params.encoder
    scorer = open_clipscore(WEIGHTS / params.encoder, features, device)

    def of(summaries: Summaries) -> Scored:
        seen = [place for place, video in enumerate(summaries.videos) if scorer.has(video)]
        videos = [summaries.videos[place] for place in seen]
        if not videos:
            raise ValueError(f"{features} holds none of the videos that were summarised; extract again")
        return mean_over_draws(lambda texts: scorer.score([texts[place] for place in seen], videos), summaries), len(videos)

    return Scorer(metric, scorer.signature, feature_digests(features), of)


_OPEN: dict[str, Callable[[Metric, Params, "torch.device"], Scorer]] = {"bertscore": _bertscore, "clipscore": _clipscore}
