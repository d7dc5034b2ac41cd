"""Temporal module of ClipSum: order and context among the frames of one video.

Source: ClipSum, arXiv 2605.11959v1, section "temporal modelling". With frame features f_1..f_M of width D:

    X = F + P                 P learned, one row per position
    Y = TransformerEncoder(X) 2 layers, 4 heads, feed-forward 1024, masked frames excluded as keys
    V = Y W + b               one linear map from D to the text model's width H

The publication does not say whether normalisation comes before or after a sub-layer, nor the activation; here: after, and
GELU, as in BART. Its equation projects the position-encoded features; we project the Transformer's output, since otherwise
the Transformer would be unused.

`FrameProjection` is only the last line, for ablations and for systems that have no Transformer over frames.

Shapes: B batch, M frames, D feature width, H text width.
"""

import torch
from torch import Tensor, nn


class FrameTransformer(nn.TransformerEncoder):
    """A Transformer encoder over the frames of each video, without positions: [B, M, D] to [B, M, D]."""

    def __init__(
        self, width: int, *, layers: int, heads: int, feedforward: int, dropout: float, activation: str = "gelu"
    ) -> None:
        if width % heads:
            raise ValueError(
                f"attention over frames: {heads} heads (model.temporal_heads) do not divide the feature width {width}"
            )
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, dropout, activation=activation, batch_first=True)
        super().__init__(layer, layers, enable_nested_tensor=False)

    def contextual(self, frames_BMD: Tensor, mask_BM: Tensor) -> Tensor:
        """Frames after attention to the real frames (mask true) of their video. Rows without any give finite values."""
        # A row whose frames are all masked would make attention 0/0: let it look at its first slot; fusion ignores it.
        keys_BM = mask_BM.clone()
        keys_BM[:, 0] |= ~mask_BM.any(dim=1)
        hidden_BMD: Tensor = self(frames_BMD, src_key_padding_mask=~keys_BM)
        return hidden_BMD


class TemporalEncoder(nn.Module):
    """Frames [B, M, D] with a mask [B, M] (true: a real frame) to contextual frames [B, M, H]."""

    def __init__(
        self, *, feature_width: int, text_width: int, max_frames: int, layers: int, heads: int, feedforward: int, dropout: float
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.empty(max_frames, feature_width))
        nn.init.normal_(self.positions, std=feature_width**-0.5)  # as long as an L2-normalised frame
        self.layers = FrameTransformer(feature_width, layers=layers, heads=heads, feedforward=feedforward, dropout=dropout)
        self.projection = nn.Linear(feature_width, text_width)

    def forward(self, frames_BMD: Tensor, mask_BM: Tensor) -> Tensor:
        """Raises `ValueError` when there are more frames than positions. Rows without any frame give finite values."""
        check_frames(frames_BMD, len(self.positions))
        hidden_BMD = self.layers.contextual(frames_BMD + self.positions[: frames_BMD.shape[1]], mask_BM)
        projected_BMH: Tensor = self.projection(hidden_BMD)
        return projected_BMH


class FrameProjection(nn.Module):
    """Frames [B, M, D] to [B, M, H], each on its own; plus a learned vector per position if `max_frames` is given."""

    def __init__(self, *, feature_width: int, text_width: int, max_frames: int | None = None) -> None:
        super().__init__()
        self.projection = nn.Linear(feature_width, text_width)
        self.positions: nn.Parameter | None = None
        if max_frames is not None:
            self.positions = nn.Parameter(torch.empty(max_frames, text_width))
            nn.init.normal_(self.positions, std=text_width**-0.5)

    def forward(self, frames_BMD: Tensor, mask_BM: Tensor) -> Tensor:
        """Raises `ValueError` when there are more frames than positions."""
        projected_BMH: Tensor = self.projection(frames_BMD)
        if self.positions is None:
            return projected_BMH
        check_frames(frames_BMD, len(self.positions))
        return projected_BMH + self.positions[: frames_BMD.shape[1]]


def masked_mean(frames_BMD: Tensor, mask_BM: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of each video's real frames as its only frame, [B, 1, D], and its mask [B, 1]; zero without any frame."""
    weights_BM1 = mask_BM[:, :, None].to(frames_BMD.dtype)
    total_BD = (frames_BMD * weights_BM1).sum(dim=1)
    mean_BD = total_BD / weights_BM1.sum(dim=1).clamp(min=1)
    return mean_BD[:, None], mask_BM.any(dim=1, keepdim=True)


def check_frames(frames_BMD: Tensor, positions: int) -> None:
    """Raise `ValueError` if a batch has more frames than the model has positions."""
    if frames_BMD.shape[1] > positions:
        raise ValueError(f"{frames_BMD.shape[1]} frames a video, but the model has positions for {positions}")
