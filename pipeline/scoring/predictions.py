"""Summaries of one row: read from JSON Lines and aligned into seeds and videos."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.files import read_json_lines

COLUMNS = ("video_id", "seed", "prediction", "reference")


@dataclass(frozen=True)
class Summaries:
    """The summaries of one row, aligned: `draws[draw][seed][video]` and `references[video]`; draws, seeds and videos sorted.

    Only a control that involves chance, such as another video's frames, has more than one draw.
    """

    seeds: tuple[int, ...]
    videos: tuple[str, ...]
    draws: tuple[tuple[tuple[str, ...], ...], ...]
    references: tuple[str, ...]

    @property
    def predictions(self) -> tuple[tuple[str, ...], ...]:
        """`[seed][video]` of the first draw."""
        return self.draws[0]


def read_predictions(path: Path) -> Summaries:
    """The aligned summaries of a file `predictions/<row>.jsonl`; see `align` for what is refused."""
    rows = list(read_json_lines(path))
    for number, row in rows:
        if lacking := [column for column in COLUMNS if column not in row]:
            raise ValueError(f"{path}, line {number}: {', '.join(lacking)} is missing; expected {', '.join(COLUMNS)}")
    return align((row for _, row in rows), where=str(path))


def align(rows: Iterable[Mapping[str, Any]], *, where: str = "predictions") -> Summaries:
    """Sort rows of `video_id, seed, prediction, reference`, and `draw` if there is more than one, into draws, seeds and videos.

    Raises `ValueError`, naming the row (from 1) and the video, for a video that occurs twice or not at all under a seed, for
    a reference that changes, and for a text that is not a string.
    """
    texts: dict[tuple[int, int], dict[str, str]] = {}
    references: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        video, seed, prediction, reference = (row[column] for column in COLUMNS)
        here = f"{where}: row {number}, video {video!r}, seed {seed}"
        if not isinstance(prediction, str) or not isinstance(reference, str):
            raise ValueError(f"{here}: prediction and reference must be text")
        place = (int(row.get("draw", 0)), int(seed))
        if video in texts.setdefault(place, {}):
            raise ValueError(f"{here}: this video already has a prediction of this seed")
        if references.setdefault(video, reference) != reference:
            raise ValueError(f"{here}: the reference differs from an earlier row of the same video")
        texts[place][video] = prediction
    if not texts:
        raise ValueError(f"{where}: no rows; there is nothing to score")
    videos, draws = tuple(sorted(references)), sorted({draw for draw, _ in texts})
    seeds = tuple(sorted({seed for _, seed in texts}))
    for place in ((draw, seed) for draw in draws for seed in seeds):
        if lost := sorted(references.keys() - texts.get(place, {}).keys()):
            which = f"seed {place[1]}" + f", draw {place[0]}" * (len(draws) > 1)
            raise ValueError(f"{where}: video {lost[0]!r} has no row for {which} ({len(lost)} such videos); other seeds have it")
    ordered = tuple(tuple(tuple(texts[draw, seed][video] for video in videos) for seed in seeds) for draw in draws)
    return Summaries(seeds, videos, ordered, tuple(references[video] for video in videos))
