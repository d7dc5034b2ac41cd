"""Runs that make the evidence stronger without changing the table: more seeds of the rows that decide, and another dose.

Seeds, not videos, dominate the error of a difference. So the rows on which the paper's main claims rest get ten. The dose is
the share of mentions that the narration hides: the gain from vision has to grow with it, and the table has it at the study's
own share and at none. `make evidence` runs them as DVC experiments, as it does ablations; the report takes what belongs to its
rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.base.params import Study

SEEDS = 10
DECISIVE = ("bart", "resnet152", "clipsum")
HALF = "half"


@dataclass(frozen=True)
class Repeat:
    """`target` is a stage of `dvc.yaml`, run with `overrides`; `keeps` says under which name each of its rows is kept."""

    name: str
    target: str
    overrides: Mapping[str, Any]
    keeps: Mapping[str, str]


def repeats(study: "Study") -> list[Repeat]:
    """Those that make sense in a study: a dose needs a dataset whose narration can be dosed."""
    seeds = sorted({*study.seeds, *range(SEEDS)})
    runs = [_more_seeds(row, seeds) for row in DECISIVE]
    if study.dataset.name == "kitchen":
        kept = {"oracle": f"oracle_{HALF}", "oracle_swapped": f"oracle_{HALF}_swapped"}
        share = round(study.dataset.deictic_share / 2, 3)
        runs.append(Repeat("dose-half", "evaluate@oracle", {"dataset.deictic_share": share}, kept))
    return runs


def _more_seeds(row: str, seeds: list[int]) -> Repeat:
    text_only = row == "bart"
    rows = (row,) if text_only else (row, f"{row}_swapped")
    target = f"{'evaluate_text' if text_only else 'evaluate'}@{row}"
    return Repeat(f"seeds-{row}", target, {"seeds": seeds}, {each: each for each in rows})
