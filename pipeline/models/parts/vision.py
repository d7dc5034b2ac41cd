"""What all systems that look at frames share: features, stored or from an image encoder inside, scaled and padded.

Shapes: B batch, M frames, D feature width.
"""

import torch
from torch import Tensor

from pipeline.encoders.encoder import Encoder
from pipeline.models.parts.summarizer import Architecture, Batch, Summarizer, image_encoder_of


class VisionSummarizer(Summarizer):
    """Needs `feature_width` and `max_frames` in its architecture. Features are of unit length if `l2_normalise` is set."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        assert architecture.feature_width and architecture.max_frames, f"{architecture.model} needs frames"
        self.feature_width, self.max_frames = architecture.feature_width, architecture.max_frames
        self.image_encoder = image_encoder_of(architecture)
        if self.image_encoder is not None:
            self.image_module = self.image_encoder.module

    def train(self, mode: bool = True) -> "VisionSummarizer":
        """The image encoder stays in evaluation mode: batch statistics of a few frames would spoil those of its pretraining."""
        super().train(mode)
        if self.image_encoder is not None:
            self.image_encoder.module.eval()
        return self

    def features(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Frame features [B, M, D], given or computed by the image encoder for real frames only; and the mask [B, M].

        Masked features are zero, so that nothing in them, not even infinity, reaches a gradient.
        """
        assert batch.frames is not None and batch.frame_mask_BM is not None, f"{self.architecture.model} needs frames"
        mask_BM = batch.frame_mask_BM
        features_BMD = batch.frames if self.image_encoder is None else _embed(self.image_encoder, batch.frames, mask_BM)
        features_BMD = features_BMD.masked_fill(~mask_BM[:, :, None], 0.0)
        return torch.nn.functional.normalize(features_BMD, dim=-1) if self.settings.l2_normalise else features_BMD, mask_BM


def pad_frames(frames_BMH: Tensor, mask_BM: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Frames and mask, padded with masked zeros to `frames` per video, so that a place means the same in every batch."""
    missing = frames - mask_BM.shape[1]
    padded_BMH = torch.nn.functional.pad(frames_BMH, (0, 0, 0, missing))
    return padded_BMH, torch.nn.functional.pad(mask_BM, (0, missing))


def _embed(encoder: Encoder, pixels: Tensor, mask_BM: Tensor) -> Tensor:
    features_BMD = torch.zeros((*mask_BM.shape, encoder.dim), device=pixels.device)
    if mask_BM.any():
        features_BMD[mask_BM] = encoder.encode(pixels[mask_BM]).float()
    return features_BMD
