"""Tiny text models, encoders, stores and examples: random weights, real classes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import BartConfig, BartForConditionalGeneration, T5Config, T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from pipeline.base.params import Finetune, Model, Train
from pipeline.encoders.encoder import Encoder, EncoderSpec, build_module
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import Batch, Summarizer, create
from pipeline.training.batches import Examples

WIDTH, FRAMES, VOCABULARY = 16, 6, 60
ENCODER = EncoderSpec(
    "clip_vit_b32", "mini", "open_clip", "mini",
    {
        "embed_dim": WIDTH,
        "quick_gelu": True,
        "vision_cfg": {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 16},
        "text_cfg": {"context_length": 8, "vocab_size": 20, "width": 32, "heads": 2, "layers": 1},
    },
    WIDTH, 16, 16, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5),
)  # fmt: skip


def model_settings(**changes: object) -> Model:
    values = {"temporal_layers": 2, "temporal_heads": 4, "temporal_feedforward": 32, "fusion_layer": 5, "dropout": 0.1}
    values |= {
        "l2_normalise": True,
        "temporal": True,
        "pooling": "none",
        "fusion": "attention",
        "common_width": 0,
        "text_bias": 0.5,
    }
    return Model.model_validate(values | changes)


def train_settings(**changes: object) -> Train:
    values = {
        "epochs": 3, "patience": 5, "batch_size": 4, "accumulation": 2, "lr_pretrained": 3e-4, "lr_new": 1e-3,
        "warmup_epochs": 0.0, "betas": [0.9, 0.999],
        "weight_decay": 1e-5, "decay_factor": 0.5, "decay_every": 2, "clip_norm": 1.0, "select": "rouge2", "validation_beams": 1,
    }  # fmt: skip
    return Train.model_validate(values | changes)


def finetune_settings() -> Finetune:
    return Finetune(trainable_blocks=1, lora_rank=0, lr_encoder=7e-5, warmup_epochs=1.0)


def text_model(folder: Path) -> Path:
    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=VOCABULARY, d_model=32, encoder_layers=6, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64,
    )  # fmt: skip
    BartForConditionalGeneration(config).save_pretrained(folder)
    return folder


def t5(folder: Path) -> Path:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=VOCABULARY, d_model=32, d_kv=8, num_heads=4, d_ff=64, num_layers=3, num_decoder_layers=2, pad_token_id=1,
        eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def encoder() -> Encoder:
    torch.manual_seed(1)
    return Encoder(ENCODER, build_module(ENCODER).eval())


def clipsum(folder: Path, *, finetuned: bool = False, **changes: object) -> Summarizer:
    return system("clipsum", folder, finetuned=finetuned, **changes)


def system(model: str, folder: Path, *, finetuned: bool = False, **changes: object) -> Summarizer:
    """A system of any row, on a tiny text model of its kind."""
    text_folder = t5(folder) if model == "t5" else text_model(folder)
    torch.manual_seed(2)
    return create(
        model,
        text_folder=text_folder,
        settings=model_settings(**changes),
        feature_width=WIDTH,
        max_frames=FRAMES,
        image_encoder=encoder() if finetuned else None,
        trainable_blocks=1 if finetuned else 0,
    )


def batch(*, size: int = 3, tokens: int = 9, frames: int = FRAMES, seed: int = 0, pixels: bool = False) -> Batch:
    """A batch without padding."""
    generator = torch.Generator().manual_seed(seed)
    shown = torch.randn(size, frames, WIDTH, generator=generator)
    if pixels:
        shown = torch.randint(0, 256, (size, frames, 3, 16, 16), generator=generator, dtype=torch.uint8)
    return Batch(
        tokens_BT=torch.randint(5, VOCABULARY, (size, tokens), generator=generator),
        token_mask_BT=torch.ones(size, tokens, dtype=torch.long),
        labels_BL=torch.randint(5, VOCABULARY, (size, 7), generator=generator),
        frames=shown,
        frame_mask_BM=torch.ones(size, frames, dtype=torch.bool),
    )


def mixed_batch() -> Batch:
    """Four videos: texts of several lengths, and six, two, no and four frames, with rubbish in masked places."""
    full = batch(size=4)
    token_mask = torch.arange(9)[None] < torch.tensor([9, 5, 7, 9])[:, None]
    frame_mask = torch.arange(FRAMES)[None] < torch.tensor([6, 2, 0, 4])[:, None]
    return replace(
        full,
        tokens_BT=full.tokens_BT.masked_fill(~token_mask, 1),
        token_mask_BT=token_mask.long(),
        frame_mask_BM=frame_mask,
    )


def enliven(system: Summarizer) -> Summarizer:
    """The system with weights so large that every part matters to the output."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in system.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
            else:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return system


@torch.no_grad()
def logits(system: Summarizer, batch: Batch) -> torch.Tensor:
    """What the decoder says of each target token, [B, L, vocabulary]."""
    memory = system.encode(batch)
    encoded = BaseModelOutput(last_hidden_state=memory.states_BSH)
    output: torch.Tensor = system.text(attention_mask=memory.mask_BS, encoder_outputs=encoded, labels=batch.labels_BL).logits
    return output


def examples(count: int, *, seed: int = 0) -> Examples:
    """Videos `v0`, `v1`, ... whose target repeats the source."""
    generator = np.random.default_rng(seed)
    words = [generator.integers(5, VOCABULARY, generator.integers(3, 8)) for _ in range(count)]
    sources = [np.array([0, *each, 2], dtype=np.int32) for each in words]
    return Examples(
        video_ids=[f"v{number}" for number in range(count)],
        sources=sources,
        targets=sources,
        references=[" ".join(str(token) for token in source[1:-1]) for source in sources],
        truncated={"sources": 0, "targets": 0},
        pad=1,
    )


def store(count: int, *, seed: int = 0) -> FrameInputs:
    """Features for the videos of `examples`, from one frame to `FRAMES` each."""
    generator = np.random.default_rng(seed)
    lengths = {f"v{number}": int(generator.integers(1, FRAMES + 1)) for number in range(count)}
    starts = dict(zip(lengths, np.cumsum([0, *list(lengths.values())[:-1]]).tolist(), strict=True))
    values = generator.standard_normal((sum(lengths.values()), WIDTH)).astype(np.float16)
    return FrameInputs(values=values, starts=starts, lengths=lengths, max_frames=FRAMES, footer={})


class Tokenizer:
    """Tokens are numbers; text is their digits."""

    pad_token_id = 1

    def batch_decode(self, ids: torch.Tensor, *, skip_special_tokens: bool) -> list[str]:
        assert skip_special_tokens
        return [" ".join(str(token) for token in row if token > 4) for row in ids.tolist()]
