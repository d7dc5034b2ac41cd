"""Which comparisons are corrected together: fixed lists, so that a new row changes no old p value.

A comparison is `a` minus `b` on the same videos, judged by a corrected p (the larger of bootstrap and randomisation) and by two
one-sided tests against the study's margin. Both are corrected by Holm's method within the comparison's family, whose size is
that of its list, run or not. Intervals have the level of Holm's procedure, so that they and the p values say the same. A
comparison on no list, such as that of a row that was added later, is a family of its own.

The paper's claims are about its ClipSum. If another encoder is under study, that is not the row `clipsum` but perhaps another
one: then that row's comparisons are the family of the paper's claims, and those of `clipsum` are a family as large as before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.evaluation.ablations import ABLATIONS
from pipeline.evaluation.controls import CONTROLS
from pipeline.scoring.floors import FLOORS
from pipeline.scoring.holm import holm, holm_levels
from pipeline.scoring.statistics import LEVEL, Comparison

Pair = tuple[str, str]
Outcome = Literal["a", "b", "equal", "open"]
TEXT_ONLY, REFERENCE, ORACLE, NAMED = "bart", "clipsum", "oracle", "oracle_named"
EARLIER = ("ha", "mffg", "vg_bart")
BESIDE = ("siglip2_b16", "dinov3_b16", "pe_core_b16")  # encoders of one size, each with a row called like it; docs/encoders.md
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
VARIED: tuple[Pair, ...] = tuple((ablation.of, ablation.name) for ablation in ABLATIONS if not ablation.texts)
READ: tuple[Pair, ...] = tuple((ablation.of, ablation.name) for ablation in ABLATIONS if ablation.texts)
# Each against text alone, its own swapped frames and the encoder under study; trained with texts against not.
SIDE_BY_SIDE: tuple[Pair, ...] = (
    *((row, TEXT_ONLY) for row in BESIDE),
    *((row, f"{row}_swapped") for row in BESIDE),
    *((REFERENCE, row) for row in BESIDE),
    ("siglip2_b16", "dinov3_b16"),
    ("pe_core_b16", "dinov3_b16"),
)
COUNTED = ("vlm_8", "vlm_16", "vlm_50")  # rows of a chat model with another number of frames
# A chat model: do frames help it, does it look at them, how many does it need; and is it better than what was trained?
ASKED: tuple[Pair, ...] = (
    ("vlm", "llm_text"),
    ("vlm", "vlm_swapped"),
    ("vlm", "vlm_frames"),
    *(("vlm", row) for row in COUNTED),
    ("llm_text", TEXT_ONLY),
    (REFERENCE, "llm_text"),
    (REFERENCE, "vlm"),
)
OTHER: tuple[Pair, ...] = (
    *((row, TEXT_ONLY) for row in SIGHTED if row not in (REFERENCE, "random_visual", NAMED)),
    *((REFERENCE, row) for row in ("t5", "vit_labels", ORACLE)),
    ("vit_labels", "resnet152"),
    *((REFERENCE, row) for row in FLOORS),
)
CLAIMS = "the paper's claims"


def on_papers_row(row: str) -> tuple[Pair, ...]:
    """The comparisons of the paper's ClipSum where that is another row than `clipsum`, the control of alignment among them."""
    return tuple((row, other) for other in (TEXT_ONLY, *EARLIER, "resnet152", "random_visual", "vit_labels"))


def families(papers_row: str | None = REFERENCE) -> dict[str, tuple[Pair, ...]]:
    """All families by name; `papers_row` is the row that is the paper's ClipSum, None if there is none."""
    if papers_row == REFERENCE:
        first = {CLAIMS: PRIMARY}
    else:
        first = {"the encoder under study": PRIMARY} | ({} if papers_row is None else {CLAIMS: on_papers_row(papers_row)})
    varied = {"ablations": VARIED, "ablations of the text": READ}
    beside = {"encoders side by side": SIDE_BY_SIDE, "a chat model": ASKED}
    return first | {"controls": CONTROLLED} | varied | beside | {"all others": OTHER}


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


def family_of(pair: Pair, *, papers_row: str | None = REFERENCE) -> str:
    """The name of its family; that of a pair on no list is its own."""
    return _family_in(families(papers_row), pair)


def _family_in(listed: Mapping[str, Sequence[Pair]], pair: Pair) -> str:
    return next((name for name, pairs in listed.items() if pair in pairs), f"{pair[0]} minus {pair[1]}")


def correct(found: dict[Pair, Comparison], *, margin: float, papers_row: str | None = REFERENCE) -> dict[Pair, Tested]:
    """Every comparison that has been run, corrected within its family."""
    return correct_within(families(papers_row), found, margin=margin)


def correct_within(
    listed: Mapping[str, Sequence[Pair]], found: Mapping[Pair, Comparison], *, margin: float
) -> dict[Pair, Tested]:
    """The same for other families, by name; a family is as large as its list."""
    tested: dict[Pair, Tested] = {}
    family_by_pair = {pair: _family_in(listed, pair) for pair in found}
    for family in dict.fromkeys(family_by_pair.values()):
        members = [pair for pair in found if family_by_pair[pair] == family]
        size = max(len(listed.get(family, ())), len(members))
        ps = [found[pair].p for pair in members]
        equal = holm([found[pair].p_equal(margin) for pair in members], size=size)
        for pair, p, p_equal, level in zip(members, holm(ps, size=size), equal, holm_levels(ps, size=size), strict=True):
            low, high = found[pair].interval(level)
            tested[pair] = Tested(found[pair], p, p_equal, low, high, found[pair].detectable(LEVEL / size))
    return tested


def run_pairs(
    bases: Mapping[str, str], make: Callable[[str, str], Comparison | None], *, papers_row: str | None = REFERENCE
) -> dict[Pair, Comparison]:
    """Every comparison of the lists that can be made with the rows that `bases` names. A row on no list is compared with its
    base: the row that it is a control of, or `clipsum`.
    """
    listed = [pair for pairs in (PRIMARY, CONTROLLED, SIDE_BY_SIDE, ASKED, OTHER) for pair in pairs]
    known = {name for pair in listed for name in pair}
    papers = on_papers_row(papers_row) if papers_row not in (None, REFERENCE) else ()
    pairs = [*listed, *papers, *((base, name) for name, base in bases.items() if name not in known)]
    made = {pair: make(*pair) for pair in pairs if set(pair) <= bases.keys()}
    return {pair: comparison for pair, comparison in made.items() if comparison is not None}
