"""Everything the report shows, read from `metrics/` and `predictions/` and checked against each other."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.atomic import read_json
from pipeline.metrics import METRICS, Summaries, align, rouge_per_video
from pipeline.statistics import Floats

ROW_ORDER = ("bart", "t5", "ha", "mffg", "vg_bart", "random_visual", "resnet152", "clipsum", "clipsum_finetuned")
SHARED = ("study", "scale", "split", "n_videos", "seeds", "signature")
COLUMNS = ("video_id", "seed", "prediction", "reference")
_TOLERANCE = 0.01  # ROUGE points between a stored and a recomputed mean


class Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Interval(Block):
    mean: float
    ci95_low: float
    ci95_high: float


class Score(Interval):
    per_seed: dict[str, Interval]


class Parameters(Block):
    trainable: int
    total: int


class Selection(Block):
    best_epoch: int
    val_rouge2: float


class Epoch(Block):
    epoch: int
    train_loss: float
    val_loss: float
    val_rouge2: float
    seconds: float


class RowMetrics(Block):
    """One `metrics/<row>.json`. Keys of `selection` and `history` are seeds; a control has those of the row it controls."""

    row: str
    title: str
    model: str
    encoder: str | None
    tuning: str
    control_of: str | None
    visual: Literal["own", "swapped", "none"]
    study: str
    scale: str
    split: str
    n_videos: int
    seeds: list[int]
    feature_width: int | None
    parameters: Parameters
    latency_ms: float
    device: str = ""
    truncated: dict[str, int] = Field(default_factory=dict)
    metrics: dict[str, Score]
    signature: dict[str, Any]
    selection: dict[str, Selection] = Field(default_factory=dict)
    history: dict[str, Annotated[list[Epoch], Field(min_length=1)]] = Field(default_factory=dict)
    protocol: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A system: its metrics file and its aligned summaries."""

    metrics: RowMetrics
    summaries: Summaries

    @property
    def name(self) -> str:
        return self.metrics.row

    @cached_property
    def rouge(self) -> dict[str, Floats]:
        """ROUGE-1, -2 and -L of every summary, `[seeds, videos]`."""
        return {name: rouge_per_video(self.summaries, name) for name in ("rouge1", "rouge2", "rougeL")}


class Lost(Block):
    video_id: str
    split: str = ""
    reason: str


class Counts(Block):
    asked: int
    ok: int
    failed: int


class CorpusSummary(Block):
    study: str
    dataset: str
    coverage: dict[str, Counts]
    lost: list[Lost]


class FramesSummary(Counts):
    frames: int
    count: int
    lost: list[Lost]
    notes: Any = None


Model = TypeVar("Model", bound=Block)


@dataclass(frozen=True)
class Results:
    """All rows in table order; the three optional parts are None where their file is absent."""

    rows: tuple[Row, ...]
    corpus: CorpusSummary | None
    frames: FramesSummary | None
    storyboards: dict[str, list[str]] | None

    @property
    def shared(self) -> RowMetrics:
        """Any row, for what all rows have in common: study, scale, split, number of videos, seeds, signature."""
        return self.rows[0].metrics

    @property
    def trained(self) -> tuple[Row, ...]:
        """Rows with a training of their own; controls show the same checkpoints other frames."""
        return tuple(row for row in self.rows if row.metrics.control_of is None)

    def find(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)


def load_results(*, predictions: Path, metrics: Path) -> Results:
    """Read and check both folders. Every inconsistency is a `ValueError` that names the row and, if there is one, the video."""
    read = {path: read_json(path) for path in sorted(metrics.glob("*.json"))}
    found = {path: value for path, value in read.items() if isinstance(value, dict) and "row" in value}
    if not found:
        raise ValueError(f"{metrics}: no row to report; run `dvc repro evaluate` first")
    described = [_parse(RowMetrics, value, path) for path, value in found.items()]
    for path, row in zip(found, described, strict=True):
        if path.stem != row.row:
            raise ValueError(f"{path}: describes row {row.row!r}; file and row must have the same name")
    known = {row.row for row in described}
    for path in sorted(predictions.glob("*.jsonl")):
        if path.stem not in known:
            raise ValueError(f"{path}: row {path.stem!r} has no {metrics / path.stem}.json; evaluate the row or delete the file")
    ordered = sorted(described, key=_position)
    rows = tuple(Row(row, _read_predictions(predictions / f"{row.row}.jsonl", row)) for row in ordered)
    for system in rows:
        _check_together(system, rows[0])
    for system in rows:
        _check_alone(system, known)
    storyboards = read.get(metrics / "storyboards.json")
    return Results(
        rows=rows,
        corpus=_optional(CorpusSummary, metrics / "corpus.json", read),
        frames=_optional(FramesSummary, metrics / "frames.json", read),
        storyboards={str(video): list(images) for video, images in storyboards.items()} if storyboards is not None else None,
    )


def _position(row: RowMetrics) -> tuple[bool, int, str]:
    place = ROW_ORDER.index(row.row) if row.row in ROW_ORDER else len(ROW_ORDER)
    return row.control_of is not None, place, row.row


def _read_predictions(path: Path, row: RowMetrics) -> Summaries:
    if not path.exists():
        raise ValueError(f"row {row.row!r}: {path} is missing; run `dvc repro evaluate`")
    lines: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"), start=1):
        try:
            value = json.loads(line)
            lines.append({column: value[column] for column in COLUMNS})
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f"row {row.row!r}: {path}, line {number}: expected an object with {', '.join(COLUMNS)} ({error!r})"
            ) from error
    try:
        return align(pd.DataFrame(lines, columns=list(COLUMNS), index=range(1, len(lines) + 1)))
    except ValueError as error:
        raise ValueError(f"row {row.row!r}: {path}: {error}") from error


def _check_alone(row: Row, known: set[str]) -> None:
    metrics, summaries = row.metrics, row.summaries
    if list(summaries.seeds) != sorted(metrics.seeds):
        raise ValueError(
            f"row {row.name!r}: predictions have seeds {list(summaries.seeds)}, its metrics {metrics.seeds}; evaluate it again"
        )
    if len(summaries.videos) != metrics.n_videos:
        raise ValueError(
            f"row {row.name!r}: predictions of {len(summaries.videos)} videos, its metrics of {metrics.n_videos}; "
            "evaluate it again"
        )
    if metrics.control_of is not None and metrics.control_of not in known:
        raise ValueError(f"row {row.name!r}: control of {metrics.control_of!r}, which has no metrics file; evaluate that row too")
    if lacking := [name for name in METRICS if name not in metrics.metrics]:
        raise ValueError(f"row {row.name!r}: its metrics lack {', '.join(lacking)}; evaluate it again")
    for name, score in metrics.metrics.items():
        if set(score.per_seed) != {str(seed) for seed in metrics.seeds}:
            raise ValueError(f"row {row.name!r}: {name} has per_seed {sorted(score.per_seed)}, its seeds are {metrics.seeds}")
    recomputed, stored = float(np.mean(row.rouge["rouge1"])), metrics.metrics["rouge1"].mean
    if abs(recomputed - stored) > _TOLERANCE:
        raise ValueError(
            f"row {row.name!r}: its metrics say ROUGE-1 {stored:.3f}, its predictions give {recomputed:.3f}; evaluate it again"
        )


def _check_together(row: Row, first: Row) -> None:
    for key in SHARED:
        mine, other = getattr(row.metrics, key), getattr(first.metrics, key)
        if mine != other:
            raise ValueError(
                f"row {row.name!r}: {key} is {mine!r}, row {first.name!r} has {other!r}; "
                "one table needs the same, evaluate both again"
            )
    mine, other = _references(row.summaries), _references(first.summaries)
    for video in sorted(mine.keys() | other.keys()):
        if (video in mine) != (video in other):
            lacking, having = (row, first) if video in other else (first, row)
            raise ValueError(f"row {lacking.name!r}: no prediction of video {video!r}, which row {having.name!r} has")
        if mine[video] != other[video]:
            raise ValueError(f"row {row.name!r}: the reference of video {video!r} differs from the one in row {first.name!r}")


def _references(summaries: Summaries) -> dict[str, str]:
    return dict(zip(summaries.videos, summaries.references, strict=True))


def _optional(model: type[Model], path: Path, read: dict[Path, Any]) -> Model | None:
    return _parse(model, read[path], path) if path in read else None


def _parse(model: type[Model], value: Any, path: Path) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems: Sequence[Any] = error.errors()
        listed = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
        raise ValueError(f"{path}: {listed}; run its stage again") from error
