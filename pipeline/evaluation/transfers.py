"""Longer videos, and transfer between them and short ones: four cells, trained on either and tested on either.

Of a dataset that has both (`kitchen`). `make transfer` runs each row in each cell as a DVC experiment; the report takes what
belongs to its rows. All cells have the same settings, which are those that long videos need: three times the study's own numbers
of frames and tokens, twice its epochs. Rates are the row's own: they were chosen on short videos.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.base.params import Study

DOMAINS = ("short", "long")
ROWS = ("bart", "resnet152", "clipsum", "oracle")
# By how much the study's own values are multiplied: videos are three times as long and have two dishes.
_STRETCHED = {
    "frames.count": 3,
    "text.max_source_tokens": 3,
    "text.max_target_tokens": 3,
    "generate.max_tokens": 3,
    "train.epochs": 2,  # with the study's own four the oracle learns half of it: docs/LOG.md, 2026-11-27
    "train.decay_every": 2,
}


@dataclass(frozen=True)
class Cell:
    """A row, trained on videos of one domain and tested on those of another or the same."""

    row: str
    trained_on: str
    tested_on: str

    @property
    def name(self) -> str:
        """Under which its record and its predictions are kept; those of its control with `_swapped` behind."""
        return f"{self.row}_{self.trained_on}_{self.tested_on}"

    @property
    def rows(self) -> tuple[str, ...]:
        """What its stage evaluates: the row, and the row with another video's frames if it sees any."""
        return (self.row,) if self.row == "bart" else (self.row, f"{self.row}_swapped")

    @property
    def target(self) -> str:
        """The stage that makes it."""
        return f"{'evaluate_text' if self.row == 'bart' else 'evaluate'}@{self.row}"

    @property
    def keeps(self) -> dict[str, str]:
        """For each of `rows` the name under which it is kept."""
        return {row: row.replace(self.row, self.name) for row in self.rows}

    def overrides(self, study: "Study") -> dict[str, Any]:
        return {"dataset.trained_on": self.trained_on, "dataset.tested_on": self.tested_on} | stretched(_flat(study))


CELLS = tuple(Cell(row, trained_on, tested_on) for row in ROWS for trained_on in DOMAINS for tested_on in DOMAINS)


def stretched(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of flat settings ("frames.count", ...) those that long videos need more of, with what they need."""
    return {key: times * settings[key] for key, times in _STRETCHED.items() if key in settings}


def cells_of(study: "Study") -> tuple[Cell, ...]:
    """A study whose dataset has one kind of videos is a `ValueError`."""
    if study.dataset.name != "kitchen":
        raise ValueError(f"dataset {study.dataset.name} has no short and long videos to transfer between; kitchen has")
    return CELLS


def is_kept_by_a_cell(name: str) -> bool:
    return any(name in cell.keeps.values() for cell in CELLS)


def _flat(study: "Study") -> dict[str, Any]:
    return {key: getattr(getattr(study, key.split(".")[0]), key.split(".")[1]) for key in _STRETCHED}
