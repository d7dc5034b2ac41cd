"""How much of the data was there: what stages `download` and `sample_frames` say in `metrics/`."""

from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, Field

from pipeline.scoring.record import Block, parse


class Part(Block):
    """A file may say more than the report shows."""

    model_config = ConfigDict(frozen=True, extra="ignore")


P = TypeVar("P", bound=Part)


class Lost(Part):
    video_id: str
    split: str = ""
    reason: str


class Note(Part):
    """Something to know of a video that was used all the same."""

    video_id: str
    note: str


class Counts(Part):
    asked: int
    ok: int
    failed: int


class CorpusSummary(Part):
    """`coverage` by split; `texts[split]` counts the videos that have a text of each kind."""

    study: str
    dataset: str
    splits: str
    coverage: dict[str, Counts]
    texts: dict[str, dict[str, int]]
    lost: list[Lost]

    @property
    def text_names(self) -> list[str]:
        return list(next(iter(self.texts.values()), {}))


class SpeechSummary(Counts):
    """What was heard, by `origin`, in videos without a text; empty where nobody listened. `origins[split]` counts the videos by
    where their transcript comes from.
    """

    origin: str
    origins: dict[str, dict[str, int]]
    lost: list[Lost]
    notes: list[Note] = Field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return list(next(iter(self.origins.values()), {}))


class FramesSummary(Part):
    """`count` frames were asked for per video, `frames` were found in all.

    Where frames were not kept, extraction alone knows how many were found and which videos were lost.
    """

    keep: bool = True
    asked: int
    count: int
    ok: int | None = None
    failed: int | None = None
    frames: int | None = None
    lost: list[Lost] = Field(default_factory=list)
    notes: list[Note] = Field(default_factory=list)


class Probes(Part):
    """`accuracy` in per cent of a linear probe, by encoder, on `test_frames` frames."""

    train_frames: int
    test_frames: int
    accuracy: dict[str, float]


def read_summary(kind: type[P], path: Path) -> P | None:
    """None if there is no such file."""
    return parse(kind, path) if path.exists() else None
