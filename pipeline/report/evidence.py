"""Which differences these videos can tell from noise: every row against `clipsum`, and whether its frames are looked at.

Per metric, the p values of all rows are corrected together (Holm), so that of many comparisons none looks significant for
their number alone.
"""

from dataclasses import dataclass
from functools import lru_cache

from pipeline.report.results import Results, Row
from pipeline.statistics import Comparison, compare, holm

COMPARED = {"rouge1": "R-1", "rouge2": "R-2", "rougeL": "R-L"}
REFERENCE = "clipsum"
LEVEL = 0.05
_SEED = 0  # of the resamples
_MINUS = "−"
_OPEN = "an interval excludes zero, but not after correction for the number of comparisons, so it remains open"
# What each control takes away, and what follows if that does no harm.
CONTROLS = {
    "swapped": ("Showing another video's frames to", "what the frames show"),
    "shuffled": ("Shuffling the frames of", "the order of the frames"),
    "first": ("Showing only the first frame to", "any frame but the first"),
    "zeros": ("Replacing by zeros the frames of", "there being anything in the frames"),
}


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


def significant(found: Comparison, p: float) -> bool:
    """Both hold: the corrected p, which is small only if bootstrap and randomisation both reject, is below 0.05, and the
    interval excludes zero.
    """
    return p < LEVEL and found.excludes_zero


def gather_evidence(results: Results, *, resamples: int) -> Evidence:
    """Compare every row with `clipsum` on the same videos, and controls with their own systems, whose checkpoints they share."""
    reference = results.find(REFERENCE)
    others = [row for row in results.rows if row.name != REFERENCE] if reference is not None else []
    bases = [results.find(row.metrics.control_of or REFERENCE) for row in others]
    tested: dict[str, dict[str, Tested]] = {row.name: {} for row in others}
    for metric in COMPARED:
        found = [
            difference(base, row, metric, resamples=resamples)
            for base, row in zip(bases, others, strict=True)
            if base is not None
        ]
        corrected = holm([each.p for each in found])
        for row, each, p in zip(others, found, corrected, strict=True):
            tested[row.name][metric] = Tested(each, p)
    return Evidence(tested)


def difference(a: Row, b: Row, metric: str, *, resamples: int) -> Comparison:
    """`a - b` in a metric of `COMPARED`, over the same videos."""
    shared = a.metrics.control_of == b.name or b.metrics.control_of == a.name
    return compare(a.rouge[metric], b.rouge[metric], resamples=resamples, seed=_SEED, same_checkpoints=shared)


def headline(results: Results, *, resamples: int) -> str:
    """Which system leads in ROUGE-2 and whether the videos tell it apart from the next. Controls and floors do not compete."""
    systems = sorted(results.trained, key=lambda row: -row.metrics.metrics["rouge2"].mean)
    if len(systems) < 2:
        return "Fewer than two systems are evaluated, so there is nothing to compare yet."
    best, second = systems[0], systems[1]
    found = difference(best, second, "rouge2", resamples=resamples)
    verdict = "excludes zero" if found.excludes_zero else "includes zero, so these videos do not tell the two apart"
    scores = [f"{row.metrics.metrics['rouge2'].mean:.1f}" for row in (best, second)]
    return (
        f"{best.metrics.title} has the highest ROUGE-2 of {len(systems)} systems, {scores[0]}; next is {second.metrics.title} "
        f"with {scores[1]}. Their paired difference on the same {results.shared.n_videos} videos is {signed(found)}; its "
        f"interval, for a pair chosen after the fact, {verdict}."
    )


def looks(results: Results, evidence: Evidence) -> list[str]:
    """One sentence a control: does taking something from the frames hurt? And one on what vision adds to text alone."""
    sentences = []
    reference = results.find(REFERENCE)
    for row in results.rows:
        first, second = evidence.of(row.name, "rouge1"), evidence.of(row.name, "rouge2")
        if reference is None or first is None or second is None:
            continue
        title = reference.metrics.title
        controlled = results.find(row.metrics.control_of) if row.metrics.control_of is not None else None
        figures = (
            f"{signed(first.found)} ROUGE-1 (corrected p {p_text(first.p)}) and "
            f"{signed(second.found)} ROUGE-2 ({p_text(second.p)})"
        )
        direction = _common(first, second)
        hint = direction == 0 and (first.found.excludes_zero or second.found.excludes_zero)
        if controlled is not None:
            action, use = CONTROLS[row.metrics.visual]
            verdict = {
                1: f"the summaries depend on {use}",
                0: f"this does not hurt measurably, so there is no evidence that the summaries use {use}",
                -1: f"the scores rise, so this system is better off without {use}",
            }[direction]
            if hint:
                verdict = f"{_OPEN} whether the summaries use {use}"
            sentences.append(f"{action} {controlled.metrics.title} costs it {figures}: {verdict}.")
        elif row.metrics.visual == "none" and row.metrics.kind == "system":
            verdict = {
                1: "it scores higher; whether for what the frames show, the controls and random features tell",
                0: "no gain over a system without frames is shown",
                -1: "it scores lower than a system without frames",
            }[direction]
            if hint:
                verdict = f"{_OPEN} which scores higher"
            sentences.append(f"{title} minus {row.metrics.title}, which sees no frames: {figures}: {verdict}.")
    run = {row.metrics.visual for row in results.rows if row.metrics.control_of == REFERENCE}
    missing = [control for control in CONTROLS if control not in run]
    if missing and reference is not None:
        sentences.append(f"Controls not run: {', '.join(missing)}.")
    return sentences


def _common(first: Tested, second: Tested) -> int:
    """The direction of those that are significant; 0 where none is, or where they disagree."""
    directions = {first.direction, second.direction} - {0}
    return directions.pop() if len(directions) == 1 else 0


def signed(found: Comparison) -> str:
    """ "+1.10 [−0.20, +2.40]"."""
    mean, low, high = (number(value) for value in (found.mean, found.ci95_low, found.ci95_high))
    return f"{mean} [{low}, {high}]"


def number(value: float) -> str:
    """Two decimals and a sign."""
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", _MINUS)


@lru_cache
def p_text(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"
