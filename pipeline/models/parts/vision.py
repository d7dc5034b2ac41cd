"""What all systems that look at frames share: features, stored or from an image encoder inside, scaled and padded.

Shapes: B batch, M frames, D feature width.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pipeline.encoders.encoder import Encoder
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import Architecture, Batch, Summarizer, image_encoder_of

AT_ONCE = 256  # frames that the image encoder embeds at a time when nothing is trained


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
        """Frame features [B, M, D] and the mask [B, M]. Pixels go through the image encoder, those of real frames only.

        Masked features are zero, so that nothing in them, not even infinity, reaches a gradient.
        """
        assert batch.frames is not None and batch.frame_mask_BM is not None, f"{self.architecture.model} needs frames"
        mask_BM = batch.frame_mask_BM
        features_BMD = batch.frames
        if batch.frames.dtype == torch.uint8:
            assert self.image_encoder is not None, f"{self.architecture.model} has no image encoder for pixels"
            features_BMD = _embed(self.image_encoder, batch.frames, mask_BM)
        features_BMD = features_BMD.masked_fill(~mask_BM[:, :, None], 0.0)
        return torch.nn.functional.normalize(features_BMD, dim=-1) if self.settings.l2_normalise else features_BMD, mask_BM

    @torch.no_grad()
    def embedded(self, frame_inputs: FrameInputs, video_ids: Sequence[str]) -> FrameInputs:
        """The features [N, D] of the videos' frames, in place of their pixels: computed once, a bounded number at a time.

        What the system is shown stays as it is if it has no image encoder of its own.
        """
        if self.image_encoder is None:
            return frame_inputs
        lengths = {video_id: frame_inputs.lengths[video_id] for video_id in video_ids if video_id in frame_inputs.lengths}
        ends = np.cumsum([0, *lengths.values()]).tolist()
        values = np.zeros((ends[-1], self.feature_width), dtype=np.float32)
        rows = np.concatenate([np.arange(length) + frame_inputs.starts[video_id] for video_id, length in lengths.items()])
        device = next(self.parameters()).device
        for start in range(0, len(rows), AT_ONCE):
            pixels = torch.from_numpy(frame_inputs.values[rows[start : start + AT_ONCE]]).to(device)
            values[start : start + AT_ONCE] = self.image_encoder.encode(pixels).float().cpu().numpy()
        return replace(frame_inputs, values=values, starts=dict(zip(lengths, ends[:-1], strict=True)), lengths=lengths)


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
