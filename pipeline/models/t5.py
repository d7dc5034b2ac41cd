"""Text only: T5 on the source text, no frames. The second text-only row of the paper's table.

Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (arXiv
1910.10683). The text goes in as it is, without the "summarize:" that T5's multi-task training put before news articles:
ClipSum mentions no prefix, BART gets none, and the mini T5 knows none.
"""

from pipeline.models.parts.summarizer import Summarizer


class Model(Summarizer):
    """The pretrained text model as it is; a batch's frames, if any, are ignored."""

    text_type = "t5"
