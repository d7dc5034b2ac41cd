"""An instrument is believed when its controls come out right: simulated studies with and without an effect of vision;
families.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.report.calibration import Calibration, calibrate
from pipeline.report.evidence import Evidence, gather_evidence
from pipeline.report.families import CLAIMS, correct, families, family_of
from pipeline.report.results import Results
from pipeline.report.tables import calibration_sentences
from pipeline.scoring.statistics import compare
from tests.report_inputs import SYSTEMS, change_metrics, load, write_row

VIDEOS, SEEDS = 60, (0, 1, 2)
MARGIN = 2.0


def set_scores(inputs: Path, row: str, values: np.ndarray) -> None:
    """Give a row these scores `[seeds, videos]` in the primary metric."""

    def change(value: dict[str, Any]) -> None:
        value["per_video"]["scores"]["rouge1"] = np.round(values, 6).tolist()
        score = value["metrics"]["rouge1"]
        score["mean"] = float(values.mean())
        for seed, scores in zip(SEEDS, values, strict=True):
            score["per_seed"][str(seed)]["mean"] = float(scores.mean())

    change_metrics(inputs, row, change)


def simulate(inputs: Path, *, effect: float, leak: float = 0.0, half: float | None = None) -> Results:
    """A study whose oracle gains `effect` points from its own frames, `leak` points where the text names everything, and, if it
    has been run, `half` points at the dose in between.
    """
    generator = np.random.default_rng(5)
    for kind in ("metrics", "predictions"):
        for path in (inputs / kind).glob("*.json*"):
            if path.stem not in ("corpus", "frames", "sources"):
                path.unlink()

    def add(row: str, gain: float, *, folder: str = "") -> None:
        oracle = ("Oracle", "oracle", "frozen", "own", None, 24, 0.3)
        swapped = ("Oracle, frames of another video", "oracle", "frozen", "swapped", row, 24, 0.3)
        difficulty = generator.normal(50, 8, VIDEOS)
        own = difficulty + generator.normal(0, 3, (len(SEEDS), VIDEOS)) + generator.normal(0, 0.5, (len(SEEDS), 1))
        for name, described, change in ((row, oracle, gain), (f"{row}_swapped", swapped, 0.0)):
            write_row(inputs, name, described, videos=VIDEOS, seeds=SEEDS, name=folder + name)
            change_metrics(inputs, folder + name, lambda value: value["primary"].update(margin=MARGIN))
            noise = generator.normal(0, 3, (len(SEEDS), VIDEOS))
            set_scores(inputs, folder + name, own + change + (noise if change != gain or not gain else 0))

    add("oracle", effect)
    add("oracle_named", leak)
    if half is not None:
        add("oracle_half", half, folder="evidence/")
    return load(inputs)


def calibration(results: Results) -> tuple[Evidence, Calibration]:
    evidence = gather_evidence(results, resamples=4000)
    return evidence, calibrate(results, evidence, resamples=4000)


def test_a_study_with_an_effect_of_vision_is_calibrated(inputs: Path) -> None:
    results = simulate(inputs, effect=20.0, half=9.0)
    _, found = calibration(results)
    assert found.sees and found.imagines_nothing and found.grows and found.calibrated
    assert [gain.dose for gain in found.gains] == ["none", "half", "full"]
    assert "hides nothing, half and all" in calibration_sentences(results, found)


def test_a_study_without_an_effect_of_vision_is_not(inputs: Path) -> None:
    results = simulate(inputs, effect=0.0)
    _, found = calibration(results)
    assert found.sees is False and found.grows is False and not found.calibrated
    text = calibration_sentences(results, found)
    assert "fusion or training is broken" in text and "it gives no verdict on any claim" in text


def test_frames_that_change_what_the_text_says_already_are_no_calibration(inputs: Path) -> None:
    """A leak: own frames help though nothing is hidden."""
    _, found = calibration(simulate(inputs, effect=20.0, leak=6.0))
    assert found.sees and found.imagines_nothing is False and not found.calibrated


def test_a_gain_that_does_not_grow_with_the_dose_is_no_calibration(inputs: Path) -> None:
    _, found = calibration(simulate(inputs, effect=20.0, half=30.0))
    assert found.sees and found.imagines_nothing and found.grows is False and not found.calibrated


def test_controls_that_have_not_been_run_calibrate_nothing(inputs: Path) -> None:
    _, found = calibration(load(inputs))
    assert (found.sees, found.imagines_nothing, found.grows, found.calibrated) == (None, None, None, False)
    text = calibration_sentences(load(inputs), found)
    assert text.count("has not been run") == 3


def pairs_of(results: Results) -> dict[tuple[str, str], float]:
    evidence = gather_evidence(results, resamples=300)
    return {pair: tested.p for pair, tested in evidence.tested["rouge1"].items()}


def test_a_new_row_changes_no_old_p(inputs: Path) -> None:
    before = pairs_of(load(inputs))
    write_row(inputs, "aubergine", ("Another system", "clip_vit_b32", "frozen", "own", None, 128, 0.25))
    swapped = ("Another system, frames of another video", "clip_vit_b32", "frozen", "swapped", "aubergine", 128, 0.5)
    write_row(inputs, "aubergine_swapped", swapped)
    after = pairs_of(load(inputs))
    assert after.keys() - before.keys() == {("clipsum", "aubergine"), ("aubergine", "aubergine_swapped")}
    assert {pair: after[pair] for pair in before} == before


def test_every_comparison_is_in_one_family_and_families_are_corrected_by_themselves() -> None:
    pairs = [pair for listed in families("another").values() for pair in listed]
    assert len(set(pairs)) == len(pairs)
    assert family_of(("clipsum", "bart")) == "the paper's claims"
    assert family_of(("clipsum", "clipsum_shuffled")) == family_of(("oracle", "oracle_swapped")) == "controls"
    assert family_of(("clipsum", "aubergine")) == "clipsum minus aubergine"
    generator = np.random.default_rng(2)
    found = {
        pair: compare(generator.normal(0.8, 4, (3, 50)), generator.normal(0, 4, (3, 50)), resamples=300, seed=0)
        for pair in (("clipsum", "bart"), ("clipsum", "resnet152"), ("clipsum", "t5"))
    }
    tested = correct(found, margin=1.0)
    alone = correct({("clipsum", "t5"): found["clipsum", "t5"]}, margin=1.0)
    assert tested["clipsum", "t5"].p == alone["clipsum", "t5"].p
    smallest = min(found["clipsum", row].p for row in ("bart", "resnet152"))
    first = min((tested["clipsum", row] for row in ("bart", "resnet152")), key=lambda each: each.found.p)
    assert first.p == pytest.approx(min(1.0, len(families()[CLAIMS]) * smallest))
    assert first.low < first.found.ci95_low and first.high > first.found.ci95_high


def test_every_row_of_the_table_is_compared_with_something(inputs: Path) -> None:
    compared = {name for pair in pairs_of(load(inputs)) for name in pair}
    assert set(SYSTEMS) <= compared
