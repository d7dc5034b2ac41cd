"""Training state that survives a kill: one file per run, replaced after every epoch, and checked when it is read."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from pipeline.base.files import replacing


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dictionaries. The file is a zip archive with a checksum for each tensor."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """The state written last; None when there is none, or, with a warning, when the file is damaged.

    Only plain data is read, never code.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:  # PyTorch writes checksums and does not look at them
                raise ValueError(f"the checksum of {damaged} does not fit")
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, ValueError, EOFError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        print(f"warning: {path} is damaged ({reason}); this training starts anew. Is the disk all right?", flush=True)
        return None
    return state
