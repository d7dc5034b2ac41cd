"""Hierarchical attention in BART's decoder: one attention over each source, and a second one over the two results.

Source: Libovicky and Helcl 2017, "Attention Strategies for Multi-Source Sequence-to-Sequence Learning" (arXiv 1704.06567),
section "hierarchical". For a decoder state s, the text memory and the projected frames:

    c_text   = MultiHead_text(s, text)        BART's own cross-attention, with its pretrained weights
    c_frames = MultiHead_frames(s, frames)    new, with as many heads
    e_k      = v^T tanh(W s + b + U_k c_k)    k: text, frames
    beta     = softmax(e_text + t, e_frames)  a video without frames has beta_frames = 0
    context  = sum_k beta_k V_k c_k

Where this differs from the publication:
- It describes recurrent decoders, with one such step per word. Here the step replaces the cross-attention of decoder layers, so
  residual, dropout and normalisation around it are BART's.
- V_text starts as the identity: what the pretrained layers above expect is a multiple of c_text, not a random map of it.
- The energy of text has a learned bias t, which starts at the study's `text_bias`. At 0, as in the publication, every layer
  starts with the mean of a pretrained context and an untrained one, which halves what BART knows. The value is searched for
  on validation, row by row, with the row's other settings (docs/search.md).

Frames reach the decoder inside the memory, [text ; frames padded to a fixed number], so the last places are frames. Keys and
values of both sources lie one after the other in the key/value cache, under the layer's own index.

Shapes: B batch, L target tokens, T text tokens, F places for frames, S = T + F, N heads, H width, h = H / N.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import BartConfig
from transformers.models.bart.modeling_bart import BartAttention

from pipeline.models.parts.fusion import masked_softmax
from pipeline.models.parts.summarizer import Memory
from pipeline.models.parts.vision import pad_frames

Contexts = tuple[Tensor, Tensor]  # one of text, one of frames


class SourceFusion(nn.Module):
    """The new parts of a layer: attention over frames, and attention over the two sources, which a subclass gives energies."""

    def __init__(self, width: int, *, text_bias: float) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)
        self.text_bias = nn.Parameter(torch.tensor([text_bias]))

    def energies(self, state_BLH: Tensor, contexts: Contexts) -> Contexts:
        """e_text (without its bias) and e_frames, [B, L, 1] each."""
        raise NotImplementedError

    def values(self, contexts: Contexts) -> Contexts:
        """What is weighted, [B, L, H] each."""
        raise NotImplementedError

    def weights(self, state_BLH: Tensor, contexts: Contexts, any_B: Tensor) -> Tensor:
        """Beta [B, L, 2]: the weights of text and frames, which sum to one; (1, 0) where a video has no frame."""
        text_BL1, frames_BL1 = self.energies(state_BLH, contexts)
        allowed_B2 = torch.stack([torch.ones_like(any_B), any_B], dim=-1)
        return masked_softmax(torch.cat([text_BL1 + self.text_bias, frames_BL1], dim=-1), allowed_B2)

    def shares(self, state_BLH: Tensor, contexts: Contexts, any_B: Tensor) -> Contexts:
        """What text and frames contribute to the context, [B, L, H] each."""
        beta_BL2 = self.weights(state_BLH, contexts, any_B)
        text_BLH, frames_BLH = self.values(contexts)
        return beta_BL2[..., :1] * text_BLH, beta_BL2[..., 1:] * frames_BLH

    def forward(self, state_BLH: Tensor, contexts: Contexts, any_B: Tensor) -> Tensor:
        """The context [B, L, H]."""
        text_BLH, frames_BLH = self.shares(state_BLH, contexts, any_B)
        return text_BLH + frames_BLH


class SourceMaps(SourceFusion):
    """The equations above: maps U_k and V_k of their own for each source."""

    def __init__(self, width: int, *, text_bias: float) -> None:
        super().__init__(width, text_bias=text_bias)
        self.state = nn.Linear(width, width)
        self.energy = nn.ModuleList([nn.Linear(width, width, bias=False) for _ in range(2)])
        self.mix = nn.ModuleList([nn.Linear(width, width, bias=False) for _ in range(2)])
        with torch.no_grad():
            nn.init.eye_(self.mix[0].weight)  # type: ignore[arg-type]

    def energies(self, state_BLH: Tensor, contexts: Contexts) -> Contexts:
        state = self.state(state_BLH)
        text, frames = (self.score(torch.tanh(state + energy(c))) for energy, c in zip(self.energy, contexts, strict=True))
        return text, frames

    def values(self, contexts: Contexts) -> Contexts:
        text, frames = (mix(context) for mix, context in zip(self.mix, contexts, strict=True))
        return text, frames


class HierarchicalAttention(BartAttention):  # type: ignore[misc]
    """Cross-attention of a BART decoder layer to a memory whose last `frames` places are frames."""

    def __init__(self, config: BartConfig, layer_idx: int, *, frames: int, fusion: SourceFusion) -> None:
        super().__init__(
            config.d_model, config.decoder_attention_heads, dropout=config.attention_dropout, is_decoder=True, config=config,
            layer_idx=layer_idx,
        )  # fmt: skip
        self.frames = frames
        self.fusion = fusion

    def forward(
        self,
        hidden_states: Tensor,
        key_value_states: Tensor,
        past_key_values: Any = None,
        attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        """As BART's own, [B, L, H]. `attention_mask` is boolean [B, 1, L, S], or None if every place of the memory is real."""
        keys_BNSh, values_BNSh = self._memory(key_value_states, past_key_values)
        if attention_mask is None:
            attention_mask = hidden_states.new_ones((len(hidden_states), 1, 1, keys_BNSh.shape[2]), dtype=torch.bool)
        assert attention_mask.dtype == torch.bool, "attention is PyTorch's own (sdpa), with boolean masks"
        mask_B11S = attention_mask[:, :, :1]  # the same for every target token
        text, frames = slice(None, -self.frames), slice(-self.frames, None)
        any_B = mask_B11S[..., frames].any(dim=-1).flatten()
        # Attention over nothing would be 0/0: a video without frames attends to the empty places, and beta drops the result.
        frames_mask_B11F = mask_B11S[..., frames] | ~any_B[:, None, None, None]
        c_text = self.out_proj(
            self._attend(
                self._heads(self.q_proj(hidden_states)), keys_BNSh[:, :, text], values_BNSh[:, :, text], mask_B11S[..., text]
            )
        )
        c_frames = self.fusion.output(
            self.attend_frames(
                self._heads(self.fusion.query(hidden_states)),
                keys_BNSh[:, :, frames],
                values_BNSh[:, :, frames],
                frames_mask_B11F,
            )
        )
        return self.fusion(hidden_states, (c_text, c_frames), any_B), None

    def _memory(self, memory_BSH: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
        """Keys and values [B, N, S, h] of text, then frames; computed once per generated text."""
        if cache is not None and cache.is_updated.get(self.layer_idx):
            layer = cache.cross_attention_cache.layers[self.layer_idx]
            return layer.keys, layer.values
        text_BTH, frames_BFH = memory_BSH[:, : -self.frames], memory_BSH[:, -self.frames :]
        keys = self._heads(torch.cat([self.k_proj(text_BTH), self.fusion.key(frames_BFH)], dim=1))
        values = self._heads(torch.cat([self.v_proj(text_BTH), self.fusion.value(frames_BFH)], dim=1))
        if cache is not None:
            keys, values = cache.cross_attention_cache.update(keys, values, self.layer_idx)
            cache.is_updated[self.layer_idx] = True
        return keys, values

    def attend_frames(self, query_BNLh: Tensor, keys: Tensor, values: Tensor, mask_B11F: Tensor) -> Tensor:
        """Attention to the frames alone, [B, L, H]."""
        return self._attend(query_BNLh, keys, values, mask_B11F)

    def _attend(self, query_BNLh: Tensor, keys: Tensor, values: Tensor, mask_B11K: Tensor) -> Tensor:
        rate = self.dropout if self.training else 0.0
        attended = scaled_dot_product_attention(query_BNLh, keys, values, attn_mask=mask_B11K, dropout_p=rate)
        attended_BLH: Tensor = attended.transpose(1, 2).flatten(2)
        return attended_BLH

    def _heads(self, states_BKH: Tensor) -> Tensor:
        heads_BNKh: Tensor = states_BKH.unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)
        return heads_BNKh


class TextAttention(BartAttention):  # type: ignore[misc]
    """Cross-attention of a BART decoder layer to a memory whose last `frames` places are frames, which it does not see."""

    def __init__(self, config: BartConfig, layer_idx: int, *, frames: int) -> None:
        super().__init__(
            config.d_model, config.decoder_attention_heads, dropout=config.attention_dropout, is_decoder=True, config=config,
            layer_idx=layer_idx,
        )  # fmt: skip
        self.frames = frames

    def forward(
        self, hidden_states: Tensor, key_value_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any
    ) -> tuple[Tensor, Tensor | None]:
        """As BART's own, over the text."""
        mask = None if attention_mask is None else attention_mask[..., : -self.frames]
        attended: tuple[Tensor, Tensor | None] = super().forward(
            hidden_states, key_value_states=key_value_states[:, : -self.frames], attention_mask=mask, **kwargs
        )
        return attended


def insert_hierarchy(
    decoder: nn.Module, config: BartConfig, *, frames: int, fusion: Callable[[], SourceFusion], layers: int | None = None
) -> None:
    """Give the first `layers` decoder layers (None: all) a `HierarchicalAttention` over text and `frames` places, with what
    `fusion` makes, and the others a `TextAttention`. Both keep the layer's pretrained weights.
    """
    decoder_layers = decoder.layers
    assert isinstance(decoder_layers, nn.ModuleList)
    layer: Any
    for number, layer in enumerate(decoder_layers):
        attention: BartAttention
        if layers is None or number < layers:
            attention = HierarchicalAttention(config, number, frames=frames, fusion=fusion())
        else:
            attention = TextAttention(config, number, frames=frames)
        missing, unexpected = attention.load_state_dict(layer.encoder_attn.state_dict(), strict=False)
        assert not unexpected and all(name.startswith("fusion.") for name in missing), (missing, unexpected)
        layer.encoder_attn = attention


def with_frames(text: Memory, frames_BMH: Tensor, mask_BM: Tensor, *, frames: int) -> Memory:
    """The memory for `HierarchicalAttention`: the text, then the frames in `frames` places."""
    frames_BFH, mask_BF = pad_frames(frames_BMH, mask_BM, frames)
    return Memory(
        torch.cat([text.states_BSH, frames_BFH], dim=1), torch.cat([text.mask_BS, mask_BF.to(text.mask_BS.dtype)], dim=1)
    )
