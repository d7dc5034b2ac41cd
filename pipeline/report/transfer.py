"""Longer videos and transfer: rows trained on short or long videos and tested on either. What has not been run is named.

Two rows are compared on the same test videos alone: ClipSum with others in each cell, what was trained on long videos with what
was trained on short ones, and each row with another video's frames. What longer videos cost is between other videos, so it has
no test. These comparisons are families of their own (`pipeline.report.families` has those of the table).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pandas as pd

from pipeline.evaluation.transfers import CELLS, DOMAINS, Cell, stretched
from pipeline.report.ablations import OUTDATED
from pipeline.report.evidence import difference
from pipeline.report.families import REFERENCE, TEXT_ONLY, Pair, Tested, correct_within
from pipeline.report.released import VERDICTS
from pipeline.report.results import Results, Row
from pipeline.report.tables import SWAPPED, SWAPPED_COLUMN
from pipeline.report.text import NO_VALUE, NOT_RUN, as_markdown, interval, p_text, sentences, signed
from pipeline.scoring.metrics import METRICS
from pipeline.scoring.record import Score
from pipeline.scoring.statistics import Comparison

TRANSFER = "transfer"
BESIDE = "beside"  # in `made_from`: the corpus of the table that a cell stands beside
State = Literal["run", "not run", "outdated"]
Kind = Literal["over_text", "over_resnet152", "moved", "own_frames"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_OF_ROW = ("study", "scale", "split", "encoder", "tuning")
_SAME = ("seeds", "primary")
_SAME_PARTS = ("code", "text_model", "encoder")


@dataclass(frozen=True)
class Line:
    """A row in one cell, and what it says with another video's frames if it sees any; `state` says why there is no row."""

    cell: Cell
    title: str
    row: Row | None
    swapped: Row | None
    state: State


@dataclass(frozen=True)
class Transfer:
    """Every cell of every row, and what could be compared, by the names under which rows are kept."""

    lines: Sequence[Line]
    tested: Mapping[Pair, Tested]

    @property
    def found(self) -> bool:
        return any(line.row is not None for line in self.lines)


def wanted() -> dict[Pair, tuple[Kind, Cell]]:
    """Every comparison, with its kind and the cell of the row from which another is taken."""
    pairs: dict[Pair, tuple[Kind, Cell]] = {}
    for cell in CELLS:
        others: list[tuple[Kind, str]] = []
        if cell.row == REFERENCE:
            others.append(("over_text", Cell(TEXT_ONLY, cell.trained_on, cell.tested_on).name))
            others.append(("over_resnet152", Cell("resnet152", cell.trained_on, cell.tested_on).name))
        if cell.trained_on != DOMAINS[0]:
            others.append(("moved", Cell(cell.row, DOMAINS[0], cell.tested_on).name))
        others += [("own_frames", kept) for kept in cell.keeps.values() if kept != cell.name]
        pairs |= {(cell.name, other): (kind, cell) for kind, other in others}
    return pairs


def gather_transfer(results: Results, *, resamples: int) -> Transfer:
    """Nothing where the dataset has one kind of videos. Rows of one kind of test videos that have others are a `ValueError`."""
    if results.corpus is None or results.corpus.dataset != "kitchen":
        return Transfer((), {})
    lines = [_line(results, cell) for cell in CELLS]
    rows = {row.name: row for line in lines for row in (line.row, line.swapped) if row is not None}
    _check_videos(lines)
    made: dict[Pair, Comparison] = {
        (a, b): difference(rows[a], rows[b], results.primary.key, resamples=resamples)
        for a, b in wanted()
        if a in rows and b in rows
    }
    return Transfer(lines, correct_within(families(), made, margin=results.shared.primary.margin))


def families() -> dict[str, list[Pair]]:
    """What is corrected together: other frames by themselves, as in the table."""
    return {
        name: [pair for pair, (kind, _) in wanted().items() if (kind == "own_frames") == controls]
        for name, controls in ((TRANSFER, False), (f"{TRANSFER}, another video's frames", True))
    }


def _line(results: Results, cell: Cell) -> Line:
    base, row = results.find(cell.row), results.transfers.get(cell.name)
    swapped = results.transfers.get(f"{cell.name}_{SWAPPED}")
    title = cell.row if base is None else base.title
    if base is None or row is None or any(getattr(base.record, key) != getattr(row.record, key) for key in _OF_ROW):
        return Line(cell, title, None, None, NOT_RUN)
    same = swapped is None or swapped.record.made_from["checkpoints"] == row.record.made_from["checkpoints"]
    if not (same and _belongs(base, row)):
        return Line(cell, title, None, None, OUTDATED)
    return Line(cell, title, row, swapped, "run")


def _belongs(base: Row, row: Row) -> bool:
    """Whether a row was made as the table's own was, but for what a cell changes."""
    mine, theirs = base.record, row.record
    if mine.training is None or theirs.training is None:
        return False
    return (
        all(getattr(mine, key) == getattr(theirs, key) for key in _SAME)
        and all(mine.signatures.get(metric.key) == theirs.signatures.get(metric.key) for metric in METRICS)
        and all(mine.made_from.get(part) == theirs.made_from.get(part) for part in _SAME_PARTS)
        and theirs.made_from.get(BESIDE) == mine.made_from.get("corpus")
        and theirs.training.settings == mine.training.settings | stretched(mine.training.settings)
    )


def _check_videos(lines: Sequence[Line]) -> None:
    for domain in DOMAINS:
        same = [line.row for line in lines if line.row is not None and line.cell.tested_on == domain]
        for row in same[1:]:
            mine, theirs = ((each.summaries.videos, each.summaries.references) for each in (row, same[0]))
            if mine != theirs:
                raise ValueError(
                    f"transfer: {row.name!r} and {same[0].name!r} were tested on different {domain} videos; run `make transfer`"
                )


def cell_table(results: Results, transfer: Transfer) -> pd.DataFrame:
    """Scores of every row in every cell."""
    table = []
    for line in transfer.lines:
        cells = {"System": line.title, "Trained on": line.cell.trained_on, "Tested on": line.cell.tested_on}
        own = transfer.tested.get((line.cell.name, f"{line.cell.name}_{SWAPPED}"))
        cells[results.primary.short] = line.state if line.row is None else _score(line.row, results.primary.key)
        cells[SWAPPED_COLUMN] = NO_VALUE if line.swapped is None else _score(line.swapped, results.primary.key)
        cells["Own minus another's"] = NO_VALUE if own is None else f"{signed(own.found)}, {VERDICTS[own.outcome]}"
        for metric in (each for each in results.compared if each != results.primary):
            cells[metric.short] = NO_VALUE if line.row is None else f"{line.row.record.metrics[metric.key].mean:.1f}"
        table.append(cells)
    return pd.DataFrame(table)


def difference_table(transfer: Transfer) -> pd.DataFrame:
    """What could be compared, but for other frames, which stand in the table of cells."""
    titles = {line.cell.row: line.title for line in transfer.lines}
    table = []
    for pair, (kind, cell) in sorted(wanted().items(), key=lambda each: KINDS.index(each[1][0])):
        tested = transfer.tested.get(pair)
        if tested is not None and kind != "own_frames":
            second = {"over_text": titles[TEXT_ONLY], "over_resnet152": titles["resnet152"]}.get(kind)
            trained = cell.trained_on if second else f"{cell.trained_on} minus {DOMAINS[0]}"
            table.append(
                {
                    "Row": f"{titles[cell.row]} minus {second}" if second else titles[cell.row],
                    "Trained on": trained,
                    "Tested on": cell.tested_on,
                    "Difference": signed(tested.found),
                    "p": p_text(tested.p),
                    "Verdict": VERDICTS[tested.outcome],
                }
            )
    return pd.DataFrame(table)


def transfer_caption(results: Results, transfer: Transfer) -> str:
    """What the cells are, and how to get those that are not there."""
    states, (tests, controls) = {line.state for line in transfer.lines}, map(len, families().values())
    return sentences("transfer", shared=results.shared, states=states, tests=tests, controls=controls)


def transfer_words(results: Results, transfer: Transfer) -> str:
    """What the verdicts say, in words; nothing before a cell has been run."""
    by_outcome: dict[str, dict[str, list[tuple[str, Cell]]]] = {}
    titles = {line.cell.row: line.title for line in transfer.lines}
    for pair, (kind, cell) in wanted().items():
        if (tested := transfer.tested.get(pair)) is not None:
            by_outcome.setdefault(kind, {}).setdefault(VERDICTS[tested.outcome], []).append((titles[cell.row], cell))
    at_home = {
        (line.cell.row, line.cell.tested_on): line.row.record.metrics[results.primary.key].mean
        for line in transfer.lines
        if line.row is not None and line.cell.trained_on == line.cell.tested_on
    }
    longer = [(titles[row], *(at_home[row, domain] for domain in DOMAINS)) for row in titles if _both(row, at_home)]
    return sentences("transfer_words", found=by_outcome, longer=longer, titles=titles, primary=results.primary)


def _both(row: str, at_home: Mapping[tuple[str, str], float]) -> bool:
    return all((row, domain) in at_home for domain in DOMAINS)


def transfer_markdown(results: Results, transfer: Transfer) -> str:
    if not transfer.lines:
        return f"{sentences('no_transfer')}\n"
    parts = [as_markdown(cell_table(results, transfer)), transfer_caption(results, transfer)]
    if transfer.found:
        parts[:0] = [transfer_words(results, transfer)]
    if transfer.tested and not (compared := difference_table(transfer)).empty:
        parts.append(as_markdown(compared))
    return "\n\n".join(parts) + "\n"


def transfer_csv(results: Results, transfer: Transfer) -> str:
    """The same unrounded: a line a row and cell, and its differences from other rows."""
    table = []
    for line in transfer.lines:
        cells: dict[str, Any] = {"row": line.cell.row, "trained_on": line.cell.trained_on, "tested_on": line.cell.tested_on}
        cells["state"] = line.state
        for metric in results.compared:
            score = None if line.row is None else line.row.record.metrics[metric.key]
            cells |= _bounds(metric.key, score)
        cells |= _bounds(f"{SWAPPED}_{results.primary.key}", line.swapped and line.swapped.record.metrics[results.primary.key])
        for kind in KINDS:
            pairs = [pair for pair, (of, cell) in wanted().items() if (of, cell) == (kind, line.cell)]
            tested = next((transfer.tested[pair] for pair in pairs if pair in transfer.tested), None)
            cells |= _bounds(kind, tested and tested.found)
            cells |= {f"{kind}_p": tested and tested.p, f"{kind}_verdict": tested and VERDICTS[tested.outcome]}
        table.append(cells)
    return str(pd.DataFrame(table, dtype=object).to_csv(index=False, lineterminator="\n"))


def _bounds(name: str, found: Any) -> dict[str, float | None]:
    values = (None, None, None) if found is None else (found.mean, found.ci95_low, found.ci95_high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _score(row: Row, metric: str) -> str:
    score: Score = row.record.metrics[metric]
    return f"{score.mean:.1f} {interval(score)}"
