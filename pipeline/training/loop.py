"""Training of one row with one seed: two learning rates by parameter name, early stopping on the validation split, resume.

Source of the settings: ClipSum, arXiv 2605.11959v1: Adam, step decay, gradient accumulation, selection on validation
ROUGE-2. Added: gradient clipping, linear warm-up, and a rate of its own for a fine-tuned image encoder.

A killed run goes on after its last finished epoch and ends with the same weights as one that was never killed: every
epoch seeds its generators from (seed, epoch), and what is kept holds weights, optimiser and history. Of the best epoch so far
there is a whole checkpoint, written when it improves; of the last one, only what training changes. On a GPU the weights are
the same as far as PyTorch has deterministic algorithms.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from pipeline.base.checkpoint import load_checkpoint, save_checkpoint
from pipeline.base.device import fix_seed, mixed_precision
from pipeline.base.files import listed, write_json
from pipeline.base.params import Finetune, Generate, Train
from pipeline.base.scratch import digests_of, link_or_copy
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import Summarizer, load, save
from pipeline.training.batches import Examples, loaded
from pipeline.training.distributed import Group, apart
from pipeline.training.validation import look, validate

Epoch = dict[str, float]


class Diverged(RuntimeError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Task:
    """All that the seeds of a row share. `create` builds the untrained system from the current random state."""

    create: Callable[[], Summarizer]
    train: Examples
    validation: Examples
    frame_inputs: FrameInputs | None
    tokenizer: PreTrainedTokenizerBase
    settings: Train
    primary: str
    finetune: Finetune
    generate: Generate
    device: torch.device
    generation_batch_size: int
    group: Group = field(default_factory=Group)


def train_seed(task: Task, seed: int, out: Path, *, work: Path, on_epoch: Callable[[Epoch], None]) -> dict[str, Any]:
    """Train, then write the checkpoint of the best epoch (as hard links into `work`) and `history.json` to `out`.

    `work` keeps the state between epochs. `on_epoch` is called once for every epoch of the history, also for those of a
    run that was killed. Times are in what it is given and in what this function returns, never in a file: files are the same
    every time. Returns the best epoch, its validation score, the number of epochs, whether the system could look before and
    after, what the optimiser changed at which rate, the number of parameters, and the seconds it took.

    Of the processes of `task.group` the first writes, calls `on_epoch` and returns all this; another returns nothing. What is
    kept is the same whatever their number, so that a killed run may go on with another one.
    """
    group = task.group
    fix_seed(seed)
    system = task.create().to(task.device)
    optimiser = build_optimiser(system, task.settings, task.finetune)
    state = _left_by_an_earlier_run(task, work)
    history: list[Epoch] = []
    written: dict[str, str] = {}  # what the checkpoint of the best epoch was when it was written
    looks: dict[str, Any] = {}
    if state is None:
        looks["before"] = group.of_first(look(task, system) if group.first else None)
    else:
        _, unexpected = system.load_state_dict(state["trained"], strict=False)
        assert not unexpected, unexpected
        optimiser.load_state_dict(state["optimiser"])
        history, written, looks = state["history"], state["best"], state["looks"]
        if group.first:
            print(f"seed {seed}: goes on after epoch {len(history)}", flush=True)
            for epoch in history:
                on_epoch(epoch)
    trained = group.parallel(system)
    hidden = None if group.first else True
    with tqdm(total=task.settings.epochs, initial=len(history), unit="epoch", desc=f"train seed {seed}", disable=hidden) as bar:
        while not finished(history, task.settings):
            epoch = _run_epoch(task, system, trained, optimiser, seed=seed, number=len(history) + 1)
            history.append(group.of_first(epoch))
            if not group.first:
                continue
            chosen = best_epoch(history, task.settings)
            if chosen == len(history):
                save(system, work / f"epoch-{chosen}")
                written = digests_of(work / f"epoch-{chosen}")
            checkpoint = {
                "looks": looks,
                "trained": trained_state(system),
                "optimiser": optimiser.state_dict(),
                "history": history,
                "best": written,
            }
            save_checkpoint(work / "last.pt", checkpoint)
            for outdated in set(listed(work, "epoch-*")) - {work / f"epoch-{chosen}"}:
                shutil.rmtree(outdated)
            on_epoch(history[-1])
            bar.set_postfix({score_key(task.settings): f"{history[-1][score_key(task.settings)]:.1f}"})
            bar.update()
    if not group.first:
        return {}
    chosen = best_epoch(history, task.settings)
    if digests_of(work / f"epoch-{chosen}") != written:
        raise OSError(f"{work / f'epoch-{chosen}'} is not as it was written; run this again, and the seed is trained anew")
    shutil.copytree(work / f"epoch-{chosen}", out, copy_function=link_or_copy, dirs_exist_ok=True)
    write_json(out / "history.json", [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in history])
    system = load(out).to(task.device)
    rates = {part["name"]: part["base_lr"] for part in optimiser.param_groups}
    optimised = {name: facts | {"rate": rates[name]} for name, facts in system.trained_parts().items() if name in rates}
    return {
        "seed": seed,
        "best_epoch": chosen,
        "val_score": history[chosen - 1][score_key(task.settings)],
        "looks": looks | {"after": look(task, system)},
        "epochs": len(history),
        "optimised": optimised,
        "parameters": count_parameters(system),
        "seconds": round(sum(epoch["seconds"] for epoch in history), 1),
    }


def _left_by_an_earlier_run(task: Task, work: Path) -> dict[str, Any] | None:
    """The state to go on from, on every process, if the first one finds it whole."""
    path = work / "last.pt"
    state = _whole(load_checkpoint(path, task.device), work, task.settings) if task.group.first else None
    if task.group.of_first(state is not None) and state is None:
        state = load_checkpoint(path, task.device)
        if state is None:
            raise OSError(f"{path} could be read by one process and not by another; run this again. Is the disk all right?")
    return state


def _whole(state: dict[str, Any] | None, work: Path, settings: Train) -> dict[str, Any] | None:
    """The state, or None if the checkpoint of its best epoch is not as it was written."""
    if state is None:
        return None
    best = work / f"epoch-{best_epoch(state['history'], settings)}"
    if digests_of(best) == state["best"]:
        return state
    print(f"warning: {best} is not as it was written; this seed is trained anew. Is the disk all right?", flush=True)
    return None


def trained_state(system: Summarizer) -> dict[str, torch.Tensor]:
    """What training changes, by name: parameters with a gradient, and buffers. The rest is what it was at the start."""
    frozen = {name for name, parameter in system.named_parameters() if not parameter.requires_grad}
    return {name: tensor for name, tensor in system.state_dict().items() if name not in frozen}


def count_parameters(system: Summarizer) -> dict[str, int]:
    """Trainable and total parameters of the system itself; a frozen encoder in front of it is not among them."""
    parameters = list(system.parameters())
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    return {"trainable": trainable, "total": sum(parameter.numel() for parameter in parameters)}


def score_key(settings: Train) -> str:
    """The name, in a history, of the score by which the epoch is chosen."""
    return f"val_{settings.select}"


def best_epoch(history: list[Epoch], settings: Train) -> int:
    """Number (from 1) of the epoch with the highest validation score, the earliest of equals."""
    scores = [epoch[score_key(settings)] for epoch in history]
    return scores.index(max(scores)) + 1


def finished(history: list[Epoch], settings: Train) -> bool:
    """All epochs run, or `patience` epochs with neither a better score nor a lower loss on the validation split.

    The score is that of texts, which wobbles: while the loss still falls there is something to learn.
    """
    if not history or len(history) >= settings.epochs:
        return bool(history)
    losses = [epoch["val_loss"] for epoch in history]
    last = max(best_epoch(history, settings), losses.index(min(losses)) + 1)
    return len(history) - last >= settings.patience


def build_optimiser(system: Summarizer, settings: Train, finetune: Finetune) -> torch.optim.Adam:
    """Adam with one group each for the pretrained text model, new layers and the image encoder; empty groups are left out."""
    rates = {"pretrained": settings.lr_pretrained, "new": settings.lr_new, "image_encoder": finetune.lr_encoder}
    groups = [
        {"params": parameters, "name": name, "base_lr": rates[name], "lr": rates[name]}
        for name, parameters in system.parameter_groups().items()
        if parameters
    ]
    first, second = settings.betas
    return torch.optim.Adam(groups, betas=(first, second), weight_decay=settings.weight_decay, fused=True)


def rate_factor(group: str, *, epoch: int, progress: float, settings: Train, finetune: Finetune) -> float:
    """What multiplies a group's rate in `epoch` (from 1) after the share `progress` of its steps."""
    factor = settings.decay_factor ** ((epoch - 1) // settings.decay_every)
    warmup = finetune.warmup_epochs if group == "image_encoder" else settings.warmup_epochs
    return factor * min(1.0, (epoch - 1 + progress) / warmup) if warmup else factor


def _run_epoch(
    task: Task, system: Summarizer, trained: nn.Module, optimiser: torch.optim.Adam, *, seed: int, number: int
) -> Epoch:
    """`trained` computes what `system` does, and averages gradients over the processes of the group."""
    group = task.group
    fix_seed(group.stream(seed), epoch=number)
    start = time.perf_counter()
    system.train()
    settings = task.settings
    batches = task.train.shuffled(settings.batch_size, seed=seed * 10_000 + number)
    # A process without a row of a batch computes one that counts nothing: gradients are averaged over all processes.
    shares = [group.share(rows) for rows in batches]
    tokens = task.train.target_tokens
    weights = [tokens(share) / tokens(rows) for share, rows in zip(shares, batches, strict=True)]
    own = [share or rows[:1] for share, rows in zip(shares, batches, strict=True)]
    total = 0.0
    parameters = [parameter for part in optimiser.param_groups for parameter in part["params"]]
    whole_groups = len(batches) - len(batches) % settings.accumulation  # batches of an epoch's last, smaller group come after
    for step, batch in enumerate(loaded(task.train, task.frame_inputs, own, task.device), start=1):
        for part in optimiser.param_groups:
            factor = rate_factor(
                part["name"], epoch=number, progress=step / len(batches), settings=settings, finetune=task.finetune
            )
            part["lr"] = part["base_lr"] * factor
        group_size = settings.accumulation if step <= whole_groups else len(batches) - whole_groups
        complete = step % settings.accumulation == 0 or step == len(batches)
        with nullcontext() if complete else apart(trained):
            with mixed_precision(task.device):
                loss = trained(batch)
            if not torch.isfinite(loss):
                raise Diverged(
                    f"seed {seed}, epoch {number}, batch {step}: the loss is {loss.item()}; "
                    "lower train.lr_pretrained or train.lr_new"
                )
            # Times the number of processes, because an average is taken of what is to be a sum.
            (loss * (weights[step - 1] * group.size) / group_size).backward()
        total += loss.item() * weights[step - 1]
        if complete:
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
    (total,) = group.sum(total)
    rates = {part["name"]: part["lr"] for part in optimiser.param_groups}
    return {
        "epoch": number,
        "train_loss": total / len(batches),
        **validate(task, system, group),
        "lr": rates["pretrained"],
        **{f"lr_{name}": rate for name, rate in rates.items() if name != "pretrained"},
        "seconds": time.perf_counter() - start,
    }
