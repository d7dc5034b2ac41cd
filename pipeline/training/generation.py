"""From a trained system to summaries: beam search in length-sorted batches."""

import torch
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from pipeline.base.device import mixed_precision
from pipeline.base.params import Generate
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import Summarizer, decode
from pipeline.training.batches import Examples
from pipeline.training.distributed import Group


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
    group: Group = Group(),  # noqa: B008 - nothing of it changes
) -> list[str]:
    """One summary per video, in the order of `examples`. It does not depend on `batch_size`: padding is masked everywhere.

    Each process of `group` makes those of its share, and has all in the end.
    """
    system.eval()
    own: dict[int, str] = {}
    with tqdm(total=len(examples), unit="video", desc="summarise", disable=None if progress else True) as bar:
        for together in examples.by_length(batch_size * group.size):
            if rows := group.share(together):
                with mixed_precision(device):
                    ids = system.generate(examples.batch(rows, frame_inputs).to(device), settings)
                own |= dict(zip(rows, decode(tokenizer, ids), strict=True))
            bar.update(len(together))
    texts = group.gathered(own, examples.video_ids)
    return [texts[row] for row in range(len(examples))]
