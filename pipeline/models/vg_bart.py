"""VG-BART: an image Transformer, dot-product attention and a forget gate after the last layer of BART's encoder.

Source: Yu et al. 2021, "Vision Guided Generative Pre-trained Language Models for Multimodal Abstractive Summarization" (EMNLP,
arXiv 2109.02401) and its released code, in its best form: dot-product fusion with a forget gate and an image Transformer. F are
the frame features, P sinusoidal positions, and T is the output of the encoder's last layer, where that form fuses:

    V  = TransformerEncoder(Dropout(sqrt(D) F + P))   4 layers, 8 heads, feed-forward D, ReLU, dropout 0.1; masked frames
                                                      excluded as keys
    A  = softmax(T (V W_1)^T)                         softmax over frames, masked; W_1 maps D to H; scores are not scaled
    Z  = A V                                          the frames themselves, of width D
    G  = Dropout(sigmoid([Z; T] W_3))                 forget gate, one value per component of Z; W_3 maps D + H to D
    T' = LayerNorm(T + Dropout([T; G * Z] W_2))       W_2 maps H + D to H

Where this differs from that code:
- The code takes the softmax over text tokens, so its weights over frames do not sum to one and depend on padding. Here it is
  taken over the real frames of each video, as the publication's equation says.
- The code reads action features of clips, unscaled. Here a row reads frame features, of unit length if `l2_normalise` is set.
- Dropout of gate and update is the study's; the code has BART's own 0.1.

Shapes: B batch, T text tokens, M frames, D feature width, H text width.
"""

import torch
from torch import Tensor, nn

from pipeline.models.parts.fusion import LateFusionEncoderLayer, Video, insert_fusion, masked_softmax
from pipeline.models.parts.summarizer import Architecture, Batch, Memory
from pipeline.models.parts.temporal import FrameTransformer
from pipeline.models.parts.vision import VisionSummarizer

LAYERS, HEADS, DROPOUT = 4, 8, 0.1  # of the image Transformer


class DotProductFusion(nn.Module):
    """Text [B, T, H] reads frames of their own width, [B, M, D]."""

    def __init__(self, *, feature_width: int, text_width: int, dropout: float) -> None:
        super().__init__()
        self.key = nn.Linear(feature_width, text_width)
        self.output = nn.Linear(text_width + feature_width, text_width)
        self.gate = nn.Linear(feature_width + text_width, feature_width)
        self.norm = nn.LayerNorm(text_width)
        self.dropout = nn.Dropout(dropout)

    def attention(self, text_BTH: Tensor, frames_BMD: Tensor, mask_BM: Tensor) -> Tensor:
        """Weights [B, T, M]: they sum to one over the real frames, and are zero everywhere for a video without frames."""
        return masked_softmax(text_BTH @ self.key(frames_BMD).transpose(1, 2), mask_BM)

    def forward(self, text_BTH: Tensor, video: Video) -> Tensor:
        """Fused text states [B, T, H]."""
        attended_BTD = self.attention(text_BTH, video.frames_BMX, video.mask_BM) @ video.frames_BMX
        fused_BTH: Tensor = self.norm(text_BTH + self.dropout(self.update(text_BTH, attended_BTD)))
        return fused_BTH

    def update(self, text_BTH: Tensor, attended_BTD: Tensor) -> Tensor:
        """What is added to the text, [T; G * Z] W_2, [B, T, H]."""
        gate_BTD = self.dropout(torch.sigmoid(self.gate(torch.cat([attended_BTD, text_BTH], dim=-1))))
        update_BTH: Tensor = self.output(torch.cat([text_BTH, gate_BTD * attended_BTD], dim=-1))
        return update_BTH


class Model(VisionSummarizer):
    """See above. Of the block `model` it reads `l2_normalise` and `dropout`. The feature width must be a multiple of 8."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        fusion = DotProductFusion(feature_width=self.feature_width, text_width=self.config.d_model, dropout=self.config.dropout)
        insert_fusion(
            self.text.model.encoder,
            self.config,
            fusion,
            layer=self.config.encoder_layers,
            layer_class=LateFusionEncoderLayer,
        )
        self.positioned = nn.Dropout(DROPOUT)
        self.temporal = FrameTransformer(
            self.feature_width,
            layers=LAYERS,
            heads=HEADS,
            feedforward=self.feature_width,
            dropout=DROPOUT,
            activation="relu",
        )

    def encode(self, batch: Batch) -> Memory:
        """The text's states, with the frames fused in."""
        features_BMD, mask_BM = self.features(batch)
        frames, width = features_BMD.shape[1:]
        inputs_BMD = self.positioned(width**0.5 * features_BMD + sinusoids(frames, width).to(features_BMD))
        return self.encode_text(batch, video=Video(self.temporal.contextual(inputs_BMD, mask_BM), mask_BM))


def sinusoids(positions: int, width: int) -> Tensor:
    """Fixed positions [positions, width] of Vaswani et al. 2017 (arXiv 1706.03762): sines in even places, cosines in odd ones."""
    place_M1 = torch.arange(positions)[:, None]
    pairs = torch.arange(0, width, 2)
    angles = place_M1 / 10_000 ** (pairs / width)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]
