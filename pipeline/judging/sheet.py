"""A sheet for judges: of some test videos the frames, the text and the summaries of two rows, which are called A and B.

Which videos, in which order, and which row is A: all by hashes of the video's id with the sheet's seed, so that the same
arguments make the same sheet. What says who is A stands in the key alone, a file of its own, which judges do not get.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.base.files import read_json, readable, write_json
from pipeline.base.paths import METRICS, STORYBOARDS, metrics_file, predictions_file
from pipeline.base.scratch import file_sha256, fingerprint
from pipeline.evaluation.pairing import check_aligned
from pipeline.judging.questions import Side
from pipeline.report.browser import checked_image
from pipeline.scoring.predictions import Summaries, read_predictions
from pipeline.scoring.record import Block, parse, read_record

SOURCES = METRICS / "sources.json"


@dataclass(frozen=True)
class Item:
    """One video as judges see it; `frames` are JPEG pictures as base64."""

    video: str
    frames: list[str]
    text: str
    summaries: dict[Side, str]


class Compared(Block):
    """A row whose summaries are judged: those of one training seed."""

    row: str
    title: str
    trained_seed: int
    predictions_sha256: str


class Key(Block):
    """Who is who on a sheet. `first_is` says, for each video, whether the row `first` is A or B.

    `equal` videos were left out because both summaries are the same; `unseen` ones because no frames of them are at hand.
    """

    sheet: str
    seed: int
    first: Compared
    second: Compared
    first_is: dict[str, Literal["A", "B"]]
    asked: int
    equal: int
    unseen: int


@dataclass(frozen=True)
class Sheet:
    items: list[Item]
    key: Key

    @property
    def name(self) -> str:
        return self.key.sheet


def make_sheet(first: str, second: str, *, videos: int, seed: int, trained_seed: int | None = None, root: Path = Path()) -> Sheet:
    """A sheet with at most `videos` videos, for the rows `first` and `second` of the results below `root`.

    The summaries are those of `trained_seed`, or of each row's first. A row that is not there, other videos, and nothing to judge
    are a `ValueError` that names them.
    """
    if first == second:
        raise ValueError(f"row {first!r} is named twice; name the two rows whose summaries are to be judged")
    if videos < 1:
        raise ValueError(f"{videos} videos: a sheet needs at least one")
    (mine, a), (theirs, b) = (_compared(row, trained_seed, root) for row in (first, second))
    check_aligned(a, b, names=(first, second))
    texts = (_texts(a, mine), _texts(b, theirs))
    said = {video: (texts[0][video], texts[1][video]) for video in a.videos}
    boards, sources = _boards(root / STORYBOARDS), _sources(root / SOURCES)
    differ = [video for video, (one, other) in said.items() if one.split() != other.split()]
    shown = sorted((video for video in differ if boards.get(video)), key=lambda video: _draw(seed, "chosen", video))[:videos]
    if not shown:
        raise ValueError(
            f"rows {first!r} and {second!r}: nothing to judge: {len(said) - len(differ)} of {len(said)} videos have equal "
            f"summaries, and {STORYBOARDS} has frames of none of the others; run `dvc repro sample_frames`, or name other rows"
        )
    first_is: dict[str, Side] = {video: "A" if int(_draw(seed, "side", video), 16) % 2 else "B" for video in shown}
    items = [
        Item(
            video,
            [checked_image(image, video) for image in boards[video]],
            sources.get(video, ""),
            _sides(first_is[video], said[video]),
        )
        for video in shown
    ]
    key = Key(
        sheet=fingerprint([vars(item) for item in items]),
        seed=seed,
        first=mine,
        second=theirs,
        first_is=first_is,
        asked=videos,
        equal=len(said) - len(differ),
        unseen=sum(not boards.get(video) for video in differ),
    )
    return Sheet(items, key)


def write_key(path: Path, key: Key) -> None:
    write_json(path, key.model_dump())


def read_key(path: Path) -> Key:
    """The key of a sheet; a file that is none is a `ValueError` that names it."""
    if not path.exists():
        raise ValueError(f"{path} is missing; it was written beside the sheet, as <sheet>.key.json")
    return parse(Key, path)


def _compared(row: str, trained_seed: int | None, root: Path) -> tuple[Compared, Summaries]:
    predictions, metrics = root / predictions_file(row), root / metrics_file(row)
    if missing := [str(path) for path in (predictions, metrics) if not path.is_file()]:
        raise ValueError(
            f"row {row!r}: {' and '.join(missing)} missing; name a row that is in predictions/, or evaluate it first"
        )
    summaries = read_predictions(predictions)
    seed = summaries.seeds[0] if trained_seed is None or len(summaries.seeds) == 1 else trained_seed
    if seed not in summaries.seeds:
        raise ValueError(f"row {row!r}: not trained with seed {seed}, but with {', '.join(map(str, summaries.seeds))}")
    title = read_record(metrics).title
    return Compared(row=row, title=title, trained_seed=seed, predictions_sha256=file_sha256(predictions)), summaries


def _texts(summaries: Summaries, row: Compared) -> dict[str, str]:
    return dict(zip(summaries.videos, summaries.predictions[summaries.seeds.index(row.trained_seed)], strict=True))


def _boards(path: Path) -> Mapping[str, list[str]]:
    with readable(path, stage="sample_frames"):
        boards: dict[str, list[str]] = read_json(path)
    return boards


def _sources(path: Path) -> Mapping[str, str]:
    with readable(path, stage="floors"):
        sources: dict[str, str] = read_json(path)
    return sources


def _sides(first_is: Side, said: tuple[str, str]) -> dict[Side, str]:
    one, other = said if first_is == "A" else said[::-1]
    return {"A": one, "B": other}


def _draw(seed: int, what: str, video: str) -> str:
    return fingerprint(seed, what, video)
