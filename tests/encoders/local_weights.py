"""Weights and pins that a user would put into a project's folder."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from pipeline.base import pins
from pipeline.encoders.encoder import EncoderSpec

TINY = "timm:resnet10t.c3_in1k"  # 5 million parameters, loaded as every encoder of timm is
COMMIT = "1" * 40


def put(folder: Path, spec: EncoderSpec, state: dict[str, torch.Tensor]) -> Path:
    path = folder / pins.LOCAL / spec.repository / spec.file
    path.parent.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pin(folder: Path, repository: str, digests: dict[str, str] | None = None, *, revision: str = COMMIT) -> None:
    """Give a repository a pin of one's own."""
    path = folder / pins.LOCAL / "pinned.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"repositories": {repository: {"revision": revision, "sha256": digests or {}}}}))  # JSON is YAML


def same(encoder: torch.nn.Module, state: dict[str, torch.Tensor], *, prefix: str = "") -> bool:
    return all(torch.equal(tensor, state[prefix + name]) for name, tensor in encoder.state_dict().items())
