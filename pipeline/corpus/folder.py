"""Your own videos: a folder of files and a table of them, CSV or JSON Lines, one row per video.

Required columns are `video_id` and `file` (relative to the folder of videos). Optional: `split`, `recipe`, `steps`,
`transcript`, `transcript_origin` (human if left empty), `summary`.
"""

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

from pipeline.base.dataset_params import FolderDataset
from pipeline.base.files import listed, read_json_lines
from pipeline.base.scratch import file_sha256
from pipeline.base.text_files import csv_rows
from pipeline.corpus.entities import add_entities
from pipeline.corpus.table import HUMAN, LONGEST_TEXT, SPLITS, SUBTITLES, Video, check_video_id, shown

REQUIRED = ("video_id", "file")
OPTIONAL = ("split", "recipe", "steps", "transcript", "transcript_origin", "summary")
_COLUMNS = f"columns {', '.join(REQUIRED)}; optional {', '.join(OPTIONAL)}"

_HEARD = re.compile(r"asr:[\w.-]{1,100}", re.ASCII)

Row = tuple[int, dict[str, Any]]  # the line where it begins, and its fields
_Given = tuple[str, str]  # a video and its split


def read_videos(settings: FolderDataset, *, workers: int = 1) -> list[Video]:
    """One `Video` per row, in the order of the table; a row whose file is missing, or with a text too long, is marked failed.

    Without a `split`, a hash of the id gives 80 % train, 10 % validation, 10 % test, the same on every machine. Raises
    `ValueError` naming file and line for an unknown or repeated column, a bad or repeated id, an unsafe path, an unknown split,
    or a file that is given to two splits.
    """
    table = settings.require_table()
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl}
    if table.suffix.lower() not in readers:
        raise ValueError(f"dataset.table: {table} ends neither in .csv nor in .jsonl")
    files = _Files(Path(settings.videos))
    videos: list[Video] = []
    lines: dict[str, int] = {}
    for line, fields in readers[table.suffix.lower()](table):
        where = f"{table}, line {line}"
        video = _read_video(fields, files, where=where)
        if video.video_id in lines:
            raise ValueError(
                f"{where}: video id {video.video_id!r} is already in {table}, line {lines[video.video_id]}; ids must be unique"
            )
        lines[video.video_id] = line
        videos.append(video)
    if not videos:
        raise ValueError(f"{table} has no rows; give each video one row, {_COLUMNS}")
    return add_entities(videos, settings.entities)


class _Files:
    """The files of a folder, and which video and split each was given to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[Path, dict[str, str]] = {}  # of a folder: composed name -> name on the disk
        self._given: dict[tuple[int, int], _Given] = {}  # device and inode -> video and split
        self._sizes: dict[int, tuple[Path, _Given]] = {}  # the first file of that size
        self._contents: dict[tuple[int, str], _Given] = {}  # size and sha256, of files that are not alone with their size
        self._read: set[int] = set()  # sizes of those

    def take(self, file: PurePosixPath, *, video_id: str, split: str, where: str) -> tuple[Path, str]:
        """The path of a video's file, and why it cannot be had, or an empty text.

        Raises `ValueError` if it is the file of another split's video, or a copy of it, whatever the names: that would be
        training on the test.
        """
        path = self._root / file
        try:
            status = _status(path)
            if status is None and (other_form := self._in_other_form(file)) is not None:
                path = other_form
                status = _status(path)
        except OSError as error:
            return path, f"file cannot be read: {error.strerror}"
        if status is None:
            return path, "file is missing"
        if not stat.S_ISREG(status.st_mode):
            return path, "not a regular file but a folder, a pipe or a device"
        given = (video_id, split)
        same = self._given.setdefault((status.st_dev, status.st_ino), given)
        try:
            if same is given:
                same = self._with_content_of(path, status.st_size, given)
        except OSError as error:
            return path, f"file cannot be read: {error.strerror}"
        if same[1] != split:
            raise ValueError(
                f"{where}: video {video_id!r} of split {split} has the same file as video {same[0]!r} of split {same[1]}, "
                f"{str(file)!r} or a copy; give both the same split, or remove one"
            )
        return path, ""

    def _with_content_of(self, path: Path, size: int, given: _Given) -> _Given:
        """The first video with a file of this content. Only files of equal size are read."""
        first, its_video = self._sizes.setdefault(size, (path, given))
        if first == path or not size:
            return given
        if size not in self._read:
            self._read.add(size)
            self._contents[size, file_sha256(first)] = its_video
        return self._contents.setdefault((size, file_sha256(path)), given)

    def _in_other_form(self, file: PurePosixPath) -> Path | None:
        """The path of `file` where an accent is a character of its own and here is part of its letter, or the other way round."""
        if str(file).isascii():
            return None
        path = self._root
        for part in file.parts:
            if path not in self._names:
                inside = listed(path, "*")
                self._names[path] = {normalize("NFC", found.name): found.name for found in inside}
            name = self._names[path].get(normalize("NFC", part))
            if name is None:
                return None
            path /= name
        return path


def _status(path: Path) -> os.stat_result | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        return path.stat()
    return None


def _read_csv(table: Path) -> Iterator[Row]:
    rows = csv_rows(table)
    _, header = next(rows, (1, []))
    _check_columns(header, where=str(table))
    for line, values in rows:
        if len(values) > len(header):
            raise ValueError(f"{table}, line {line}: more fields than columns; put quotes around a text that has commas")
        yield line, dict(zip(header, values, strict=False))  # what is left out at the end is empty


def _read_jsonl(table: Path) -> Iterator[Row]:
    for line, fields in read_json_lines(table):
        _check_columns(list(fields), where=f"{table}, line {line}")
        yield line, {name: value for name, value in fields.items() if value is not None}


def _check_columns(columns: Sequence[str], *, where: str) -> None:
    if unknown := sorted({*columns} - {*REQUIRED, *OPTIONAL}):
        raise ValueError(f"{where}: unknown column {', '.join(map(shown, unknown))}; expected {_COLUMNS}")
    if missing := [name for name in REQUIRED if name not in columns]:
        raise ValueError(f"{where}: column {', '.join(map(repr, missing))} is missing; expected {_COLUMNS}")
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        raise ValueError(f"{where}: column {', '.join(map(repr, twice))} is there twice; keep one")


def _read_video(fields: dict[str, Any], files: _Files, *, where: str) -> Video:
    texts = {name: _text(fields, name, where=where) for name in (*REQUIRED, *OPTIONAL) if name != "steps"}
    check_video_id(texts["video_id"], where=where)
    split = texts["split"] or hashed_split(texts["video_id"])
    if split not in SPLITS:
        raise ValueError(f"{where}: split {shown(split)} is none of {', '.join(SPLITS)}; leave it empty to have one chosen")
    file = _safe_file(texts["file"], where=where)
    path, reason = files.take(file, video_id=texts["video_id"], split=split, where=where)
    steps = _steps(fields.get("steps", ""), where=where)
    lengths = {name: len(text) for name, text in texts.items()} | {"steps": sum(map(len, steps))}
    if too_long := [name for name, length in lengths.items() if length > LONGEST_TEXT]:
        reason = f"{too_long[0]} has {lengths[too_long[0]]} characters, more than {LONGEST_TEXT}"
        return Video(texts["video_id"], split, path.as_posix(), status="failed", reason=reason)
    return Video(
        video_id=texts["video_id"],
        split=split,
        video_path=path.as_posix(),
        recipe=texts["recipe"],
        steps=steps,
        transcript=texts["transcript"],
        transcript_origin=_origin(texts, where=where),
        summary=texts["summary"],
        status="failed" if reason else "ok",
        reason=reason,
    )


def _text(fields: dict[str, Any], name: str, *, where: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{where}: {name} is not a text: {shown(value)}")
    return value.strip()


def _origin(texts: Mapping[str, str], *, where: str) -> str:
    """Who wrote the transcript down: people, unless the table says otherwise."""
    origin = texts["transcript_origin"] or HUMAN
    if origin not in (HUMAN, SUBTITLES) and not _HEARD.fullmatch(origin):
        raise ValueError(f"{where}: transcript_origin {shown(origin)} is none of {HUMAN}, {SUBTITLES}, asr:<model>")
    return origin if texts["transcript"] else ""


def _safe_file(file: str, *, where: str) -> PurePosixPath:
    path = PurePosixPath(file)
    if not file or "\0" in file or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{where}: file {shown(file)} is refused; give a path inside dataset.videos, without '..'")
    return path


def _steps(value: Any, *, where: str) -> tuple[str, ...]:
    """A list of sentences, or one text with ` | ` or line breaks between them."""
    sentences = value.replace(" | ", "\n").split("\n") if isinstance(value, str) else value
    if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
        raise ValueError(f"{where}: steps is neither a list of sentences nor a text with ' | ' between them: {shown(value)}")
    return tuple(sentence.strip() for sentence in sentences if sentence.strip())


def hashed_split(video_id: str) -> str:
    """A split by the id alone: 80 % train, 10 % validation, 10 % test, the same on every machine."""
    tenth = int.from_bytes(hashlib.sha256(video_id.encode()).digest()[:8], "big") % 10
    return {8: "validation", 9: "test"}.get(tenth, "train")
