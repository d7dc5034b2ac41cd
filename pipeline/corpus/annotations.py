"""Reader of YouCook2's annotation file, https://youcook2.eecs.umich.edu; the drawn kitchen writes the same layout.

`{"database": {video_id: {"duration", "subset", "recipe_type", "annotations": [{"segment", "id", "sentence"}], "video_url"}}}`
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.text_files import csv_rows, is_writable, parse_json, read_text
from pipeline.corpus.table import check_video_id, shown

SUBSETS = {"training": "train", "validation": "validation", "testing": "test"}


@dataclass(frozen=True)
class Annotation:
    """One annotated video; `segments` are (start, end) in seconds, one for each of `steps`."""

    video_id: str
    split: str
    recipe: str
    duration_seconds: float
    segments: tuple[tuple[float, float], ...]
    steps: tuple[str, ...]
    url: str


@dataclass(frozen=True)
class Malformed:
    """An entry that cannot be read; `reason` names the key. `split` is train where even that is unreadable."""

    video_id: str
    split: str
    reason: str


def read_annotations(path: Path, *, recipes: Path | None) -> list[Annotation | Malformed]:
    """All videos in the order of the file, steps in order of their ids; an entry that cannot be read says why.

    `recipes` is the table `label_foodtype.csv` (number, name) that gives recipe types their names; without it a recipe
    keeps its number. Raises `ValueError` if the file as a whole is not an annotation file.
    """
    names = None if recipes is None else _read_recipe_names(recipes)
    content = parse_json(read_text(path), where=str(path))
    database = content.get("database") if isinstance(content, dict) else None
    if not isinstance(database, dict):
        raise ValueError(f"{path}: no object under the key 'database'; this is not a YouCook2 annotation file")
    read: list[Annotation | Malformed] = []
    for video_id, entry in database.items():
        try:
            read.append(_read_entry(video_id, entry, names))
        except ValueError as error:
            subset = entry.get("subset") if isinstance(entry, dict) else None
            split = SUBSETS.get(subset, "train") if isinstance(subset, str) else "train"
            read.append(Malformed(_writable(video_id), split, _writable(f"annotation: {error}")))
    return read


def _read_recipe_names(path: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    for line, row in csv_rows(path):
        if len(row) != 2 or not row[0].strip().isdigit():
            raise ValueError(f"{path}, line {line}: expected a number and a name, got {shown(row)}")
        number = row[0].strip()
        if number in names:
            raise ValueError(f"{path}, line {line}: the number {number} is given twice; keep one line")
        names[number] = row[1].strip()
    return names


def _read_entry(video_id: str, entry: Any, names: dict[str, str] | None) -> Annotation:
    where = f"database.{video_id}"
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: expected an object, got {shown(entry)}")
    check_video_id(video_id.lstrip("-"), where=where)  # YouTube ids may start with "-"
    subset = _field(entry, "subset", str, where)
    if subset not in SUBSETS:
        raise ValueError(f"{where}.subset: {shown(subset)} is none of {', '.join(SUBSETS)}")
    number = _field(entry, "recipe_type", str, where)
    if names is not None and number not in names:
        raise ValueError(f"{where}.recipe_type: {shown(number)} is not in the table of recipe names")
    duration = _seconds(_field(entry, "duration", object, where), f"{where}.duration")
    unlabelled = subset == "testing" and "annotations" not in entry  # YouCook2 keeps these back
    steps = [] if unlabelled else _field(entry, "annotations", list, where)
    read = sorted(
        (_read_step(step, f"{where}.annotations[{index}]") for index, step in enumerate(steps)), key=lambda item: item[0]
    )
    return Annotation(
        video_id=video_id,
        split=SUBSETS[subset],
        recipe=number if names is None else names[number],
        duration_seconds=duration,
        segments=tuple(segment for _, segment, _ in read),
        steps=tuple(sentence for _, _, sentence in read),
        url=_field(entry, "video_url", str, where),
    )


def _read_step(step: Any, where: str) -> tuple[int, tuple[float, float], str]:
    if not isinstance(step, dict):
        raise ValueError(f"{where}: expected an object, got {shown(step)}")
    segment = _field(step, "segment", list, where)
    if len(segment) != 2:
        raise ValueError(f"{where}.segment: expected [start, end], got {shown(segment)}")
    start, end = (_seconds(value, f"{where}.segment") for value in segment)
    if end < start:
        raise ValueError(f"{where}.segment: ends at {end} s, before it starts at {start} s")
    sentence = _field(step, "sentence", str, where).strip()
    if not sentence:
        raise ValueError(f"{where}.sentence: is empty")
    return _field(step, "id", int, where), (start, end), sentence


def _field(entry: dict[str, Any], key: str, kind: type, where: str) -> Any:
    if key not in entry:
        raise ValueError(f"{where}: the key {key!r} is missing")
    if not isinstance(entry[key], kind) or isinstance(entry[key], bool):
        raise ValueError(f"{where}.{key}: expected {kind.__name__}, got {shown(entry[key])}")
    if isinstance(entry[key], str) and not is_writable(entry[key]):
        raise ValueError(f"{where}.{key}: has half a character, such as \\ud800 with no other half after it")
    return entry[key]


def _seconds(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
        raise ValueError(f"{where}: expected seconds, got {shown(value)}")
    return float(value)


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
