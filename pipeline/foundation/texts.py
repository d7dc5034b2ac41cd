"""Mini text models, pretrained on recipe texts that no split contains.

- `bart`: text infilling, spans of Poisson(3) words replaced by one mask, the whole text reconstructed (Lewis et al. 2020,
  arXiv 1910.13461).
- `t5`: the architecture of T5 (Raffel et al. 2020, arXiv 1910.10683, version 1.0) on the same passages with the same
  vocabulary and the same objective, so that the two differ only in architecture. T5's own objective asks only for the missing
  spans. A model of this size trained on it never learns to copy, which summaries depend on, and the comparison would be one
  of objectives.

Shapes: B batch, T tokens.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.base.device import fix_seed
from pipeline.foundation.fit import Objective, fit, round_to_half, split_rows, steps_of
from pipeline.foundation.settings import Settings
from pipeline.kitchen.pictures import texts

LONGEST = 512  # tokens of a passage; all are far shorter
_RATES = {"bart": 2e-3, "t5": 7e-3}  # each its own best by held-out infilling loss: docs/LOG.md, 2026-11-24


def pretrain_text_model(name: str, *, settings: Settings, work: Path, device: torch.device) -> tuple[Any, Any, dict[str, Any]]:
    """Pretrain a mini text model; returns it, its byte-pair tokenizer, and what its card says.

    `infilling_loss` is the mean cross-entropy per token, in nats, on held-out passages.
    """
    whole = texts(settings.recipes, seed=settings.seed)
    tokenizer = train_tokenizer(whole, settings.vocabulary)
    corpus = passages(whole, seed=settings.seed)
    fix_seed(settings.seed)
    model = (mini_bart if name == "bart" else mini_t5)(len(tokenizer)).to(device)
    train, held_out = split_rows(len(corpus), settings.seed)

    def tokens(passages: list[str]) -> Any:
        return tokenizer(passages, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt").to(device)

    def loss(rows: Tensor) -> Tensor:
        originals = [corpus[row] for row in rows.tolist()]
        generator = np.random.default_rng(int(torch.randint(2**31, ())))
        inputs = tokens([infill(text, generator) for text in originals])
        labels_BT = tokens(originals)["input_ids"]
        value: Tensor = model(**inputs, labels=labels_BT.masked_fill(labels_BT == tokenizer.pad_token_id, -100)).loss
        return value

    objective = Objective(model, loss, settings.text_epochs, settings.text_batch_size, _RATES[name], "recipe texts")
    history = fit(objective, train, seed=settings.seed, work=work, title=f"pretrain {name}", device=device)
    round_to_half(model.eval())
    fix_seed(settings.seed)
    with torch.inference_mode():
        held_out_loss = float(np.mean([loss(batch).item() for batch in torch.split(held_out, 32)]))
    card = {
        "data": f"{len(train)} passages of {settings.recipes} recipes, narrated, in steps and summarised",
        "held_out": len(held_out),
        "steps": steps_of(objective, len(train)),
        "batch_size": objective.batch_size,
        "rate": objective.rate,
        "vocabulary": len(tokenizer),
        "loss": history,
        "scores": {"infilling_loss": held_out_loss},
    }
    return model, tokenizer, card


def mini_bart(vocabulary: int) -> Any:
    """BART of width 64, six encoder and two decoder layers, with random weights."""
    from transformers import BartConfig, BartForConditionalGeneration

    config = BartConfig(
        vocab_size=vocabulary, d_model=64, encoder_layers=6, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=128, decoder_ffn_dim=128, max_position_embeddings=512, dropout=0.0, scale_embedding=True,
        init_std=0.1,  # the published 0.02 suits width 768; at width 64 attention would start blind and learn to copy too late
    )  # fmt: skip
    return BartForConditionalGeneration(config)


def mini_t5(vocabulary: int) -> Any:
    """T5 of the same size, with random weights; special tokens have the mini BART's ids."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=vocabulary, d_model=64, d_kv=32, num_heads=2, d_ff=128, num_layers=6, num_decoder_layers=2, dropout_rate=0.0,
        pad_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    return T5ForConditionalGeneration(config)


def passages(corpus: Sequence[str], *, seed: int) -> list[str]:
    """Every text once whole, and once cut into runs of one or two sentences.

    From short passages a small model learns to copy early; whole texts teach it the positions and the structure of a summary's
    source.
    """
    generator = np.random.default_rng(seed)
    cut = list(corpus)
    for text in corpus:
        sentences = re.split(r"(?<=\.) ", text)
        while sentences:
            length = int(generator.integers(1, 3))
            cut.append(" ".join(sentences[:length]))
            sentences = sentences[length:]
    return cut


def train_tokenizer(corpus: Sequence[str], vocabulary: int) -> Any:
    """Byte-level BPE with BART's special tokens at BART's ids, so any user's text has tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>", mask_token="<mask>",
        clean_up_tokenization_spaces=False,
    )  # fmt: skip


def infill(text: str, generator: np.random.Generator, *, share: float = 0.15, mean_span: float = 3.0) -> str:
    """BART's text infilling: about `share` of the words in spans of Poisson(`mean_span`), each span one `<mask>`.

    The share is half of BART's, since the passages are short.
    """
    words = text.split()
    budget = round(share * len(words))
    while budget > 0:
        span = min(int(generator.poisson(mean_span)), budget, len(words))
        start = int(generator.integers(0, len(words) - span + 1))
        words[start : start + span] = ["<mask>"]
        budget -= max(span, 1)
    return " ".join(words)
