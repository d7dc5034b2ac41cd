"""The formula for hours on a GPU, against cases computed by hand."""

from dataclasses import replace

import pytest

from pipeline.base.params import load_study
from pipeline.rehearsal.hours import Assumed, FullStudy, preparing_hours, row_hours
from pipeline.rehearsal.measure import RowCost
from tests.parameters import ROOT

STUDY = FullStudy(
    seeds=2, batch_size=10, generation_batch_size=40, tokens=100, frames=5, swaps=3, train=95, validation=50, test=80
)
ASSUMED = Assumed(teraflop_per_second=2.0, decoding_step_seconds=0.01, cores=4)
COST = RowCost(
    name="clipsum", title="ClipSum", encoder="clip_vit_b32", tuning="frozen", trainable=1, total=2,
    step=9.0, load=0.5, step_teraflop=3.0, forward_teraflop=0.1, encoder_teraflop=0.01, source_tokens=90, target_tokens=40,
    decode=2.0, embed=0.3, summarise=4.0, from_file=6.3,
)  # fmt: skip


def test_a_row_takes_what_was_computed_by_hand() -> None:
    # A step: 3 TFLOP at 2 a second, 1.5 s, longer than the 0.5 s of reading; ten of them an epoch: 15 s.
    # Validation: the loss 50 x 0.1 / 2 = 2.5 s; summaries as much again, and two batches of 100 tokens at 0.01 s: 2 s.
    # So an epoch takes 22 s; two seeds of three epochs 132 s.
    # Test: four passes of two seeds, each 80 x 0.1 / 2 = 4 s and two batches of 1 s: 48 s.
    hours = row_hours(COST, STUDY, ASSUMED, epochs=3)
    assert hours.training == pytest.approx(132 / 3600)
    assert hours.evaluation == pytest.approx(48 / 3600)
    assert hours.total == pytest.approx(180 / 3600)


def test_a_step_is_never_shorter_than_reading_its_batch() -> None:
    slow = replace(COST, load=4.0)  # ten steps of 4 s instead of 1.5 s, in two seeds of three epochs
    assert row_hours(slow, STUDY, ASSUMED, epochs=3).training == pytest.approx((132 + 6 * 25) / 3600)


def test_a_text_row_is_summarised_once() -> None:
    text = replace(COST, tuning="none", encoder=None, encoder_teraflop=None, decode=None)
    assert row_hours(text, STUDY, ASSUMED, epochs=3).evaluation == pytest.approx(12 / 3600)


def test_every_video_is_decoded_once_and_embedded_once_by_each_encoder() -> None:
    other = replace(COST, name="resnet152", encoder="resnet152", encoder_teraflop=0.03)
    # 225 videos: 2 s each on four cores; five frames each of 0.01 and 0.03 TFLOP at 2 a second.
    frames, features = preparing_hours([COST, COST, other], STUDY, ASSUMED)
    assert frames == pytest.approx(225 * 2 / 4 / 3600)
    assert features == pytest.approx(225 * 5 * 0.04 / 2 / 3600)


def test_the_study_is_the_one_in_its_file() -> None:
    from pipeline.base.params import load_params
    from pipeline.rehearsal.hours import full_study

    runtime = load_params(ROOT).runtime.model_copy(update={"generation_batch_size": 64})
    study = full_study(load_study("youcook2", ROOT), runtime)
    assert (study.seeds, study.batch_size, study.generation_batch_size) == (3, 16, 64)
    assert (study.tokens, study.frames, study.swaps, study.videos) == (128, 50, 5, 1790)
