"""What the report concludes: comparisons, controls, claims, ablations, training; each follows from the numbers by its rule."""

import csv
import html
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.base.files import read_json, write_json
from pipeline.base.templates import render
from pipeline.evaluation import ablations as registry
from pipeline.evaluation.ablations import Ablation
from pipeline.evaluation.controls import CONTROLS, Control
from pipeline.report import families
from pipeline.report.ablations import ablation_csv, ablation_lines, ablation_markdown
from pipeline.report.calibration import calibrate
from pipeline.report.claims import Step, Verdict, claims, judge
from pipeline.report.evidence import Evidence, frames_use, gather_evidence, headline
from pipeline.report.paper import TABLE_1
from pipeline.report.results import Results
from pipeline.report.text import number, p_text, signed
from pipeline.scoring.statistics import Comparison, Resampled, compare
from tests.report_inputs import (
    MADE_FROM,
    SETTINGS,
    SYSTEMS,
    add_ablation,
    add_more_rows,
    change_metrics,
    load,
    remake,
    training,
    write,
    write_row,
)

RESAMPLES = 4000  # with fewer no p survives the correction of a family


def use_of_frames(results: Results, evidence: Evidence | None = None) -> list[str]:
    """The page's sentences on the use of the frames."""
    section = render(
        "report/templates/sections/frames_use.html.jinja",
        frames_use=frames_use(results, evidence or gather_evidence(results, resamples=RESAMPLES)),
        frames_use_figure=None,
        looks=[],
        probes=None,
        primary=results.primary,
        signed=signed,
        p_text=p_text,
    )
    return [" ".join(html.unescape(text).split()) for text in re.findall("<li>(.*?)</li>", section, re.DOTALL)]


def verdicts(results: Results, *, calibrated: bool = True) -> dict[str, Verdict]:
    lines = ablation_lines(results, resamples=RESAMPLES)
    found = claims(results, gather_evidence(results, resamples=RESAMPLES), lines, calibrated=calibrated)
    return {claim.key: claim.verdict for claim in found}


def test_headline_names_the_leader_by_the_primary_metric(inputs: Path, tmp_path: Path) -> None:
    results = load(inputs)
    leader = headline(results, resamples=300)
    best = max(results.trained, key=lambda row: row.record.metrics["rouge1"].mean)
    assert leader is not None and leader.best == best
    page = " ".join((write(inputs, tmp_path / "reports") / "index.html").read_text().split())
    score = best.record.metrics["rouge1"].mean
    assert f"{best.title} has the highest ROUGE-1 of the systems trained here that see no truth: {score:.1f}." in page
    assert f"{leader.second.title} comes next with" in page


def test_a_row_that_sees_the_truth_competes_with_nobody(inputs: Path) -> None:
    write_row(inputs, "oracle", ("Oracle", "oracle", "frozen", "own", None, 24, 0.0))
    leader = headline(load(inputs), resamples=50)
    assert leader is not None and "oracle" not in (leader.best.name, leader.second.name)


def test_a_control_and_its_system_share_their_seeds(inputs: Path) -> None:
    results = load(inputs)
    evidence = gather_evidence(results, resamples=RESAMPLES)
    clipsum, swapped = results.find("clipsum"), results.find("clipsum_swapped")
    assert clipsum is not None and swapped is not None
    shared = compare(clipsum.scores("rouge1"), swapped.scores("rouge1"), resamples=RESAMPLES, seed=0, same_checkpoints=True)
    tested = evidence.of("clipsum", "clipsum_swapped")
    assert tested is not None and tested.found == shared


def test_more_seeds_of_a_row_are_used_where_they_belong_to_it(inputs: Path) -> None:
    for row in ("bart", "clipsum", "clipsum_swapped"):
        write_row(inputs, row, SYSTEMS[row], seeds=(0, 1, 2, 3), name=f"evidence/{row}")
    results = load(inputs)
    assert set(results.evidence) == {"bart", "clipsum", "clipsum_swapped"}
    first, second = results.strongest("clipsum", "bart")
    assert first.summaries.seeds == second.summaries.seeds == (0, 1, 2, 3)
    assert results.strongest("clipsum", "clipsum_swapped")[1].summaries.seeds == (0, 1, 2, 3)
    assert [len(row.summaries.seeds) for row in results.strongest("clipsum", "resnet152")] == [4, 2]
    add_more_rows(inputs)
    results = load(inputs)
    both = results.strongest("clipsum", "clipsum_zeros")
    assert [len(row.summaries.seeds) for row in both] == [2, 2], "a control goes with the checkpoints of its system"
    change_metrics(inputs, "evidence/bart", lambda value: value["made_from"].update(code="another"))
    assert set(load(inputs).evidence) == {"clipsum", "clipsum_swapped"}, "what was made by other code is left out"


def test_a_control_that_hurts_and_a_row_without_frames(inputs: Path) -> None:
    control, *gains = use_of_frames(load(inputs))
    assert control.startswith("Showing another video's frames to ClipSum costs it +")
    assert control.endswith("The summaries depend on what the frames show.")
    (clipsum,) = [text for text in gains if text.startswith("ClipSum minus BART (text only), which sees no frames, is +")]
    assert clipsum.endswith(": a gain.")


def test_a_control_that_changes_nothing_is_said_to_be_equal(inputs: Path) -> None:
    shutil.copy(inputs / "predictions" / "clipsum.jsonl", inputs / "predictions" / "clipsum_swapped.jsonl")
    of_clipsum = read_json(inputs / "metrics" / "clipsum.json")
    same = {key: of_clipsum[key] for key in ("metrics", "per_video")}
    change_metrics(inputs, "clipsum_swapped", lambda value: value.update(same))
    remake(inputs, "clipsum_swapped")
    control = use_of_frames(load(inputs))[0]
    assert "costs it +0.00 [+0.00, +0.00] R-1" in control
    assert "equal within the margin: the summaries do not depend on what the frames show." in control


def test_what_is_neither_different_nor_equal_is_open(inputs: Path) -> None:
    results = load(inputs)
    evidence = gather_evidence(results, resamples=RESAMPLES)
    unsure = {pair: replace(each, p=0.2, p_equal=0.2) for pair, each in evidence.tested["rouge1"].items()}
    control = use_of_frames(results, Evidence("rouge1", {"rouge1": unsure}))[0]
    assert control.endswith("Whether the summaries depend on what the frames show remains open.")


def test_a_control_added_to_its_registry_is_reported(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added = Control("mirrored", "mirrored", "Mirroring the frames of", "left and right", lambda frames, shown: frames)
    monkeypatch.setitem(CONTROLS, "mirrored", added)
    write_row(inputs, "clipsum_mirrored", ("ClipSum, mirrored", "clip_vit_b32", "frozen", "mirrored", "clipsum", 128, 0.6))
    found = use_of_frames(load(inputs))
    mirrored = next(text for text in found if text.startswith("Mirroring the frames of ClipSum costs it +"))
    assert mirrored.endswith("The summaries depend on left and right.")


def outcome(mean: float, low: float, high: float, *, p: float, p_equal: float = 0.5) -> families.Tested:
    nothing = Resampled(np.array([mean]))
    found = Comparison(mean, low, high, p_bootstrap=0.5, p_randomisation=0.5, effect_size=0.1, resampled=nothing)
    return families.Tested(found, p, p_equal, low, high, detectable=1.0)


@pytest.mark.parametrize(
    ("difference", "p", "p_equal", "claimed", "expected"),
    [
        ((3.0, 1.0, 5.0), 0.01, 0.9, None, "supported"),
        ((-3.0, -5.0, -1.0), 0.01, 0.9, None, "not_supported"),
        ((0.4, -1.0, 1.8), 0.6, 0.01, None, "equal"),
        ((0.5, 0.1, 0.9), 0.01, 0.01, None, "equal"),  # shown to be there, and not to matter
        ((0.4, -1.0, 2.8), 0.6, 0.2, None, "open"),
        ((3.0, -0.1, 6.0), 0.01, 0.9, None, "open"),  # the corrected interval reaches zero
        ((3.0, 0.1, 6.0), 0.2, 0.9, None, "open"),  # too many comparisons
        ((3.0, 1.0, 5.0), 0.01, 0.9, 2.5, "supported"),
        ((0.4, -1.0, 1.8), 0.6, 0.2, 2.5, "not_supported"),  # a gain of 2.5 would have been seen
        ((-1.5, -2.9, -0.1), 0.2, 0.6, 2.5, "not_supported"),  # and here even more so
        ((0.3, 0.05, 0.6), 0.2, 0.2, 2.5, "open"),  # smaller than claimed, but if anything on the claimed side
        ((0.4, -1.0, 2.8), 0.6, 0.2, 2.5, "open"),
        ((0.4, -0.5, 0.8), 0.6, 0.01, 2.5, "not_supported"),
    ],
)
def test_verdicts_follow_the_rule(
    difference: tuple[float, float, float], p: float, p_equal: float, claimed: float | None, expected: Verdict
) -> None:
    assert judge(outcome(*difference, p=p, p_equal=p_equal), claimed=claimed) == expected


@pytest.mark.parametrize(
    ("difference", "p", "p_equal", "expected"),
    [
        ((-0.1, -0.7, 0.6), 0.9, 0.01, "supported"),
        ((0.2, -1.2, 1.6), 0.9, 0.2, "open"),
        ((5.0, 3.0, 7.0), 0.01, 0.9, "not_supported"),
        ((-3.0, -4.0, -2.0), 0.01, 0.9, "not_supported"),
    ],
)
def test_a_claim_of_hardly_a_difference_needs_equivalence(
    difference: tuple[float, float, float], p: float, p_equal: float, expected: Verdict
) -> None:
    assert Step("a", "b", None, outcome(*difference, p=p, p_equal=p_equal), small=True).verdict == expected


def test_claims_without_their_rows_are_not_run(inputs: Path) -> None:
    without = verdicts(load(inputs))
    add_more_rows(inputs)
    with_more = verdicts(load(inputs))
    assert with_more["earlier_systems"] == "not_run"
    assert without["random_features"] == "not_run"
    assert with_more["random_features"] != "not_run"
    assert without["text_alone"] == "supported"
    assert without["fusion_layer"] == "not_run"


def test_without_calibration_there_is_no_verdict(inputs: Path, tmp_path: Path) -> None:
    assert set(verdicts(load(inputs), calibrated=False).values()) == {"uncalibrated"}
    page = html.unescape((write(inputs, tmp_path / "reports") / "index.html").read_text())
    assert "Calibrated: no." in page and "no verdict: not calibrated" in page, "these inputs have no oracle"
    assert "supported</span>" not in page


def test_every_claim_has_its_text(inputs: Path) -> None:
    results = load(inputs)
    evidence, lines = gather_evidence(results, resamples=RESAMPLES), ablation_lines(results, resamples=RESAMPLES)

    def shown(scale: str) -> str:
        for row in results.rows:
            change_metrics(inputs, row.name, lambda value: value.update(scale=scale))
        of_scale = load(inputs)
        return html.unescape(
            render(
                "report/templates/sections/claims.html.jinja",
                claims=claims(of_scale, evidence, lines, calibrated=True),
                calibration=calibrate(results, evidence, resamples=50),
                shared=of_scale.shared,
                primary=results.primary,
                margin="1",
                signed=signed,
                number=number,
                p_text=p_text,
            )
        )

    section = shown("full")
    assert len(re.findall(r'<tr><th scope="row" class="wrap">[A-Z…]', section)) == len(verdicts(load(inputs))) == 11
    row = section[section.index("ClipSum is better than text alone") :]
    row = row[: row.index("</tr>")]
    assert '<span class="verdict yes">supported</span>' in row
    assert "ClipSum minus BART (text only): +" in row and "the first is better; the paper has +4.7" in row
    assert "within 1 points" in section
    assert "the paper has" not in shown("mini"), "the paper's gains are no yardstick for mini models"


def test_ablations_of_another_encoder_stand_beside_no_figures_of_the_paper(inputs: Path) -> None:
    for row in ("clipsum", "clipsum_finetuned"):
        change_metrics(inputs, row, lambda value: value.update(encoder="resnet152"))
    papers = [line for line in ablation_lines(load(inputs), resamples=50) if line.paper]
    assert not papers


def ablated(inputs: Path) -> dict[str, str]:
    return {line.ablation.name: line.state for line in ablation_lines(load(inputs), resamples=300)}


def test_ablations_are_shown_and_what_is_not_run_is_named(inputs: Path) -> None:
    add_ablation(inputs, "fusion-layer-3", {"model.fusion_layer": 3})
    states = ablated(inputs)
    assert list(states) == [ablation.name for ablation in registry.ABLATIONS if not ablation.texts]
    assert states["fusion-layer-3"] == states["fusion-layer-5"] == states["encoder-finetuned"] == "run"
    assert states["fusion-layer-4"] == states["no-temporal"] == "not run"
    results = load(inputs)
    lines = ablation_lines(results, resamples=RESAMPLES)
    assert [line.ablation.name for line in lines if line.is_base] == ["fusion-layer-5", "frames-base", "encoder-frozen"]
    text = ablation_markdown(results, lines)
    cells = {row[0]: row[1:] for line in text.splitlines() if (row := [cell.strip() for cell in line.strip("|").split("|")])}
    assert cells["fusion layer: 4"] == ["not run", "32.4", "not run", "not run", "not run", "6.0", "not run", "24.7", "–", "–"]
    assert [cells[name][-2] for name in ("fusion layer: 5", "frames: base", "encoder: frozen")] == ["is ClipSum"] * 3
    records = {record["name"]: record for record in csv.DictReader(io.StringIO(ablation_csv(results, lines)))}
    layer = lines[0]
    assert layer.row is not None and layer.found is not None
    assert float(records["fusion-layer-3"]["rouge1"]) == layer.row.record.metrics["rouge1"].mean
    assert float(records["fusion-layer-3"]["gain"]) == layer.found.mean
    assert layer.paper_gain == pytest.approx(1.2)


def test_an_ablation_that_is_a_row_shows_that_row(inputs: Path) -> None:
    results = load(inputs)
    line = next(line for line in ablation_lines(results, resamples=50) if line.ablation.name == "encoder-finetuned")
    assert line.row is not None and line.row.name == "clipsum_finetuned"


def test_an_ablation_added_to_its_list_is_reported_in_its_place(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reported() -> tuple[list[str], str]:
        lines = ablation_lines(load(inputs), resamples=50)
        return [line.ablation.name for line in lines], ablation_markdown(load(inputs), lines)

    before, _ = reported()
    added = Ablation("one-head", "heads", "one", lambda own: {"model.temporal_heads": 1})
    monkeypatch.setattr(registry, "ABLATIONS", (added, *registry.ABLATIONS))
    names, text = reported()
    assert names == ["one-head", *before]
    assert re.search(r"\| heads: one +\| +not run \|", text)
    add_ablation(inputs, "one-head", {"model.temporal_heads": 1})
    assert re.search(r"\| heads: one +\| +\d\d\.\d \| +– \|", reported()[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": (0, 1, 2)},
        {"videos": 11},
        {"made_from": MADE_FROM | {"corpus": "another"}},
        {"made_from": MADE_FROM | {"encoder": "trained again"}},
        {"made_from": MADE_FROM | {"code": "another"}},
        {"made_from": MADE_FROM | {"seen": "other frames"}},
        {"training": training("frozen", (0, 1), 0.3) | {"settings": SETTINGS | {"model.fusion_layer": 4}}},
        {"training": training("frozen", (0, 1), 0.3) | {"settings": SETTINGS | {"model.fusion_layer": 3, "train.batch_size": 4}}},
    ],
)
def test_an_ablation_of_something_else_is_outdated(inputs: Path, changes: dict[str, object]) -> None:
    add_ablation(inputs, "fusion-layer-3", {"model.fusion_layer": 3}, **changes)
    assert ablated(inputs)["fusion-layer-3"] == "outdated"
    results = load(inputs)
    assert "make ablations runs it again." in ablation_markdown(results, ablation_lines(results, resamples=50))


@pytest.mark.parametrize("changes", [{"study": "my_videos"}, {"encoder": "resnet152"}, {"scale": "full"}])
def test_an_ablation_that_was_run_in_another_experiment_alone_is_not_run(inputs: Path, changes: dict[str, object]) -> None:
    add_ablation(inputs, "fusion-layer-3", {"model.fusion_layer": 3}, **changes)
    assert ablated(inputs)["fusion-layer-3"] == "not run"
    results = load(inputs)
    text = ablation_markdown(results, ablation_lines(results, resamples=50))
    assert "outdated" not in text and 'make ablations runs what is marked "not run"' in text


def test_an_ablation_has_checkpoints_of_its_own(inputs: Path) -> None:
    made_from = MADE_FROM | {"checkpoints": "another"}
    add_ablation(inputs, "fusion-layer-3", {"model.fusion_layer": 3}, made_from=made_from)
    assert ablated(inputs)["fusion-layer-3"] == "run"


def test_an_ablation_of_the_number_of_frames_sees_other_frames(inputs: Path) -> None:
    add_ablation(inputs, "frames-double", {"frames.count": 12}, made_from=MADE_FROM | {"seen": "twice as many"})
    assert ablated(inputs)["frames-double"] == "run"
    add_ablation(inputs, "frames-half", {"frames.count": 2}, made_from=MADE_FROM | {"seen": "of another number"})
    assert ablated(inputs)["frames-half"] == "outdated", "half of six frames are three"


def test_an_ablation_that_does_not_say_what_it_varies_is_refused(inputs: Path) -> None:
    add_ablation(inputs, "no-l2", {"model.l2_normalise": False})
    for kind, suffix in (("metrics", "json"), ("predictions", "jsonl")):
        (inputs / kind / "ablations" / f"no-l2.{suffix}").rename(inputs / kind / "ablations" / f"clipsum.{suffix}")
    path = inputs / "metrics" / "ablations" / "clipsum.json"
    write_json(path, read_json(path) | {"ablation": None})
    with pytest.raises(ValueError, match="does not say what it varies"):
        load(inputs)


def test_the_page_says_in_words_how_rows_were_trained(inputs: Path, tmp_path: Path) -> None:
    change_metrics(inputs, "bart", lambda value: value["parameters"].update(total=1_204_480))
    page = html.unescape((write(inputs, tmp_path / "reports") / "index.html").read_text())
    section = page[page.index('<section id="training-details">') :]

    def details(row: str) -> dict[str, str]:
        part = section[section.index(f"<summary>{SYSTEMS[row][0]}</summary>") :]
        return dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", part[: part.index("</dl>")]))

    tuned = details("clipsum_finetuned")
    assert "image encoder (400,000 parameters: transformer.resblocks.2)" in tuned["Trained"]
    assert tuned["Rates"] == "pretrained text model 0.001; new layers 0.0005; image encoder 0.0001"
    assert tuned["Batch"].endswith("16 videos a step")
    assert "Adam with betas 0.9, 0.999" in tuned["Optimiser"]
    assert "epochs run: 5, 5" in tuned["Stopping"]
    assert tuned["Chosen"].startswith("the epoch with the best validation R-2: 4, 4")
    assert tuned["Validation R-2 by epoch"].count(",") == 8, "every epoch of both seeds"
    assert "no warm-up" in tuned["Schedule"]
    how = tuned["How settings were chosen"]
    assert (
        how == "of two rates, by validation; image encoder: of three rates, by validation; in this run, only the epoch was chosen"
    )
    assert "stored once" in details("clipsum")["Frozen"]
    assert details("bart")["Frozen"] == "nothing"


def test_a_floor_competes_with_nobody(inputs: Path) -> None:
    described = read_json(inputs / "metrics" / "clipsum.json") | {"row": "floor_lead", "title": "First words", "kind": "floor"}
    described |= {"encoder": None, "frames": "none", "training": None, "feature_width": None}
    write_json(inputs / "metrics" / "floor_lead.json", described)
    shutil.copy(inputs / "predictions" / "clipsum.jsonl", inputs / "predictions" / "floor_lead.jsonl")
    results = load(inputs)
    assert [row.record.kind for row in results.rows][-2:] == ["control", "floor"]
    assert not any(row.record.kind == "floor" for row in results.trained)
    assert not any("First words" in sentence for sentence in use_of_frames(results))
    assert gather_evidence(results, resamples=50).of("clipsum", "floor_lead") is not None


def test_the_gains_of_the_paper_are_those_of_its_table() -> None:
    assert TABLE_1["clipsum"][0] - TABLE_1["resnet152"][0] == pytest.approx(2.5)
