"""HA-Transformer: BART whose decoder attends to text and to frames, and then chooses between the two.

Source: Palaskar et al. 2019, "Multimodal Abstractive Summarization for How2 Videos" (arXiv 1906.07901), text with frame
features; `pipeline.models.parts.hierarchical` holds the equations of its hierarchical attention.

    text   -> BART encoder ------------------------------.
    frames -> L2 norm -> linear map + learned positions --+-> BART decoder with hierarchical attention in every layer

Where this differs from the source, besides what that module says:
- The publication uses recurrent networks trained from scratch. Its re-implementation by ClipSum's authors, which Table 1 calls a
  Transformer, is described nowhere. Here BART is the text model, as in every other row.
- The publication reads action features; here a row reads frame features, of unit length if `l2_normalise` is set.
- No Transformer over frames: in the publication features reach the attention after at most a projection. Learned positions
  preserve the frames' order.
"""

from functools import partial

from pipeline.models.parts.hierarchical import SourceMaps, insert_hierarchy, with_frames
from pipeline.models.parts.summarizer import Architecture, Batch, Memory
from pipeline.models.parts.temporal import FrameProjection
from pipeline.models.parts.vision import VisionSummarizer


class Model(VisionSummarizer):
    """See above. Of the block `model` it reads `l2_normalise`, `text_bias` and `dropout`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        fusion = partial(SourceMaps, self.config.d_model, text_bias=self.settings.text_bias)
        insert_hierarchy(self.text.model.decoder, self.config, frames=self.max_frames, fusion=fusion)
        self.frames = FrameProjection(
            feature_width=self.feature_width, text_width=self.config.d_model, max_frames=self.max_frames
        )

    def encode(self, batch: Batch) -> Memory:
        """Text, then frames in `max_frames` places. Raises `ValueError` for more frames."""
        features_BMD, mask_BM = self.features(batch)
        return with_frames(self.encode_text(batch), self.frames(features_BMD, mask_BM), mask_BM, frames=self.max_frames)
