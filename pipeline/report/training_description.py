"""How every row was trained, from its own settings, optimiser groups and history: what the paper leaves out.

The words stand in `templates/sections/training_details.html.jinja`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pipeline.report.results import Results, Row
from pipeline.scoring.metrics import METRICS
from pipeline.scoring.record import Look, Training

T = TypeVar("T")
SHORT = {metric.key: metric.short for metric in METRICS}


def training_details(results: Results) -> list[dict[str, Any]]:
    """For each row that says how it was trained: values for the words of the template."""
    return [
        _details(row, row.record.training)
        for row in results.trained
        if row.record.training is not None and row.record.training.settings and row.record.training.optimised
    ]


def chosen_epochs(results: Results) -> Iterator[dict[str, Any]]:
    """A line a row and seed: epochs run, the chosen one, and ROUGE-2 on the test split."""
    for row in results.trained:
        training = row.record.training
        if training is not None:
            for seed, history in _by_seed(training.history).items():
                yield {
                    "title": row.title,
                    "seed": seed,
                    "epochs": len(history),
                    "best": training.selection.get(seed),
                    "test": row.record.metrics[training.select].per_seed[seed].mean,
                }


def looks(results: Results) -> Iterator[dict[str, Any]]:
    """A line a trained row: could it look? Means over seeds of what was measured on validation videos before training and
    after.
    """
    for row in results.trained:
        if row.record.training is not None and row.record.training.looks:
            measured = list(row.record.training.looks.values())
            yield {"title": row.title} | {
                f"{name}_{when}": _mean([getattr(seed[when], name) for seed in measured])
                for name in Look.model_fields
                for when in ("before", "after")
            }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def untrained(results: Results) -> list[str]:
    """Titles of the rows without a training of their own."""
    return [
        row.title
        for row in results.rows
        if row.record.kind != "system" or row.record.training is None or not row.record.training.history
    ]


def _details(row: Row, training: Training) -> dict[str, Any]:
    record, settings = row.record, training.settings
    selection, history = _by_seed(training.selection), _by_seed(training.history)
    return {
        "title": row.title,
        "tuning": record.tuning,
        "optimised": training.optimised,
        "frozen": record.parameters.total - record.parameters.trainable,
        "train": {key.removeprefix("train."): value for key, value in settings.items() if key.startswith("train.")},
        "dropout": settings["model.dropout"],
        "warmup_epochs": settings.get("train.warmup_epochs", 0),
        "encoder_warmup_epochs": settings.get("finetune.warmup_epochs", 0),
        "lora_rank": settings.get("finetune.lora_rank", 0),
        "epochs": [len(epochs) for epochs in history.values()],
        "best_epochs": [choice.best_epoch for choice in selection.values()],
        "select": SHORT[training.select],
        "best_scores": [choice.val_score for choice in selection.values()],
        "curves": {seed: [epoch.val_score for epoch in epochs] for seed, epochs in history.items()},
    }


def _by_seed(values: Mapping[str, T]) -> dict[str, T]:
    return dict(sorted(values.items(), key=lambda item: int(item[0])))
