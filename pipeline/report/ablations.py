"""ClipSum with one thing changed: Table 2 of the paper, and what it leaves out. What has not been run is named."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.report.evidence import COMPARED, REFERENCE, difference, signed
from pipeline.report.paper import PAPERS_ENCODER, TABLE_2
from pipeline.report.results import Results, Row
from pipeline.statistics import Comparison

NO_VALUE = "–"
# Group, setting, the line of the paper's Table 2 it belongs to.
SETTINGS = (
    *(("fusion layer", str(layer), ("fusion layer", str(layer))) for layer in (3, 4, 5, 6)),
    ("frames", "half", ("frames", "25")),
    ("frames", "base", ("frames", "50")),
    ("frames", "double", ("frames", "100")),
    ("encoder", "frozen", ("CLIP", "frozen")),
    ("encoder", "fine-tuned", ("CLIP", "fine-tuned")),
    ("without", "temporal module", None),
    ("without", "fusion (frames as a prefix)", None),
    ("without", "temporal module and attention (mean-pooled frames)", None),
    ("without", "L2 normalisation", None),
)


@dataclass(frozen=True)
class Line:
    """A setting with the row that has it, and ClipSum minus that row in ROUGE-1. `state` says why there is no row."""

    group: str
    setting: str
    paper: tuple[float, float, float] | None
    row: Row | None
    state: str
    is_base: bool
    found: Comparison | None

    @property
    def label(self) -> str:
        return f"{self.group}: {self.setting}"

    @property
    def paper_gain(self) -> float | None:
        """What the paper's ClipSum gains over this setting in ROUGE-1."""
        return None if self.paper is None else round(TABLE_2["CLIP"]["frozen"][0] - self.paper[0], 1)


def ablation_lines(results: Results, *, resamples: int) -> list[Line]:
    """Every setting in order. An ablation of other data, seeds or parameters than the present `clipsum` is outdated."""
    base = results.find(REFERENCE)
    return [_line(results, base, *setting, resamples=resamples) for setting in SETTINGS]


def _line(results: Results, base: Row | None, group: str, setting: str, place: tuple[str, str] | None, *, resamples: int) -> Line:
    papers_own = base is None or base.metrics.encoder == PAPERS_ENCODER
    paper = None if place is None or not papers_own else TABLE_2[place[0]][place[1]]
    own = str(base.metrics.protocol.get("model.fusion_layer")) if base is not None else ""
    is_base = (group, setting) in {("fusion layer", own), ("frames", "base"), ("encoder", "frozen")}
    if is_base:
        return Line(group, setting, paper, base, "" if base is not None else "not run", True, None)
    if group == "encoder":
        row, state = results.find("clipsum_finetuned"), "not run"
    else:
        row, state = _find(results, base, group, setting)
    found = difference(base, row, "rouge1", resamples=resamples) if base is not None and row is not None else None
    return Line(group, setting, paper, row, "" if row is not None else state, False, found)


def _find(results: Results, base: Row | None, group: str, setting: str) -> tuple[Row | None, str]:
    for row in results.ablations:
        varied = row.metrics.ablation
        if varied is not None and (varied.group, varied.setting) == (group, setting):
            if base is not None and _comparable(base, row, set(varied.overrides)):
                return row, ""
            return None, "outdated: run `make ablations` again"
    return None, "not run"


def _comparable(base: Row, row: Row, overridden: set[str]) -> bool:
    """The same study, videos, references, seeds and inputs, and the same protocol but for what is varied."""
    ours, theirs = base.metrics, row.metrics
    same = all(getattr(ours, key) == getattr(theirs, key) for key in ("study", "scale", "split", "seeds", "encoder"))
    parts = (ours.inputs.keys() | theirs.inputs.keys()) - ({"visual"} if "frames.count" in overridden else set())
    same = same and all(ours.inputs.get(part) == theirs.inputs.get(part) for part in parts)
    same = same and base.summaries.videos == row.summaries.videos and base.summaries.references == row.summaries.references
    keys = ours.protocol.keys() | theirs.protocol.keys()
    return same and all(ours.protocol.get(key) == theirs.protocol.get(key) for key in keys - overridden)


def cells(lines: list[Line]) -> Iterator[dict[str, str]]:
    for line in lines:
        yield (
            {"ClipSum with": line.label}
            | {
                column: text
                for index, (metric, short) in enumerate(COMPARED.items())
                for column, text in (
                    (short, line.state if line.row is None else f"{line.row.metrics.metrics[metric].mean:.1f}"),
                    (f"{short} paper", NO_VALUE if line.paper is None else f"{line.paper[index]:.1f}"),
                )
            }
            | {"ClipSum minus this, R-1": "is ClipSum" if line.is_base else signed(line.found) if line.found else NO_VALUE}
        )


def markdown(results: Results, lines: list[Line]) -> str:
    rows = list(cells(lines))
    header = list(rows[0])
    shared = results.shared
    text = [
        f"| {' | '.join(header)} |",
        f"|{'|'.join(' --- ' if index == 0 else ' ---: ' for index in range(len(header)))}|",
        *(f"| {' | '.join(row.values())} |" for row in rows),
        "",
        f"Study {shared.study}, {shared.split} split, n = {shared.n_videos}, seeds {', '.join(map(str, shared.seeds))}. "
        "Difference with its 95 % interval over videos and seeds. Frames: half and double of the study's own number; the paper's "
        "are 25, 50 and 100.",
        "",
    ]
    return "\n".join(text)


def comma_separated(lines: list[Line]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["group", "setting", "state", *COMPARED, *(f"paper_{name}" for name in COMPARED), "gain", "gain_low", "gain_high", "p"]
    )
    for line in lines:
        scores: list[Any] = [line.row.metrics.metrics[name].mean if line.row is not None else None for name in COMPARED]
        found = line.found
        gain = [found.mean, found.ci95_low, found.ci95_high, found.p] if found is not None else [None] * 4
        writer.writerow([line.group, line.setting, line.state or "run", *scores, *(line.paper or [None] * 3), *gain])
    return stream.getvalue()
