"""Making the mini models anew, and how far the result is from those that are shipped.

Every model is a folder as the stage `weights` takes it: float16 weights in the library's own layout, and `card.json`. Scores on a
card are those of the float16 weights. Models are made side by side, a process and a thread each; a killed run goes on.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.base.code import code_digest
from pipeline.base.files import read_json, replacing, write_json
from pipeline.base.resumable import Shard, run_shards
from pipeline.base.scratch import file_sha256, fingerprint, scratch_folder
from pipeline.encoders.encoder import MINI, save_encoder
from pipeline.encoders.mini_weights import CARD, convert_weights, weights_file
from pipeline.foundation.images import pretrain_encoder
from pipeline.foundation.settings import Settings
from pipeline.foundation.texts import pretrain_text_model
from pipeline.kitchen.pictures import Pictures, pictures

NAMES = ("resnet152", "clip_vit_b32", "vit_b32_labels", "bart", "t5")  # the longest first
COMMAND = "make foundation"
SIZE = 64  # pixels of a picture's side


def make_foundation(settings: Settings, *, workers: int) -> Path:
    """Pretrain every mini model; returns the folder that holds one folder each."""
    key = fingerprint(settings.model_dump(), code_digest("pipeline.foundation.make"))
    with scratch_folder("foundation", key) as folder:
        _draw(folder, settings, workers=workers)
        shards = [Shard(name=name, items=[name]) for name in NAMES]
        work = partial(_make, settings=settings, folder=folder)
        run_shards(work, shards, folder=folder, workers=workers, unit="model", title="foundation")
    return folder


def differences(made: Path, shipped: Path) -> Iterator[dict[str, Any]]:
    """For every model: its scores, shipped and made anew, and the relative distance of the weights, |a - b| / |b|."""
    from safetensors.numpy import load_file

    for name in NAMES:
        new, old = read_json(made / name / CARD), read_json(shipped / name / CARD)
        a, b = (load_file(weights_file(folder / name)) for folder in (made, shipped))
        same = a.keys() == b.keys()
        apart = sum(float(((a[key].astype(np.float64) - b[key]) ** 2).sum()) for key in b) if same else float("nan")
        size = sum(float((b[key].astype(np.float64) ** 2).sum()) for key in b)
        yield {"name": name, "distance": (apart / size) ** 0.5, "shipped": old["scores"], "made": new["scores"]}


def _make(items: Sequence[Any], path: Path, *, settings: Settings, folder: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    (name,) = items
    work, device = folder / f"work-{name}", torch.device("cpu")
    path.mkdir(exist_ok=True)
    if name in MINI:
        module, card = pretrain_encoder(name, _drawn(folder), settings=settings, work=work, device=device)
        save_encoder(MINI[name], module, path, source={"source": f"pretrained by this project on {card['data']}"})
    else:
        model, tokenizer, card = pretrain_text_model(name, settings=settings, work=work, device=device)
        model.save_pretrained(path)
        tokenizer.save_pretrained(path)
    convert_weights(weights_file(path), weights_file(path), np.float16)
    about = {"name": name, "seed": settings.seed, "command": COMMAND, "sha256": file_sha256(weights_file(path))}
    write_json(path / CARD, about | card)
    return {"name": name, **card["scores"]}


def _draw(folder: Path, settings: Settings, *, workers: int) -> None:
    """Draw the pictures once for all encoders; `captions.json` is written last."""
    if (folder / "captions.json").exists():
        return
    drawn = pictures(settings.pictures, seed=settings.seed, size=SIZE, workers=workers)
    for name, values in (("images", drawn.images), ("labels", drawn.labels)):
        with replacing(folder / f"{name}.npy") as temporary:
            np.save(temporary, values)
    write_json(folder / "captions.json", {"captions": drawn.captions, "classes": drawn.classes})


def _drawn(folder: Path) -> Pictures:
    texts = read_json(folder / "captions.json")
    images = np.load(folder / "images.npy", mmap_mode="c")  # one copy in memory for all processes
    return Pictures(images, texts["captions"], np.load(folder / "labels.npy"), texts["classes"])
