"""Hours on a GPU for the whole study, from what was counted and measured, by one formula. `docs/full_size.md` states it.

For a row, with T training, V validation and N test videos, E epochs, S seeds, batches of B videos in training and G in
generation, L tokens, F operations of a step, f of a video's forward pass, l seconds to read a batch:

    step       = max(F / R, l)
    epoch      = ceil(T / B) step + 2 V f / R + ceil(V / G) L t
    training   = S E epoch
    evaluation = S P (N f / R + ceil(N / G) L t)

R is the rate that a GPU sustains and t the time of one decoding step, which no batch makes shorter; P is how often the test split
is summarised: with the own frames, and for a row that sees frames with another video's. Validation counts twice, for the loss and
for the summaries that choose the epoch.

Before the rows: frames are decoded on C cores (d seconds a video), and embedded by every frozen encoder (M frames a video, e
operations each):

    frames     = (T + V + N) d / C
    features   = (T + V + N) M sum(e) / R
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.base.params import Runtime, Study
from pipeline.evaluation.controls import CONTROLS
from pipeline.rehearsal.measure import RowCost


@dataclass(frozen=True)
class FullStudy:
    """The real study's size: its videos and what its file and `params.yaml` say. `swaps`: draws of another video's frames."""

    seeds: int
    batch_size: int
    generation_batch_size: int
    tokens: int
    frames: int
    swaps: int
    train: int = 1333  # of the official annotation file, with splits: held_out
    validation: int = 225
    test: int = 232

    @property
    def videos(self) -> int:
        return self.train + self.validation + self.test


@dataclass(frozen=True)
class Assumed:
    """What is not measured. GPUs of 24 GB peak at 70 to 165 teraflop a second in bfloat16; small batches reach a part."""

    teraflop_per_second: float = 25.0
    decoding_step_seconds: float = 0.03
    cores: int = 8


@dataclass(frozen=True)
class RowHours:
    training: float
    evaluation: float

    @property
    def total(self) -> float:
        return self.training + self.evaluation


def full_study(study: Study, runtime: Runtime) -> FullStudy:
    """The size of a study of YouCook2."""
    return FullStudy(
        seeds=len(study.seeds),
        batch_size=study.train.batch_size,
        generation_batch_size=runtime.generation_batch_size,
        tokens=study.generate.max_tokens,
        frames=study.frames.count,
        swaps=CONTROLS["swapped"].draws,
    )


def row_hours(cost: RowCost, study: FullStudy, assumed: Assumed, *, epochs: int) -> RowHours:
    """Hours of all seeds of a row, `epochs` epochs each."""
    rate = assumed.teraflop_per_second
    decoding = study.tokens * assumed.decoding_step_seconds

    def summarise(videos: int) -> float:
        return videos * cost.forward_teraflop / rate + math.ceil(videos / study.generation_batch_size) * decoding

    step = max(cost.step_teraflop / rate, cost.load)
    loss = study.validation * cost.forward_teraflop / rate
    epoch = math.ceil(study.train / study.batch_size) * step + loss + summarise(study.validation)
    passes = 1 if cost.tuning == "none" else 1 + study.swaps
    return RowHours(study.seeds * epochs * epoch / 3600, study.seeds * passes * summarise(study.test) / 3600)


def preparing_hours(costs: Iterable[RowCost], study: FullStudy, assumed: Assumed) -> tuple[float, float]:
    """Hours of decoding all videos, and of embedding their frames with every frozen encoder."""
    costs = list(costs)
    decode = max((cost.decode for cost in costs if cost.decode is not None), default=0.0)
    encoders = {cost.encoder: cost.encoder_teraflop for cost in costs if cost.encoder_teraflop is not None}
    embedding = study.videos * study.frames * sum(encoders.values()) / assumed.teraflop_per_second
    return study.videos * decode / assumed.cores / 3600, embedding / 3600
