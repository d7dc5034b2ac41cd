"""What a summary costs on this machine: times and memory, for the page and for `costs.md`. Neither is in git."""

from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from pipeline.report.results import Results
from pipeline.report.tables import SIZES, sizes
from pipeline.report.text import NO_VALUE, as_markdown, sentences
from pipeline.scoring.record import Cost

COLUMNS = ("Frames (ms)", "Summary (ms)", "Memory (MB)", "Training (s)")


def read_costs(path: Path) -> dict[str, Cost]:
    """`reports/costs.csv` by row; empty if there is no such file."""
    if not path.exists():
        return {}
    table = pd.read_csv(path, dtype={"row": str, "checkpoints": str, "device": str})
    lines = table.astype(object).where(table.notna(), None).to_dict("records")
    try:
        return {line.pop("row"): Cost.model_validate(line) for line in lines}
    except (KeyError, ValidationError) as error:
        raise ValueError(f"{path}: {error}; delete it and run `dvc repro --force costs`") from error


def cost_table(results: Results) -> pd.DataFrame:
    """A line a trained row: its parameters, and what this machine has measured, dashes if not of its checkpoints."""
    lines = []
    for row in results.trained:
        cost = results.cost(row)
        cells = dict.fromkeys(COLUMNS, NO_VALUE) if cost is None else _cells(cost)
        lines.append({"System": row.title, **sizes(row.record), **cells})
    return pd.DataFrame(lines, columns=["System", *SIZES, *COLUMNS])


def cost_caption(results: Results) -> str:
    """What the columns mean, on which machine they were measured, and which rows were not."""
    found = {row.title: results.cost(row) for row in results.trained}
    measured = [cost for cost in found.values() if cost is not None]
    return sentences(
        "costs",
        machines=sorted({(cost.device, cost.threads) for cost in measured}),
        measured=bool(measured),
        lacking=[title for title, cost in found.items() if cost is None],
        seconds_unknown=any(cost.training_seconds is None for cost in measured),
    )


def cost_markdown(results: Results) -> str:
    return f"{as_markdown(cost_table(results))}\n\n{cost_caption(results)}\n"


def _cells(cost: Cost) -> dict[str, str]:
    frames, summary, low, high, memory, training = (
        _number(value)
        for value in (
            cost.encoder_ms,
            cost.latency_ms,
            cost.latency_low_ms,
            cost.latency_high_ms,
            cost.memory_mb,
            cost.training_seconds,
        )
    )
    return dict(zip(COLUMNS, (frames, f"{summary} [{low}, {high}]", memory, training), strict=True))


def _number(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.0f}" if value >= 10 else f"{value:.1f}"
