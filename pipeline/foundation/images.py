"""Mini image encoders, pretrained on the same drawn pictures for the same number of updates. No video shows any of these scenes.

- `clip_vit_b32`: both encoders of a CLIP model on picture-caption pairs with the symmetric contrastive loss
  (Radford et al. 2021, arXiv 2103.00020). The image encoder is kept.
- `vit_b32_labels`: the same image encoder on ingredient labels with cross-entropy: what CLIP would be without captions.
- `resnet152`: the labels again, on a residual network (He et al. 2016, arXiv 1512.03385). The layers before the classifier are
  kept.

Shapes: B batch, H and W pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.base.device import fix_seed
from pipeline.encoders.encoder import MINI, EncoderSpec, build_clip, build_module, normalise
from pipeline.foundation.fit import Objective, fit, round_to_half, split_rows, steps_of
from pipeline.foundation.settings import Settings
from pipeline.kitchen.pictures import Pictures

_RATES = {"clip_vit_b32": 1e-3, "vit_b32_labels": 1e-3, "resnet152": 2e-3}


def pretrain_encoder(
    name: str, drawn: Pictures, *, settings: Settings, work: Path, device: torch.device
) -> tuple[nn.Module, dict[str, Any]]:
    """Pretrain the mini encoder `name`; returns it with what its card says: data, steps, loss by epoch, held-out scores.

    `linear_probe` is the same for every encoder: the accuracy of a logistic regression on the frozen features that names the
    ingredient of held-out pictures (as in Radford et al. 2021, section 3.2).
    """
    spec = MINI[name]
    fix_seed(settings.seed)
    trained = (_contrastive if name.startswith("clip") else _labels)(spec, drawn, settings, device)
    train, held_out = split_rows(len(drawn.images), settings.seed)
    history = fit(trained.objective, train, seed=settings.seed, work=work, title=f"pretrain {name}", device=device)
    round_to_half(trained.objective.model.eval())
    with torch.inference_mode():
        scores = {
            trained.score_name: trained.score(held_out),
            "linear_probe": _linear_probe(spec, trained.encoder, drawn, train, held_out, device),
        }
    card = {
        "data": f"{len(train)} drawn pictures with {trained.objective.data}",
        "held_out": len(held_out),
        "steps": steps_of(trained.objective, len(train)),
        "batch_size": trained.objective.batch_size,
        "rate": trained.objective.rate,
        "loss": history,
        "scores": scores,
    }
    return trained.encoder, card


@dataclass(frozen=True)
class _Trained:
    """What is fitted, the image encoder inside it, and a score on rows for its own task."""

    objective: Objective
    encoder: nn.Module
    score: Callable[[Tensor], float]
    score_name: str


def _contrastive(spec: EncoderSpec, drawn: Pictures, settings: Settings, device: torch.device) -> _Trained:
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

    objective = Objective(model, loss, settings.epochs, settings.batch_size, _RATES[spec.name], "captions")
    return _Trained(objective, model.visual, retrieval, "caption_retrieval_top1")


def _labels(spec: EncoderSpec, drawn: Pictures, settings: Settings, device: torch.device) -> _Trained:
    encoder = build_module(spec)
    model = nn.Sequential(encoder, nn.Linear(spec.dim, len(drawn.classes))).to(device)
    pixels, labels = _pixels(drawn), torch.from_numpy(drawn.labels)

    def loss(rows: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(normalise(spec, pixels[rows].to(device))), labels[rows].to(device))

    def accuracy(rows: Tensor) -> float:
        guesses = model(normalise(spec, pixels[rows].to(device))).argmax(dim=1).cpu()
        return float((guesses == labels[rows]).float().mean())

    objective = Objective(model, loss, settings.epochs, settings.batch_size, _RATES[spec.name], "ingredient labels")
    return _Trained(objective, encoder, accuracy, "label_accuracy")


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
