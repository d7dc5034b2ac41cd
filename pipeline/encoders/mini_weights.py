"""Mini models (scale mini): taken from `foundation/`, where they are shipped as float16, and checked as published weights are.

They were pretrained by `pipeline.foundation`. A model with random weights is written instead.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.files import read_json, replacing
from pipeline.base.paths import FOUNDATION
from pipeline.base.scratch import file_sha256
from pipeline.encoders.encoder import MINI

CARD = "card.json"


def take_mini_model(name: str, out: Path, *, foundation: Path = FOUNDATION) -> dict[str, Any]:
    """Write the mini model `name` to `out` as float32; returns the scores on its card, or where random weights come from.

    A model that is not shipped, or whose weights are not those of its card, is a `ValueError` that names the file.
    """
    if name in MINI and MINI[name].seed is not None:
        from pipeline.encoders.pretrained_weights import write_random_encoder

        return write_random_encoder(MINI[name], out)
    folder = foundation / name
    if not (folder / CARD).exists():
        raise ValueError(f"{folder / CARD} is missing; bring it back with `git restore {foundation}`, or run `make foundation`")
    card, weights = read_json(folder / CARD), weights_file(folder)
    if not weights.exists() or file_sha256(weights) != card["sha256"]:
        raise ValueError(f"{weights} is not the file of its {CARD}; bring both back with `git restore {foundation}`")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for path in sorted(folder.iterdir()):
        if path != weights:
            shutil.copyfile(path, out / path.name)
    convert_weights(weights, weights_file(out), np.float32)
    scores: dict[str, Any] = card["scores"]
    return scores


def weights_file(folder: Path) -> Path:
    """The weights of an encoder or of a text model in its folder."""
    return folder / ("encoder.safetensors" if (folder / "encoder.json").exists() else "model.safetensors")


def convert_weights(source: Path, target: Path, kind: type[np.floating[Any]]) -> None:
    """The same tensors with floating-point numbers of another precision; whole numbers stay as they are."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(source)
    converted = {name: values.astype(kind) if values.dtype.kind == "f" else values for name, values in tensors.items()}
    with replacing(target) as temporary:
        save_file(converted, temporary, metadata={"format": "pt"})
