"""Scores of the work tree and of every DVC experiment in one table that fits a terminal: which rows changed, and by what.

Scores come from the records that git keeps, so an experiment that ran one row alone is shown, too.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from tabulate import tabulate

from pipeline.base.files import read_json
from pipeline.base.paths import METRICS, PARAMS, STUDIES, metrics_file
from pipeline.evaluation.experiments import finished
from pipeline.scoring.metrics import METRICS as REGISTRY

WORKSPACE = "workspace"
HEADLINE = ("rouge1", "rouge2", "rougeL")  # beside the primary metric
LONGEST = {"experiment": 22, "row": 26, "changed": 29}  # characters; the rest of 120 is for scores

Scores = dict[str, float]


@dataclass(frozen=True)
class Line:
    """Scores of a row in an experiment; `gain` is in the primary metric, over the commit that the experiment started from."""

    experiment: str
    row: str
    scores: Scores
    gain: float | None
    changed: str


def overview(rows: Sequence[str], *, study: str, primary: str) -> str:
    """The table for `rows` and their controls, as text. Experiments of other studies are left out."""
    metrics = list(dict.fromkeys((primary, *HEADLINE)))
    lines = [
        Line(WORKSPACE, row, scores, None, "")
        for row in rows
        if metrics_file(row).exists() and (scores := _scores(read_json(metrics_file(row)), study, metrics))
    ]
    for name, commit in finished().items():
        lines += experiment_lines(name, commit, study=study, metrics=metrics)
    return render(lines, metrics)


def experiment_lines(name: str, commit: str, *, study: str, metrics: Sequence[str]) -> list[Line]:
    """The rows whose scores differ from those of the commit that the experiment started from; if none does, a line says so."""
    base = f"{commit}^"
    changed = "\n".join(changed_parameters(base, commit))
    paths = [Path(path) for path in _git("diff", "--name-only", base, commit, "--", f"{METRICS}/*.json").split()]
    lines = []
    for path in (path for path in paths if path.parent == METRICS):
        scores, former = (_scores(_record(at, path), study, metrics) for at in (commit, base))
        if scores and scores != former:
            gain = scores[metrics[0]] - former[metrics[0]] if former else None
            lines.append(Line(name, path.stem, scores, gain, changed))
    return lines or [Line(name, "(no score differs)", {}, None, changed)]


def changed_parameters(base: str, commit: str) -> list[str]:
    """`key=value` for every parameter that differs between two commits."""
    found = []
    for path in _git("diff", "--name-only", base, commit, "--", str(PARAMS), str(STUDIES)).split():
        before, after = (_flat(YAML(typ="safe", pure=True).load(_shown(at, path))) for at in (base, commit))
        found += [f"{key}={after.get(key)}" for key in {**before, **after} if before.get(key) != after.get(key)]
    return found


def render(lines: Sequence[Line], metrics: Sequence[str]) -> str:
    """An experiment's name and what it changed stand in its first line."""
    titles = {metric.key: metric.short for metric in REGISTRY}
    heads = ["experiment", "row", *(titles[metric] for metric in metrics), "gain", "changed"]
    rows, former = [], None
    for line in lines:
        first = line.experiment != former
        former = line.experiment
        figures = [f"{line.scores[metric]:.1f}" if line.scores else "" for metric in metrics]
        gain = "" if line.gain is None else f"{line.gain:+.1f}"
        rows.append([line.experiment if first else "", line.row, *figures, gain, line.changed if first else ""])
    widths = [LONGEST.get(head) for head in heads]
    sides = ["left", "left", *["right"] * (len(metrics) + 1), "left"]
    return tabulate(rows, headers=heads, tablefmt="simple", maxcolwidths=widths, colalign=sides, disable_numparse=True)


def _scores(record: Mapping[str, Any] | None, study: str, metrics: Sequence[str]) -> Scores:
    """To one decimal, as they are shown; none of another study's record, or of no record of a row."""
    if record is None or "row" not in record or record.get("study") != study:  # `metrics/` has files that are no records
        return {}
    return {metric: round(record["metrics"][metric]["mean"], 1) for metric in metrics if metric in record["metrics"]}


def _record(commit: str, path: Path) -> Any:
    text = _shown(commit, path.as_posix())
    return json.loads(text) if text else None


def _flat(block: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(block, dict) or not block:
        return {prefix.rstrip("."): block}
    return {key: value for name, inner in block.items() for key, value in _flat(inner, f"{prefix}{name}.").items()}


def _shown(commit: str, path: str) -> str:
    """A file at a commit; nothing if it is not there."""
    return _git("show", f"{commit}:{path}", check=False)


def _git(*arguments: str, check: bool = True) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=check).stdout
