"""Summaries of one row: read from JSON Lines and aligned into seeds and videos."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.files import read_json_lines

COLUMNS = ("video_id", "seed", "prediction", "reference")


@dataclass(frozen=True)
class Summaries:
    """The summaries of one row, aligned: `predictions[seed][video]` and `references[video]`, seeds and videos sorted."""

    seeds: tuple[int, ...]
    videos: tuple[str, ...]
    predictions: tuple[tuple[str, ...], ...]
    references: tuple[str, ...]


def read_predictions(path: Path) -> Summaries:
    """The aligned summaries of a file `predictions/<row>.jsonl`; see `align` for what is refused."""
    rows = read_json_lines(path)
    for number, row in rows:
        if lacking := [column for column in COLUMNS if column not in row]:
            raise ValueError(f"{path}, line {number}: {', '.join(lacking)} is missing; expected {', '.join(COLUMNS)}")
    return align((row for _, row in rows), where=str(path))


def align(rows: Iterable[Mapping[str, Any]], *, where: str = "predictions") -> Summaries:
    """Sort rows of `video_id, seed, prediction, reference` into seeds and videos.

    Raises `ValueError`, naming the row (from 1) and the video, for a video that occurs twice or not at all under a seed, for
    a reference that changes, and for a text that is not a string.
    """
    texts: dict[int, dict[str, str]] = {}
    references: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        video, seed, prediction, reference = (row[column] for column in COLUMNS)
        here = f"{where}: row {number}, video {video!r}, seed {seed}"
        if not isinstance(prediction, str) or not isinstance(reference, str):
            raise ValueError(f"{here}: prediction and reference must be text")
        if video in texts.setdefault(int(seed), {}):
            raise ValueError(f"{here}: this video already has a prediction of this seed")
        if references.setdefault(video, reference) != reference:
            raise ValueError(f"{here}: the reference differs from an earlier row of the same video")
        texts[int(seed)][video] = prediction
    if not texts:
        raise ValueError(f"{where}: no rows; there is nothing to score")
    videos, seeds = tuple(sorted(references)), tuple(sorted(texts))
    for seed in seeds:
        if lost := sorted(references.keys() - texts[seed].keys()):
            raise ValueError(
                f"{where}: video {lost[0]!r} has no row for seed {seed} ({len(lost)} such videos); other seeds have it"
            )
    ordered = tuple(tuple(texts[seed][video] for video in videos) for seed in seeds)
    return Summaries(seeds, videos, ordered, tuple(references[video] for video in videos))
