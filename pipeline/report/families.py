"""Which comparisons are corrected together: fixed lists, so that a new row changes no old p value.

A comparison is `a` minus `b` on the same videos, judged by a corrected p (the larger of bootstrap and randomisation) and by two
one-sided tests against the study's margin. Both are corrected by Holm's method within the comparison's family, whose size is
that of its list, run or not. Intervals have the level of Holm's procedure, so that they and the p values say the same. A
comparison on no list, such as that of a row that was added later, is a family of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.evaluation.ablations import ABLATIONS
from pipeline.evaluation.controls import CONTROLS
from pipeline.scoring.floors import FLOORS
from pipeline.scoring.statistics import LEVEL, Comparison, holm, holm_levels

Pair = tuple[str, str]
Outcome = Literal["a", "b", "equal", "open"]
TEXT_ONLY, REFERENCE, ORACLE, NAMED = "bart", "clipsum", "oracle", "oracle_named"
EARLIER = ("ha", "mffg", "vg_bart")
SIGHTED = (*EARLIER, "random_visual", "vit_labels", "resnet152", REFERENCE, "clipsum_finetuned", ORACLE, NAMED)

PRIMARY: tuple[Pair, ...] = (
    (REFERENCE, TEXT_ONLY),
    *((REFERENCE, row) for row in EARLIER),
    (REFERENCE, "resnet152"),
    (REFERENCE, "random_visual"),
    ("random_visual", TEXT_ONLY),
    (REFERENCE, "clipsum_finetuned"),
)
CONTROLLED: tuple[Pair, ...] = (
    *((row, f"{row}_swapped") for row in SIGHTED),
    *((REFERENCE, f"{REFERENCE}_{control}") for control in CONTROLS if control != "swapped"),
)
VARIED: tuple[Pair, ...] = tuple((ablation.of, ablation.name) for ablation in ABLATIONS)
OTHER: tuple[Pair, ...] = (
    *((row, TEXT_ONLY) for row in SIGHTED if row not in (REFERENCE, "random_visual", NAMED)),
    *((REFERENCE, row) for row in ("t5", "vit_labels", ORACLE)),
    ("vit_labels", "resnet152"),
    *((REFERENCE, row) for row in FLOORS),
)
FAMILIES: dict[str, tuple[Pair, ...]] = {
    "the paper's claims": PRIMARY,
    "controls": CONTROLLED,
    "ablations": VARIED,
    "all others": OTHER,
}


@dataclass(frozen=True)
class Tested:
    """A comparison after correction: `p` that there is no difference, `p_equal` that there is one beyond the margin.

    `low` and `high` bound the difference at the level of Holm's procedure; `detectable` is the smallest difference that would
    be found at the level of a whole family of that size.
    """

    found: Comparison
    p: float
    p_equal: float
    low: float
    high: float
    detectable: float

    @property
    def outcome(self) -> Outcome:
        """`equal` within the margin; else which side is better; `open` if neither is shown."""
        if self.p_equal < LEVEL:
            return "equal"
        if self.p < LEVEL and (self.low > 0 or self.high < 0):
            return "a" if self.found.mean > 0 else "b"
        return "open"

    @property
    def direction(self) -> int:
        """1 or -1 if the difference is significant, whatever its size, else 0."""
        return 0 if self.p >= LEVEL or self.low <= 0 <= self.high else 1 if self.found.mean > 0 else -1


def family_of(pair: Pair) -> str:
    """The name of its family; that of a pair on no list is its own."""
    return next((name for name, pairs in FAMILIES.items() if pair in pairs), f"{pair[0]} minus {pair[1]}")


def correct(found: dict[Pair, Comparison], *, margin: float) -> dict[Pair, Tested]:
    """Every comparison that has been run, corrected within its family."""
    tested: dict[Pair, Tested] = {}
    for family in dict.fromkeys(family_of(pair) for pair in found):
        members = [pair for pair in found if family_of(pair) == family]
        size = max(len(FAMILIES.get(family, ())), len(members))
        ps = [found[pair].p for pair in members]
        equal = holm([found[pair].p_equal(margin) for pair in members], size=size)
        for pair, p, p_equal, level in zip(members, holm(ps, size=size), equal, holm_levels(ps, size=size), strict=True):
            low, high = found[pair].interval(level)
            tested[pair] = Tested(found[pair], p, p_equal, low, high, found[pair].detectable(LEVEL / size))
    return tested


def run_pairs(bases: Mapping[str, str], make: Callable[[str, str], Comparison | None]) -> dict[Pair, Comparison]:
    """Every comparison of the lists that can be made with the rows that `bases` names. A row on no list is compared with its
    base: the row that it is a control of, or `clipsum`.
    """
    listed = [pair for pairs in (PRIMARY, CONTROLLED, OTHER) for pair in pairs]
    known = {name for pair in listed for name in pair}
    pairs = listed + [(base, name) for name, base in bases.items() if name not in known]
    made = {pair: make(*pair) for pair in pairs if set(pair) <= bases.keys()}
    return {pair: comparison for pair, comparison in made.items() if comparison is not None}
