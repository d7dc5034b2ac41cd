"""What `make verify` prints: committed and present results, row by row, and what follows."""

import math
from collections.abc import Sequence

import pandas as pd

from pipeline.base.templates import render
from pipeline.evaluation.reproduction import NOISE, Line, overall
from pipeline.report.text import NO_VALUE, as_text, number


def reproduction_text(lines: Sequence[Line], *, against: str) -> str:
    """A table for the terminal, the overall verdict, and what to do next when the results are not identical."""
    table = pd.DataFrame([_cells(line) for line in lines])
    return render(
        "report/templates/reproduction.jinja",
        table=as_text(table),
        verdict=overall(list(lines)),
        differing=[line.row for line in lines if line.verdict == "differs"],
        noise=f"{NOISE:g}",
        against=against,
    ).rstrip("\n")


def _cells(line: Line) -> dict[str, str]:
    return {
        "Row": line.row,
        "Summaries that differ": f"{line.different} of {line.summaries}",
        "R-1 before": _score(line.before),
        "R-1 after": _score(line.after),
        "Difference (seeds' SD)": NO_VALUE if line.deviations is None or math.isnan(line.deviations) else number(line.deviations),
        "Verdict": line.verdict,
    }


def _score(value: float) -> str:
    return NO_VALUE if math.isnan(value) else f"{value:.2f}"
