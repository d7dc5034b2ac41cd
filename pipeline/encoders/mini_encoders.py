"""Mini encoders (scale mini), pretrained on drawn pictures that no split contains, and the loop that every mini model shares.

- `clip_vit_b32`: both encoders of a CLIP model on picture-caption pairs with the symmetric contrastive loss
  (Radford et al. 2021, arXiv 2103.00020). The image encoder is kept.
- `resnet152`: picture to ingredient label with cross-entropy, a small counterpart of an ImageNet classifier
  (He et al. 2016, arXiv 1512.03385). The layers before the classifier are kept.

Mini text models are in `pipeline.encoders.mini_text_models`. Each mini model saves its state after every epoch and resumes from
there if killed. A twentieth of the data is held out. The score on it is written next to the weights, so that a reader knows how
good the mini model is at its own task.

Shapes: B batch, H and W pixels.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from pipeline.base.checkpoint import load_checkpoint, save_checkpoint
from pipeline.base.device import fix_seed, mixed_precision
from pipeline.base.files import write_json
from pipeline.base.params import Pretrain
from pipeline.encoders.encoder import MINI, EncoderSpec, build_clip, build_module, normalise, save_encoder
from pipeline.kitchen.pictures import Pictures, pictures

HELD_OUT = 20  # one row in this many


@dataclass(frozen=True)
class Objective:
    """How a mini model is pretrained: a model around the encoder, a loss over rows, and a score on rows for its own task."""

    model: nn.Module
    encoder: nn.Module
    loss: Callable[[Tensor], Tensor]
    score: Callable[[Tensor], float]
    score_name: str
    epochs: int
    batch_size: int
    rate: float
    data: str


def pretrain_encoder(
    name: str, out: Path, *, settings: Pretrain, work: Path, device: torch.device, workers: int
) -> dict[str, Any]:
    """Pretrain the mini encoder `name` and write it to `out`; returns its held-out scores.

    `linear_probe` is the same for every encoder: the accuracy of a logistic regression on the frozen features that names the
    ingredient of held-out pictures (as in Radford et al. 2021, section 3.2).
    """
    spec = MINI[name]
    drawn = pictures(settings.pictures, seed=settings.seed, size=spec.image_size, workers=workers)
    fix_seed(settings.seed)
    objective = (_contrastive if spec.library == "open_clip" else _labels)(spec, drawn, settings, device)
    train, held_out = split_rows(len(drawn.images), settings.seed)
    history = fit(objective, train, seed=settings.seed, work=work, title=f"pretrain {name}", device=device)
    objective.model.eval()
    with torch.inference_mode():
        score = {
            "held_out": len(held_out),
            objective.score_name: objective.score(held_out),
            "linear_probe": _linear_probe(spec, objective.encoder, drawn, train, held_out, device),
            "loss": history,
        }
    save_encoder(
        spec,
        objective.encoder,
        out,
        source={"source": f"pretrained by this project on drawn pictures with {objective.data}"},
    )
    write_json(out / "pretraining.json", score)
    return score


def _contrastive(spec: EncoderSpec, drawn: Pictures, settings: Pretrain, device: torch.device) -> Objective:
    from open_clip.loss import ClipLoss

    model: Any = build_clip(spec).to(device)
    text = spec.arguments["text_cfg"]
    tokens = torch.from_numpy(caption_tokens(drawn.captions, length=text["context_length"], vocabulary=text["vocab_size"]))
    pixels = _pixels(drawn)
    loss_function = ClipLoss()

    def loss(rows: Tensor) -> Tensor:
        image, caption, scale = model(normalise(spec, pixels[rows].to(device)), tokens[rows].to(device))
        value: Tensor = loss_function(image, caption, scale)
        return value

    def retrieval(rows: Tensor) -> float:
        images = nn.functional.normalize(model.visual(normalise(spec, pixels[rows].to(device))), dim=-1)
        captions = nn.functional.normalize(model.encode_text(tokens[rows].to(device)), dim=-1)
        nearest = (images @ captions.T).argmax(dim=1).tolist()
        own = [drawn.captions[row] for row in rows.tolist()]
        return float(np.mean([own[found] == caption for found, caption in zip(nearest, own, strict=True)]))

    return Objective(
        model,
        model.visual,
        loss,
        retrieval,
        "caption_retrieval_top1",
        settings.clip_epochs,
        batch_size=128,
        rate=1e-3,
        data="captions",
    )


def _labels(spec: EncoderSpec, drawn: Pictures, settings: Pretrain, device: torch.device) -> Objective:
    encoder = build_module(spec)
    model = nn.Sequential(encoder, nn.Linear(spec.dim, len(drawn.classes))).to(device)
    pixels, labels = _pixels(drawn), torch.from_numpy(drawn.labels)

    def loss(rows: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(normalise(spec, pixels[rows].to(device))), labels[rows].to(device))

    def accuracy(rows: Tensor) -> float:
        guesses = model(normalise(spec, pixels[rows].to(device))).argmax(dim=1).cpu()
        return float((guesses == labels[rows]).float().mean())

    return Objective(
        model,
        encoder,
        loss,
        accuracy,
        "label_accuracy",
        settings.resnet_epochs,
        batch_size=64,
        rate=2e-3,
        data="ingredient labels",
    )


def _linear_probe(
    spec: EncoderSpec, encoder: nn.Module, drawn: Pictures, train: Tensor, held_out: Tensor, device: torch.device
) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    batches = [encoder(normalise(spec, batch.to(device))) for batch in torch.split(_pixels(drawn), 256)]
    features, labels = torch.cat(batches).float().cpu().numpy(), drawn.labels
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    probe.fit(features[train], labels[train])
    return float(probe.score(features[held_out], labels[held_out]))


def _pixels(drawn: Pictures) -> Tensor:
    return torch.from_numpy(drawn.images).permute(0, 3, 1, 2)


def caption_tokens(captions: Sequence[str], *, length: int, vocabulary: int) -> np.ndarray:
    """Words to ids [captions, length], 0 for padding. The end mark has the highest id, where open_clip's pooling looks for it."""
    known = {
        word: number
        for number, word in enumerate(sorted({word for caption in captions for word in caption.lower().split()}), start=1)
    }
    end = vocabulary - 1
    if len(known) >= end:
        raise ValueError(f"captions have {len(known)} words, the mini text encoder has room for {end - 1}")
    tokens = np.zeros((len(captions), length), dtype=np.int64)
    for row, caption in enumerate(captions):
        ids = [known[word] for word in caption.lower().split()][: length - 1]
        tokens[row, : len(ids) + 1] = [*ids, end]
    return tokens


def split_rows(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows held out, at random: pictures come in cycles of classes, and a fixed step would favour some."""
    rows = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return rows[count // HELD_OUT :], rows[: count // HELD_OUT]


def fit(objective: Objective, rows: Tensor, *, seed: int, work: Path, title: str, device: torch.device) -> list[float]:
    """AdamW with a short warm-up and a cosine decay; returns the mean loss per epoch. Resumes from `work` if it was killed."""
    model, epochs, rate = objective.model, objective.epochs, objective.rate
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01, fused=True)
    state = load_checkpoint(work / "last.pt", device)
    history: list[float] = []
    if state is not None:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        history = state["history"]
    steps = -(-len(rows) // objective.batch_size)
    with tqdm(total=epochs * steps, initial=len(history) * steps, unit="batch", desc=title, disable=None) as bar:
        for epoch in range(len(history), epochs):
            fix_seed(seed, epoch=epoch + 1)
            model.train()
            total = 0.0
            for step, chosen in enumerate(torch.split(rows[torch.randperm(len(rows))], objective.batch_size)):
                progress = (epoch * steps + step) / (epochs * steps)
                warmup = min(1.0, progress / 0.05 + 0.02)
                optimiser.param_groups[0]["lr"] = rate * warmup * 0.5 * (1 + math.cos(math.pi * progress))
                with mixed_precision(device):
                    value = objective.loss(chosen)
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
