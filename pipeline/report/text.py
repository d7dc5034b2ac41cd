"""How figures, tables and the sentences below them are written; the sentences themselves stand in `templates/captions.jinja`."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

import pandas as pd

from pipeline.base.templates import render
from pipeline.scoring.record import Interval, Score
from pipeline.scoring.statistics import Estimate

NO_VALUE: Final = "–"
NOT_RUN: Final = "not run"
TEXT_COLUMNS = ("Metric", "System", "Encoder", "Split", "Setting", "Row", "Verdict", "Trained on", "Tested on")
_MINUS = "−"
# What pandas leaves as it is and LaTeX's standard fonts lack; and what means something in LaTeX.
_GLYPHS = str.maketrans(
    {
        "|": r"\textbar{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "–": "--",
        "−": r"\ensuremath{-}",
        "±": r"\ensuremath{\pm}",
        "†": r"\textdagger{}",
        "‡": r"\textdaggerdbl{}",
    }
)
_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def sentences(caption: str, **values: Any) -> str:
    """The caption of that name, one for all forms of a table, as one line of text."""
    return " ".join(render("report/templates/captions.jinja", caption=caption, **values).split())


def with_interval(score: Score) -> str:
    """ "33.0 ± 0.4 [31.2, 34.8]": mean, standard deviation of the seeds, 95 % interval."""
    deviation = f" ± {score.std:.1f}" if score.std is not None else ""
    return f"{score.mean:.1f}{deviation} {interval(score)}"


def interval(score: Interval) -> str:
    """ "[31.2, 34.8]"."""
    return f"[{score.ci95_low:.1f}, {score.ci95_high:.1f}]"


def signed(found: Estimate) -> str:
    """ "+1.10 [−0.20, +2.40]"."""
    mean, low, high = (number(value) for value in (found.mean, found.ci95_low, found.ci95_high))
    return f"{mean} [{low}, {high}]"


def points(found: Estimate) -> str:
    """ "+1.1 [−0.2, +2.4]": the same in short."""
    mean, low, high = (
        f"{round(value, 1) + 0.0:+.1f}".replace("-", _MINUS) for value in (found.mean, found.ci95_low, found.ci95_high)
    )
    return f"{mean} [{low}, {high}]"


def number(value: float) -> str:
    """Two decimals and a sign."""
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", _MINUS)


@lru_cache
def p_text(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def as_markdown(frame: pd.DataFrame) -> str:
    """A table of text cells, columns of figures to the right. No character of a cell is markup."""
    escaped = frame.map(_escape_markdown)
    return escaped.to_markdown(index=False, disable_numparse=True, colalign=_sides(frame.columns, "left", "right"))


def as_text(frame: pd.DataFrame) -> str:
    """The same for the terminal, columns to the left."""
    padded = {name: f"{{:<{int(frame[name].str.len().max())}}}".format for name in frame.columns}
    lines = frame.to_string(index=False, justify="left", formatters=padded).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def as_latex(frame: pd.DataFrame, *, rules_before: Collection[int]) -> str:
    """A `tabular` of booktabs, with a rule before each of the given lines (from 0)."""
    text = frame.to_latex(index=False, escape=True, column_format="".join(_sides(frame.columns, "l", "r")))
    lines = text.translate(_GLYPHS).splitlines()
    first = lines.index(r"\midrule") + 1
    for place in sorted(rules_before, reverse=True):
        lines.insert(first + place, r"\midrule")
    return "\n".join(lines)


def latex_text(text: str) -> str:
    """A sentence for LaTeX."""
    return text.translate(_SPECIAL | _GLYPHS)


def _sides(columns: Collection[str], text: str, figures: str) -> tuple[str, ...]:
    return tuple(text if name in TEXT_COLUMNS else figures for name in columns)


def _escape_markdown(text: str) -> str:
    for character in "\\`*_<|":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", " ")
