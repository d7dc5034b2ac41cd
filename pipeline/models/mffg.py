"""MFFG-Transformer: text and frames fused after the encoder, with gates that forget noise, and again in the decoder.

Source: Liu et al. 2020, "Multistage Fusion with Forget Gate for Multimodal Summarization in Open-Domain Videos" (EMNLP,
2020.emnlp-main.144), after the authors' released code of its Transformer. F are the frame features, P learned positions and T is
the output of BART's encoder. First the text reads the frames, then the frames read the fused text:

    V  = F + P
    T' = read(T, V)        T'' = LayerNorm(T')
    V' = read(V, T')

    read(X, Y):  Z  = softmax(X W_Q Y^T / 8) Y        softmax over the real places of Y; 8 whatever the width
                 G  = sigmoid([X; Z] W_G)             the forget gate, without a bias, one value per component of Z
                 X' = ReLU(X + [X; G * (Z W_M + b_M)] W_O + b_O)

    decoder, first layer:  c_text = LayerNorm(MultiHead(s, T'')), c_frames = LayerNorm(MultiHead(s, V' W_V)), one LayerNorm
                           e_k = v^T tanh(U c_k + W s), beta = softmax(e_text + t, e_frames)
                           context = beta_text c_text + beta_frames c_frames
    decoder, other layers: T'' alone

Where this differs from that code, which trains 4 layers from scratch with normalisation before each sub-layer:
- BART is the text model, pretrained and with normalisation after each sub-layer. So residual, dropout and normalisation around
  the first layer's context are BART's, and T'' has a LayerNorm of its own (the code shares the decoder's last, which BART lacks).
- The energy of text has a learned bias t, which starts at the study's `text_bias`; the code has none.
- The rectifier takes half of what BART's encoder says. Without it, and with other initial maps, validation scores were not
  told apart (docs/LOG.md, 2026-11-26), so both are the code's.
- Masks: the code has none in its fusion and none on frames. Here padding and missing frames are never read.
- The code fuses anew at every generated token, and what it fuses is the text that it has fused before. Here it is fused once.
- The code reads action features; here a row reads frame features, of unit length if `l2_normalise` is set.

Shapes: B batch, T text tokens, M frames, D feature width, H text width, X and Y a width of either, L target tokens.
"""

from functools import partial

import torch
from torch import Tensor, nn

from pipeline.models.parts.fusion import masked_softmax
from pipeline.models.parts.hierarchical import Contexts, SourceFusion, insert_hierarchy, with_frames
from pipeline.models.parts.summarizer import Architecture, Batch, Memory
from pipeline.models.parts.temporal import check_frames
from pipeline.models.parts.vision import VisionSummarizer

SCALE = 8.0  # the root of 64, whatever the width is


class GatedReading(nn.Module):
    """`read(X, Y)` of the equations: `width` is that of the side that reads, `other` that of the side that is read."""

    def __init__(self, width: int, other: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, other, bias=False)
        self.memory = nn.Linear(other, other)
        self.gate = nn.Linear(width + other, other, bias=False)
        self.output = nn.Linear(width + other, width)
        start_as_the_code_does(self)

    def attention(self, reader_BQX: Tensor, read_BKY: Tensor, mask_BK: Tensor) -> Tensor:
        """Weights [B, Q, K]: they sum to one over the real places, and are zero everywhere where there is none."""
        return masked_softmax(self.query(reader_BQX) @ read_BKY.transpose(1, 2) / SCALE, mask_BK)

    def update(self, reader_BQX: Tensor, attended_BQY: Tensor) -> Tensor:
        """What is added to the side that reads, [B, Q, X]."""
        gate_BQY = torch.sigmoid(self.gate(torch.cat([reader_BQX, attended_BQY], dim=-1)))
        update_BQX: Tensor = self.output(torch.cat([reader_BQX, gate_BQY * self.memory(attended_BQY)], dim=-1))
        return update_BQX

    def forward(self, reader_BQX: Tensor, read_BKY: Tensor, mask_BK: Tensor) -> Tensor:
        """X', [B, Q, X]."""
        attended_BQY = self.attention(reader_BQX, read_BKY, mask_BK) @ read_BKY
        return torch.relu(reader_BQX + self.update(reader_BQX, attended_BQY))


class SharedMap(SourceFusion):
    """Attention over sources by one map for both, of contexts that one LayerNorm has made alike."""

    def __init__(self, width: int, *, text_bias: float, dropout: float) -> None:
        super().__init__(width, text_bias=text_bias)
        self.state = nn.Linear(width, width, bias=False)
        self.energy = nn.Linear(width, width, bias=False)
        start_as_the_code_does(self)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def energies(self, state_BLH: Tensor, contexts: Contexts) -> Contexts:
        state = self.state(state_BLH)
        text, frames = (self.score(torch.tanh(self.energy(context) + state)) for context in contexts)
        return text, frames

    def values(self, contexts: Contexts) -> Contexts:
        return contexts

    def shares(self, state_BLH: Tensor, contexts: Contexts, any_B: Tensor) -> Contexts:
        """As every source fusion, once dropout and LayerNorm have been over the contexts."""
        text, frames = (self.norm(self.dropout(context)) for context in contexts)
        return super().shares(state_BLH, (text, frames), any_B)


def start_as_the_code_does(module: nn.Module) -> None:
    """Kaiming's rule for every linear map (He et al. 2015, arXiv 1502.01852), and no bias."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class Model(VisionSummarizer):
    """See above. Of the block `model` it reads `l2_normalise`, `text_bias` and `dropout`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        text_width, dropout = self.config.d_model, self.config.dropout
        self.positions = nn.Parameter(torch.empty(self.max_frames, self.feature_width))
        nn.init.kaiming_normal_(self.positions)
        self.to_text = GatedReading(text_width, self.feature_width)
        self.to_frames = GatedReading(self.feature_width, text_width)
        self.norm = nn.LayerNorm(text_width)
        self.projection = nn.Linear(self.feature_width, text_width)
        start_as_the_code_does(self.projection)
        fusion = partial(SharedMap, text_width, text_bias=self.settings.text_bias, dropout=dropout)
        insert_hierarchy(self.text.model.decoder, self.config, frames=self.max_frames, fusion=fusion, layers=1)

    def encode(self, batch: Batch) -> Memory:
        """Text, then frames in `max_frames` places, both fused. Raises `ValueError` for more frames."""
        features_BMD, mask_BM = self.features(batch)
        check_frames(features_BMD, self.max_frames)
        frames_BMD = features_BMD + self.positions[: features_BMD.shape[1]]
        text = self.encode_text(batch)
        fused_BTH = self.to_text(text.states_BSH, frames_BMD, mask_BM)
        frames_BMD = self.to_frames(frames_BMD, fused_BTH, text.mask_BS.bool())
        text = Memory(self.norm(fused_BTH), text.mask_BS)
        return with_frames(text, self.projection(frames_BMD), mask_BM, frames=self.max_frames)
