"""Which frames a system attended to while it named an entity, as `pipeline.evaluation.attended` found it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.base.paths import METRICS
from pipeline.scoring.record import Block, RowRecord, parse
from pipeline.scoring.statistics import Estimate, bootstrap_interval

_SEED = 0  # of the resamples


class Named(Block):
    """`weights` of the video's frames; `shown` has the places of those that show the entity, None where nobody knows."""

    weights: list[float]
    shown: list[int] | None

    @property
    def most(self) -> int:
        """The place of the frame with the largest weight."""
        return int(np.argmax(self.weights))


class Looks(Block):
    """The times of a video's frames, and what its summary names."""

    seconds: list[float]
    named: dict[str, Named]


class Attended(Block):
    """Of the summaries of the row `of` and one `seed`, in the file of that digest."""

    of: str
    seed: int
    predictions: str
    videos: dict[str, Looks]


@dataclass(frozen=True)
class Agreement:
    """How often, in per cent, the most attended frame shows the entity (`hits`), and how often a frame at random would
    (`chance`): means over videos, of those entities that some frame shows. `gain` is their difference.
    """

    hits: float
    chance: float
    gain: Estimate
    entities: int
    videos: int


def read_attended(root: Path, record: RowRecord) -> Attended | None:
    """None if there is no such file of the row, or if it is about other summaries than the row's."""
    path = root / METRICS / f"{record.row}_attended.json"
    if not path.exists():
        return None
    attended = parse(Attended, path)
    return attended if attended.predictions == record.made_from.get("predictions") else None


def agreement(attended: Attended, *, resamples: int) -> Agreement | None:
    """None where no frame is known to show an entity that was named."""
    hits, chances, entities = [], [], 0
    for looks in attended.videos.values():
        found = [(each.most in each.shown, len(each.shown) / len(each.weights)) for each in looks.named.values() if each.shown]
        if found:
            hits.append(100 * float(np.mean([hit for hit, _ in found])))
            chances.append(100 * float(np.mean([chance for _, chance in found])))
            entities += len(found)
    if not hits:
        return None
    gain = bootstrap_interval(np.subtract(hits, chances), resamples=resamples, seed=_SEED)
    return Agreement(float(np.mean(hits)), float(np.mean(chances)), gain, entities, len(hits))
