"""Training state that survives a kill: one file per run, replaced after every epoch, and checked when it is read."""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from pipeline.base.files import replacing

_DIGEST = hashlib.sha256().digest_size


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dictionaries: the sha256 of what follows, then a file of PyTorch's.

    PyTorch's own checksums leave out parts of its file, and it does not look at them.
    """
    with replacing(path) as temporary, temporary.open("w+b") as stream:
        stream.write(bytes(_DIGEST))
        torch.save(state, stream)
        stream.seek(_DIGEST)
        digest = hashlib.file_digest(stream, "sha256").digest()
        stream.seek(0)
        stream.write(digest)


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """The state written last; None when there is none, or, with a warning, when the file is not as it was written.

    Only plain data is read, never code.
    """
    if not path.exists():
        return None
    with path.open("rb") as stream:
        digest, content = stream.read(_DIGEST), stream.read()
    if hashlib.sha256(content).digest() != digest:
        told = f"warning: {path} is damaged: its sha256 does not fit. This training starts anew. Is the disk all right?"
        print(told, flush=True)
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    return state
