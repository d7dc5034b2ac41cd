"""Mini towers and a mini BART (scale mini), pretrained on drawn pictures and recipe texts that no split contains.

- `clip_vit_b32`: both towers of a CLIP model on picture-caption pairs with the symmetric contrastive loss
  (Radford et al. 2021, arXiv 2103.00020). The image tower is kept.
- `resnet152`: picture to ingredient label with cross-entropy, the mini image of an ImageNet classifier
  (He et al. 2016, arXiv 1512.03385). The layers before the classifier are kept.
- `bart`: text infilling, spans of Poisson(3) words replaced by one mask (Lewis et al. 2020, arXiv 1910.13461).

Each saves its state after every epoch and goes on from there when killed. A twentieth of the data is held out and its score
written beside the weights, so that a reader knows how good the mini tower is at its own task.

Shapes: B batch, H and W pixels, T tokens.
"""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from pipeline.atomic import write_json
from pipeline.checkpoint import load_checkpoint, save_checkpoint
from pipeline.datasets.kitchen_pretraining import Pictures, pictures, texts
from pipeline.device import fix_seed, mixed_precision
from pipeline.encoders import ENCODERS, EncoderSpec, build_clip, build_tower, normalise, save_encoder
from pipeline.params import Pretrain

HELD_OUT = 20  # one in so many


def pretrain_encoder(
    name: str, out: Path, *, settings: Pretrain, work: Path, device: torch.device, workers: int
) -> dict[str, Any]:
    """Pretrain the mini tower `name` and write it to `out`; returns its held-out score."""
    spec = ENCODERS[name, "mini"]
    drawn = pictures(settings.pictures, seed=settings.seed, size=spec.image_size, workers=workers)
    train = _pretrain_clip if spec.library == "open_clip" else _pretrain_classifier
    return train(spec, drawn, out, settings, work, device)


def _pretrain_clip(
    spec: EncoderSpec, drawn: Pictures, out: Path, settings: Pretrain, work: Path, device: torch.device
) -> dict[str, Any]:
    from open_clip.loss import ClipLoss

    fix_seed(settings.seed)
    model = build_clip(spec).to(device)
    text = spec.arguments["text_cfg"]
    tokens = torch.from_numpy(caption_tokens(drawn.captions, length=text["context_length"], vocabulary=text["vocab_size"]))
    pixels = torch.from_numpy(drawn.images).permute(0, 3, 1, 2)
    loss_function = ClipLoss()
    train, held_out = _split(len(pixels), settings.seed)

    def loss(rows: Tensor) -> Tensor:
        image, caption, scale = model(normalise(spec, pixels[rows].to(device)), tokens[rows].to(device))
        value: Tensor = loss_function(image, caption, scale)
        return value

    history = _fit(
        model,
        loss,
        train,
        epochs=settings.clip_epochs,
        batch_size=128,
        rate=1e-3,
        seed=settings.seed,
        work=work,
        title="pretrain clip",
        device=device,
    )
    model.eval()
    with torch.inference_mode():
        images = nn.functional.normalize(model.visual(normalise(spec, pixels[held_out].to(device))), dim=-1)  # type: ignore[operator]
        captions = nn.functional.normalize(model.encode_text(tokens[held_out].to(device)), dim=-1)  # type: ignore[operator]
        nearest = (images @ captions.T).argmax(dim=1).cpu()
    held_captions = [drawn.captions[row] for row in held_out.tolist()]
    hits = sum(held_captions[int(found)] == own for found, own in zip(nearest, held_captions, strict=True))
    score = {"held_out": len(held_out), "caption_retrieval_top1": hits / len(held_out), "loss": history}
    save_encoder(spec, model.visual.state_dict(), out, source="pretrained by this project on drawn pictures with captions")  # type: ignore[union-attr,operator]
    write_json(out / "pretraining.json", score)
    return score


def _pretrain_classifier(
    spec: EncoderSpec, drawn: Pictures, out: Path, settings: Pretrain, work: Path, device: torch.device
) -> dict[str, Any]:
    fix_seed(settings.seed)
    tower = build_tower(spec)
    model = nn.Sequential(tower, nn.Linear(spec.dim, len(drawn.classes))).to(device)
    pixels, labels = torch.from_numpy(drawn.images).permute(0, 3, 1, 2), torch.from_numpy(drawn.labels)
    train, held_out = _split(len(pixels), settings.seed)

    def loss(rows: Tensor) -> Tensor:
        logits = model(normalise(spec, pixels[rows].to(device)))
        return nn.functional.cross_entropy(logits, labels[rows].to(device))

    history = _fit(
        model,
        loss,
        train,
        epochs=settings.resnet_epochs,
        batch_size=64,
        rate=2e-3,
        seed=settings.seed,
        work=work,
        title="pretrain resnet",
        device=device,
    )
    model.eval()
    with torch.inference_mode():
        guesses = model(normalise(spec, pixels[held_out].to(device))).argmax(dim=1).cpu()
    score = {"held_out": len(held_out), "label_accuracy": float((guesses == labels[held_out]).float().mean()), "loss": history}
    save_encoder(spec, tower.state_dict(), out, source="pretrained by this project on drawn pictures with ingredient labels")
    write_json(out / "pretraining.json", score)
    return score


def pretrain_text_model(out: Path, *, settings: Pretrain, work: Path, device: torch.device) -> dict[str, Any]:
    """Pretrain the mini BART and its byte-pair vocabulary; write both to `out` in the library's own layout."""
    from transformers import BartConfig, BartForConditionalGeneration

    whole = texts(settings.recipes, seed=settings.seed)
    tokenizer = train_tokenizer(whole, settings.vocabulary)
    corpus = passages(whole, seed=settings.seed)
    config = BartConfig(
        vocab_size=len(tokenizer), d_model=64, encoder_layers=6, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=192, decoder_ffn_dim=192, max_position_embeddings=512, dropout=0.0, scale_embedding=True,
        init_std=0.1,  # the published 0.02 suits width 768; at width 64 attention would start blind and learn to copy too late
    )  # fmt: skip
    fix_seed(settings.seed)
    model = BartForConditionalGeneration(config).to(device)
    train, held_out = _split(len(corpus), settings.seed)

    def loss(rows: Tensor) -> Tensor:
        originals = [corpus[row] for row in rows.tolist()]
        generator = np.random.default_rng(int(torch.randint(2**31, ())))
        inputs = tokenizer(
            [infill(text, generator) for text in originals], padding=True, truncation=True, max_length=512, return_tensors="pt"
        ).to(device)
        labels = tokenizer(originals, padding=True, truncation=True, max_length=512, return_tensors="pt")["input_ids"].to(device)
        value: Tensor = model(**inputs, labels=labels.masked_fill(labels == tokenizer.pad_token_id, -100)).loss
        return value

    history = _fit(
        model,
        loss,
        train,
        epochs=settings.bart_epochs,
        batch_size=48,
        rate=2e-3,
        seed=settings.seed,
        work=work,
        title="pretrain bart",
        device=device,
    )
    model.eval()
    fix_seed(settings.seed)
    with torch.inference_mode():
        held_out_loss = float(np.mean([loss(rows).item() for rows in torch.split(held_out, 32)]))
    score = {"held_out": len(held_out), "infilling_loss": held_out_loss, "vocabulary": len(tokenizer), "loss": history}
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_json(out / "pretraining.json", score)
    return score


def passages(corpus: Sequence[str], *, seed: int) -> list[str]:
    """Each text cut into runs of one or two sentences: from short passages a small model learns to copy in minutes."""
    generator = np.random.default_rng(seed)
    cut = []
    for text in corpus:
        sentences = re.split(r"(?<=\.) ", text)
        while sentences:
            length = int(generator.integers(1, 3))
            cut.append(" ".join(sentences[:length]))
            sentences = sentences[length:]
    return cut


def train_tokenizer(corpus: Sequence[str], vocabulary: int) -> Any:
    """Byte-level BPE with BART's special tokens at BART's ids, so any text of any user has tokens."""
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


def caption_tokens(captions: Sequence[str], *, length: int, vocabulary: int) -> np.ndarray:
    """Words to ids [captions, length], 0 for padding. The end mark has the highest id, where open_clip's pooling looks for it."""
    known = {
        word: number
        for number, word in enumerate(sorted({word for caption in captions for word in caption.lower().split()}), start=1)
    }
    end = vocabulary - 1
    if len(known) >= end:
        raise ValueError(f"captions have {len(known)} words, the mini text tower has room for {end - 1}")
    tokens = np.zeros((len(captions), length), dtype=np.int64)
    for row, caption in enumerate(captions):
        ids = [known[word] for word in caption.lower().split()][: length - 1]
        tokens[row, : len(ids) + 1] = [*ids, end]
    return tokens


def _split(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows held out, at random: pictures come in cycles of classes, which a fixed step would pick out."""
    rows = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return rows[count // HELD_OUT :], rows[: count // HELD_OUT]


def _fit(
    model: nn.Module, loss: Callable[[Tensor], Tensor], rows: Tensor, *,
    epochs: int, batch_size: int, rate: float, seed: int, work: Path, title: str, device: torch.device,
) -> list[float]:  # fmt: skip
    """AdamW with a short warm-up and a cosine decay; the mean loss per epoch. Goes on from `work` when it was killed."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01, fused=True)
    state = load_checkpoint(work / "last.pt", device)
    history: list[float] = []
    if state is not None:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        history = state["history"]
    steps = -(-len(rows) // batch_size)
    with tqdm(total=epochs * steps, initial=len(history) * steps, unit="batch", desc=title, disable=None) as bar:
        for epoch in range(len(history), epochs):
            fix_seed(seed, epoch=epoch + 1)
            model.train()
            total = 0.0
            for step, chosen in enumerate(torch.split(rows[torch.randperm(len(rows))], batch_size)):
                progress = (epoch * steps + step) / (epochs * steps)
                warmup = min(1.0, progress / 0.05 + 0.02)
                optimiser.param_groups[0]["lr"] = rate * warmup * 0.5 * (1 + math.cos(math.pi * progress))
                with mixed_precision(device):
                    value = loss(chosen)
                optimiser.zero_grad(set_to_none=True)
                value.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                total += value.item()
                bar.update()
            history.append(total / steps)
            save_checkpoint(
                work / "last.pt", {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "history": history}
            )
    return history
