"""Temporal module of ClipSum: order and context among the frames of one video.

Source: ClipSum, arXiv 2605.11959v1, section "temporal modelling". With frame features f_1..f_M of width D:

    X = F + P                 P learned, one row per position
    Y = TransformerEncoder(X) 2 layers, 4 heads, feed-forward 1024, masked frames excluded as keys
    V = Y W + b               one linear map from D to the text model's width H

The publication does not say whether normalisation comes before or after a sub-layer, nor the activation; here: after, and
GELU, as in BART. It writes the projection of the position-encoded features; we project the Transformer's output, since
otherwise the Transformer would be unused.

Shapes: B batch, M frames, D feature width, H text width.
"""

import torch
from torch import Tensor, nn


class TemporalEncoder(nn.Module):
    """Frames [B, M, D] with a mask [B, M] (true: a real frame) to contextual frames [B, M, H]."""

    def __init__(
        self, *, feature_width: int, text_width: int, max_frames: int, layers: int, heads: int, feedforward: int, dropout: float
    ) -> None:
        super().__init__()
        if feature_width % heads:
            raise ValueError(f"model.temporal_heads: {heads} heads do not divide the feature width {feature_width}")
        self.positions = nn.Parameter(torch.empty(max_frames, feature_width))
        nn.init.normal_(self.positions, std=feature_width**-0.5)  # as long as an L2-normalised frame
        layer = nn.TransformerEncoderLayer(feature_width, heads, feedforward, dropout, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.projection = nn.Linear(feature_width, text_width)

    def forward(self, frames_BMD: Tensor, mask_BM: Tensor) -> Tensor:
        """Raises `ValueError` when there are more frames than positions. Rows without any frame give finite values."""
        frames = frames_BMD.shape[1]
        if frames > len(self.positions):
            raise ValueError(f"{frames} frames a video, but the model has positions for {len(self.positions)}")
        # A row whose frames are all masked would make attention 0/0: let it look at its first slot; fusion ignores it.
        keys_BM = mask_BM.clone()
        keys_BM[:, 0] |= ~mask_BM.any(dim=1)
        hidden_BMD = self.layers(frames_BMD + self.positions[:frames], src_key_padding_mask=~keys_BM)
        projected_BMH: Tensor = self.projection(hidden_BMD)
        return projected_BMH
