"""What the page says first: is the study calibrated, what beats text alone, what looks at its frames, what of the claims.

Its figures are paired differences in the primary metric, as `pipeline.report.evidence` found them, on one scale. Rows that see
the truth are left out: they calibrate the study and compete with nobody.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.report.claims import Claim
from pipeline.report.evidence import Evidence
from pipeline.report.families import ASKED, COUNTED, REFERENCE, TEXT_ONLY, Tested
from pipeline.report.palette import Role, role_of
from pipeline.report.results import Results, Row
from pipeline.report.tables import SWAPPED

_MARGIN = 0.02  # of the scale, left free at both ends


@dataclass(frozen=True)
class Difference:
    """`row` minus `other`, on the same `videos`; `seeds` of each, one figure if they have as many."""

    row: Row
    other: Row
    tested: Tested
    videos: int
    seeds: str

    @property
    def role(self) -> Role:
        return role_of(self.row)


@dataclass(frozen=True)
class Group:
    """Differences of one kind: `over_text`, `own_frames`, `of_clipsum` or `chat`. `shown` are those in favour of the first."""

    key: str
    differences: tuple[Difference, ...]

    @property
    def shown(self) -> list[Difference]:
        return [each for each in self.differences if each.tested.outcome == "a"]

    @property
    def not_shown(self) -> list[Difference]:
        return [each for each in self.differences if each.tested.outcome != "a"]


@dataclass(frozen=True)
class Scale:
    """From points of the metric to per cent of the plot's width."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        return round(100 * (value - self.low) / (self.high - self.low), 2)


def groups(results: Results, evidence: Evidence) -> list[Group]:
    """Every group that has a difference. ClipSum is the paper's, if that has been run."""
    competing = [row for row in results.trained if not row.is_calibration]
    sighted = [row for row in competing if row.record.encoder is not None]
    clipsum = results.papers_row or REFERENCE
    pairs = {
        "over_text": [(row.name, TEXT_ONLY) for row in sighted],
        "own_frames": [(row.name, f"{row.name}_{SWAPPED}") for row in sighted],
        "of_clipsum": [(clipsum, row.name) for row in competing if row.name not in (clipsum, TEXT_ONLY)],
        "chat": [pair for pair in ASKED if pair[1] not in COUNTED],
    }
    found = [Group(key, tuple(_differences(results, evidence, named))) for key, named in pairs.items()]
    return [group for group in found if group.differences]


def scale_of(found: Sequence[Group], *, margin: float) -> Scale:
    """One scale for all groups, zero and the margin on it."""
    from matplotlib.ticker import MaxNLocator

    every = [each.tested.found for group in found for each in group.differences]
    low = min([-margin, *(each.ci95_low for each in every)])
    high = max([margin, *(each.ci95_high for each in every)])
    free = _MARGIN * (high - low)
    ticks = [float(tick) for tick in MaxNLocator(6).tick_values(low, high) if low - free <= tick <= high + free]
    return Scale(low - free, high + free, tuple(ticks))


def verdict_counts(claims: Iterable[Claim]) -> Counter[str]:
    """How many claims are `supported`, `not_supported` (equal ones among them), `open` and `not_run`; `uncalibrated` is open."""
    folded = {"equal": "not_supported", "uncalibrated": "open"}
    return Counter(folded.get(claim.verdict, claim.verdict) for claim in claims)


def _differences(results: Results, evidence: Evidence, pairs: Iterable[tuple[str, str]]) -> Iterable[Difference]:
    for a, b in pairs:
        row, other, tested = results.find(a), results.find(b), evidence.of(a, b)
        if row is not None and other is not None and tested is not None:
            compared = results.strongest(a, b)
            seeds = dict.fromkeys(str(len(each.record.seeds)) for each in compared)
            yield Difference(row, other, tested, len(row.summaries.videos), " and ".join(seeds))
