"""Everything the report shows: rows, ablations and what goes with them. No score is computed here: a row's record holds them."""

from dataclasses import dataclass

import numpy as np

from pipeline.report.coverage import CorpusSummary, FramesSummary
from pipeline.report.paper import SYSTEMS
from pipeline.scoring.predictions import Summaries
from pipeline.scoring.record import Cost, RowRecord
from pipeline.scoring.statistics import Floats


@dataclass(frozen=True)
class Row:
    """A system: its record and its aligned summaries."""

    record: RowRecord
    summaries: Summaries

    @property
    def name(self) -> str:
        return self.record.row

    @property
    def title(self) -> str:
        return self.record.title

    def scores(self, metric: str) -> Floats:
        """A compared metric of every summary, `[seeds, videos]`."""
        values: Floats = np.array(self.record.per_video.scores[metric], dtype=np.float64)
        return values


@dataclass(frozen=True)
class Results:
    """All rows in table order, and the ablations of `clipsum`. Optional parts are None, or empty, where their file is absent.

    `sources` holds the text that was summarised, by video; `costs` what this machine has measured, by row.
    """

    rows: tuple[Row, ...]
    ablations: tuple[Row, ...]
    corpus: CorpusSummary | None
    frames: FramesSummary | None
    storyboards: dict[str, list[str]] | None
    costs: dict[str, Cost]
    sources: dict[str, str]

    @property
    def shared(self) -> RowRecord:
        """Any record, for what all rows have in common: study, scale, split, number of videos, seeds, signatures."""
        return self.rows[0].record

    @property
    def trained(self) -> tuple[Row, ...]:
        """Rows with a training of their own."""
        return tuple(row for row in self.rows if row.record.kind == "system")

    @property
    def not_run(self) -> tuple[str, ...]:
        """Systems of the paper's tables that have no record."""
        names = {row.name for row in self.rows}
        return tuple(name for name in SYSTEMS if name not in names)

    @property
    def in_order(self) -> list[Row | str]:
        """Rows in table order, and in their place the names of those systems of the paper that have not been run."""
        systems: list[Row | str] = [self.find(name) or name for name in SYSTEMS]
        return systems + [row for row in self.rows if row.name not in SYSTEMS]

    def find(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    def cost(self, row: Row) -> Cost | None:
        """What this machine measured of the very checkpoints that the row reports on."""
        cost = self.costs.get(row.name)
        same = cost is not None and cost.checkpoints == row.record.made_from.get("checkpoints")
        return cost if same and row.record.kind == "system" else None


def remedy(record: RowRecord) -> str:
    """What to run to have the record and its predictions made anew."""
    if record.ablation is not None:
        return "run `make ablations`"
    stages = {"floor": "floors", "control": f"control@{record.row}"}
    evaluation = f"evaluate@{record.row}"
    return f"run `dvc repro {stages.get(record.kind, evaluation)}`"
