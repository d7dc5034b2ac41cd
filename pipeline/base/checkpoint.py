"""Training state that survives a kill: one file per run, replaced after every epoch."""

from pathlib import Path
from typing import Any

import torch

from pipeline.base.files import replacing


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dictionaries."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """The state written last, or None when there is none. Only plain data is read, never code."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state
