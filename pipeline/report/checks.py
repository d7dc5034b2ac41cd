"""Do records and predictions belong together, and all rows into one table? Whatever does not is refused, by row and video."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.base.scratch import file_sha256
from pipeline.evaluation.rescoring import KEPT
from pipeline.report.results import Row, remedy
from pipeline.scoring import metrics
from pipeline.scoring.predictions import Summaries
from pipeline.scoring.record import RowRecord

SHARED = ("study", "scale", "split", "seeds", "primary", "signatures")
ASKED = ("endpoint", "model", "temperature", "max_tokens", "prompt", "detail")
_TOLERANCE = 0.001  # points between a row's score and the mean of its videos' scores, which are rounded


def check_rows(rows: Sequence[Row], predictions: Path) -> None:
    """Raise `ValueError` where the rows of the table contradict each other or their own files."""
    names = {row.name for row in rows}
    for row in rows:
        _check_together(row, rows[0])
    for row in rows:
        check_alone(row, predictions / f"{row.name}.jsonl")
    for row in rows:
        _check_metrics(row, rows[0])
    _check_asked(rows)
    for row in rows:
        if row.record.control_of not in (None, *names):
            raise ValueError(f"row {row.name!r}: control of {row.record.control_of!r}, which has no record; evaluate that too")
        _check_control(row, next((other for other in rows if other.name == row.record.control_of), row))


def check_ablation(row: Row, predictions: Path) -> None:
    """The same for an ablation, which need not be of the table's study: the report calls it outdated then."""
    if row.record.ablation is None:
        raise ValueError(f"ablation of {row.name!r}: its record does not say what it varies; run `make ablations`")
    check_alone(row, predictions / f"{row.record.ablation.name}.jsonl")


def check_alone(row: Row, predictions: Path) -> None:
    """Raise `ValueError` where a record contradicts itself or the file of its predictions."""
    record, summaries = row.record, row.summaries
    where, again = f"row {row.name!r}", remedy(row.record)
    if list(summaries.seeds) != sorted(record.seeds):
        raise ValueError(f"{where}: predictions have seeds {list(summaries.seeds)}, its record {record.seeds}; {again}")
    if len(summaries.videos) != record.n_videos:
        raise ValueError(f"{where}: predictions of {len(summaries.videos)} videos, its record of {record.n_videos}; {again}")
    if lacking := [
        metric.key for metric in metrics.METRICS if metric.key not in record.metrics and _can_be_scored(metric, record)
    ]:
        kept = predictions.parent.name in KEPT
        raise ValueError(
            f"{where}: its record lacks {', '.join(lacking)}; {'run `python -m stages.experiments rescore`' if kept else again}"
        )
    for name, score in record.metrics.items():
        if set(score.per_seed) != {str(seed) for seed in record.seeds}:
            raise ValueError(f"{where}: {name} has per_seed {sorted(score.per_seed)}, its seeds are {record.seeds}; {again}")
    _check_per_video(row, where, again)
    if file_sha256(predictions) != record.made_from.get("predictions"):
        raise ValueError(f"{where}: {predictions} is not the file that its scores were made from; {again}")


def _check_per_video(row: Row, where: str, again: str) -> None:
    record, kept = row.record, row.record.per_video
    if (tuple(kept.videos), tuple(kept.seeds)) != (row.summaries.videos, row.summaries.seeds):
        raise ValueError(f"{where}: its scores per video are of other videos or seeds than its predictions; {again}")
    for metric in (known for known in metrics.COMPARED if known.key in record.metrics):
        values = kept.scores.get(metric.key, [])
        if [len(videos) for videos in values] != [len(kept.videos)] * len(kept.seeds):
            raise ValueError(f"{where}: its record lacks scores per video in {metric.key}; {again}")
        score = record.metrics[metric.key]
        means = [float(np.mean(videos)) for videos in values]
        stored = [score.per_seed[str(seed)].mean for seed in kept.seeds]
        for mine, other in zip([float(np.mean(means)), *means], [score.mean, *stored], strict=True):
            if abs(mine - other) > _TOLERANCE:
                raise ValueError(f"{where}: its record says {metric.title} {other:.3f}, its scores per video {mine:.3f}; {again}")


def _check_together(row: Row, first: Row) -> None:
    untrained = {"external", "chat"} & {row.record.kind, first.record.kind}  # theirs are other draws, of which there may be one
    for key in (each for each in SHARED if not (each == "seeds" and untrained)):
        mine, other = getattr(row.record, key), getattr(first.record, key)
        if mine != other:
            raise ValueError(
                f"row {row.name!r}: {key} is {mine!r}, row {first.name!r} has {other!r}; "
                "one table needs the same, evaluate both again"
            )
    corpora = {each.record.made_from["corpus"] for each in (row, first) if "corpus" in each.record.made_from}
    if len(corpora) > 1:
        raise ValueError(
            f"row {row.name!r} was made from another corpus than row {first.name!r}; evaluate both again, or delete its files in "
            "metrics/ and predictions/ if dvc.yaml no longer has it"
        )
    references, others = _references(row.summaries), _references(first.summaries)
    for video in sorted(references.keys() | others.keys()):
        if (video in references) != (video in others):
            lacking, having = (row, first) if video in others else (first, row)
            raise ValueError(f"row {lacking.name!r}: no prediction of video {video!r}, which row {having.name!r} has")
        if references[video] != others[video]:
            raise ValueError(f"row {row.name!r}: the reference of video {video!r} differs from the one in row {first.name!r}")


def _check_asked(rows: Sequence[Row]) -> None:
    """Rows of a chat model differ in what it is shown, and in nothing else."""
    chat = [(row, row.record.asked) for row in rows if row.record.asked is not None]
    for row, asked in chat[1:]:
        first, other = chat[0]
        for key in ASKED:
            if getattr(asked, key) != getattr(other, key):
                raise ValueError(
                    f"row {row.name!r}: {key} is {getattr(asked, key)!r}, row {first.name!r} has {getattr(other, key)!r}; "
                    f"ask both in the same way: {remedy(row.record)} and {remedy(first.record)[4:]}"
                )


def _check_control(row: Row, system: Row) -> None:
    """A control shows other frames to the very checkpoints of its system."""
    mine, theirs = (each.record.made_from.get("checkpoints") for each in (row, system))
    if mine != theirs:
        raise ValueError(
            f"row {row.name!r} was made from other checkpoints than row {system.name!r}, which it is a control of; "
            f"{remedy(row.record)}"
        )


def _check_metrics(row: Row, first: Row) -> None:
    if odd := sorted(row.record.metrics.keys() ^ first.record.metrics.keys()):
        raise ValueError(f"row {row.name!r}: it and row {first.name!r} differ in metrics ({', '.join(odd)}); evaluate both again")


def _can_be_scored(metric: metrics.Metric, record: RowRecord) -> bool:
    """A metric of entities is left out where nobody knows them, but never if it is the primary one."""
    return metric.key == record.primary.metric or not isinstance(metric.scorer, metrics.PerVideoEntities)


def _references(summaries: Summaries) -> dict[str, str]:
    return dict(zip(summaries.videos, summaries.references, strict=True))
