"""Toy seeds that processes of a group train; the launcher's processes import them from here."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from pipeline.base.params import Generate
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import Summarizer, create
from pipeline.training.distributed import Group, launch
from pipeline.training.generation import summarise
from pipeline.training.loop import Epoch, Task, train_seed
from tests import toys

CPU = torch.device("cpu")
SEED = 3


@dataclass(frozen=True)
class Toy:
    """A seed of a tiny row; `name` is a model, or `tuned`. The first process is killed after an epoch, if at all."""

    folder: Path
    name: str
    dropout: float = 0.0
    train: int = 14
    validation: int = 5
    settings: tuple[tuple[str, Any], ...] = ()
    broken: bool = False
    kill_after: int = 0

    def task(self, group: Group) -> Task:
        seen = frame_inputs(self.name)
        if self.broken and seen is not None:
            seen = replace(seen, values=seen.values * float("nan"))
        return Task(
            create=partial(self.create, seen),
            train=toys.examples(self.train),
            validation=toys.examples(self.validation, seed=1),
            frame_inputs=seen,
            tokenizer=toys.Tokenizer(),  # type: ignore[arg-type]
            settings=toys.train_settings(**dict(self.settings)),
            primary="rouge1",
            finetune=toys.finetune_settings(),
            generate=Generate(beams=2, max_tokens=10, no_repeat_ngram=0),
            device=CPU,
            generation_batch_size=2,
            group=group,
        )

    def create(self, seen: FrameInputs | None) -> Summarizer:
        tuned = self.name == "tuned"
        return create(
            "clipsum" if tuned else self.name,
            text_folder=self.folder.parent / "text",
            settings=toys.model_settings(dropout=self.dropout),
            feature_width=toys.WIDTH if seen else None,
            max_frames=toys.FRAMES if seen else None,
            image_encoder=toys.encoder() if tuned else None,
            trainable_blocks=1 if tuned else 0,
        )

    def __call__(self, group: Group) -> dict[str, Any]:
        torch.set_num_threads(1)

        def on_epoch(epoch: Epoch) -> None:
            if epoch["epoch"] == self.kill_after:
                os.kill(os.getpid(), signal.SIGKILL)

        return train_seed(self.task(group), SEED, self.folder / "out", work=self.folder / "work", on_epoch=on_epoch)

    def run(self, processes: int) -> dict[str, Any]:
        """In new processes."""
        return launch(self, processes=processes, device=CPU, title="toy, seed 3")


def frame_inputs(name: str) -> FrameInputs | None:
    """None for a text row. The second of three videos has no frames, and pixels go to a system that has an encoder in it."""
    if name == "bart":
        return None
    stored = toys.store(14)
    lengths = {video: length for video, length in stored.lengths.items() if int(video[1:]) % 3 != 1}
    stored = replace(stored, lengths=lengths, starts={video: stored.starts[video] for video in lengths})
    if name != "tuned":
        return stored
    pixels = np.random.default_rng(3).integers(0, 256, (len(stored.values), 3, 16, 16), dtype=np.uint8)
    return replace(stored, values=pixels)


def several(group: Group, works: Sequence[Callable[[Group], Any]]) -> list[Any]:
    """What each gives, one after the other: to start processes takes longer than they work."""
    return [work(group) for work in works]


def texts(group: Group, folder: Path, name: str, videos: int) -> list[str]:
    """Summaries by a system with large random weights."""
    task = Toy(folder, name, validation=videos).task(group)
    torch.manual_seed(3)
    return summarise(
        toys.enliven(task.create()), task.validation, task.frame_inputs, tokenizer=task.tokenizer, settings=task.generate,
        device=CPU, batch_size=2, progress=False, group=group,
    )  # fmt: skip


def gathers_wrongly(group: Group) -> str:
    """Both processes have the first video, and nobody has the last."""
    try:
        group.gathered({0: "a", 1: "b"} if group.first else {0: "a"}, ["pan", "pot", "lid"])
    except RuntimeError as error:
        return str(error)
    return ""


def ends(group: Group, *, folder: Path, rank: int, how: Literal["error", "signal", "never"]) -> None:
    """One process ends while the others wait for it."""
    (folder / f"{group.rank}.pid").write_text(str(os.getpid()))
    group.sum(1.0)
    if group.rank == rank:
        if how == "error":
            raise KeyError("pan")
        if how == "signal":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(300)
    group.sum(1.0)
