"""Which differences these videos can tell from noise: every row against `clipsum`, and whether its frames are used.

Per metric, the p values of all rows are corrected together (Holm), so that of many comparisons none looks significant for
their number alone.
"""

from dataclasses import dataclass
from typing import Literal

from pipeline.evaluation.controls import CONTROLS, Control
from pipeline.report.results import Results, Row
from pipeline.scoring import metrics
from pipeline.scoring.statistics import Comparison, compare, holm

REFERENCE = "clipsum"
LEADING = "rouge2"  # the metric of the headline: what training selects its epoch by
LEVEL = 0.05
_SEED = 0  # of the resamples

Effect = Literal["gain", "none", "loss", "open"]


@dataclass(frozen=True)
class Tested:
    """A comparison with its p value corrected for the number of rows compared."""

    found: Comparison
    p: float

    @property
    def direction(self) -> int:
        """1 or -1 if the difference is significant (see `significant`), else 0."""
        return 0 if not significant(self.found, self.p) else 1 if self.found.mean > 0 else -1


@dataclass(frozen=True)
class Evidence:
    """`clipsum` minus every other row, by row and metric; for a control, the system that it controls minus it. Empty without
    `clipsum`.
    """

    tested: dict[str, dict[str, Tested]]

    def of(self, row: str, metric: str = "rouge1") -> Tested | None:
        return self.tested.get(row, {}).get(metric)


@dataclass(frozen=True)
class Headline:
    """The two systems with the highest ROUGE-2, and the first minus the second."""

    best: Row
    second: Row
    found: Comparison


@dataclass(frozen=True)
class FramesUse:
    """What taking something from a system's frames costs it (`control`), or what ClipSum gains over a row without frames.

    `effect` is that of the frames: "gain" if scores fall without them.
    """

    system: Row
    row: Row
    control: Control | None
    first: Tested
    second: Tested
    effect: Effect


def significant(found: Comparison, p: float) -> bool:
    """Both hold: the corrected p, which is small only if bootstrap and randomisation both reject, is below 0.05, and the
    interval excludes zero.
    """
    return p < LEVEL and found.excludes_zero


def gather_evidence(results: Results, *, resamples: int) -> Evidence:
    """Compare every row with `clipsum` on the same videos, and controls with their own systems, whose checkpoints they share."""
    if results.find(REFERENCE) is None:
        return Evidence({})
    others = [row for row in results.rows if row.name != REFERENCE]
    pairs = [(base, row) for row in others if (base := results.find(row.record.control_of or REFERENCE)) is not None]
    tested: dict[str, dict[str, Tested]] = {row.name: {} for row in others}
    for metric in metrics.COMPARED:
        found = [difference(base, row, metric.key, resamples=resamples) for base, row in pairs]
        corrected = holm([each.p for each in found])
        for (_, row), each, p in zip(pairs, found, corrected, strict=True):
            tested[row.name][metric.key] = Tested(each, p)
    return Evidence(tested)


def difference(a: Row, b: Row, metric: str, *, resamples: int) -> Comparison:
    """`a - b` in a compared metric, over the same videos."""
    shared = a.record.control_of == b.name or b.record.control_of == a.name
    return compare(a.scores(metric), b.scores(metric), resamples=resamples, seed=_SEED, same_checkpoints=shared)


def headline(results: Results, *, resamples: int) -> Headline | None:
    """Which system leads, and its lead over the next; None with fewer than two. Controls and floors do not compete."""
    systems = sorted(results.trained, key=lambda row: -row.record.metrics[LEADING].mean)
    if len(systems) < 2:
        return None
    return Headline(systems[0], systems[1], difference(systems[0], systems[1], LEADING, resamples=resamples))


def frames_use(results: Results, evidence: Evidence) -> list[FramesUse]:
    """One finding a control: does taking something from the frames hurt? And one a system that sees none."""
    findings = []
    reference = results.find(REFERENCE)
    for row in results.rows:
        first, second = evidence.of(row.name, "rouge1"), evidence.of(row.name, "rouge2")
        if reference is None or first is None or second is None:
            continue
        controlled = results.find(row.record.control_of) if row.record.control_of is not None else None
        if controlled is not None:
            findings.append(FramesUse(controlled, row, CONTROLS[row.record.frames], first, second, _effect(first, second)))
        elif row.record.frames == "none" and row.record.kind == "system":
            findings.append(FramesUse(reference, row, None, first, second, _effect(first, second)))
    return findings


def controls_not_run(results: Results) -> list[str]:
    """Controls of `clipsum` that no row is."""
    run = {row.record.frames for row in results.rows if row.record.control_of == REFERENCE}
    return [control for control in CONTROLS if control not in run]


def _effect(first: Tested, second: Tested) -> Effect:
    """The direction of those that are significant. "open" where none is, or they disagree, but an interval excludes zero."""
    directions = {first.direction, second.direction} - {0}
    if len(directions) == 1:
        return "gain" if directions == {1} else "loss"
    return "open" if first.found.excludes_zero or second.found.excludes_zero else "none"
