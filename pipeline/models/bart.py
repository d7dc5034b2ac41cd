"""Text only: BART on the source text, no frames. The floor that any use of vision has to beat.

Source: Lewis et al. 2020, "BART: Denoising Sequence-to-Sequence Pre-training" (arXiv 1910.13461).
"""

from pipeline.models.parts.summarizer import Summarizer


class Model(Summarizer):
    """The pretrained text model as it is; a batch's frames, if any, are ignored."""
