"""Files of somebody else's summaries, and of references: JSON Lines, or text with a summary a line. They are read as they are.

- `*.jsonl`: an object a line with `video_id` and `prediction` (in a file of references `reference`), and optionally `seed`,
  `draw` and `reference`.
- any other file is text: `<id>`, a tab and the text on every line; or the text alone, in the order of a list of ids; or the text
  alone and no list, where predictions and references are aligned by the number of their line.

Whatever does not fit is a `ValueError` that names the file, lines and ids, and says what to do. An empty summary is a summary.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.files import read_json_lines
from pipeline.base.text_files import text_lines
from pipeline.scoring.predictions import Summaries, align

_NAMED = 5  # ids or lines that a message names


@dataclass(frozen=True)
class Line:
    """`reference` is None where the line has none."""

    number: int
    video_id: str
    text: str
    seed: int = 0
    draw: int = 0
    reference: str | None = None

    def as_row(self, reference: str) -> dict[str, Any]:
        """A line of `predictions/<row>.jsonl`."""
        drawn = {"draw": self.draw} if self.draw else {}
        return {"video_id": self.video_id, "seed": self.seed, **drawn, "prediction": self.text, "reference": reference}


@dataclass(frozen=True)
class Texts:
    """A file's lines. `numbered`: it has no ids, and a video is called like the number of its line."""

    path: Path
    numbered: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Outputs:
    """Aligned summaries, as rows of `predictions/<row>.jsonl`; `empty` of them have no word."""

    rows: list[dict[str, Any]]
    empty: int
    path: Path

    @property
    def summaries(self) -> Summaries:
        return align(self.rows, where=str(self.path))


def read_outputs(path: Path, *, references: "Texts | Mapping[str, str] | None" = None, order: Path | None = None) -> Outputs:
    """Summaries with their references: those given (of a file, or by id), or those that stand beside the summaries.

    Every id of the references has one summary for each seed and draw, and no other has any; references that are there twice
    agree. Anything else is refused.
    """
    texts = _read(path, "prediction", order)
    if references is None:
        wanted = _own_references(texts)
    elif isinstance(references, Texts):
        _check_numbers(texts, references)
        wanted = {line.video_id: line.text for line in references.lines}
    else:
        if texts.numbered:
            raise ValueError(
                f"{path}: no ids; give them in the file (id, tab, text), or a list of them in the order of its lines"
            )
        wanted = dict(references)
    _check_ids(texts, wanted)
    rows = [line.as_row(wanted[line.video_id]) for line in texts.lines]
    return Outputs(rows, sum(not line.text.strip() for line in texts.lines), path)


def read_references(path: Path, *, order: Path | None = None) -> Texts:
    """One reference a video. An empty one is refused: nothing can be scored against it."""
    texts = _read(path, "reference", order)
    if empty := [line for line in texts.lines if not line.text.strip()]:
        raise ValueError(f"{path}, line {empty[0].number}: an empty reference ({len(empty)} such lines); take the video out")
    _refuse_doubled(path, texts.lines)
    return texts


def check_same_references(given: Texts, own: Mapping[str, str], *, whose: str) -> None:
    """Raise `ValueError` unless references of a file are those that `own` has, video by video."""
    _check_ids(given, own)
    if other := [line for line in given.lines if line.text.strip() != own[line.video_id].strip()]:
        raise ValueError(
            f"{given.path}, line {other[0].number}: the reference of video {other[0].video_id!r} is not that of {whose} "
            f"({len(other)} such videos); figures of different references do not compare, so correct one of them"
        )


def read_order(path: Path) -> list[str]:
    """Ids, one a line."""
    ids = [(number, line.strip()) for number, line in text_lines(path)]
    while ids and not ids[-1][1]:
        ids.pop()
    if not ids:
        raise ValueError(f"{path}: empty; expected an id a line")
    if gaps := [number for number, video in ids if not video]:
        raise ValueError(f"{path}, line {gaps[0]}: no id; expected one on every line")
    _refuse_doubled(path, [Line(number, video, "") for number, video in ids])
    return [video for _, video in ids]


def _read(path: Path, column: str, order: Path | None) -> Texts:
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.suffix == ".jsonl":
        if order is not None:
            raise ValueError(f"{path}: it has ids of its own, so no list of them is needed; leave {order} out")
        texts = Texts(path, False, tuple(_objects(path, column)))
    else:
        texts = _plain(path, order)
    if not texts.lines:
        raise ValueError(f"{path}: empty; expected a line for every video")
    return texts


def _objects(path: Path, column: str) -> Iterable[Line]:
    for number, row in read_json_lines(path):
        where = f"{path}, line {number}"
        if lacking := [key for key in ("video_id", column) if key not in row]:
            raise ValueError(f"{where}: {', '.join(lacking)} is missing; expected video_id, {column}")
        for key in ("video_id", column, "reference"):
            if not isinstance(row.get(key, ""), str) or (key == "video_id" and not row[key]):
                raise ValueError(f"{where}: {key} is {row[key]!r}; expected a text")
        for key in ("seed", "draw"):
            if not (type(row.get(key, 0)) is int and row.get(key, 0) >= 0):
                raise ValueError(f"{where}: {key} is {row[key]!r}; expected a whole number, 0 or more")
        yield Line(number, row["video_id"], row[column], row.get("seed", 0), row.get("draw", 0), row.get("reference"))


def _plain(path: Path, order: Path | None) -> Texts:
    lines = [(number, line.removesuffix("\n").removesuffix("\r")) for number, line in text_lines(path)]
    if order is not None:
        ids = read_order(order)
        if len(ids) != len(lines):
            raise ValueError(f"{path}: {len(lines)} lines, but {order} has {len(ids)} ids; it needs one line for each")
        return Texts(path, False, tuple(Line(number, video, text) for (number, text), video in zip(lines, ids, strict=True)))
    parted = [(number, *text.partition("\t")) for number, text in lines]
    without = [number for number, _, tab, _ in parted if not tab]
    if lines and not without:
        if nameless := [number for number, video, _, _ in parted if not video.strip()]:
            raise ValueError(f"{path}, line {nameless[0]}: no id before the tab")
        return Texts(path, False, tuple(Line(number, video.strip(), text) for number, video, _, text in parted))
    if len(without) < len(lines):
        raise ValueError(
            f"{path}, line {without[0]}: no tab, though other lines have one ({len(without)} of {len(lines)} have none); write "
            "an id and a tab before every text, or give a list of ids if a tab is part of a text"
        )
    return Texts(path, True, tuple(Line(number, f"{number:06d}", text) for number, text in lines))


def _own_references(texts: Texts) -> dict[str, str]:
    if lacking := [line for line in texts.lines if line.reference is None]:
        raise ValueError(
            f"{texts.path}, line {lacking[0].number}: no reference; add a `reference` to every line, or give a file of references"
        )
    wanted: dict[str, str] = {}
    for line in texts.lines:
        if wanted.setdefault(line.video_id, line.reference or "") != line.reference:
            raise ValueError(
                f"{texts.path}, line {line.number}: the reference of video {line.video_id!r} differs from an earlier one"
            )
    return wanted


def _check_numbers(texts: Texts, references: Texts) -> None:
    if texts.numbered != references.numbered:
        lacking, having = (texts, references) if texts.numbered else (references, texts)
        raise ValueError(f"{lacking.path}: no ids, which {having.path} has; give a list of ids in the order of its lines")
    if texts.numbered and len(texts.lines) != len(references.lines):
        raise ValueError(
            f"{texts.path}: {len(texts.lines)} lines, but {references.path} has {len(references.lines)}; without ids, line "
            "belongs to line, so both need as many. An empty summary is an empty line"
        )


def _check_ids(texts: Texts, wanted: Mapping[str, str]) -> None:
    path = texts.path
    _refuse_doubled(path, texts.lines)
    if unknown := [line for line in texts.lines if line.video_id not in wanted]:
        named = _some([f"{line.video_id!r} (line {line.number})" for line in unknown])
        raise ValueError(f"{path}: unknown videos: {named}; no reference has these ids. Correct them or take the lines out")
    for line in texts.lines:
        if line.reference is not None and line.reference != wanted[line.video_id]:
            raise ValueError(
                f"{path}, line {line.number}: the reference of video {line.video_id!r} is another than the one it is scored by"
            )
    found: dict[tuple[int, int], set[str]] = defaultdict(set)
    for line in texts.lines:
        found[line.seed, line.draw].add(line.video_id)
    for (seed, draw), videos in sorted(found.items()):
        if missing := sorted(wanted.keys() - videos):
            which = f" for seed {seed}" * (len(found) > 1) + f", draw {draw}" * bool(draw)
            named = _some([repr(video) for video in missing])
            raise ValueError(f"{path}: no summary{which} of {named}; add a line for each, empty if the system said nothing")


def _refuse_doubled(path: Path, lines: Sequence[Line]) -> None:
    first: dict[tuple[str, int, int], int] = {}
    doubled = []
    for line in lines:
        before = first.setdefault((line.video_id, line.seed, line.draw), line.number)
        if before != line.number:
            doubled.append(f"{line.video_id!r} (lines {before} and {line.number})")
    if doubled:
        raise ValueError(f"{path}: ids that are there twice: {_some(doubled)}; keep one line for each (of each seed)")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
