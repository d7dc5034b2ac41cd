"""The paper's claims, one by one, each with a verdict that follows from the numbers by one rule.

A claim says that one row scores higher than another in ROUGE-1, by so much. With the paired difference on our videos:

- supported: the difference has the claimed sign, its corrected p (the larger of bootstrap and randomisation; Holm) is below
  0.05, and its interval over videos and seeds excludes zero;
- not_supported: it is significant in that sense with the other sign; or the interval reaches zero or beyond, but not the
  claimed gain, so that a gain of that size would have been seen;
- open: anything else; this many videos and seeds cannot tell;
- not_run: a row is missing.

One claim is that a difference is small ("hardly better"). It is supported when the interval lies within `MARGIN` of zero, and
not_supported when it lies outside altogether.

P values are corrected together over all comparisons of the list. Where the paper claims a gain without a figure, any gain counts
and none is excluded.

A claim about several rows is supported when each comparison is, not_supported when one of them is, not_run when one is missing,
and open otherwise. Our study decides nothing about YouCook2 unless it is run there.

What each claim says stands in `templates/sections/claims.html.jinja`, by the claim's key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.report.ablations import Line
from pipeline.report.evidence import Evidence, difference, significant
from pipeline.report.paper import PAPERS_ENCODER, SYSTEMS, TABLE_1, TABLE_2
from pipeline.report.results import Results
from pipeline.scoring.statistics import Comparison, holm

Verdict = Literal["supported", "not_supported", "open", "not_run"]
MARGIN = 1.0  # ROUGE-1 points: what "hardly" allows


@dataclass(frozen=True)
class Step:
    """One comparison, `a` minus `b`: the gain claimed in ROUGE-1 (None: no figure), and what was found (None: not run).

    With `small` the claim is that there is hardly a difference. With `ablation`, `b` is the label of one.
    """

    a: str
    b: str
    claimed: float | None
    found: Comparison | None
    p: float = 1.0
    small: bool = False
    ablation: bool = False

    @property
    def verdict(self) -> Verdict:
        if self.found is None:
            return "not_run"
        return judge_small(self.found) if self.small else judge(self.found, self.p, claimed=self.claimed)


@dataclass(frozen=True)
class Claim:
    """`steps` is what the verdict rests on."""

    key: str
    steps: list[Step]

    @property
    def verdict(self) -> Verdict:
        """The least favourable of the comparisons' verdicts; without any there is none."""
        order: tuple[Verdict, ...] = ("not_supported", "not_run", "open", "supported")
        return min([step.verdict for step in self.steps] or ["not_run"], key=order.index)


def judge(found: Comparison, p: float, *, claimed: float | None) -> Verdict:
    """The rule above for one comparison; `claimed` is the gain in ROUGE-1, `p` the corrected p value."""
    wanted = 1.0 if claimed is None else claimed
    if significant(found, p):
        return "supported" if (found.mean > 0) == (wanted > 0) else "not_supported"
    if claimed is None:
        return "open"
    low, high = (found.ci95_low, found.ci95_high) if claimed > 0 else (-found.ci95_high, -found.ci95_low)
    return "not_supported" if low <= 0 and high < abs(claimed) else "open"


def judge_small(found: Comparison) -> Verdict:
    """The rule for a claim of hardly any difference."""
    if found.ci95_low > -MARGIN and found.ci95_high < MARGIN:
        return "supported"
    return "not_supported" if found.ci95_low > MARGIN or found.ci95_high < -MARGIN else "open"


def claims(results: Results, evidence: Evidence, ablations: Sequence[Line], *, resamples: int) -> list[Claim]:
    """Every claim that the paper's tables state in ROUGE-1. None if ClipSum was run with another encoder than the paper's."""
    reference = results.find("clipsum")
    if reference is not None and reference.record.encoder != PAPERS_ENCODER:
        return []
    wanted = _wanted(results, evidence, ablations, resamples=resamples)
    found = [step.found.p for steps in wanted.values() for step in steps if step.found is not None]
    corrected = iter(holm(found))
    return [
        Claim(key, [step if step.found is None else replace(step, p=next(corrected)) for step in steps])
        for key, steps in wanted.items()
    ]


def _wanted(results: Results, evidence: Evidence, ablations: Sequence[Line], *, resamples: int) -> dict[str, list[Step]]:
    """The comparisons behind each claim."""

    def against(row: str) -> Step:
        figures = TABLE_2["CLIP"]["fine-tuned"] if row == "clipsum_finetuned" else TABLE_1[row]
        tested = evidence.of(row)
        gain = round(TABLE_1["clipsum"][0] - figures[0], 1)
        return Step("ClipSum", SYSTEMS[row], gain, tested.found if tested else None)

    def pair(a: str, b: str) -> Step:
        first, second = results.find(a), results.find(b)
        found = None if first is None or second is None else difference(first, second, "rouge1", resamples=resamples)
        return Step(SYSTEMS[a], SYSTEMS[b], round(TABLE_1[a][0] - TABLE_1[b][0], 1), found)

    def varied(*names: str, small: bool = False) -> list[Step]:
        assert set(names) <= {line.ablation.name for line in ablations}, f"no such ablation: {names}"
        lines = [line for line in ablations if line.ablation.name in names and not line.is_base]
        return [Step("ClipSum", line.ablation.label, line.paper_gain, line.found, small=small, ablation=True) for line in lines]

    at_five = any(line.is_base and line.ablation.name == "fusion-layer-5" for line in ablations)
    other_layers = varied("fusion-layer-3", "fusion-layer-4", "fusion-layer-6")
    return {
        "text_alone": [against("bart")],
        "earlier_systems": [against(row) for row in ("ha", "mffg", "vg_bart")],
        "alignment": [against("resnet152")],
        "weights": [against("random_visual")],
        "random_features": [pair("random_visual", "bart")],
        "frozen": [against("clipsum_finetuned")],
        "fusion_layer": other_layers if at_five else [],
        "fewer_frames": varied("frames-half"),
        "more_frames": varied("frames-double", small=True),
        "temporal": varied("no-temporal"),
    }
