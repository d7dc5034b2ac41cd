"""The page's table of scores: every system of the paper, run or not, then controls and floors; every metric is a column.

The page's script sorts it, hides rows and columns, and gives what is shown as CSV. Without it, the main columns are shown.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.report import text
from pipeline.report.palette import role_of
from pipeline.report.paper import METRICS as PAPER_METRICS
from pipeline.report.results import Results, Row
from pipeline.report.tables import paper_figures_of, system_cells


@dataclass(frozen=True)
class Column:
    """`group` is what the reader chooses together; `hidden`: not shown before the reader asks."""

    key: str
    title: str
    group: str
    hidden: bool = False
    is_text: bool = False


def columns(results: Results) -> list[Column]:
    """The columns after the system's name. The paper's figures are shown where they compare with ours: at full scale."""
    described = [Column("encoder", "Encoder", "described", is_text=True), Column("width", "Width", "described", hidden=True)]
    beside = results.shared.scale == "full"
    found = []
    for metric in results.scored:
        shown = metric in results.headline
        found.append(Column(metric.key, metric.short, "metric", hidden=not shown))
        if metric.key in PAPER_METRICS:
            found.append(Column(f"paper_{metric.key}", f"{metric.short}, the paper's", "paper", hidden=not (shown and beside)))
    found.sort(key=lambda column: column.key != results.primary.key)
    return [*described, *found, Column("files", "Files", "files", is_text=True)]


def lines(results: Results) -> list[dict[str, Any]]:
    """A line a system: name, title, kind and role, whether it was run, and its cells by column."""
    return [_line(entry, full=results.shared.scale == "full") for entry in results.in_order]


def _line(entry: Row | str, *, full: bool) -> dict[str, Any]:
    described = system_cells(entry)
    cells = {"encoder": {"text": described["Encoder"]}, "width": {"text": described["Width"]}}
    papers = paper_figures_of(entry)
    ours = {} if isinstance(entry, str) else entry.record.metrics
    for key, score in ours.items():
        spread = "" if score.std is None else f" ± {score.std:.1f}"
        cells[key] = {"text": f"{score.mean:.1f}{spread}", "below": text.interval(score), "value": f"{score.mean:.4f}"}
    for key, figure in papers.items():
        cells[f"paper_{key}"] = {"text": f"{figure:.1f}", "value": f"{figure:.1f}"}
        if full and key in ours:
            cells[f"paper_{key}"]["below"] = f"ours {text.number(ours[key].mean - figure)}"
    if isinstance(entry, str):
        return {"name": entry, "title": described["System"], "kind": "system", "role": "control", "run": False, "cells": cells}
    kind = "truth" if entry.is_calibration and not entry.is_control else entry.record.kind
    if entry.record.control_of is not None:
        kind = "control"
    return {"name": entry.name, "title": described["System"], "kind": kind, "role": role_of(entry), "run": True, "cells": cells}
