"""The table of systems as Markdown, CSV, LaTeX and plain text. Every system of the paper is in it, run or not.

Nothing here differs from run to run: times and memory stand in `pipeline.report.costs`.
"""

import json
import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.base.templates import render
from pipeline.report.calibration import Calibration
from pipeline.report.paper import METRICS as PAPER_METRICS
from pipeline.report.paper import SYSTEMS, paper_figures
from pipeline.report.results import Results, Row
from pipeline.report.text import (
    NO_VALUE,
    NOT_RUN,
    as_latex,
    as_markdown,
    as_text,
    interval,
    latex_text,
    number,
    p_text,
    sentences,
    signed,
    with_interval,
)
from pipeline.scoring.metrics import Metric
from pipeline.scoring.record import RowRecord

SIZES = ("Parameters (M)", "Trained (M)")
PAPERS_COLUMN, SWAPPED_COLUMN = "R-1 of the paper", "Another video's frames"
SWAPPED = "swapped"
TERMINAL_WIDTH = 110
_DESCRIBED = ("row", "title", "kind", "encoder", "feature_width")
MARKS = {"external": "†", "chat": "‡"}  # of rows that nobody trained here
_UNBROKEN = "\u00a0"  # a blank at which no page breaks a line


def system_cells(entry: Row | str) -> dict[str, str]:
    """What is said of a system beside its scores, as text; for a system of the paper that has not been run, its name."""
    if isinstance(entry, str):
        return {"System": SYSTEMS[entry]} | dict.fromkeys(("Encoder", "Width", "n", "Split", *SIZES), NO_VALUE)
    record = entry.record
    return {
        "System": marked_title(record),
        "Encoder": record.encoder if record.encoder is not None else NO_VALUE,
        "Width": str(record.feature_width) if record.feature_width is not None else NO_VALUE,
        "n": str(record.n_videos),
        "Split": record.split,
    } | sizes(record)


def marked_title(record: RowRecord) -> str:
    """The title, with the mark of its footnote if nobody trained it here."""
    return f"{record.title} {MARKS[record.kind]}" if record.kind in MARKS else record.title


def paper_cells(entry: Row | str) -> dict[str, str]:
    """The paper's figure for each of its metrics, or a dash."""
    figures = paper_figures_of(entry)
    return {metric: f"{figures[metric]:.1f}" if metric in figures else NO_VALUE for metric in PAPER_METRICS}


def paper_figures_of(entry: Row | str) -> dict[str, float]:
    """The paper's figures for a row, or for one that has not been run."""
    if isinstance(entry, str):
        return paper_figures(entry, encoder=None)
    return paper_figures(entry.name, encoder=entry.record.encoder)


def main_table(results: Results) -> pd.DataFrame:
    """One line a system in the paper's order, run or not, then controls and floors."""
    lines = []
    for entry in results.in_order:
        system, paper = system_cells(entry), paper_cells(entry)
        at_the_end = {name: system.pop(name) for name in SIZES}
        for metric in results.headline:
            system[metric.short] = NOT_RUN if isinstance(entry, str) else with_interval(entry.record.metrics[metric.key])
            if metric.key in PAPER_METRICS:
                system[f"{metric.short} paper"] = paper[metric.key]
        lines.append(system | at_the_end)
    return _known_columns(pd.DataFrame(lines), results)


def _known_columns(table: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Without columns of which nobody knows anything, where all rows are somebody else's outputs."""
    return table.loc[:, [not results.is_released or bool((table[name] != NO_VALUE).any()) for name in table.columns]]


def summary_table(results: Results) -> pd.DataFrame:
    """The systems in the columns of README.md: narrow enough for the page of a code host, and short enough for a screen."""
    lines = []
    for entry in results.in_order:
        if not isinstance(entry, str) and entry.is_control:
            continue
        system = system_cells(entry)
        cells = {"System": system["System"], "Encoder": system["Encoder"]}
        for metric in results.headline[:2]:
            cells[metric.short] = _with_interval(entry, metric)
            if metric == results.primary:
                swapped = None if isinstance(entry, str) else results.find(f"{entry.name}_{SWAPPED}")
                cells[SWAPPED_COLUMN] = NO_VALUE if swapped is None else _with_interval(swapped, metric)
        lines.append(cells | {PAPERS_COLUMN: paper_cells(entry)["rouge1"]})
    return pd.DataFrame(lines)


def _with_interval(entry: Row | str, metric: Metric) -> str:
    if isinstance(entry, str):
        return NOT_RUN
    score = entry.record.metrics[metric.key]
    return f"{score.mean:.1f} {interval(score).replace(', ', f',{_UNBROKEN}')}"


def conventions_table(results: Results) -> pd.DataFrame:
    """The same summaries under every metric of the registry, both ways to count ROUGE among them."""
    lines = []
    for entry in results.in_order:
        cells = {"System": system_cells(entry)["System"]}
        for metric in results.scored:
            cells[metric.short] = NOT_RUN if isinstance(entry, str) else f"{entry.record.metrics[metric.key].mean:.1f}"
        lines.append(cells)
    return pd.DataFrame(lines)


def caption(results: Results) -> str:
    """Sentences that go with every form of the table."""
    told = sentences("table", shared=results.shared, not_run=_titles_not_run(results))
    return " ".join([told, *others_sentences(results), *chat_sentences(results)])


def others_sentences(results: Results) -> list[str]:
    """Whose outputs are marked, one sentence each origin; nothing if there are none."""
    by_origin: dict[str, list[str]] = {}
    for row in results.external:
        by_origin.setdefault(row.record.provenance or "", []).append(row.title)
    whose = list(by_origin.items())
    single = any(len(row.record.seeds) == 1 for row in results.external)
    values = {"mark": MARKS["external"], "whose": whose, "released": results.is_released, "single": single}
    return [sentences("others", **values)] if whose else []


def chat_sentences(results: Results) -> list[str]:
    """How a chat model was asked, what never came, and what it may know; nothing if there is none."""
    asked = [(row.title, row.record.asked, len(row.record.seeds)) for row in results.chat if row.record.asked is not None]
    fewer: dict[int, list[str]] = {}
    for title, each, _ in asked:
        if each.frames < each.frames_asked_for:
            fewer.setdefault(each.frames, []).append(title)
    return [sentences("chat", mark=MARKS["chat"], asked=asked, fewer=fewer)] if asked else []


def signature_lines(results: Results) -> list[str]:
    """The signatures of the metrics in the table: package, version, flags."""
    return [f"{metric.short}: {results.shared.signatures[metric.key]}." for metric in results.headline]


def markdown(results: Results) -> str:
    listed = "\n".join(f"- {line}" for line in signature_lines(results))
    return f"{as_markdown(main_table(results))}\n\n{caption(results)}\n\n{listed}\n"


def summary_markdown(results: Results, calibration: Calibration) -> str:
    below = sentences(
        "summary", shared=results.shared, primary=results.primary, not_run=_titles_not_run(results), chance=_chance(results)
    )
    below = " ".join([below, *others_sentences(results), *chat_sentences(results)])
    below += f"\n\n{calibration_sentences(results, calibration)}"
    return f"{as_markdown(summary_table(results))}\n\n{below}\n"


def _chance(results: Results) -> str | None:
    """The primary metric of a summary that knows nothing of its video."""
    floor = results.find("floor_random")
    return None if floor is None else f"{floor.record.metrics[results.primary.key].mean:.1f}"


def calibration_sentences(results: Results, calibration: Calibration) -> str:
    """Whether the study can tell, and by which figures."""
    values = {"calibration": calibration, "shared": results.shared, "primary": results.primary}
    return sentences("calibration", **values, signed=signed, number=number, p_text=p_text)


def conventions_markdown(results: Results) -> str:
    return f"{as_markdown(conventions_table(results))}\n\n{sentences('conventions')}\n"


def plain_text(results: Results, calibration: Calibration) -> str:
    """A compact table for the terminal, and whether the study can tell."""
    columns = ["System", "Encoder", *(metric.short for metric in results.headline[:3])]
    verdict = textwrap.fill(calibration_sentences(results, calibration), TERMINAL_WIDTH)
    return f"{as_text(main_table(results)[columns])}\n{sentences('terminal', shared=results.shared)}\n\n{verdict}\n"


def latex(results: Results) -> str:
    """A `table*` that needs the packages booktabs and graphicx."""
    kinds = ["system" if isinstance(entry, str) else entry.record.kind for entry in results.in_order]
    rules = [place for place in range(1, len(kinds)) if kinds[place] != kinds[place - 1]]
    study = results.shared.study
    return (
        render(
            "report/templates/table.tex.jinja",
            caption=latex_text(caption(results)),
            label="".join(character if character.isalnum() else "-" for character in study),
            tabular=as_latex(main_table(results), rules_before=rules),
            signatures=latex_text(" ".join(signature_lines(results))),
        ).rstrip("\n")
        + "\n"
    )


def comma_separated(results: Results) -> str:
    """Every metric of every row, unrounded: `<metric>`, `_std`, `_low`, `_high`; the paper's as `paper_<metric>`."""
    records = [_record(entry, results.scored) for entry in results.in_order]
    columns = list(next(record for record in records if record["status"] == "run"))
    table = pd.DataFrame(records, columns=columns, dtype=object)
    if results.is_released:
        table = table.dropna(axis="columns", how="all")  # what nobody knows of others' outputs
    return str(table.to_csv(index=False, lineterminator="\n"))


def headline_scores(results: Results) -> str:
    """A few means of every row but controls and floors, as JSON: columns of `dvc exp show`, lines of `dvc metrics diff`."""
    shown = [metric.key for metric in results.compared if metric in results.headline]
    rows = (*results.trained, *results.chat, *results.external)
    scores = {row.name: {metric: round(row.record.metrics[metric].mean, 4) for metric in shown} for row in rows}
    return json.dumps(scores, indent=2) + "\n"


def curves(results: Results) -> str:
    """One line per row, seed and epoch as CSV: what `dvc plots` draws. Controls are not trained and have none."""
    columns = ["row", "seed", "epoch", "train_loss", "val_loss", "val_score"]
    lines = [
        {"row": row.name, "seed": seed} | epoch.model_dump(include=set(columns))
        for row in results.trained
        if row.record.training is not None
        for seed, history in row.record.training.history.items()
        for epoch in history
    ]
    table = pd.DataFrame(lines, columns=columns).round({"train_loss": 6, "val_loss": 6, "val_score": 4})
    return str(table.to_csv(index=False, lineterminator="\n"))


def _titles_not_run(results: Results) -> list[str]:
    return [SYSTEMS[name] for name in results.not_run]


def sizes(record: RowRecord) -> dict[str, str]:
    """Parameters in millions."""
    total, trainable = record.parameters.total / 1e6, record.parameters.trainable / 1e6
    digits = 1 if total >= 100 else 2
    trained = record.kind != "floor" and record.kind not in MARKS
    cells = (f"{total:.{digits}f}", f"{trainable:.{digits}f}") if trained else (NO_VALUE, NO_VALUE)
    return dict(zip(SIZES, cells, strict=True))


def _record(entry: Row | str, scored: Sequence[Metric]) -> dict[str, Any]:
    papers = {f"paper_{metric}": figure for metric, figure in paper_figures_of(entry).items()}
    if isinstance(entry, str):
        return {"row": entry, "title": SYSTEMS[entry], "kind": "system", "status": NOT_RUN} | papers
    record = entry.record
    cells: dict[str, Any] = {key: getattr(record, key) for key in _DESCRIBED} | {"n": record.n_videos, "split": record.split}
    cells["seeds"] = " ".join(str(seed) for seed in record.seeds)
    for metric in scored:
        score = record.metrics[metric.key]
        parts = {"": score.mean, "_std": score.std, "_low": score.ci95_low, "_high": score.ci95_high}
        cells |= {f"{metric.key}{part}": value for part, value in parts.items()}
    cells |= {f"paper_{metric}": papers.get(f"paper_{metric}") for metric in PAPER_METRICS}
    known = record.kind not in MARKS  # of these nobody has said
    cells |= {
        "parameters_total": record.parameters.total if known else None,
        "parameters_trainable": record.parameters.trainable if known else None,
    }
    return cells | {"status": "run"}
