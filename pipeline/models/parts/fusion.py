"""Text-to-video fusion inside one BART encoder layer.

Source: ClipSum, arXiv 2605.11959v1, section "fusion". With A the layer's self-attention output (after its residual and
normalisation) and V the projected frames:

    Z = softmax(A W_Q (V W_K)^T / sqrt(H)) V W_V      softmax over frames, masked, one head
    A' = LayerNorm(A + [A; Z] W_O)                    W_O maps 2H to H

The layer's feed-forward part and the later layers then run as in BART. The publication leaves dropout open: BART's own
rate is applied to the fused term, as to BART's other sub-layers. The authors' released code takes the softmax over text
tokens and does not scale; this follows the equations.

Other systems put other modules into the same places: `FusionEncoderLayer` fuses before the feed-forward part,
`LateFusionEncoderLayer` after the whole layer.

Shapes: B batch, T text tokens, M frames, H text width, X any width, Q queries, K keys.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BartConfig
from transformers.models.bart.modeling_bart import BartEncoderLayer


@dataclass(frozen=True)
class Video:
    """What fusion sees: frames in the width that the system uses, and their mask (true: a real frame)."""

    frames_BMX: Tensor
    mask_BM: Tensor


def masked_softmax(scores_BQK: Tensor, mask_BK: Tensor) -> Tensor:
    """Weights [B, Q, K] over the last axis: they sum to one over the places of the mask, or are all zero if it has none."""
    scores_BQK = scores_BQK.masked_fill(~mask_BK[:, None], torch.finfo(scores_BQK.dtype).min)
    weights_BQK: Tensor = scores_BQK.softmax(dim=-1) * mask_BK[:, None]
    return weights_BQK


class CrossModalFusion(nn.Module):
    """Let every text token attend to the frames of its video."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def attention(self, text_BTH: Tensor, frames_BMH: Tensor, mask_BM: Tensor) -> Tensor:
        """Weights [B, T, M]: they sum to one over the real frames, and are zero everywhere for a video without frames."""
        scores_BTM = self.query(text_BTH) @ self.key(frames_BMH).transpose(1, 2) / text_BTH.shape[-1] ** 0.5
        return masked_softmax(scores_BTM, mask_BM)

    def forward(self, text_BTH: Tensor, video: Video) -> Tensor:
        """Fused text states [B, T, H]."""
        attended_BTH = self.attention(text_BTH, video.frames_BMX, video.mask_BM) @ self.value(video.frames_BMX)
        fused_BTH: Tensor = self.norm(text_BTH + self.dropout(self.update(text_BTH, attended_BTH)))
        return fused_BTH

    def update(self, text_BTH: Tensor, attended_BTH: Tensor) -> Tensor:
        """What is added to the text, [A; Z] W_O, [B, T, H]."""
        update_BTH: Tensor = self.output(torch.cat([text_BTH, attended_BTH], dim=-1))
        return update_BTH


class FusionEncoderLayer(BartEncoderLayer):  # type: ignore[misc]
    """A BART encoder layer with fusion between self-attention and feed-forward.

    BART's encoder hands extra keyword arguments to every layer; this one takes `video` from them.
    """

    def __init__(self, config: BartConfig, layer_idx: int, fusion: nn.Module) -> None:
        super().__init__(config, layer_idx=layer_idx)
        self.fusion = fusion

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None, *, video: Video, **kwargs: Any) -> Tensor:
        attended, _ = self.self_attn(hidden_states, attention_mask=attention_mask, **kwargs)
        text = self.self_attn_layer_norm(hidden_states + self._drop(attended, self.dropout))
        text = self.fusion(text, video)
        inner = self._drop(self.activation_fn(self.fc1(text)), self.activation_dropout)
        output: Tensor = self.final_layer_norm(text + self._drop(self.fc2(inner), self.dropout))
        return output

    def _drop(self, states: Tensor, rate: float) -> Tensor:
        return nn.functional.dropout(states, p=rate, training=self.training)


class LateFusionEncoderLayer(BartEncoderLayer):  # type: ignore[misc]
    """A BART encoder layer with fusion after it."""

    def __init__(self, config: BartConfig, layer_idx: int, fusion: nn.Module) -> None:
        super().__init__(config, layer_idx=layer_idx)
        self.fusion = fusion

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None, *, video: Video, **kwargs: Any) -> Tensor:
        output: Tensor = self.fusion(super().forward(hidden_states, attention_mask, **kwargs), video)
        return output


def insert_fusion(
    encoder: nn.Module,
    config: BartConfig,
    fusion: nn.Module,
    *,
    layer: int,
    layer_class: type[FusionEncoderLayer | LateFusionEncoderLayer] = FusionEncoderLayer,
) -> None:
    """Replace the encoder's layer number `layer` (counted from 1) with one that contains `fusion` and keeps the layer's weights.

    Raises `ValueError` if the encoder has no such layer.
    """
    layers = encoder.layers
    assert isinstance(layers, nn.ModuleList)
    if not 1 <= layer <= len(layers):
        raise ValueError(f"model.fusion_layer: {layer} is not between 1 and {len(layers)}, the layers of the text encoder")
    fused = layer_class(config, layer - 1, fusion)
    missing, unexpected = fused.load_state_dict(layers[layer - 1].state_dict(), strict=False)
    assert not unexpected and all(name.startswith("fusion.") for name in missing), (missing, unexpected)
    layers[layer - 1] = fused
