"""What one summary costs: time and memory, of every row in one process, so that rows can be compared.

Every row is measured in several rounds, all rows in each, so that whatever else the machine does in a minute meets all of
them; a figure is the median over all runs, latency with its quartiles. A batch of one, after a warm-up that does not count.
Memory is what the process holds at most above what it held before the system was loaded: weights, one summary's states, and
the frozen encoder if the row has one. On a GPU it is the GPU's memory.
"""

import ctypes
import gc
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.base.device import mixed_precision
from pipeline.base.params import Generate
from pipeline.encoders.encoder import Encoder
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import Summarizer
from pipeline.training.batches import Examples

ROUND_SECONDS = 20.0  # of a row: a machine that is busy, or a large model, must not take an hour to be timed
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Cost:
    """`latency_ms` of one summary, embedding its frames included, with quartiles. `encoder_ms`: embedding the frames alone.

    `encoder_ms` is None without frames. `memory_mb` is the peak, None where the system does not say (only Linux and GPUs do).
    """

    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    encoder_ms: float | None
    memory_mb: float | None


@dataclass(frozen=True)
class Round:
    """What one round measured of a row: milliseconds of every run, and the peak of memory in megabytes."""

    latencies: list[float]
    encoders: list[float]
    memory: float | None


def cost_of(rounds: Sequence[Round]) -> Cost:
    """Medians over the runs of all rounds."""
    latencies = [run for each in rounds for run in each.latencies]
    encoders = [run for each in rounds for run in each.encoders]
    memories = [each.memory for each in rounds if each.memory is not None]
    low, middle, high = statistics.quantiles(latencies, n=4, method="inclusive")
    return Cost(
        round(middle, 1),
        round(low, 1),
        round(high, 1),
        round(statistics.median(encoders), 1) if encoders else None,
        round(statistics.median(memories), 1) if memories else None,
    )


def measure(
    load_system: Callable[[], Summarizer],
    load_image_encoder: Callable[[], Encoder] | None,
    examples: Examples,
    frame_inputs: FrameInputs | None,
    *,
    settings: Generate,
    device: torch.device,
    repeats: int,
) -> Round:
    """Load a system and its encoder (None: no frames) and time summaries of the first `repeats` videos, or of fewer where they
    take more than `ROUND_SECONDS`.

    An encoder inside the system (fine-tuned) is loaded once more to be timed alone; neither time nor memory count it twice.
    """
    frames = 0 if frame_inputs is None else frame_inputs.max_frames
    with peak_memory(device) as peak:
        system = load_system().to(device).eval()
        frozen = load_image_encoder() if load_image_encoder is not None and system.image_encoder is None else None
        embed = _embedder(frozen, frames, device) if frozen is not None else None
        chosen = itertools.cycle(range(min(repeats, len(examples))))

        def summarise() -> None:
            if embed is not None:
                embed()
            system.generate(examples.batch([next(chosen)], frame_inputs).to(device), settings)

        latencies = run_times(summarise, device=device, repeats=repeats)
    encoders: list[float] = []
    if load_image_encoder is not None:
        alone = frozen if frozen is not None else load_image_encoder()
        encoders = run_times(_embedder(alone, frames, device), device=device, repeats=repeats)
    return Round(latencies, encoders, peak.megabytes)


def run_times(work: Callable[[], object], *, device: torch.device, repeats: int) -> list[float]:
    """Milliseconds of `repeats` runs after one more that is not counted; of fewer, at least one, after `ROUND_SECONDS`."""
    seconds: list[float] = []
    while len(seconds) <= repeats and (len(seconds) < 2 or sum(seconds) < ROUND_SECONDS):
        start = time.perf_counter()
        with torch.inference_mode(), mixed_precision(device):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return [1000 * each for each in seconds[1:]]


@dataclass
class Peak:
    """Filled when the block ends; None where neither a GPU nor Linux tells."""

    megabytes: float | None = None


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Highest memory inside the block above that at its start."""
    gc.collect()
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield peak
        peak.megabytes = (torch.cuda.max_memory_allocated() - before) / 2**20
        return
    if not _CLEAR.exists():
        print("costs: this system does not say how much memory a process needs at most; left out", flush=True)
        yield peak
        return
    ctypes.CDLL(None).malloc_trim(0)  # freed memory of the row before would hide this row's
    _CLEAR.write_text("5")  # the kernel's mark "highest so far" starts again
    start = _kilobytes("VmRSS")
    yield peak
    peak.megabytes = (_kilobytes("VmHWM") - start) / 1024


def _kilobytes(key: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1])


def _embedder(encoder: Encoder, frames: int, device: torch.device) -> Callable[[], object]:
    """Embeds one video's frames; what the pixels show does not matter for time."""
    encoder.module.to(device).eval()
    side = encoder.spec.image_size
    pixels_B3HW = torch.zeros((frames, 3, side, side), dtype=torch.uint8, device=device)
    return lambda: encoder.encode(pixels_B3HW)
