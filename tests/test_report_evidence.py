"""What the report concludes: comparisons, controls, claims, ablations, protocols; each follows from the numbers by its rule."""

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.atomic import read_json, write_json
from pipeline.report.ablations import ablation_lines, comma_separated, markdown
from pipeline.report.claims import OPEN, Verdict, claims, judge, judge_small
from pipeline.report.evidence import Evidence, gather_evidence, headline, looks
from pipeline.report.paper import TABLE_1
from pipeline.report.protocol import protocol
from pipeline.report.results import Results
from pipeline.statistics import Comparison, compare, holm
from tests.report_inputs import CHOSEN, PROTOCOL, add_ablation, change_metrics, load


def sentences(results: Results) -> list[str]:
    return looks(results, gather_evidence(results, resamples=300))


def verdicts(results: Results) -> dict[str, Verdict]:
    lines = ablation_lines(results, resamples=300)
    found = claims(results, gather_evidence(results, resamples=300), lines, resamples=300)
    return {claim.text: claim.verdict for claim in found}


def test_headline_names_the_leader_and_its_lead(inputs: Path) -> None:
    results = load(inputs)
    best = max(results.trained, key=lambda row: row.metrics.metrics["rouge2"].mean)
    assert headline(results, resamples=300).startswith(f"{best.metrics.title} has the highest ROUGE-2 of 5 systems")


def test_every_row_is_compared_and_p_values_are_corrected_together(inputs: Path) -> None:
    results = load(inputs)
    evidence = gather_evidence(results, resamples=300)
    assert set(evidence.tested) == {"bart", "resnet152", "clipsum_finetuned", "zucchini", "clipsum_swapped"}
    ps = {
        row: max(found.p_bootstrap, found.p_randomisation)
        for row, found in ((row, tested["rouge1"].found) for row, tested in evidence.tested.items())
    }
    corrected = dict(zip(ps, holm(list(ps.values())), strict=True))
    assert {row: tested["rouge1"].p for row, tested in evidence.tested.items()} == corrected
    clipsum, swapped = results.find("clipsum"), results.find("clipsum_swapped")
    assert clipsum is not None and swapped is not None
    shared = compare(clipsum.rouge["rouge1"], swapped.rouge["rouge1"], resamples=300, seed=0, same_checkpoints=True)
    assert evidence.tested["clipsum_swapped"]["rouge1"].found == shared


def test_a_control_that_hurts_and_a_row_without_frames(inputs: Path) -> None:
    text_only, control, missing = sentences(load(inputs))
    assert text_only.startswith("ClipSum minus BART (text only), which sees no frames: +")
    assert missing == "Controls not run: shuffled, first, zeros."
    assert "it scores higher" in text_only
    assert control.startswith("Showing another video's frames to ClipSum costs it +")
    assert control.endswith("the summaries depend on what the frames show.")


def test_a_control_that_changes_nothing_is_no_evidence_and_the_page_says_so(inputs: Path) -> None:
    shutil.copy(inputs / "predictions" / "clipsum.jsonl", inputs / "predictions" / "clipsum_swapped.jsonl")
    scores = read_json(inputs / "metrics" / "clipsum.json")["metrics"]
    change_metrics(inputs, "clipsum_swapped", lambda value: value.update(metrics=scores))
    control = sentences(load(inputs))[-2]
    assert "costs it +0.00 [+0.00, +0.00] ROUGE-1" in control
    assert "does not hurt measurably, so there is no evidence that the summaries use what the frames show" in control


def test_a_control_that_hurts_but_for_the_correction_is_left_open(inputs: Path) -> None:
    results = load(inputs)
    evidence = gather_evidence(results, resamples=300)
    tested = {row: {metric: replace(each, p=0.2) for metric, each in metrics.items()} for row, metrics in evidence.tested.items()}
    control = next(text for text in looks(results, Evidence(tested)) if text.startswith("Showing another"))
    assert control.endswith("so it remains open whether the summaries use what the frames show.")


def found(mean: float, low: float, high: float) -> Comparison:
    return Comparison(mean, low, high, p_bootstrap=0.5, p_randomisation=0.5, effect_size=0.1, detectable=1.0)


@pytest.mark.parametrize(
    ("difference", "p", "claimed", "expected"),
    [
        ((3.0, 1.0, 5.0), 0.01, 2.5, "supported"),
        ((-3.0, -5.0, -1.0), 0.01, 2.5, "not supported"),
        ((-3.0, -5.0, -1.0), 0.01, -0.5, "supported"),
        ((0.4, -1.0, 1.8), 0.6, 2.5, "not supported"),  # a gain of 2.5 would have been seen
        ((-1.5, -2.9, -0.1), 0.2, 2.5, "not supported"),  # and here even more so
        ((0.3, 0.05, 0.6), 0.2, 2.5, OPEN),  # smaller than claimed, but if anything on the claimed side
        ((-0.4, -1.8, 1.0), 0.6, -2.5, "not supported"),
        ((0.4, -1.0, 2.8), 0.6, 2.5, OPEN),
        ((3.0, -0.1, 6.0), 0.01, 2.5, OPEN),  # other seeds might not show it
        ((3.0, 0.1, 6.0), 0.2, 2.5, OPEN),  # too many comparisons
        ((3.0, 1.0, 5.0), 0.01, None, "supported"),
        ((0.4, -1.0, 1.8), 0.6, None, OPEN),  # nothing to exclude
    ],
)
def test_verdicts_follow_the_rule(
    difference: tuple[float, float, float], p: float, claimed: float | None, expected: Verdict
) -> None:
    assert judge(found(*difference), p, claimed=claimed) == expected


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ((-0.1, -0.7, 0.6), "supported"),
        ((-0.1, -1.7, 0.6), OPEN),
        ((0.2, -1.2, 1.6), OPEN),
        ((5.0, 3.0, 7.0), "not supported"),
        ((-3.0, -4.0, -2.0), "not supported"),
    ],
)
def test_a_claim_of_hardly_a_difference_needs_a_narrow_interval(
    difference: tuple[float, float, float], expected: Verdict
) -> None:
    assert judge_small(found(*difference)) == expected


def test_claims_without_their_rows_are_not_run(inputs: Path) -> None:
    without, with_table = verdicts(load(inputs)), verdicts(load(inputs, table=True))
    assert with_table["ClipSum is better than earlier multimodal systems"] == "not run"
    assert without["Even random features add something to text alone"] == "not run"
    assert with_table["Even random features add something to text alone"] != "not run"
    assert without["ClipSum is better than text alone"] == "supported"
    assert without["Fusion at layer 5 is better than at 3, 4 or 6"] == "not run"


def test_another_encoder_is_not_judged_by_the_papers_figures(inputs: Path) -> None:
    for row in ("clipsum", "clipsum_finetuned"):
        change_metrics(inputs, row, lambda value: value.update(encoder="resnet152"))
    assert verdicts(load(inputs)) == {}
    assert all(line.paper is None for line in ablation_lines(load(inputs), resamples=50))


def ablated(inputs: Path) -> dict[tuple[str, str], str]:
    return {(line.group, line.setting): line.state for line in ablation_lines(load(inputs), resamples=300)}


def test_ablations_are_shown_and_what_is_not_run_is_named(inputs: Path) -> None:
    add_ablation(inputs, "fusion-layer-3", group="fusion layer", setting="3", overrides={"model.fusion_layer": 3})
    states = ablated(inputs)
    assert states["fusion layer", "3"] == states["fusion layer", "5"] == states["encoder", "fine-tuned"] == ""
    assert states["fusion layer", "4"] == states["without", "temporal module"] == "not run"
    results = load(inputs)
    lines = ablation_lines(results, resamples=300)
    text = markdown(results, lines)
    assert "| fusion layer: 4 | not run | 32.4 | not run | 6.0 | not run | 24.7 | – |" in text
    assert "is ClipSum" in text
    records = {(record["group"], record["setting"]): record for record in csv.DictReader(io.StringIO(comma_separated(lines)))}
    layer = next(line for line in lines if line.setting == "3")
    assert layer.row is not None and layer.found is not None
    assert float(records["fusion layer", "3"]["rouge1"]) == layer.row.metrics.metrics["rouge1"].mean
    assert float(records["fusion layer", "3"]["gain"]) == layer.found.mean
    assert layer.paper_gain == pytest.approx(1.2)


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": (0, 1, 2)},
        {"videos": 11},
        {"study": "my_videos"},
        {"inputs": {"corpus": "another", "text_model": "def"}},
        {"inputs": {"corpus": "abc", "text_model": "def", "tower": "trained again"}},
        {"inputs": {"corpus": "abc", "text_model": "def", "visual": "other frames"}},
        {"protocol": PROTOCOL | {"model.fusion_layer": 3, "train.batch_size": 4}},
    ],
)
def test_an_ablation_of_something_else_is_outdated(inputs: Path, changes: dict[str, object]) -> None:
    overrides: dict[str, object] = {"model.fusion_layer": 3}
    add_ablation(inputs, "fusion-layer-3", group="fusion layer", setting="3", overrides=overrides, **changes)
    assert ablated(inputs)["fusion layer", "3"] == "outdated: run `make ablations` again"


def test_an_ablation_of_the_number_of_frames_sees_other_frames(inputs: Path) -> None:
    seen = {"corpus": "abc", "text_model": "def", "visual": "twice as many"}
    overrides = {"frames.count": 12}
    add_ablation(
        inputs, "frames-double", group="frames", setting="double", overrides=overrides, inputs=seen, protocol=PROTOCOL | overrides
    )
    assert ablated(inputs)["frames", "double"] == ""


def test_an_ablation_that_does_not_say_what_it_varies_is_refused(inputs: Path) -> None:
    add_ablation(inputs, "no-l2", group="without", setting="L2 normalisation", overrides={"model.l2_normalise": False})
    for kind, suffix in (("metrics", "json"), ("predictions", "jsonl")):
        (inputs / kind / "ablations" / f"no-l2.{suffix}").rename(inputs / kind / "ablations" / f"clipsum.{suffix}")
    path = inputs / "metrics" / "ablations" / "clipsum.json"
    write_json(path, read_json(path) | {"ablation": None})
    with pytest.raises(ValueError, match="does not say what it varies"):
        load(inputs)


def test_the_protocol_says_in_words_what_the_paper_leaves_out(inputs: Path) -> None:
    results = load(inputs)
    tuned, frozen, text_only = (results.find(name) for name in ("clipsum_finetuned", "clipsum", "bart"))
    assert tuned is not None and frozen is not None and text_only is not None
    pairs = dict(protocol(tuned, CHOSEN))
    assert "image tower (400,000 parameters: transformer.resblocks.2)" in pairs["Trained"]
    assert pairs["Rates"] == "pretrained text model 0.001; new layers 0.0005; image tower 0.0001"
    assert pairs["Batch"].endswith("16 videos a step")
    assert "Adam, betas 0.9, 0.999" in pairs["Optimiser"]
    assert "run: 5, 5" in pairs["Stopping"]
    assert pairs["Chosen"].startswith("the epoch with the best validation ROUGE-2: 4, 4")
    assert pairs["Validation ROUGE-2 by epoch"].count(",") == 8, "every epoch of both seeds"
    assert "no warm-up" in pairs["Schedule"]
    how = pairs["How settings were chosen"]
    assert how == "of two rates, by validation; image tower: of three rates, by validation; in this run the epoch alone"
    assert "stored once" in dict(protocol(frozen, CHOSEN))["Frozen"]
    change_metrics(inputs, "bart", lambda value: value["parameters"].update(total=1_204_480))
    bart = load(inputs).find("bart")
    assert bart is not None and dict(protocol(bart, CHOSEN))["Frozen"] == "nothing"


def test_a_floor_competes_with_nobody(inputs: Path) -> None:
    described = read_json(inputs / "metrics" / "clipsum.json") | {"row": "floor_lead", "title": "First words", "model": "floor"}
    described |= {"encoder": "none", "visual": "none", "history": {}, "selection": {}, "feature_width": None}
    write_json(inputs / "metrics" / "floor_lead.json", described)
    shutil.copy(inputs / "predictions" / "clipsum.jsonl", inputs / "predictions" / "floor_lead.jsonl")
    results = load(inputs)
    assert [row.metrics.kind for row in results.rows][-2:] == ["control", "floor"]
    assert "First words" not in headline(results, resamples=50)
    assert not any("First words" in sentence for sentence in sentences(results))
    assert "floor_lead" in gather_evidence(results, resamples=50).tested


def test_the_gains_of_the_paper_are_those_of_its_table() -> None:
    assert TABLE_1["clipsum"][0] - TABLE_1["resnet152"][0] == pytest.approx(2.5)
