"""MFFG-Transformer: text and frames fused in stages, with gates that forget visual noise.

Source: Liu et al. 2020, "Multistage Fusion with Forget Gate for Multimodal Summarization in Open-Domain Videos" (EMNLP,
2020.emnlp-main.144). Two stages of fusion in the encoder, one in the decoder:

    text   -> BART layers -> cross-fusion stage 1 -> cross-fusion stage 2 -> .. --.
                                  ^   |                  ^   |                     +-> BART decoder, hierarchical attention
    frames -> L2 norm, linear map,    '------------------'   '--------------------'
              learned positions

A stage fuses in both directions. Each side X reads the other side Y, both as they were before the stage:

    Z  = softmax(X W_Q (Y W_K)^T / sqrt(H)) Y W_V     softmax over the real places of Y, one head
    F  = sigmoid([X; Z] W_F + b_F)                    the fusion forget gate, one value per component
    X' = LayerNorm(X + [X; F * Z] W_O)                W_O maps 2H to H

The publication gives the parts (cross-modal attention both ways, a forget gate on what the other side contributes, a decoder
that fuses hierarchically) for a network trained from scratch. Chosen here: BART is the text model, as in every other row. The
stages are in encoder layer `fusion_layer` and the next one (the previous one, if it is the last), between self-attention and
feed-forward as in ClipSum. Frames have no layers of their own between stages. Gates have a bias and no dropout. The decoder is
the one in `pipeline.models.parts.hierarchical`, over the encoder's output and the frames of the last stage.

Shapes: B batch, T text tokens, M frames, H text width.
"""

import torch
from torch import Tensor, nn

from pipeline.models.parts.fusion import CrossModalFusion, Video, insert_fusion
from pipeline.models.parts.hierarchical import insert_hierarchy, with_frames
from pipeline.models.parts.summarizer import Architecture, Batch, Memory
from pipeline.models.parts.temporal import FrameProjection
from pipeline.models.parts.vision import VisionSummarizer


class GatedFusion(CrossModalFusion):
    """One direction of a stage: X reads Y through a forget gate."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(width, dropout)
        self.gate = nn.Linear(2 * width, width)

    def gated(self, text_BTH: Tensor, attended_BTH: Tensor) -> Tensor:
        """F * Z, [B, T, H]."""
        return torch.sigmoid(self.gate(torch.cat([text_BTH, attended_BTH], dim=-1))) * attended_BTH


class CrossFusionStage(nn.Module):
    """Text reads frames, and frames read text. The fused frames travel on in `video`."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.to_text = GatedFusion(width, dropout)
        self.to_frames = GatedFusion(width, dropout)

    def forward(self, text_BTH: Tensor, video: Video) -> Tensor:
        """Fused text states [B, T, H]; replaces `video.frames_BMX`."""
        fused_BTH = self.to_text.fuse(text_BTH, video.frames_BMX, video.mask_BM)
        video.frames_BMX = self.to_frames.fuse(video.frames_BMX, text_BTH, video.text_mask_BT)
        return fused_BTH


class Model(VisionSummarizer):
    """See above. Of the block `model` it reads `l2_normalise`, `fusion_layer` and `dropout`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        first = self.settings.fusion_layer
        second = first - 1 if first == self.config.encoder_layers else first + 1
        for layer in (first, second):
            stage = CrossFusionStage(self.config.d_model, self.config.dropout)
            insert_fusion(self.text.model.encoder, self.config, stage, layer=layer)
        insert_hierarchy(self.text.model.decoder, self.config, frames=self.max_frames)
        self.frames = FrameProjection(
            feature_width=self.feature_width, text_width=self.config.d_model, max_frames=self.max_frames
        )

    def encode(self, batch: Batch) -> Memory:
        """Text, then frames in `max_frames` places, both fused. Raises `ValueError` for more frames."""
        features_BMD, mask_BM = self.features(batch)
        video = Video(self.frames(features_BMD, mask_BM), mask_BM, batch.token_mask_BT.bool())
        text = self.encode_text(batch, video=video)
        return with_frames(text, video.frames_BMX, mask_BM, frames=self.max_frames)
