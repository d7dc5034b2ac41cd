"""The validation split after every epoch: loss, scores of summaries, and whether the system could look.

Where several processes train a seed, each takes its share of the videos; sums and summaries are put together.
"""

from typing import TYPE_CHECKING

import torch

from pipeline.base.device import mixed_precision
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import Summarizer
from pipeline.models.parts.vision import VisionSummarizer
from pipeline.scoring.validation import validation_score
from pipeline.training.batches import loaded
from pipeline.training.distributed import Group
from pipeline.training.generation import summarise
from pipeline.training.looking import watching

if TYPE_CHECKING:
    from pipeline.training.loop import Task


def validate(task: "Task", system: Summarizer, group: Group) -> dict[str, float]:
    """`val_loss`, and `val_<metric>` for the metric that chooses the epoch and the study's primary one."""
    seen = _seen(task, system, group)
    return {"val_loss": _loss(task, system, seen, group), **_scores(task, system, seen, group)}


def look(task: "Task", system: Summarizer) -> dict[str, float | None]:
    """The loss on the validation split, and whether the system could look; see `pipeline.training.looking`. By one process."""
    alone = Group()
    with watching(system) as watched:
        loss = _loss(task, system, _seen(task, system, alone), alone)
    return {"loss": round(loss, 6)} | watched.means


def _shares(task: "Task", group: Group) -> list[list[int]]:
    """This process's rows, in batches of similar length."""
    together = task.validation.by_length(task.generation_batch_size * group.size)
    return [share for rows in together if (share := group.share(rows))]


def _seen(task: "Task", system: Summarizer, group: Group) -> FrameInputs | None:
    """What the system sees of this process's videos, as features: an image encoder that is trained embeds each frame once."""
    system.eval()
    if not isinstance(system, VisionSummarizer) or task.frame_inputs is None:
        return task.frame_inputs
    videos = [task.validation.video_ids[row] for row in sorted(row for rows in _shares(task, group) for row in rows)]
    if group.size > 1 and not any(video in task.frame_inputs.lengths for video in videos):
        return task.frame_inputs  # no frame to embed in a share
    with mixed_precision(task.device):
        return system.embedded(task.frame_inputs, videos)


@torch.no_grad()
def _loss(task: "Task", system: Summarizer, seen: FrameInputs | None, group: Group) -> float:
    """Mean cross-entropy per target token."""
    system.eval()
    total, tokens = 0.0, 0
    for batch in loaded(task.validation, seen, _shares(task, group), task.device):
        assert batch.labels_BL is not None
        count = int((batch.labels_BL >= 0).sum())
        with mixed_precision(task.device):
            total += system(batch).item() * count
        tokens += count
    total, everywhere = group.sum(total, tokens)
    return total / everywhere


def _scores(task: "Task", system: Summarizer, seen: FrameInputs | None, group: Group) -> dict[str, float]:
    predictions = summarise(
        system,
        task.validation,
        seen,
        tokenizer=task.tokenizer,
        settings=task.generate.model_copy(update={"beams": task.settings.validation_beams}),
        device=task.device,
        batch_size=task.generation_batch_size,
        progress=False,
        group=group,
    )
    examples = task.validation
    return {
        f"val_{metric}": validation_score(
            metric, predictions, examples.references, videos=examples.video_ids, entities=examples.entities
        )
        for metric in dict.fromkeys((task.settings.select, task.primary))
    }
