"""Which differences these videos can tell from noise, and whether a system's frames are used.

Comparisons and their families are lists in `pipeline.report.families`; each compared metric is corrected by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.evaluation.controls import CONTROLS, Control
from pipeline.report.families import REFERENCE, TEXT_ONLY, Pair, Tested, correct, run_pairs
from pipeline.report.results import Results, Row
from pipeline.scoring.statistics import Comparison, compare

SEED = 0  # of the resamples
OTHERS_SHARE = 5  # no verdict is given by any other metric, so those get one resample in so many


@dataclass(frozen=True)
class Evidence:
    """Every comparison that could be made, corrected, by metric. `primary` is the metric by which verdicts are given."""

    primary: str
    tested: Mapping[str, Mapping[Pair, Tested]]

    def of(self, a: str, b: str) -> Tested | None:
        """`a` minus `b` in the primary metric."""
        return self.tested.get(self.primary, {}).get((a, b))


@dataclass(frozen=True)
class Headline:
    """The two systems with the highest primary metric, and the first minus the second."""

    best: Row
    second: Row
    found: Comparison


@dataclass(frozen=True)
class FramesUse:
    """What taking something from a system's frames costs it (`control`), or what it gains over text alone (no control)."""

    system: Row
    row: Row
    control: Control | None
    tested: Tested


def gather_evidence(results: Results, *, resamples: int) -> Evidence:
    """Compare rows on the same videos: all pairs of the lists, and every row on no list with `clipsum` or with what it
    controls.
    """
    bases = {row.name: row.record.control_of or REFERENCE for row in results.rows}
    papers_row = results.papers_row
    tested = {}
    for metric in results.compared:
        drawn = resamples if metric == results.primary else -(-resamples // OTHERS_SHARE)

        def make(a: str, b: str, *, metric: str = metric.key, drawn: int = drawn) -> Comparison | None:
            first, second = results.strongest(a, b)
            return difference(first, second, metric, resamples=drawn)

        made = run_pairs(bases, make, papers_row=papers_row)
        tested[metric.key] = correct(made, margin=results.shared.primary.margin, papers_row=papers_row)
    return Evidence(results.primary.key, tested)


def difference(a: Row, b: Row, metric: str, *, resamples: int) -> Comparison:
    """`a - b` in a compared metric, over the same videos; a control and its system share checkpoints."""
    shared = a.record.control_of == b.name or b.record.control_of == a.name
    return compare(a.scores(metric), b.scores(metric), resamples=resamples, seed=SEED, same_checkpoints=shared)


def headline(results: Results, *, resamples: int) -> Headline | None:
    """Which system leads, and its lead over the next; None with fewer than two. Those that see the truth do not compete."""
    metric = results.primary.key
    competing = [row for row in results.trained if not row.is_calibration]
    systems = sorted(competing, key=lambda row: -row.record.metrics[metric].mean)
    if len(systems) < 2:
        return None
    return Headline(systems[0], systems[1], difference(systems[0], systems[1], metric, resamples=resamples))


def frames_use(results: Results, evidence: Evidence) -> list[FramesUse]:
    """A finding for each control, and one for each system that sees frames against the one that sees none."""
    findings = []
    for row in results.rows:
        if row.record.control_of is not None:
            system, tested = results.find(row.record.control_of), evidence.of(row.record.control_of, row.name)
            if system is not None and tested is not None:
                findings.append(FramesUse(system, row, CONTROLS[row.record.frames], tested))
    text_only = results.find(TEXT_ONLY)
    for row in results.trained:
        tested = evidence.of(row.name, TEXT_ONLY)
        if text_only is not None and tested is not None:
            findings.append(FramesUse(row, text_only, None, tested))
    return findings
