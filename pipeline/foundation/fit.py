"""How every mini model is pretrained: one loop, one schedule, and a state that survives a kill.

A twentieth of the data is held out. The score on it stands on the model's card, so that a reader knows how good it is at its own
task.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from pipeline.base.checkpoint import load_checkpoint, save_checkpoint
from pipeline.base.device import fix_seed, mixed_precision

HELD_OUT = 20  # one row in this many
WARMUP = 0.05  # share of all steps


@dataclass(frozen=True)
class Objective:
    """A `model`, the `loss` of some rows of its data, and how it is trained. `data` says in words on what."""

    model: nn.Module
    loss: Callable[[Tensor], Tensor]
    epochs: int
    batch_size: int
    rate: float
    data: str


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
    steps = steps_of(objective, len(rows)) // epochs
    with tqdm(total=epochs * steps, initial=len(history) * steps, unit="batch", desc=title, disable=None) as bar:
        for epoch in range(len(history), epochs):
            fix_seed(seed, epoch=epoch + 1)
            model.train()
            total = 0.0
            for step, chosen in enumerate(torch.split(rows[torch.randperm(len(rows))], objective.batch_size)):
                progress = (epoch * steps + step) / (epochs * steps)
                warmup = min(1.0, progress / WARMUP + 0.02)
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
            checkpoint = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "history": history}
            save_checkpoint(work / "last.pt", checkpoint)
    return history


def steps_of(objective: Objective, rows: int) -> int:
    """The number of updates."""
    return objective.epochs * -(-rows // objective.batch_size)


@torch.no_grad()
def round_to_half(model: nn.Module) -> None:
    """Round every weight to what float16 can hold, as it is shipped."""
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())
