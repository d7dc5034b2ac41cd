"""The paper's claims, one by one, each with a verdict that follows from the numbers by one rule.

A claim says that one row scores higher than another. It is judged by the study's primary metric, after correction within its
family (`pipeline.report.families`), and with intervals of the same level:

- better, worse: the difference is significant;
- equal: it is shown to lie within the study's margin (two one-sided tests);
- open: neither; this many videos and seeds cannot tell.

Where the paper's own figures are a yardstick (published weights, ROUGE-1), a claim is also not supported if the corrected
interval reaches zero, but not a gain of the claimed size. With mini models they are none, and only the words above are used.

A claim of hardly any difference is supported by "equal". A claim about several rows needs all of its comparisons. If the study
is not calibrated (`pipeline.report.calibration`), there is no verdict at all. Our study decides nothing about YouCook2 unless
it is run there.

The claims are about CLIP, so they are judged on the row that is the paper's ClipSum (`Results.papers_row`). With another encoder
under study that is a row beside it, if it has been run; what needs the row `clipsum` itself, its fine-tuned version and its
ablations, is not run then. The encoder under study has a line of its own.

What each claim says stands in `templates/sections/claims.html.jinja`, by the claim's key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.base.encoder_names import encoder_title
from pipeline.report.ablations import Line
from pipeline.report.evidence import Evidence
from pipeline.report.families import EARLIER, REFERENCE, TEXT_ONLY, Tested
from pipeline.report.paper import PAPERS_ENCODER, SYSTEMS, TABLE_1, TABLE_2
from pipeline.report.results import Results, Row

Verdict = Literal["supported", "not_supported", "equal", "open", "not_run", "uncalibrated"]
# Claims that need the row `clipsum` to be the paper's, and the one that has nothing to do with CLIP.
_OF_CLIPSUM = ("frozen", "fusion_layer", "fewer_frames", "more_frames", "temporal")
_WITHOUT_CLIP = ("random_features",)
_LEAST_FIRST: tuple[Verdict, ...] = ("uncalibrated", "not_supported", "equal", "not_run", "open", "supported")


@dataclass(frozen=True)
class Step:
    """One comparison, `a` minus `b`: the gain claimed in ROUGE-1 (None: no figure), and what was found (None: not run).

    With `small` the claim is that there is hardly a difference. With `ablation`, `b` is the label of one. `yardstick`: the
    claimed gain is in the metric and at the scale of what was found.
    """

    a: str
    b: str
    claimed: float | None
    tested: Tested | None
    small: bool = False
    ablation: bool = False
    yardstick: bool = False

    @property
    def verdict(self) -> Verdict:
        if self.tested is None:
            return "not_run"
        if self.small:
            return {"equal": "supported", "open": "open"}.get(self.tested.outcome, "not_supported")  # type: ignore[return-value]
        return judge(self.tested, claimed=self.claimed if self.yardstick else None)


@dataclass(frozen=True)
class Claim:
    """`steps` is what the verdict rests on; `calibrated` whether the study can tell. `lacks` is what a claim about CLIP lacks
    to be judged: a row with CLIP, or CLIP as the encoder under study.
    """

    key: str
    steps: list[Step]
    calibrated: bool = True
    lacks: Literal["nothing", "row", "dial"] = "nothing"

    @property
    def verdict(self) -> Verdict:
        """The least favourable of the comparisons' verdicts; without any there is none."""
        if not self.calibrated:
            return "uncalibrated"
        return min([step.verdict for step in self.steps] or ["not_run"], key=_LEAST_FIRST.index)


def judge(tested: Tested, *, claimed: float | None) -> Verdict:
    """The rule above for one comparison; `claimed` is the gain if it is a yardstick."""
    if tested.outcome == "equal":
        return "equal" if claimed is None else "not_supported"
    if tested.direction:
        return "supported" if tested.direction > 0 else "not_supported"
    return "not_supported" if claimed is not None and tested.low <= 0 and tested.high < claimed else "open"


def claims(results: Results, evidence: Evidence, ablations: Sequence[Line], *, calibrated: bool) -> list[Claim]:
    """Every claim that the paper's tables state in ROUGE-1, and a control that one of them needs. Before them a line of the
    encoder under study, if it is not the paper's.
    """
    papers_row, studied = results.papers_row, results.find(REFERENCE)
    other = studied if studied is not None and studied.record.encoder != PAPERS_ENCODER else None
    found = [] if other is None else [Claim("encoder_under_study", _gains(other, results, evidence), calibrated)]
    for key, steps in _wanted(papers_row or REFERENCE, results, evidence, ablations).items():
        if other is not None and key in _OF_CLIPSUM:
            found.append(Claim(key, [], calibrated, lacks="dial"))
        elif papers_row is None and key not in _WITHOUT_CLIP:
            found.append(Claim(key, [], calibrated, lacks="row"))
        else:
            found.append(Claim(key, steps, calibrated))
    return found


def _gains(studied: Row, results: Results, evidence: Evidence) -> list[Step]:
    """What the encoder under study is asked: is it better than no frames, random features, ResNet-152? None of them is itself."""
    title = f"ClipSum with {encoder_title(studied.record.encoder or '')}"
    same = {row.name for row in results.trained if row.record.encoder == studied.record.encoder}
    others = [name for name in (TEXT_ONLY, "random_visual", "resnet152") if name not in same]
    return [Step(title, SYSTEMS[name], None, evidence.of(REFERENCE, name)) for name in others]


def _wanted(papers_row: str, results: Results, evidence: Evidence, ablations: Sequence[Line]) -> dict[str, list[Step]]:
    """The comparisons behind each claim, where `papers_row` is the paper's ClipSum."""
    yardstick = results.shared.scale == "full" and results.primary.key == "rouge1"
    row = results.find(papers_row)
    titles = dict(SYSTEMS) if row is None or papers_row == REFERENCE else {**SYSTEMS, papers_row: row.title}
    table = {**TABLE_1, papers_row: TABLE_1[REFERENCE], "clipsum_finetuned": TABLE_2["CLIP"]["fine-tuned"]}

    def pair(a: str, b: str) -> Step:
        return Step(titles[a], titles[b], round(table[a][0] - table[b][0], 1), evidence.of(a, b), yardstick=yardstick)

    def varied(*names: str, small: bool = False) -> list[Step]:
        assert set(names) <= {line.ablation.name for line in ablations}, f"no such ablation: {names}"
        lines = [line for line in ablations if line.ablation.name in names and not line.is_base]
        return [
            Step("ClipSum", line.ablation.label, line.paper_gain, line.tested, small=small, ablation=True, yardstick=yardstick)
            for line in lines
        ]

    at_five = any(line.is_base and line.ablation.name == "fusion-layer-5" for line in ablations)
    other_layers = varied("fusion-layer-3", "fusion-layer-4", "fusion-layer-6")
    labels = evidence.of(papers_row, "vit_labels")
    return {
        "text_alone": [pair(papers_row, "bart")],
        "earlier_systems": [pair(papers_row, row) for row in EARLIER],
        "alignment": [pair(papers_row, "resnet152")],
        # The control that the paper lacks: the same encoder without any alignment. If it does as well, alignment is not why.
        "alignment_control": [Step(titles[papers_row], "BART + ViT on labels", None, labels)],
        "weights": [pair(papers_row, "random_visual")],
        "random_features": [pair("random_visual", "bart")],
        "frozen": [pair(papers_row, "clipsum_finetuned")],
        "fusion_layer": other_layers if at_five else [],
        "fewer_frames": varied("frames-half"),
        "more_frames": varied("frames-double", small=True),
        "temporal": varied("no-temporal"),
    }
