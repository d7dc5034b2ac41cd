"""Scores of ablations, repeated runs and transfer after a change of the registry of metrics: from their kept summaries, no run.

A figure whose metric is computed as before stays as it is. It is computed again all the same, and has to come out the same: so
nothing is rescored by other means than those by which it was scored.
"""

from collections.abc import Mapping
from pathlib import Path

from pipeline.base.files import listed
from pipeline.base.paths import METRICS, metrics_file, predictions_file
from pipeline.base.scratch import file_sha256
from pipeline.scoring import metrics
from pipeline.scoring.metrics import PerVideoEntities, signatures
from pipeline.scoring.predictions import read_predictions
from pipeline.scoring.record import RowRecord, Score, read_record, write_record
from pipeline.scoring.score import score_row

KEPT = ("ablations", "evidence", "transfer")
_TOLERANCE = 1e-4  # points: records hold six decimals


def rescore_kept(*, resamples: int, root: Path = Path()) -> list[str]:
    """Bring every record of ablations, repeated runs and transfer up to date; returns the names of those that were not.

    A record that does not belong to its summaries, or whose figures they do not give, is a `ValueError` that names it.
    """
    names = [f"{kind}/{path.stem}" for kind in KEPT for path in listed(root / METRICS / kind, "*.json")]
    return [name for name in names if _rescored(name, resamples=resamples, root=root)]


def _rescored(name: str, *, resamples: int, root: Path) -> bool:
    path, predictions = root / metrics_file(name), root / predictions_file(name)
    record, now = read_record(path), signatures()
    if record.signatures == now:
        return False
    if not predictions.exists() or file_sha256(predictions) != record.made_from.get("predictions"):
        raise ValueError(
            f"{path}: was not made from {predictions} as it is; bring both back with git, or run `make {_target(name)}`"
        )
    scores, per_video = score_row(read_predictions(predictions), resamples=resamples, seed=0)
    same = {key for key in record.metrics if record.signatures.get(key) == now.get(key)}
    _check_same(path, {key: record.metrics[key] for key in same & scores.keys()}, scores)
    if lost := [metric.key for metric in metrics.METRICS if _needs_entities(metric, record) and metric.key not in same]:
        raise ValueError(
            f"{path}: {', '.join(lost)} is computed in another way now, from a corpus that is not kept; "
            f"run `make {_target(name)}`"
        )
    keys = [metric.key for metric in metrics.METRICS if metric.key in same | scores.keys()]
    found = {key: (record.metrics if key in same else scores)[key] for key in keys}
    compared = [metric.key for metric in metrics.COMPARED if metric.key in found]
    by_video = {key: (record.per_video if key in same else per_video).scores[key] for key in compared}
    kept = record.per_video.model_copy(update={"scores": by_video})
    write_record(path, record.model_copy(update={"metrics": found, "signatures": now, "per_video": kept}))
    return True


def _check_same(path: Path, before: Mapping[str, Score], now: Mapping[str, Score]) -> None:
    for key, score in before.items():
        for mine, theirs in ((score, now[key]), *((score.per_seed[seed], now[key].per_seed[seed]) for seed in score.per_seed)):
            pairs = ((mine.mean, theirs.mean), (mine.ci95_low, theirs.ci95_low), (mine.ci95_high, theirs.ci95_high))
            if any(abs(old - new) > _TOLERANCE for old, new in pairs):
                raise ValueError(
                    f"{path}: {key} is {mine.mean:.4f} [{mine.ci95_low:.4f}, {mine.ci95_high:.4f}], its summaries give "
                    f"{theirs.mean:.4f} [{theirs.ci95_low:.4f}, {theirs.ci95_high:.4f}]; was bootstrap_resamples changed?"
                )


def _needs_entities(metric: metrics.Metric, record: RowRecord) -> bool:
    return isinstance(metric.scorer, PerVideoEntities) and metric.key in record.metrics


def _target(name: str) -> str:
    return name.partition("/")[0]
