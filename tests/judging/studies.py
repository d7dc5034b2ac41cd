"""A small folder of results, a sheet of it, and judges who answer it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.base.paths import STORYBOARDS
from pipeline.judging.sheet import Sheet, make_sheet
from tests.report_inputs import SYSTEMS, jpeg, names, write_row

VIDEOS = 24
Says = Callable[[str, str], tuple[str, str]]  # of a video and where the first row stands: the answers to both questions


def results(folder: Path) -> Path:
    """Two rows of 24 videos; frames of all but the last, narration of all but the first."""
    for row in ("clipsum", "bart"):
        write_row(folder, row, SYSTEMS[row], videos=VIDEOS)
    videos = names(VIDEOS)
    path = folder / STORYBOARDS
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({video: [jpeg(20 * shot, 90) for shot in range(3)] for video in videos[:-1]}))
    (folder / "metrics" / "sources.json").write_text(json.dumps({video: f"narration of {video}" for video in videos[1:]}))
    return folder


def sheet_of(folder: Path, **changes: Any) -> Sheet:
    return make_sheet("clipsum", "bart", **{"videos": 20, "seed": 0, "root": folder} | changes)


def answers(sheet: Sheet, judge: str, says: Says, *, kind: str = "person", **changes: Any) -> dict[str, Any]:
    """The answers of a judge who marks the order of B on every video."""
    given = {}
    for video, first_is in sheet.key.first_is.items():
        faithful, useful = says(video, first_is)
        given[video] = {"chosen": {"faithful": faithful, "useful": useful}, "errors": {"A": [], "B": ["order"]}}
    return {"sheet": sheet.name, "judge": judge, "kind": kind, "answers": given} | changes


def always_first(video: str, first_is: str) -> tuple[str, str]:
    return first_is, "same"


def always_a(video: str, first_is: str) -> tuple[str, str]:
    return "A", "A"


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path
