"""Text, CSV and JSON as people and other programs write them: whatever is wrong is a `ValueError` that names file and line.

Tables are read row by row, and no line or field is longer than `LONGEST_LINE`: a table of any size takes the memory of a row.
"""

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LONGEST_LINE = 1 << 26  # bytes of a line, characters of a field: more is no table, or a quote that nobody closed
_LONE_BREAK = re.compile(r"(?<=\r)(?!\n|\Z)")  # how old Macs end a line
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _GivenTwice(ValueError):
    """A key of a JSON object that occurs twice."""


class _NotFinite(ValueError):
    """NaN, or a number that is infinite as a float."""


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line with its number, from 1, and its line break. A byte order mark is no part of the first."""
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise ValueError(f"{path}, line {number}: longer than {LONGEST_LINE >> 20} MB; is this a text file?")
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(f"{path}, line {number}: not UTF-8 ({error.reason}); save it as UTF-8") from error


def read_text(path: Path) -> str:
    """The whole file, without a byte order mark; for files that are one value, of any size."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not UTF-8 ({error.reason}); save it as UTF-8") from error


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with the number of the line where it begins: quoted texts may have line breaks."""
    reader = csv.reader(_csv_lines(path), strict=True)
    while True:
        line = reader.line_num + 1
        before = csv.field_size_limit(LONGEST_LINE)  # there is one limit for all readers, so it is put back
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"{path}, line {line}: not valid CSV in the row that begins here: {error}") from error
        finally:
            csv.field_size_limit(before)
        if row:
            yield line, row


def parse_json(text: str, *, where: str, finite: bool = False) -> Any:
    """The value that `text` holds; `where` names the file, and the line if there is more than one value.

    With `finite` NaN and numbers beyond what a float holds are refused: no file could hold them again.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refused if finite else None,
            parse_float=_finite if finite else None,
        )
    except RecursionError as error:
        raise ValueError(f"{where}: not valid JSON: nested too deeply") from error
    except (json.JSONDecodeError, _GivenTwice, _NotFinite) as error:
        raise ValueError(f"{where}: not valid JSON: {error}") from error
    except ValueError as error:  # what Python says of such a number is no help to whoever has the file
        raise ValueError(f"{where}: not valid JSON: a number has thousands of digits") from error


def parse_object(text: str, *, where: str) -> dict[str, Any]:
    """As `parse_json`, of an object all of whose texts can be written again."""
    value = parse_json(text, where=where, finite=True)
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object, found {type(value).__name__}")
    if _SURROGATE.search(text) and not is_writable(json.dumps(value, ensure_ascii=False)):
        raise ValueError(f"{where}: half a character, such as \\ud800 with no other half after it; correct or remove it")
    return value


def is_writable(text: str) -> bool:
    """Whether `text` is all characters: JSON can escape half of one, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _csv_lines(path: Path) -> Iterator[str]:
    for _, line in text_lines(path):
        if "\r" in line.removesuffix("\r\n"):
            yield from _LONE_BREAK.split(line)
        else:
            yield line


def _refused(constant: str) -> float:
    raise _NotFinite(f"{constant} is no number")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise _NotFinite(f"{number[:40]} is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise _GivenTwice(f"the key {twice[:80]!r} is given twice")
    return found
