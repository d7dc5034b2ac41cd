"""From a trained system to summaries: beam search in length-sorted batches, and the latency of a single one."""

import itertools
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from pipeline.batches import Examples
from pipeline.device import mixed_precision
from pipeline.encoders import Encoder
from pipeline.models.summarizer import Summarizer, decode
from pipeline.params import Generate
from pipeline.visual import VisualStore


@torch.inference_mode()
def summarise(
    system: Summarizer,
    examples: Examples,
    visual: VisualStore | None,
    *,
    tokenizer: PreTrainedTokenizerBase,
    settings: Generate,
    device: torch.device,
    batch_size: int,
    shown: Sequence[str] | None = None,
    progress: bool = True,
) -> list[str]:
    """One summary per video, in the order of `examples`.

    `shown` names for every video whose frames it is shown (default: its own). Results do not depend on `batch_size`:
    padding is masked everywhere.
    """
    system.eval()
    texts: dict[int, str] = {}
    with tqdm(total=len(examples), unit="video", desc="summarise", disable=None if progress else True) as bar:
        for rows in examples.by_length(batch_size):
            with mixed_precision(device):
                ids = system.generate(examples.batch(rows, visual, shown=shown).to(device), settings)
            texts |= dict(zip(rows, decode(tokenizer, ids), strict=True))
            bar.update(len(rows))
    return [texts[row] for row in range(len(examples))]


def latency_ms(
    system: Summarizer,
    examples: Examples,
    visual: VisualStore | None,
    *,
    settings: Generate,
    device: torch.device,
    repeats: int = 8,
) -> float:
    """Median milliseconds from one video's tokens and frames to its summary's tokens, batch of one, after a warm-up."""
    chosen = itertools.cycle(range(len(examples)))
    return _median_ms(
        lambda: system.generate(examples.batch([next(chosen)], visual).to(device), settings), device=device, repeats=repeats
    )


def tower_latency_ms(encoder: Encoder, *, frames: int, device: torch.device, repeats: int = 5) -> float:
    """Median milliseconds to embed the frames of one video; the pixels' content does not matter for it."""
    encoder.module.to(device).eval()
    side = encoder.spec.image_size
    pixels_B3HW = torch.zeros((frames, 3, side, side), dtype=torch.uint8, device=device)
    return _median_ms(lambda: encoder.encode(pixels_B3HW), device=device, repeats=repeats)


def _median_ms(work: Callable[[], object], *, device: torch.device, repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        with torch.inference_mode(), mixed_precision(device):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds[1:])
