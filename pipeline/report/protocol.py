"""How every row was trained, in words, from its own parameters, optimiser groups and history: what the paper leaves out."""

from typing import Any

from pipeline.params import Chosen
from pipeline.report.results import Row

GROUPS = {"pretrained": "pretrained text model", "new": "new layers", "tower": "image tower"}


def protocol(row: Row, chosen: Chosen) -> list[tuple[str, str]]:
    """Pairs of a topic and a sentence. Topics whose parameters a row lacks are left out."""
    metrics = row.metrics
    values = metrics.protocol
    if not values or not metrics.optimised:
        return []
    train = {key.removeprefix("train."): value for key, value in values.items() if key.startswith("train.")}
    epochs = {seed: len(history) for seed, history in metrics.history.items()}
    best_epochs = {seed: choice.best_epoch for seed, choice in metrics.selection.items()}
    best = {seed: choice.val_rouge2 for seed, choice in metrics.selection.items()}
    pairs = [
        ("Trained", _trained(row)),
        ("Frozen", _frozen(row)),
        ("Loss", "cross-entropy of the reference's tokens, teacher forcing"),
        (
            "Optimiser",
            f"Adam, betas {_list(train['betas'])}, weight decay {train['weight_decay']}, gradients clipped at norm "
            f"{train['clip_norm']}",
        ),
        ("Rates", "; ".join(f"{GROUPS[name]} {group.rate:g}" for name, group in metrics.optimised.items())),
        ("Schedule", f"rates times {train['decay_factor']} every {train['decay_every']} epochs" + _warm_up(values)),
        (
            "Batch",
            f"{train['batch_size']} videos, gradients of {train['accumulation']} batches added up: "
            f"{train['batch_size'] * train['accumulation']} videos a step",
        ),
        (
            "Regularisation",
            f"dropout {values['model.dropout']}; weight decay as above; no label smoothing, no augmentation of frames",
        ),
        (
            "Stopping",
            f"at most {train['epochs']} epochs, or {train['patience']} without a better validation ROUGE-2 "
            f"(beams: {train['validation_beams']}); run: {_by_seed(epochs)}",
        ),
        ("Chosen", f"the epoch with the best validation ROUGE-2: {_by_seed(best_epochs)}, with {_by_seed(best, digits=1)}"),
        ("Validation ROUGE-2 by epoch", _curves(row)),
        ("How settings were chosen", _search(row, chosen)),
    ]
    return [(topic, text) for topic, text in pairs if text]


def _search(row: Row, chosen: Chosen) -> str:
    tower = f"; image tower: {chosen.finetune}" if row.metrics.tuning == "finetuned" else ""
    return f"{chosen.train}{tower}; in this run the epoch alone"


def _trained(row: Row) -> str:
    parts = []
    for name, group in row.metrics.optimised.items():
        blocks = f": {_list(group.blocks)}" if group.blocks else ""
        parts.append(f"{GROUPS[name]} ({group.parameters:,} parameters{blocks})")
    return "; ".join(parts)


def _frozen(row: Row) -> str:
    metrics = row.metrics
    frozen = metrics.parameters.total - metrics.parameters.trainable
    if not frozen:
        return "nothing"
    what = "the rest of the image tower" if metrics.tuning == "finetuned" else "the image tower, whose features are stored once"
    return f"{what} ({frozen:,} parameters)"


def _warm_up(values: dict[str, Any]) -> str:
    epochs = values.get("finetune.warmup_epochs")
    return f"; the image tower's rate rises linearly over the first {epochs} epochs" if epochs else "; no warm-up"


def _curves(row: Row) -> str:
    histories = sorted(row.metrics.history.items(), key=lambda item: int(item[0]))
    return "; ".join(f"seed {seed}: {_list([f'{epoch.val_rouge2:.1f}' for epoch in history])}" for seed, history in histories)


def _by_seed(values: dict[str, Any], *, digits: int | None = None) -> str:
    items = sorted(values.items(), key=lambda item: int(item[0]))
    return ", ".join(f"{value:.{digits}f}" if digits is not None else str(value) for _, value in items)


def _list(values: list[Any]) -> str:
    return ", ".join(map(str, values))
