"""Work that engines hand to other processes, which import it from here."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.base.params import Runtime, load_params

ROOT = Path(__file__).parents[3]


def runtime(engine: str, **changes: Any) -> Runtime:
    """As in params.yaml, with Slurm's place taken by this machine."""
    own = load_params(ROOT).runtime
    slurm = own.slurm.model_copy(update={"cluster": "local", "tasks": 3, "minutes": 5, "memory_gb": 1})
    return own.model_copy(update={"engine": engine, "slurm": slurm, "device": "cpu", "workers": 2} | changes)


def write(items: Sequence[Any], path: Path) -> dict[str, Any]:
    path.write_text("".join(f"{item}\n" for item in items))
    return {"items": len(items), "folder": str(Path.cwd())}


def refuse(items: Sequence[Any], path: Path) -> dict[str, Any]:
    if items[0] == 4:
        raise ValueError(f"item {items[0]} is refused; mend it")
    return write(items, path)


def die(items: Sequence[Any], path: Path) -> dict[str, Any]:
    if items[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(items, path)


def slowly(items: Sequence[Any], path: Path) -> dict[str, Any]:
    time.sleep(0.5)
    return write(items, path)


def on_a_device(items: Sequence[Any], path: Path) -> dict[str, Any]:
    """Says which device the process sees. It takes a moment, so that every process gets some of the work."""
    time.sleep(0.3)
    write(items, path)
    return {"device": os.environ.get("CUDA_VISIBLE_DEVICES"), "process": os.getpid()}
