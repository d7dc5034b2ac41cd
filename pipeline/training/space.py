"""What `make search` varies about a row: the same for every row, as far as the row has it.

Rates are drawn on a logarithmic scale around the study's own, the rest from a few values. The study's own values are the first
trial of every row. Epochs, batch and data are never varied: they are the same for all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.base.params import Study
from pipeline.training.table_row import Row

if TYPE_CHECKING:
    from optuna import Trial

Values = dict[str, Any]  # flat: "train.lr_new", "model.dropout", ...


@dataclass(frozen=True)
class Dimension:
    """One setting, `key`. A rate is the study's times a factor from 1/`spread` to `spread`; else it is one of `choices`."""

    key: str
    rows: Callable[[Row], bool]
    spread: float = 0.0
    choices: tuple[Any, ...] = ()

    def draw(self, trial: "Trial", own: Any) -> Any:
        """A value for a trial of a study whose own value is `own`. Rates have three digits, so that a file holds them exactly."""
        if self.spread:
            return float(f"{trial.suggest_float(self.key, own / self.spread, own * self.spread, log=True):.3g}")
        return trial.suggest_categorical(self.key, list(dict.fromkeys((own, *self.choices))))


def _every(row: Row) -> bool:
    return True


def _sees(row: Row) -> bool:
    return row.tuning != "none"


def _tunes(row: Row) -> bool:
    return row.tuning == "finetuned"


def _weighs_sources(row: Row) -> bool:
    return row.model in ("ha", "mffg")


SPACE = (
    Dimension("train.lr_pretrained", _every, spread=4.0),
    Dimension("train.lr_new", _sees, spread=4.0),
    Dimension("train.warmup_epochs", _every, choices=(0.0, 0.5, 1.0)),
    Dimension("model.dropout", _every, choices=(0.0, 0.1, 0.2)),
    Dimension("model.text_bias", _weighs_sources, choices=(0.0, 1.0, 2.0, 4.0)),
    Dimension("finetune.lr_encoder", _tunes, spread=8.0),
    Dimension("finetune.warmup_epochs", _tunes, choices=(0.0, 0.5, 1.0)),
    Dimension("finetune.trainable_blocks", _tunes, choices=(1, 2, 4)),
    Dimension("finetune.lora_rank", _tunes, choices=(0, 4, 16)),
)


def space_of(row: Row) -> list[Dimension]:
    """The settings that are varied of a row."""
    return [dimension for dimension in SPACE if dimension.rows(row)]


def own_values(row: Row, study: Study) -> Values:
    """The study's own values of what is varied."""
    return {dimension.key: value_of(study, dimension.key) for dimension in space_of(row)}


def draw(trial: "Trial", row: Row, study: Study) -> Values:
    """Values for a trial of a row."""
    return {dimension.key: dimension.draw(trial, value_of(study, dimension.key)) for dimension in space_of(row)}


def by_block(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Flat values as blocks of a study."""
    blocks: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        block, name = key.split(".")
        blocks.setdefault(block, {})[name] = value
    return blocks


def value_of(study: Study, key: str) -> Any:
    """The study's value of a flat key, `train.lr_new` say."""
    block, name = key.split(".")
    return getattr(getattr(study, block), name)
