"""Are the results that were just made those that are committed? Row by row, against a commit of this repository.

On the kind of processor that made the committed results they are the same to the byte. Another kind adds floating-point numbers
in another order. Training enlarges the difference, and some summaries come out otherwise. What counts then is whether a row's
score moved by more than another training seed moves it.
"""

import json
import math
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.base.files import listed
from pipeline.base.paths import METRICS, PREDICTIONS
from pipeline.scoring.record import read_record

Verdict = Literal["identical", "within the noise of seeds", "differs"]
METRIC = "rouge1"
NOISE = 2.0  # standard deviations of a row's seeds: what another seed may well do


@dataclass(frozen=True)
class Line:
    """One row, as committed and as just made. `deviations` is the difference in standard deviations of the committed seeds.

    `same_scores`: every metric and interval is the same.
    """

    row: str
    summaries: int
    different: int
    before: float
    after: float
    deviations: float | None
    same_scores: bool

    @property
    def verdict(self) -> Verdict:
        if not self.different and self.same_scores:
            return "identical"
        return "within the noise of seeds" if self.deviations is not None and abs(self.deviations) <= NOISE else "differs"


def compare_with(revision: str, *, root: Path = Path()) -> list[Line]:
    """One line for every row (and ablation) that the commit or the work tree has, in the order of their names.

    A row that only one of them has differs. Raises `RuntimeError` when `revision` is no commit with results.
    """
    committed = {
        name
        for name in _git(root, "ls-tree", "-r", "--name-only", revision, f"{PREDICTIONS}/").splitlines()
        if name.endswith(".jsonl")
    }
    if not committed:
        raise RuntimeError(f"{revision}: no predictions are committed there, so there is nothing to compare with")
    here = {path.relative_to(root).as_posix() for path in listed(root / PREDICTIONS, "**/*.jsonl")}
    return [_line(name, revision, root, name in committed, name in here) for name in sorted(committed | here)]


def overall(lines: list[Line]) -> Verdict:
    """The worst of the rows' verdicts."""
    order: tuple[Verdict, ...] = ("differs", "within the noise of seeds", "identical")
    return min((line.verdict for line in lines), key=order.index)


def _line(name: str, revision: str, root: Path, committed: bool, here: bool) -> Line:
    row = Path(name).relative_to(PREDICTIONS).with_suffix("").as_posix()
    record = METRICS / f"{row}.json"
    old_text = _git(root, "show", f"{revision}:{name}") if committed else ""
    new_text = (root / name).read_text(encoding="utf-8") if here else ""
    old = json.loads(_git(root, "show", f"{revision}:{record}"))["metrics"] if committed else {}
    new = read_record(root / record).model_dump(mode="json")["metrics"] if here else {}
    before, after = (scores[METRIC]["mean"] if scores else math.nan for scores in (old, new))
    std = old[METRIC].get("std") if old else None
    summaries, made = _summaries(old_text), _summaries(new_text)
    keys = summaries.keys() | made.keys()
    different = sum(summaries.get(key) != made.get(key) for key in keys)
    return Line(row, len(keys), different, before, after, (after - before) / std if std else None, old == new)


def _summaries(text: str) -> dict[tuple[str, int], str]:
    rows = [json.loads(line) for line in text.splitlines()]
    return {(row["video_id"], row["seed"]): row["prediction"] for row in rows}


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
