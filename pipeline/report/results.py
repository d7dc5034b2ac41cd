"""Everything the report shows, read from folders of metrics and predictions and checked against each other."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import ValidationError

from pipeline.atomic import read_json
from pipeline.metrics import METRICS, Summaries, align, rouge_per_video
from pipeline.report.paper import SYSTEMS
from pipeline.report.schema import Block, CorpusSummary, Cost, Costs, FramesSummary, RowMetrics
from pipeline.statistics import Floats

ROW_ORDER = tuple(SYSTEMS)
SHARED = ("study", "scale", "split", "seeds", "signature")
COLUMNS = ("video_id", "seed", "prediction", "reference")
_TOLERANCE = 0.01  # ROUGE points between a stored and a recomputed mean


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


Model = TypeVar("Model", bound=Block)


@dataclass(frozen=True)
class Results:
    """All rows in table order, and the ablations of `clipsum`; optional parts are None where their file is absent.

    `sources` holds the text that was summarised, by video.
    """

    rows: tuple[Row, ...]
    ablations: tuple[Row, ...]
    corpus: CorpusSummary | None
    frames: FramesSummary | None
    storyboards: dict[str, list[str]] | None
    costs: Costs | None
    sources: dict[str, str] | None

    @property
    def shared(self) -> RowMetrics:
        """Any row, for what all rows have in common: study, scale, split, number of videos, seeds, signature."""
        return self.rows[0].metrics

    @property
    def trained(self) -> tuple[Row, ...]:
        """Rows with a training of their own."""
        return tuple(row for row in self.rows if row.metrics.kind == "system")

    @property
    def not_run(self) -> tuple[str, ...]:
        """Systems of the paper's tables that have no metrics file."""
        names = {row.name for row in self.rows}
        return tuple(name for name in SYSTEMS if name not in names)

    def find(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    def cost(self, row: RowMetrics) -> Cost | None:
        return self.costs.rows.get(row.row) if self.costs is not None else None


def load_results(folders: Sequence[Path]) -> Results:
    """Read and check `metrics/` and `predictions/` of every folder. What a table shares comes from the last that has it.

    Every inconsistency is a `ValueError` that names the row and, if there is one, the video. Ablations lie in
    `metrics/ablations/` and `predictions/ablations/` of the first folder.
    """
    found = [row for folder in folders for row in _read_rows(folder / "metrics", folder / "predictions")]
    if not found:
        raise ValueError(f"{folders[0] / 'metrics'}: no row to report; run `dvc repro evaluate` first")
    names = [row.name for row in found]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(
            f"row {repeated[0]!r} has metrics in more than one of {', '.join(map(str, folders))}; delete one of them"
        )
    rows = tuple(sorted(found, key=lambda row: _position(row.metrics)))
    for system in rows:
        _check_together(system, rows[0])
    for system in rows:
        _check_alone(system)
        if system.metrics.control_of not in (None, *names):
            origin = system.metrics.control_of
            raise ValueError(f"row {system.name!r}: control of {origin!r}, which has no metrics file; evaluate that row too")
    ablations = tuple(_read_rows(folders[0] / "metrics" / "ablations", folders[0] / "predictions" / "ablations"))
    for ablation in ablations:
        _check_alone(ablation)
        if ablation.metrics.ablation is None:
            raise ValueError(f"ablation of {ablation.name!r}: its metrics file does not say what it varies; run `make ablations`")
    shared = _Shared(folders)
    storyboards = shared.read("storyboards.json")
    return Results(
        rows=rows,
        ablations=ablations,
        corpus=shared.parse(CorpusSummary, "corpus.json"),
        frames=shared.parse(FramesSummary, "frames.json"),
        storyboards={str(video): list(images) for video, images in storyboards.items()} if storyboards is not None else None,
        costs=shared.parse(Costs, "costs.json"),
        sources=shared.read("sources.json"),
    )


@dataclass(frozen=True)
class _Shared:
    """Files that are not rows: the last folder's, of those that have one."""

    folders: Sequence[Path]

    def find(self, name: str) -> Path | None:
        paths = [folder / "metrics" / name for folder in self.folders]
        return next((path for path in reversed(paths) if path.exists()), None)

    def read(self, name: str) -> Any:
        path = self.find(name)
        return read_json(path) if path is not None else None

    def parse(self, model: type[Model], name: str) -> Model | None:
        path = self.find(name)
        return _parse(model, read_json(path), path) if path is not None else None


def _read_rows(metrics: Path, predictions: Path) -> list[Row]:
    read = {path: read_json(path) for path in sorted(metrics.glob("*.json"))}
    described = {
        path: _parse(RowMetrics, value, path) for path, value in read.items() if isinstance(value, dict) and "row" in value
    }
    for path, row in described.items():
        if row.ablation is None and path.stem != row.row:
            raise ValueError(f"{path}: describes row {row.row!r}; file and row must have the same name")
    known = {path.stem for path in described}
    for path in sorted(predictions.glob("*.jsonl")):
        if path.stem not in known:
            raise ValueError(f"{path}: row {path.stem!r} has no {metrics / path.stem}.json; evaluate the row or delete the file")
    return [Row(row, _read_predictions(predictions / f"{path.stem}.jsonl", row)) for path, row in described.items()]


def _position(row: RowMetrics) -> tuple[int, int, str]:
    place = ROW_ORDER.index(row.row) if row.row in ROW_ORDER else len(ROW_ORDER)
    return ("system", "control", "floor").index(row.kind), place, row.row


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


def _check_alone(row: Row) -> None:
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


def _parse(model: type[Model], value: Any, path: Path) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems: Sequence[Any] = error.errors()
        listed = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
        raise ValueError(f"{path}: {listed}; run its stage again") from error
