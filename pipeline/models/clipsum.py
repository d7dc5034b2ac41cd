"""ClipSum: frame features, a temporal Transformer, and fusion into one layer of BART's encoder.

Source: arXiv 2605.11959v1. `pipeline.models.parts.temporal` and `pipeline.models.parts.fusion` hold the equations:

    frames -> [encoder] -> L2 norm -> temporal Transformer -> linear map --.
                                                                        v
    text -> BART encoder layers 1..l-1 -> layer l: self-attention, fusion, feed-forward -> later layers -> BART decoder

Rows differ in what `frames` are: stored features of a frozen encoder, or pixels when the encoder is fine-tuned inside.

`common_width`, if it is not 0, puts a linear map of the features to that width first, so that encoders of any width have a
temporal module of the same size. Three more parameters of the block `model` each take one part away:

- `temporal: false`: frames have neither positions nor a Transformer, only the linear map, so their order is lost.
- `pooling: mean`: one vector per video, the mean of its frames. No order is left, so there is no temporal module either.
  Attention over one vector is 1 whatever the query, so W_Q and W_K have no effect.
- `fusion: prefix`: frames go before the token embeddings of the encoder and take part in self-attention from the first
  layer on; no layer is added. The decoder attends to text and frames. Frames are padded to the largest number a video may have,
  so that a token's position never depends on the batch.

Shapes: B batch, T text tokens, M frames, D feature width, H text width.
"""

import torch
from torch import Tensor, nn

from pipeline.models.parts.fusion import CrossModalFusion, Video, insert_fusion
from pipeline.models.parts.summarizer import Architecture, Batch, Memory
from pipeline.models.parts.temporal import FrameProjection, TemporalEncoder, masked_mean
from pipeline.models.parts.vision import VisionSummarizer, pad_frames


class Model(VisionSummarizer):
    """See above; `fusion_layer` is l, counted from 1."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        settings = self.settings
        self.pooled = settings.pooling == "mean"
        if settings.fusion == "attention":
            fusion = CrossModalFusion(self.config.d_model, self.config.dropout)
            insert_fusion(self.text.model.encoder, self.config, fusion, layer=settings.fusion_layer)
        self.common: nn.Linear | None = None
        width = self.feature_width
        if settings.common_width:
            width = settings.common_width
            self.common = nn.Linear(self.feature_width, width)
        self.temporal: TemporalEncoder | FrameProjection
        if settings.temporal and not self.pooled:
            self.temporal = TemporalEncoder(
                feature_width=width,
                text_width=self.config.d_model,
                max_frames=self.max_frames,
                layers=settings.temporal_layers,
                heads=settings.temporal_heads,
                feedforward=settings.temporal_feedforward,
                dropout=settings.dropout,
            )
        else:
            self.temporal = FrameProjection(feature_width=width, text_width=self.config.d_model)

    def encode(self, batch: Batch) -> Memory:
        """Raises `ValueError` when a prefix of frames leaves too few positions for the text."""
        features_BMD, mask_BM = self.features(batch)
        if self.common is not None:
            features_BMD = self.common(features_BMD)
        if self.pooled:
            features_BMD, mask_BM = masked_mean(features_BMD, mask_BM)
        frames_BMH = self.temporal(features_BMD, mask_BM)
        if self.settings.fusion == "prefix":
            return self._encode_prefixed(batch, frames_BMH, mask_BM)
        return self.encode_text(batch, video=Video(frames_BMH, mask_BM))

    def _encode_prefixed(self, batch: Batch, frames_BMH: Tensor, mask_BM: Tensor) -> Memory:
        frames_BMH, mask_BM = pad_frames(frames_BMH, mask_BM, 1 if self.pooled else self.max_frames)
        frames, positions = mask_BM.shape[1], self.config.max_position_embeddings
        if frames + batch.tokens_BT.shape[1] > positions:
            raise ValueError(
                f"text.max_source_tokens: {batch.tokens_BT.shape[1]} tokens after {frames} frames (model.fusion: prefix) are "
                f"more than the text encoder's {positions} positions; lower it to {positions - frames}"
            )
        encoder = self.text.model.encoder
        inputs_BSH = torch.cat([frames_BMH, encoder.embed_tokens(batch.tokens_BT)], dim=1)
        mask_BS = torch.cat([mask_BM.to(batch.token_mask_BT.dtype), batch.token_mask_BT], dim=1)
        return Memory(encoder(inputs_embeds=inputs_BSH, attention_mask=mask_BS).last_hidden_state, mask_BS)
