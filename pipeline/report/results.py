"""Everything the report shows: rows, ablations and what goes with them. No score is computed here: a row's record holds them."""

from dataclasses import dataclass

import numpy as np

from pipeline.base.encoder_names import ORACLE
from pipeline.evaluation.transfers import is_kept_by_a_cell
from pipeline.frames.store import FrameStore
from pipeline.report.attention import Attended
from pipeline.report.coverage import CorpusSummary, FramesSummary, Probes, SpeechSummary
from pipeline.report.marks import Known
from pipeline.report.paper import PAPERS_ENCODER, PAPERS_MODEL, PAPERS_ROW, SYSTEMS
from pipeline.scoring import metrics
from pipeline.scoring.metrics import Metric
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

    @property
    def is_control(self) -> bool:
        """Whether it only says something of another row, or of all."""
        return self.record.kind in ("control", "floor") or self.record.control_of is not None

    @property
    def is_calibration(self) -> bool:
        """Whether it sees the truth: it calibrates the study and competes with nobody."""
        return self.record.encoder == ORACLE

    def scores(self, metric: str) -> Floats:
        """A compared metric of every summary, `[seeds, videos]`."""
        values: Floats = np.array(self.record.per_video.scores[metric], dtype=np.float64)
        return values


@dataclass(frozen=True)
class Results:
    """All rows in table order, and the ablations. Optional parts are None, or empty, where their file is absent.

    `evidence` has rows that were run again with more seeds or at another dose, by name; only those that belong to these rows.
    `transfers` has rows that were trained or tested on longer videos, by the names they are kept under, outdated ones among them.
    `pictures` are the frames as systems saw them, `known` what the corpus knows of the videos, `attended` to which frames ClipSum
    attended. `sources` holds the text that was summarised, by video; `costs` what this machine has measured, by row; `shown`
    the places of the videos that are shown one by one.
    """

    rows: tuple[Row, ...]
    shown: list[int]
    ablations: tuple[Row, ...]
    evidence: dict[str, Row]
    transfers: dict[str, Row]
    probes: Probes | None
    corpus: CorpusSummary | None
    frames: FramesSummary | None
    speech: SpeechSummary | None
    storyboards: dict[str, list[str]] | None
    pictures: FrameStore | None
    known: Known | None
    attended: Attended | None
    costs: dict[str, Cost]
    sources: dict[str, str]

    @property
    def shared(self) -> RowRecord:
        """Any record, for what all rows have in common: study, scale, split, number of videos, seeds, signatures."""
        return self.rows[0].record

    @property
    def shared_videos(self) -> tuple[str, ...]:
        """Ids of the videos that every row has summarised."""
        return tuple(self.rows[0].summaries.videos)

    @property
    def scored(self) -> tuple[Metric, ...]:
        """The metrics that these rows have: all, but for those that need what nobody knows."""
        return tuple(metric for metric in (*metrics.METRICS, *metrics.EXTRA) if metric.key in self.shared.metrics)

    @property
    def headline(self) -> tuple[Metric, ...]:
        """Columns of the main table, the primary metric first."""
        columns = [metric for metric in self.scored if metric.headline or metric.key == self.primary.key]
        return tuple(sorted(columns, key=lambda metric: metric.key != self.primary.key))

    @property
    def compared(self) -> tuple[Metric, ...]:
        """Metrics by which rows are tested against each other, the primary one first."""
        return tuple(sorted((m for m in self.scored if m.compared), key=lambda metric: metric.key != self.primary.key))

    @property
    def primary(self) -> Metric:
        return next(metric for metric in metrics.METRICS if metric.key == self.shared.primary.metric)

    def strongest(self, a: str, b: str) -> tuple[Row, Row]:
        """Two rows to compare, each with the most seeds there are; a control goes with the checkpoints of its system."""
        first, second = self.find(a), self.find(b)
        assert first is not None and second is not None, (a, b)
        if b == f"{a}_{second.record.frames}" and second.record.control_of == a:
            both = (self.evidence.get(a), self.evidence.get(b))
            return (both[0], both[1]) if both[0] is not None and both[1] is not None else (first, second)
        return self.evidence.get(a, first), self.evidence.get(b, second)

    @property
    def trained(self) -> tuple[Row, ...]:
        """Rows with a training of their own."""
        return tuple(row for row in self.rows if row.record.kind == "system")

    @property
    def papers_row(self) -> str | None:
        """The row that is the paper's ClipSum, whatever its name: that system on the paper's encoder, frozen. The first in table
        order, which is `clipsum` unless that has another encoder. None if it has, and no other row is the paper's.
        """
        papers = (PAPERS_MODEL, "frozen", PAPERS_ENCODER)
        found = (row.name for row in self.trained if (row.record.model, row.record.tuning, row.record.encoder) == papers)
        return next(found, None if self.find(PAPERS_ROW) else PAPERS_ROW)

    @property
    def external(self) -> tuple[Row, ...]:
        """Rows of somebody else's outputs."""
        return tuple(row for row in self.rows if row.record.kind == "external")

    @property
    def chat(self) -> tuple[Row, ...]:
        """Rows of a chat model."""
        return tuple(row for row in self.rows if row.record.kind == "chat")

    @property
    def is_released(self) -> bool:
        """Whether no row has been trained here: a table of others' outputs, in which the paper's systems have no place."""
        return self.shared.kind == "external"

    @property
    def not_run(self) -> tuple[str, ...]:
        """Systems of the paper's tables that have no record."""
        if self.is_released:
            return ()
        names = {row.name for row in self.rows}
        return tuple(name for name in SYSTEMS if name not in names)

    @property
    def in_order(self) -> list[Row | str]:
        """Rows in table order, and in their place the names of those systems of the paper that have not been run."""
        if self.is_released:
            return list(self.rows)
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
    if is_kept_by_a_cell(record.row):
        return "run `make transfer`"
    if record.kind == "floor":
        return "run `dvc repro floors`"
    if record.kind in ("external", "chat"):
        return f"run `dvc repro {record.kind}@{record.row}`"
    row = record.control_of or record.row
    evaluation = "evaluate" if record.encoder else "evaluate_text"
    if row == record.encoder and row not in SYSTEMS:  # called like its encoder: one of `more_encoders`
        evaluation = "evaluate_more"
    stage = "control" if record.kind == "control" and record.frames != "swapped" else evaluation
    return f"run `dvc repro {stage}@{row}`"
