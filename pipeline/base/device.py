"""Where tensors live, at what precision, and how randomness is fixed."""

import os
import random
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from pipeline.base.params import Runtime


def choose_device(setting: str) -> torch.device:
    """`auto` takes a GPU if there is one; `cuda` without a GPU is a `ValueError`, never a silent CPU run."""
    if setting == "cuda" and not torch.cuda.is_available():
        raise ValueError("runtime.device: 'cuda' asked for, but PyTorch sees no GPU; set it to 'auto' or 'cpu'")
    if setting == "auto":
        setting = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(setting)


def device_of_tasks(runtime: "Runtime") -> str:
    """`cpu` or `cuda`: where work is done that `runtime.engine` may hand to other machines.

    This machine's GPUs say nothing of theirs: `cuda` is taken as it is, and `auto` where no GPU is seen is a `ValueError`.
    """
    engine = runtime.engine
    elsewhere = (engine == "ray" and "RAY_ADDRESS" in os.environ) or (engine == "slurm" and runtime.slurm.cluster == "slurm")
    if not elsewhere:
        return choose_device(runtime.device).type
    if runtime.device == "auto" and not torch.cuda.is_available():
        raise ValueError(
            f"runtime.device: auto: no GPU is seen here, and the machines of engine {engine} may have some; set it to cuda or cpu"
        )
    return "cuda" if runtime.device == "auto" else runtime.device


def visible_devices() -> list[str]:
    """The GPUs that this process may see, as `CUDA_VISIBLE_DEVICES` names them. Nothing is started on them for that."""
    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:count] or [str(number) for number in range(count)]


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 autocast on a GPU, float32 on a CPU."""
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else nullcontext()


def fix_seed(seed: int, *, epoch: int = 0) -> None:
    """Seed every generator from (`seed`, `epoch`), and ask for deterministic algorithms on a GPU.

    Seeding anew at each epoch is what lets a killed run repeat an epoch exactly without saving generator states. PyTorch warns
    where it has no deterministic algorithm for a GPU: there an epoch is repeated only nearly.
    """
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not deterministic
        torch.use_deterministic_algorithms(True, warn_only=True)
    mixed = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    random.seed(mixed)
    np.random.seed(mixed)
    torch.manual_seed(mixed)
