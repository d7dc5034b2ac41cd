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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from pipeline.base.checkpoint import load_checkpoint, save_checkpoint
from pipeline.base.device import fix_seed, mixed_precision
from pipeline.base.files import listed, write_json
from pipeline.base.params import Finetune, Generate, Train
from pipeline.base.scratch import digests_of, link_or_copy
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import Batch, Summarizer, load, save
from pipeline.models.parts.vision import VisionSummarizer
from pipeline.scoring.validation import validation_score
from pipeline.training.batches import Examples
from pipeline.training.generation import summarise
from pipeline.training.looking import watching

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


def train_seed(task: Task, seed: int, out: Path, *, work: Path, on_epoch: Callable[[Epoch], None]) -> dict[str, Any]:
    """Train, then write the checkpoint of the best epoch (as hard links into `work`) and `history.json` to `out`.

    `work` keeps the state between epochs. `on_epoch` is called once for every epoch of the history, also for those of a
    run that was killed. Times are in what it is given and in what this function returns, never in a file: files are the same
    every time. Returns the best epoch, its validation score, the number of epochs, whether the system could look before and
    after, what the optimiser changed at which rate, the number of parameters, and the seconds it took.
    """
    fix_seed(seed)
    system = task.create().to(task.device)
    optimiser = build_optimiser(system, task.settings, task.finetune)
    state = _whole(load_checkpoint(work / "last.pt", task.device), work, task.settings)
    history: list[Epoch] = []
    written: dict[str, str] = {}  # what the checkpoint of the best epoch was when it was written
    looks = {"before": look(task, system)} if state is None else state["looks"]
    if state is not None:
        _, unexpected = system.load_state_dict(state["trained"], strict=False)
        assert not unexpected, unexpected
        optimiser.load_state_dict(state["optimiser"])
        history, written = state["history"], state["best"]
        print(f"seed {seed}: goes on after epoch {len(history)}", flush=True)
        for epoch in history:
            on_epoch(epoch)
    with tqdm(total=task.settings.epochs, initial=len(history), unit="epoch", desc=f"train seed {seed}", disable=None) as bar:
        while not finished(history, task.settings):
            history.append(_run_epoch(task, system, optimiser, seed=seed, number=len(history) + 1))
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
    chosen = best_epoch(history, task.settings)
    if digests_of(work / f"epoch-{chosen}") != written:
        raise OSError(f"{work / f'epoch-{chosen}'} is not as it was written; run this again, and the seed is trained anew")
    shutil.copytree(work / f"epoch-{chosen}", out, copy_function=link_or_copy, dirs_exist_ok=True)
    write_json(out / "history.json", [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in history])
    system = load(out).to(task.device)
    rates = {group["name"]: group["base_lr"] for group in optimiser.param_groups}
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


def _run_epoch(task: Task, system: Summarizer, optimiser: torch.optim.Adam, *, seed: int, number: int) -> Epoch:
    fix_seed(seed, epoch=number)
    start = time.perf_counter()
    system.train()
    settings = task.settings
    batches = task.train.shuffled(settings.batch_size, seed=seed * 10_000 + number)
    total = 0.0
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    whole_groups = len(batches) - len(batches) % settings.accumulation  # batches of an epoch's last, smaller group come after
    for step, batch in enumerate(_loaded(task, task.train, task.frame_inputs, batches), start=1):
        for group in optimiser.param_groups:
            factor = rate_factor(
                group["name"], epoch=number, progress=step / len(batches), settings=settings, finetune=task.finetune
            )
            group["lr"] = group["base_lr"] * factor
        with mixed_precision(task.device):
            loss = system(batch)
        if not torch.isfinite(loss):
            raise Diverged(
                f"seed {seed}, epoch {number}, batch {step}: the loss is {loss.item()}; lower train.lr_pretrained or train.lr_new"
            )
        group_size = settings.accumulation if step <= whole_groups else len(batches) - whole_groups
        (loss / group_size).backward()
        total += loss.item()
        if step % settings.accumulation == 0 or step == len(batches):
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
    rates = {group["name"]: group["lr"] for group in optimiser.param_groups}
    seen = seen_in_validation(task, system)
    return {
        "epoch": number,
        "train_loss": total / len(batches),
        "val_loss": _validation_loss(task, system, seen),
        **_validation_scores(task, system, seen),
        "lr": rates["pretrained"],
        **{f"lr_{name}": rate for name, rate in rates.items() if name != "pretrained"},
        "seconds": time.perf_counter() - start,
    }


def seen_in_validation(task: Task, system: Summarizer) -> FrameInputs | None:
    """What the system sees of validation videos, as features: an image encoder that is trained embeds each frame once."""
    system.eval()
    if not isinstance(system, VisionSummarizer) or task.frame_inputs is None:
        return task.frame_inputs
    with mixed_precision(task.device):
        return system.embedded(task.frame_inputs, task.validation.video_ids)


@torch.no_grad()
def _validation_loss(task: Task, system: Summarizer, seen: FrameInputs | None) -> float:
    """Mean cross-entropy per target token."""
    system.eval()
    total, tokens = 0.0, 0
    for batch in _loaded(task, task.validation, seen, list(task.validation.by_length(task.generation_batch_size))):
        assert batch.labels_BL is not None
        count = int((batch.labels_BL >= 0).sum())
        with mixed_precision(task.device):
            total += system(batch).item() * count
        tokens += count
    return total / tokens


def look(task: Task, system: Summarizer) -> dict[str, float | None]:
    """The loss on the validation split, and whether the system could look; see `pipeline.training.looking`."""
    with watching(system) as watched:
        loss = _validation_loss(task, system, seen_in_validation(task, system))
    return {"loss": round(loss, 6)} | watched.means


def _validation_scores(task: Task, system: Summarizer, seen: FrameInputs | None) -> dict[str, float]:
    """By the metric that chooses the epoch, and by the study's primary metric."""
    predictions = summarise(
        system,
        task.validation,
        seen,
        tokenizer=task.tokenizer,
        settings=task.generate.model_copy(update={"beams": task.settings.validation_beams}),
        device=task.device,
        batch_size=task.generation_batch_size,
        progress=False,
    )
    examples = task.validation
    return {
        f"val_{metric}": validation_score(
            metric, predictions, examples.references, videos=examples.video_ids, entities=examples.entities
        )
        for metric in dict.fromkeys((task.settings.select, task.primary))
    }


def _loaded(task: Task, examples: Examples, seen: FrameInputs | None, batches: list[list[int]]) -> Iterator[Batch]:
    """Batches on the device; the next one is read by a thread while this one is computed."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        pending = reader.submit(examples.batch, batches[0], seen)
        for following in [*batches[1:], None]:
            batch = pending.result()
            if following is not None:
                pending = reader.submit(examples.batch, following, seen)
            yield (batch.pin_memory() if task.device.type == "cuda" else batch).to(task.device)
