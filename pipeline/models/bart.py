"""Text only: BART on the source text, no frames. The floor that any use of vision has to beat.

Source: Lewis et al. 2020, "BART: Denoising Sequence-to-Sequence Pre-training" (arXiv 1910.13461).
"""

from torch import Tensor

from pipeline.models.summarizer import Batch, Summarizer


class Model(Summarizer):
    """The pretrained text model as it is; a batch's frames, if any, are not looked at."""

    def encode(self, batch: Batch) -> Tensor:
        memory: Tensor = self.text.model.encoder(batch.tokens_BT, attention_mask=batch.token_mask_BT).last_hidden_state
        return memory
