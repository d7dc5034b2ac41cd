"""From a trained system to summaries: beam search in length-sorted batches."""

import torch
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from pipeline.base.device import mixed_precision
from pipeline.base.params import Generate
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import Summarizer, decode
from pipeline.training.batches import Examples


@torch.inference_mode()
def summarise(
    system: Summarizer,
    examples: Examples,
    frame_inputs: FrameInputs | None,
    *,
    tokenizer: PreTrainedTokenizerBase,
    settings: Generate,
    device: torch.device,
    batch_size: int,
    progress: bool = True,
) -> list[str]:
    """One summary per video, in the order of `examples`. It does not depend on `batch_size`: padding is masked everywhere."""
    system.eval()
    texts: dict[int, str] = {}
    with tqdm(total=len(examples), unit="video", desc="summarise", disable=None if progress else True) as bar:
        for rows in examples.by_length(batch_size):
            with mixed_precision(device):
                ids = system.generate(examples.batch(rows, frame_inputs).to(device), settings)
            texts |= dict(zip(rows, decode(tokenizer, ids), strict=True))
            bar.update(len(rows))
    return [texts[row] for row in range(len(examples))]
