"""Costs: time and memory of one summary, as far as they can be known beforehand."""

import time
from pathlib import Path

import pytest
import torch

from pipeline.base.params import Generate
from pipeline.evaluation.costs import Round, cost_of, measure, peak_memory, run_times
from tests import toys

CPU = torch.device("cpu")


def test_the_first_run_does_not_count() -> None:
    waits = iter([0.2, 0.01, 0.03, 0.05])
    assert run_times(lambda: time.sleep(next(waits)), device=CPU, repeats=3) == pytest.approx([10, 30, 50], abs=8)


def test_rounds_are_taken_together() -> None:
    cost = cost_of([Round([1.0, 2.0], [], 5.0), Round([3.0, 40.0, 5.0], [], None), Round([], [], 7.0)])
    assert (cost.latency_ms, cost.latency_low_ms, cost.latency_high_ms, cost.encoder_ms, cost.memory_mb) == (
        3.0,
        2.0,
        5.0,
        None,
        6.0,
    )
    assert cost_of([Round([1.0], [4.0], None), Round([1.0], [6.0], None)]).encoder_ms == 5.0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux says how much memory a process needed")
def test_peak_memory_counts_what_was_freed_again() -> None:
    with peak_memory(CPU) as first:
        torch.ones(64 * 2**20, dtype=torch.uint8)
    with peak_memory(CPU) as second:
        torch.ones(8 * 2**20, dtype=torch.uint8)
    assert first.megabytes == pytest.approx(64, abs=8)
    assert second.megabytes == pytest.approx(8, abs=6), "the peak before does not count"


@pytest.mark.parametrize("finetuned", [False, True])
def test_a_summary_with_frames_costs_an_encoder(tmp_path: Path, finetuned: bool) -> None:
    system = toys.clipsum(tmp_path, finetuned=finetuned)
    encoders: list[int] = []

    def load_image_encoder() -> object:
        encoders.append(1)
        return toys.encoder()

    frame_inputs = toys.store(4)
    if finetuned:
        frame_inputs = inputs_of_pixels()
    cost = measure(
        lambda: system, load_image_encoder, toys.examples(4), frame_inputs,  # type: ignore[arg-type]
        settings=Generate(beams=1, max_tokens=5, no_repeat_ngram=0), device=CPU, repeats=2,
    )  # fmt: skip
    assert len(cost.encoders) == len(cost.latencies) == 2
    assert 0 < min(cost.encoders) < max(cost.latencies)
    assert len(encoders) == 1, "one is loaded: in front of the system, or, if it is inside, to be timed alone"


def inputs_of_pixels() -> object:
    import numpy as np

    from pipeline.features.frame_inputs import FrameInputs

    values = np.zeros((8, 3, 16, 16), dtype=np.uint8)
    starts = {f"v{number}": 2 * number for number in range(4)}
    return FrameInputs(values=values, starts=starts, lengths=dict.fromkeys(starts, 2), max_frames=toys.FRAMES, footer={})


def test_text_alone_has_no_encoder(tmp_path: Path) -> None:
    from pipeline.models.parts.summarizer import create

    system = create("bart", text_folder=toys.text_model(tmp_path), settings=toys.model_settings())
    settings = Generate(beams=1, max_tokens=5, no_repeat_ngram=0)
    cost = measure(lambda: system, None, toys.examples(4), None, settings=settings, device=CPU, repeats=2)
    assert cost.encoders == []
    assert min(cost.latencies) > 0
