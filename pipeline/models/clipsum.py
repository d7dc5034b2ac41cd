"""ClipSum: frame features, a temporal Transformer, and fusion into one layer of BART's encoder.

Source: arXiv 2605.11959v1. `pipeline.models.temporal` and `pipeline.models.fusion` hold the equations:

    frames -> [tower] -> L2 norm -> temporal Transformer -> linear map --.
                                                                        v
    text -> BART encoder layers 1..l-1 -> layer l: self-attention, fusion, feed-forward -> later layers -> BART decoder

Rows differ in what `frames` are: stored features of a frozen encoder, or pixels when the tower is fine-tuned inside.
"""

import torch
from torch import Tensor

from pipeline.encoders import Encoder
from pipeline.models.fusion import insert_fusion
from pipeline.models.summarizer import Architecture, Batch, Summarizer, tower_of
from pipeline.models.temporal import TemporalEncoder


class Model(Summarizer):
    """Needs `feature_width` and `max_frames` in its architecture."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        assert architecture.feature_width and architecture.max_frames, "clipsum needs frames"
        insert_fusion(self.text.model.encoder, self.config, layer=self.settings.fusion_layer)
        self.temporal = TemporalEncoder(
            feature_width=architecture.feature_width,
            text_width=self.config.d_model,
            max_frames=architecture.max_frames,
            layers=self.settings.temporal_layers,
            heads=self.settings.temporal_heads,
            feedforward=self.settings.temporal_feedforward,
            dropout=self.settings.dropout,
        )
        self.encoder: Encoder | None = tower_of(architecture)
        if self.encoder is not None:
            self.tower = self.encoder.module

    def train(self, mode: bool = True) -> "Model":
        """The tower stays in evaluation mode: batch statistics of a few frames would spoil those it was pretrained with."""
        super().train(mode)
        if self.encoder is not None:
            self.encoder.module.eval()
        return self

    def features(self, batch: Batch) -> Tensor:
        """Frame features [B, M, D]: those given, or the tower's, computed for real frames only; unit length if set so."""
        assert batch.frames is not None and batch.frame_mask_BM is not None, "clipsum needs frames"
        features_BMD = batch.frames if self.encoder is None else self._embed(self.encoder, batch.frames, batch.frame_mask_BM)
        return torch.nn.functional.normalize(features_BMD, dim=-1) if self.settings.l2_normalise else features_BMD

    def _embed(self, encoder: Encoder, pixels: Tensor, mask_BM: Tensor) -> Tensor:
        features_BMD = torch.zeros((*mask_BM.shape, encoder.dim), device=pixels.device)
        if mask_BM.any():
            features_BMD[mask_BM] = encoder.encode(pixels[mask_BM]).float()
        return features_BMD

    def encode(self, batch: Batch) -> Tensor:
        assert batch.frame_mask_BM is not None
        frames_BMH = self.temporal(self.features(batch), batch.frame_mask_BM)
        memory: Tensor = self.text.model.encoder(
            batch.tokens_BT, attention_mask=batch.token_mask_BT, frames_BMH=frames_BMH, frame_mask_BM=batch.frame_mask_BM
        ).last_hidden_state
        return memory
