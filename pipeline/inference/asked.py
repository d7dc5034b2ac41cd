"""What somebody asks of a served row: videos with their texts, checked before anything is decoded.

A record has a `text` and either `video`, a path, or `video_base64`, the file's own bytes.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.corpus.table import Video
from pipeline.inference.files import GIVEN, Source

MOST_VIDEOS = 8  # in one request
LARGEST_SENT = 48 << 20  # bytes of a video that is sent
LARGEST_FILE = 2 << 30  # bytes of a video that is named
LONGEST_TEXT = 1 << 20  # characters: a day of speech
_PATH, _BYTES, _TEXT = "video", "video_base64", "text"


class AskedError(ValueError):
    """Why a request is refused, in words for whoever sent it."""


@dataclass(frozen=True)
class Asked:
    """Either the path or the bytes of a video, and what is said in it."""

    path: Path | None
    content: bytes | None
    source: Source


def read_asked(records: Sequence[Mapping[Any, Any]], folder: Path) -> list[Asked]:
    """What each record asks for. Paths are relative to `folder`, and nothing outside it is looked at.

    Anything else than such records is an `AskedError` that names the record and the key.
    """
    if not 0 < len(records) <= MOST_VIDEOS:
        raise AskedError(f"{len(records)} records; send 1 to {MOST_VIDEOS}")
    return [_read(record, folder, f"record {number}") for number, record in enumerate(records)]


def _read(record: Mapping[Any, Any], folder: Path, where: str) -> Asked:
    if not isinstance(record, Mapping):
        raise AskedError(f"{where}: not an object with the keys {_TEXT} and {_PATH} or {_BYTES}")
    given = {key: value for key, value in record.items() if value is not None and value == value}  # pandas fills gaps with NaN
    if unknown := sorted(map(str, given.keys() - {_PATH, _BYTES, _TEXT})):
        raise AskedError(f"{where}: unknown key {unknown[0]!r}; known are {_TEXT}, {_PATH}, {_BYTES}")
    if wrong := sorted(key for key, value in given.items() if not isinstance(value, str)):
        raise AskedError(f"{where}: {wrong[0]} is not a text")
    if len(given.keys() & {_PATH, _BYTES}) != 1:
        raise AskedError(f"{where}: give either {_PATH}, a path, or {_BYTES}, the file's bytes")
    text = given.get(_TEXT, "")
    if not text.strip():
        raise AskedError(f"{where}: {_TEXT} is missing; it is what is said in the video")
    if len(text) > LONGEST_TEXT:
        raise AskedError(f"{where}: {_TEXT} has {len(text)} characters, more than {LONGEST_TEXT}")
    source = Source(Video(video_id="video", split="test", video_path="", summary="-", transcript=text), GIVEN)
    if _PATH in given:
        return Asked(_path(given[_PATH], folder, where), None, source)
    return Asked(None, _bytes(given[_BYTES], where), source)


def _path(name: str, folder: Path, where: str) -> Path:
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise AskedError(f"{where}: {name!r} is not in the folder whose videos are served")
        if not path.is_file():
            raise AskedError(f"{where}: {name!r} is no file in the folder whose videos are served")
        size = path.stat().st_size
    except (OSError, ValueError, RuntimeError) as error:  # the last of a link that leads to itself
        if isinstance(error, AskedError):
            raise
        raise AskedError(f"{where}: {name[:200]!r} is no path") from error
    if size > LARGEST_FILE:
        raise AskedError(f"{where}: {name!r} has {size >> 20} MB, more than {LARGEST_FILE >> 20}")
    return path


def _bytes(text: str, where: str) -> bytes:
    if len(text) // 4 * 3 > LARGEST_SENT:
        raise AskedError(f"{where}: {_BYTES} has {len(text) // 4 * 3 >> 20} MB, more than {LARGEST_SENT >> 20}; send a path")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AskedError(f"{where}: {_BYTES} is not base64: {error}") from error
    if not content:
        raise AskedError(f"{where}: {_BYTES} is empty")
    return content
