"""The paper's claims, one by one, each with a verdict that follows from the numbers by one rule.

A claim says that one row scores higher than another in ROUGE-1, by so much. With the paired difference on our videos:

- supported: the difference has the claimed sign, its corrected p (the larger of bootstrap and randomisation; Holm) is below
  0.05, and its interval over videos and seeds excludes zero;
- not supported: it is significant in that sense with the other sign; or the interval reaches zero or beyond, but not the
  claimed gain, so that a gain of that size would have been seen;
- cannot tell at this n and number of seeds: anything else;
- not run: a row is missing.

One claim is that a difference is small ("hardly better"). It is supported when the interval lies within `MARGIN` of zero, and not
supported when it lies outside altogether.

P values are corrected together over all comparisons of the list. Where the paper claims a gain without a figure, any gain counts
and none is excluded.

A claim about several rows is supported when each comparison is, not supported when one of them is not supported, not run when
one is missing, and open otherwise. Our study decides nothing about YouCook2 unless it is run there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.report.ablations import Line
from pipeline.report.evidence import Evidence, difference, p_text, signed, significant
from pipeline.report.paper import PAPERS_ENCODER, SYSTEMS, TABLE_1, TABLE_2
from pipeline.report.results import Results
from pipeline.statistics import Comparison, holm

Verdict = Literal["supported", "not supported", "cannot tell at this n and number of seeds", "not run"]
OPEN: Verdict = "cannot tell at this n and number of seeds"
MARGIN = 1.0  # ROUGE-1 points: what "hardly" allows


@dataclass(frozen=True)
class Claim:
    """`numbers` is what the verdict rests on, a line a comparison."""

    text: str
    verdict: Verdict
    numbers: list[str]


@dataclass(frozen=True)
class _Step:
    """One comparison: its name, the gain claimed in ROUGE-1 (None: no figure), and what was found (None: not run).

    With `small` the claim is that there is hardly a difference.
    """

    name: str
    claimed: float | None
    found: Comparison | None
    p: float = 1.0
    small: bool = False

    @property
    def verdict(self) -> Verdict:
        if self.found is None:
            return "not run"
        return judge_small(self.found) if self.small else judge(self.found, self.p, claimed=self.claimed)

    @property
    def numbers(self) -> str:
        if self.found is None:
            return f"{self.name}: not run"
        paper = "gives no figure" if self.claimed is None else f"{self.claimed:+.1f}"
        return f"{self.name}: paper {paper}, ours {signed(self.found)}, corrected p {p_text(self.p)}"


def judge(found: Comparison, p: float, *, claimed: float | None) -> Verdict:
    """The rule above for one comparison; `claimed` is the gain in ROUGE-1, `p` the corrected p value."""
    wanted = 1.0 if claimed is None else claimed
    if significant(found, p):
        return "supported" if (found.mean > 0) == (wanted > 0) else "not supported"
    if claimed is None:
        return OPEN
    low, high = (found.ci95_low, found.ci95_high) if claimed > 0 else (-found.ci95_high, -found.ci95_low)
    return "not supported" if low <= 0 and high < abs(claimed) else OPEN


def judge_small(found: Comparison) -> Verdict:
    """The rule for a claim of hardly any difference."""
    if found.ci95_low > -MARGIN and found.ci95_high < MARGIN:
        return "supported"
    return "not supported" if found.ci95_low > MARGIN or found.ci95_high < -MARGIN else OPEN


def claims(results: Results, evidence: Evidence, ablations: Sequence[Line], *, resamples: int) -> list[Claim]:
    """Every claim that the paper's tables state in ROUGE-1. None if ClipSum was run with another encoder than the paper's."""
    reference = results.find("clipsum")
    if reference is not None and reference.metrics.encoder != PAPERS_ENCODER:
        return []
    wanted = _wanted(results, evidence, ablations, resamples=resamples)
    found = [step for steps in wanted.values() for step in steps if step.found is not None]
    corrected = iter(holm([step.found.p for step in found if step.found is not None]))
    judged = {
        text: [step if step.found is None else replace(step, p=next(corrected)) for step in steps]
        for text, steps in wanted.items()
    }
    return [_claim(text, steps) for text, steps in judged.items()]


def _wanted(results: Results, evidence: Evidence, ablations: Sequence[Line], *, resamples: int) -> dict[str, list[_Step]]:
    """The comparisons behind each claim."""

    def against(row: str) -> _Step:
        figures = TABLE_2["CLIP"]["fine-tuned"] if row == "clipsum_finetuned" else TABLE_1[row]
        tested = evidence.of(row)
        gain = round(TABLE_1["clipsum"][0] - figures[0], 1)
        return _Step(f"ClipSum minus {SYSTEMS[row]}", gain, tested.found if tested else None)

    def pair(a: str, b: str) -> _Step:
        first, second = results.find(a), results.find(b)
        found = None if first is None or second is None else difference(first, second, "rouge1", resamples=resamples)
        return _Step(f"{SYSTEMS[a]} minus {SYSTEMS[b]}", round(TABLE_1[a][0] - TABLE_1[b][0], 1), found)

    def varied(group: str, *settings: str, small: bool = False) -> list[_Step]:
        lines = [line for line in ablations if line.group == group and line.setting in settings and not line.is_base]
        return [_Step(f"ClipSum minus {line.label}", line.paper_gain, line.found, small=small) for line in lines]

    at_five = any(line.is_base and line.label == "fusion layer: 5" for line in ablations)
    return {
        "ClipSum is better than text alone": [against("bart")],
        "ClipSum is better than earlier multimodal systems": [against(row) for row in ("ha", "mffg", "vg_bart")],
        "Alignment counts for more than capacity: CLIP features are better than ResNet-152's under the same fusion": [
            against("resnet152")
        ],
        "CLIP's weights matter, not its shape: it is better than the same tower at random": [against("random_visual")],
        "Even random features add something to text alone": [pair("random_visual", "bart")],
        "Keeping CLIP frozen is better than fine-tuning it": [against("clipsum_finetuned")],
        "Fusion at layer 5 is better than at 3, 4 or 6": varied("fusion layer", "3", "4", "6") if at_five else [],
        "Fewer frames are worse (the paper: 25 instead of 50)": varied("frames", "half"),
        f"Twice the frames are hardly better, within {MARGIN:g} point (the paper: 100 instead of 50)": varied(
            "frames", "double", small=True
        ),
        "The temporal module contributes (claimed without a figure)": varied("without", "temporal module"),
    }


def _claim(text: str, steps: Sequence[_Step]) -> Claim:
    """The least favourable of the comparisons' verdicts decides; without any there is none."""
    order: tuple[Verdict, ...] = ("not supported", "not run", OPEN, "supported")
    verdicts = [step.verdict for step in steps] or ["not run"]
    return Claim(text, min(verdicts, key=order.index), [step.numbers for step in steps])
