"""Which row the paper's claims are judged on, the line of another encoder under study, and encoders side by side."""

import html
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from pipeline.base.files import read_json, write_json
from pipeline.report.ablations import ablation_lines
from pipeline.report.claims import Claim, claims
from pipeline.report.evidence import gather_evidence
from pipeline.report.families import BESIDE, CLAIMS, SIDE_BY_SIDE, families, family_of, on_papers_row
from pipeline.report.load import load_results, undeclared
from pipeline.report.results import Results, remedy
from tests.report_inputs import Described, add_ablation, add_more_rows, change_metrics, load, write, write_row

ROOT = Path(__file__).parents[2]
RESAMPLES = 300
LISTED = [
    "text_alone", "earlier_systems", "alignment", "alignment_control", "weights", "random_features", "frozen", "fusion_layer",
    "fewer_frames", "more_frames", "temporal",
]  # fmt: skip
NEED_THE_DIAL = {"frozen", "fusion_layer", "fewer_frames", "more_frames", "temporal"}
CLIP: Described = ("ClipSum with CLIP B/32", "clip_vit_b32", "frozen", "own", None, 128, 0.2)
CLIP_SWAPPED: Described = (
    "ClipSum with CLIP B/32, frames of another video", "clip_vit_b32", "frozen", "swapped", "clip_vit_b32", 128, 0.5,
)  # fmt: skip


def found(results: Results) -> dict[str, Claim]:
    evidence, lines = gather_evidence(results, resamples=RESAMPLES), ablation_lines(results, resamples=RESAMPLES)
    return {claim.key: claim for claim in claims(results, evidence, lines, calibrated=True)}


def switch(inputs: Path, encoder: str) -> None:
    """Put another encoder under study, where no other row has CLIP."""
    add_more_rows(inputs)
    for row in ("clipsum", "clipsum_finetuned", "clipsum_swapped", "clipsum_zeros", "zucchini"):
        change_metrics(inputs, row, lambda value: value.update(encoder=encoder))


def add_clip(inputs: Path) -> None:
    write_row(inputs, "clip_vit_b32", CLIP)
    write_row(inputs, "clip_vit_b32_swapped", CLIP_SWAPPED)


def test_with_the_papers_encoder_under_study_nothing_depends_on_rows_beside(tmp_path: Path) -> None:
    """The committed results have the list as it was; a row with CLIP beside `clipsum` changes no verdict and no p."""
    archive = subprocess.run(["git", "archive", "HEAD", "metrics", "predictions"], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path, filter="data")
    results = load_results(tmp_path)
    assert results.papers_row == "clipsum"
    before, tested = found(results), gather_evidence(results, resamples=RESAMPLES).tested
    assert list(before) == LISTED
    assert {claim.lacks for claim in before.values()} == {"nothing"}
    assert before["text_alone"].steps[0].tested == tested[results.primary.key]["clipsum", "bart"]
    record = read_json(tmp_path / "metrics" / "clipsum.json")
    write_json(tmp_path / "metrics" / "clip_vit_b32.json", record | {"row": "clip_vit_b32", "title": CLIP[0]})
    shutil.copy(tmp_path / "predictions" / "clipsum.jsonl", tmp_path / "predictions" / "clip_vit_b32.jsonl")
    results = load_results(tmp_path)
    assert results.papers_row == "clipsum" and found(results) == before
    after = gather_evidence(results, resamples=RESAMPLES).tested
    assert {metric: {pair: after[metric][pair] for pair in pairs} for metric, pairs in tested.items()} == tested


@pytest.mark.parametrize(
    ("encoder", "title", "against"),
    [
        ("resnet152", "ResNet-152", ["BART (text only)", "BART + random visual"]),
        ("vit_b32_labels", "ViT B/32 on labels", ["BART (text only)", "BART + random visual", "BART + ResNet-152"]),
    ],
)
def test_claims_about_clip_say_that_its_row_was_not_run(
    inputs: Path, tmp_path: Path, encoder: str, title: str, against: list[str]
) -> None:
    switch(inputs, encoder)
    add_ablation(inputs, "no-temporal", {"model.temporal": False}, encoder=encoder)
    results = load(inputs)
    assert results.papers_row is None
    judged = found(results)
    assert list(judged) == ["encoder_under_study", *LISTED]
    own = judged["encoder_under_study"]
    assert [(step.a, step.b) for step in own.steps] == [(f"ClipSum with {title}", other) for other in against]
    evidence = gather_evidence(results, resamples=RESAMPLES)
    assert own.steps[0].tested == evidence.of("clipsum", "bart"), "corrected as the paper's claims are"
    assert family_of(("clipsum", "bart"), papers_row=None) == "the encoder under study"
    assert families(None)["the encoder under study"] == families()[CLAIMS]
    about_clip = {key: claim for key, claim in judged.items() if key in LISTED and key != "random_features"}
    assert {claim.verdict for claim in about_clip.values()} == {"not_run"}
    assert {key for key, claim in about_clip.items() if claim.lacks == "dial"} == NEED_THE_DIAL
    assert {claim.lacks for claim in about_clip.values()} == {"row", "dial"}
    assert judged["random_features"].verdict != "not_run", "it is not about CLIP"
    page = html.unescape((write(inputs, tmp_path / "reports") / "index.html").read_text())
    section = page[page.index('<section id="claims">') :]
    section = section[: section.index("</section>")]
    assert section.count("ClipSum was not run with CLIP; <code>clip_vit_b32</code> in <code>more_encoders</code>") == 5
    assert section.count("this needs <code>encoder: clip_vit_b32</code>") == len(NEED_THE_DIAL)
    assert f"ClipSum with {title} minus BART (text only): +" in section
    assert "no row is the paper's ClipSum" in section
    assert "<h3>The encoder under study</h3>" in page and "<h3>The paper's claims</h3>" not in page


def test_with_both_claims_about_clip_are_judged_on_its_row(inputs: Path, tmp_path: Path) -> None:
    switch(inputs, "vit_b32_labels")
    before = gather_evidence(load(inputs), resamples=RESAMPLES).tested["rouge1"]
    add_clip(inputs)
    results = load(inputs)
    assert results.papers_row == "clip_vit_b32"
    judged, evidence = found(results), gather_evidence(results, resamples=RESAMPLES)
    assert list(judged) == ["encoder_under_study", *LISTED]
    step = judged["text_alone"].steps[0]
    assert (step.a, step.claimed, step.tested) == (CLIP[0], 4.7, evidence.of("clip_vit_b32", "bart"))
    assert step.tested is not None
    assert judged["encoder_under_study"].steps[0].tested == evidence.of("clipsum", "bart")
    assert {key for key, claim in judged.items() if claim.lacks == "dial"} == NEED_THE_DIAL
    assert not [claim for claim in judged.values() if claim.lacks == "row"]
    assert judged["earlier_systems"].verdict == "not_run" and judged["earlier_systems"].steps, "those rows are missing"
    after = evidence.tested["rouge1"]
    assert {pair: after[pair] for pair in before} == before, "a new row changes no old p"
    assert {("clipsum", "clip_vit_b32"), ("clip_vit_b32", "clip_vit_b32_swapped")} < after.keys() - before.keys()
    family = families("clip_vit_b32")[CLAIMS]
    assert family == on_papers_row("clip_vit_b32") and len(family) == 7
    smallest = min((tested for pair, tested in after.items() if pair in family), key=lambda tested: tested.found.p)
    assert smallest.p == pytest.approx(min(1.0, len(family) * smallest.found.p))
    page = html.unescape((write(inputs, tmp_path / "reports") / "index.html").read_text())
    assert "claims about CLIP are judged on the row with CLIP beside it" in page
    assert "<h3>The encoder under study</h3>" in page and "<h3>The paper's claims</h3>" in page


def test_the_row_with_clip_may_have_any_name(inputs: Path) -> None:
    for row in ("clipsum", "clipsum_finetuned"):
        change_metrics(inputs, row, lambda value: value.update(encoder="resnet152"))
    assert load(inputs).papers_row == "zucchini", "a user's own row, the same system on CLIP"
    assert found(load(inputs))["text_alone"].steps[0].a == "A user's own system"
    add_clip(inputs)
    assert load(inputs).papers_row == "clip_vit_b32", "the first in table order"
    for name in ("zucchini", "clip_vit_b32"):
        change_metrics(inputs, name, lambda value: value.update(model="vg_bart"))
    assert load(inputs).papers_row is None, "another system"


def test_encoders_side_by_side_are_a_family_of_their_own(inputs: Path) -> None:
    write_row(inputs, "oracle", ("Oracle", "oracle", "frozen", "own", None, 24, 0.0))
    before = gather_evidence(load(inputs), resamples=RESAMPLES).tested["rouge1"]
    for wrong, encoder in zip((0.2, 0.3, 0.25), BESIDE, strict=True):
        write_row(inputs, encoder, (f"ClipSum with {encoder}", encoder, "frozen", "own", None, 128, wrong))
        swapped: Described = (f"ClipSum with {encoder}, swapped", encoder, "frozen", "swapped", encoder, 128, 0.5)
        write_row(inputs, f"{encoder}_swapped", swapped)
    results = load(inputs)
    after = gather_evidence(results, resamples=RESAMPLES).tested["rouge1"]
    assert {pair: after[pair] for pair in before} == before
    assert set(SIDE_BY_SIDE) < after.keys() and {family_of(pair) for pair in SIDE_BY_SIDE} == {"encoders side by side"}
    systems = [row.name for row in results.rows if row.record.kind == "system"]
    assert systems[4:] == [*BESIDE, "oracle", "zucchini"], "after the paper's rows, before those that see the truth"
    row = results.find("siglip2_b16")
    assert row is not None and remedy(row.record) == "run `dvc repro evaluate_more@siglip2_b16`"
    resnet = results.find("resnet152")
    assert resnet is not None and remedy(resnet.record) == "run `dvc repro evaluate@resnet152`"


def test_a_row_that_is_declared_no_more_is_left_out_with_its_controls(inputs: Path) -> None:
    add_clip(inputs)
    change_metrics(inputs, "clip_vit_b32", lambda value: value.update(study="youcook2", encoder="another"))
    with pytest.raises(ValueError, match="row 'clip_vit_b32': study is 'youcook2'"):
        load(inputs)
    declared = ["bart", "resnet152", "clipsum", "clipsum_finetuned"]
    assert undeclared(inputs / "metrics", declared) == ["clip_vit_b32", "clip_vit_b32_swapped", "zucchini"]
    names = [row.name for row in load_results(inputs, declared=declared).rows]
    assert names == [*declared, "clipsum_swapped"]


def test_probes_of_more_encoders_stand_beside_the_others(inputs: Path) -> None:
    metrics = inputs / "metrics"
    write_json(metrics / "probes.json", {"train_frames": 9, "test_frames": 7, "accuracy": {"resnet152": 40.0}})
    add_clip(inputs)
    write_json(metrics / "probe_clip_vit_b32.json", {"train_frames": 9, "test_frames": 7, "accuracy": {"clip_vit_b32": 60.0}})
    write_json(metrics / "probe_siglip2_b16.json", {"train_frames": 9, "test_frames": 7, "accuracy": {"siglip2_b16": 70.0}})
    probes = load(inputs).probes
    assert probes is not None and probes.accuracy == {"resnet152": 40.0, "clip_vit_b32": 60.0}, "those of rows of the table"
    write_json(metrics / "probe_clip_vit_b32.json", {"train_frames": 9, "test_frames": 8, "accuracy": {"clip_vit_b32": 60.0}})
    probes = load(inputs).probes
    assert probes is not None and probes.accuracy == {"resnet152": 40.0}, "other frames"
