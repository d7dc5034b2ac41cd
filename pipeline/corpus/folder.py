"""Your own videos: a folder of files and a table of them, CSV or JSON Lines, one row per video.

Required columns are `video_id` and `file` (relative to the folder of videos). Optional: `split`, `recipe`, `steps`,
`transcript`, `summary`.
"""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.base.dataset_params import FolderDataset
from pipeline.base.files import read_json_lines
from pipeline.corpus.entities import add_entities
from pipeline.corpus.table import SPLITS, Video, check_video_id

REQUIRED = ("video_id", "file")
OPTIONAL = ("split", "recipe", "steps", "transcript", "summary")
_COLUMNS = f"columns {', '.join(REQUIRED)}; optional {', '.join(OPTIONAL)}"

Row = tuple[str, dict[str, Any]]  # "file, line 3" and its fields


def read_videos(settings: FolderDataset, *, workers: int = 1) -> list[Video]:
    """One `Video` per row, in the order of the table; a row whose file is missing is marked failed.

    Without a `split`, a hash of the id gives 80 % train, 10 % validation, 10 % test, the same on every machine. Raises
    `ValueError` naming file and line for an unknown column, a bad or repeated id, an unsafe path or an unknown split.
    """
    table, folder = Path(settings.table), Path(settings.videos)
    if not table.is_file():
        raise ValueError(
            f"dataset.table: {table} is missing. Make it a CSV file (or .jsonl) with one row per video, {_COLUMNS}; "
            f"`file` is relative to dataset.videos ({folder})"
        )
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl}
    if table.suffix not in readers:
        raise ValueError(f"dataset.table: {table} ends neither in .csv nor in .jsonl")
    videos: list[Video] = []
    first_seen: dict[str, str] = {}
    for where, fields in readers[table.suffix](table):
        video = _read_video(fields, folder, where=where)
        if video.video_id in first_seen:
            raise ValueError(
                f"{where}: video id {video.video_id!r} is already in {first_seen[video.video_id]}; ids must be unique"
            )
        first_seen[video.video_id] = where
        videos.append(video)
    if not videos:
        raise ValueError(f"{table} has no rows; give each video one row, {_COLUMNS}")
    return add_entities(videos, settings.entities)


def _read_csv(table: Path) -> Iterator[Row]:
    with table.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            _check_columns(set(reader.fieldnames or ()), where=str(table))
            line = reader.line_num + 1  # where a row begins; quoted texts may have line breaks
            for fields in reader:
                where = f"{table}, line {line}"
                line = reader.line_num + 1
                if None in fields:
                    raise ValueError(f"{where}: more fields than columns; put quotes around a text that has commas")
                yield where, {name: value or "" for name, value in fields.items()}
        except UnicodeDecodeError as error:
            raise ValueError(f"{table}: not UTF-8 ({error.reason} at byte {error.start}); save it as CSV UTF-8") from error
        except csv.Error as error:
            raise ValueError(f"{table}, line {reader.line_num}: not valid CSV: {error}") from error


def _read_jsonl(table: Path) -> Iterator[Row]:
    for number, fields in read_json_lines(table):
        where = f"{table}, line {number}"
        _check_columns(set(fields), where=where)
        yield where, {name: value for name, value in fields.items() if value is not None}


def _check_columns(columns: set[str], *, where: str) -> None:
    if unknown := columns - {*REQUIRED, *OPTIONAL}:
        raise ValueError(f"{where}: unknown column {', '.join(map(repr, sorted(unknown)))}; expected {_COLUMNS}")
    if missing := [name for name in REQUIRED if name not in columns]:
        raise ValueError(f"{where}: column {', '.join(map(repr, missing))} is missing; expected {_COLUMNS}")


def _read_video(fields: dict[str, Any], folder: Path, *, where: str) -> Video:
    texts = {name: _text(fields, name, where=where) for name in (*REQUIRED, *OPTIONAL) if name != "steps"}
    check_video_id(texts["video_id"], where=where)
    path = folder / _safe_file(texts["file"], where=where)
    split = texts["split"] or _hashed_split(texts["video_id"])
    if split not in SPLITS:
        raise ValueError(f"{where}: split {split!r} is none of {', '.join(SPLITS)}; leave it empty to have one chosen")
    found = path.is_file()
    return Video(
        video_id=texts["video_id"],
        split=split,
        video_path=path.as_posix(),
        recipe=texts["recipe"],
        steps=_steps(fields.get("steps", ""), where=where),
        transcript=texts["transcript"],
        summary=texts["summary"],
        status="ok" if found else "failed",
        reason="" if found else "file is missing",
    )


def _text(fields: dict[str, Any], name: str, *, where: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{where}: {name} is not a text: {value!r}")
    return value.strip()


def _safe_file(file: str, *, where: str) -> PurePosixPath:
    path = PurePosixPath(file)
    if not file or "\0" in file or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{where}: file {file!r} is refused; give a path inside dataset.videos, without '..'")
    return path


def _steps(value: Any, *, where: str) -> tuple[str, ...]:
    """A list of sentences, or one text with ` | ` or line breaks between them."""
    sentences = value.replace(" | ", "\n").split("\n") if isinstance(value, str) else value
    if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
        raise ValueError(f"{where}: steps is neither a list of sentences nor a text with ' | ' between them: {value!r}")
    return tuple(sentence.strip() for sentence in sentences if sentence.strip())


def _hashed_split(video_id: str) -> str:
    tenth = int.from_bytes(hashlib.sha256(video_id.encode()).digest()[:8], "big") % 10
    return {8: "validation", 9: "test"}.get(tenth, "train")
