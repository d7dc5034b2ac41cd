"""Values of JSON that others wrote: one of another kind is a `ValueError` that names its key."""

import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from pipeline.base.text_files import is_writable
from pipeline.corpus.table import LONGEST_TEXT, shown

T = TypeVar("T")


def field(entry: Any, key: str, kind: type[T], *, where: str) -> T:
    """`entry[key]`, which must be a `kind`."""
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where}: expected an object, got {shown(entry)}")
    if key not in entry:
        raise ValueError(f"{where}: the key {key!r} is missing")
    value = entry[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{where}.{key}: expected {kind.__name__}, got {shown(value)}")
    return value


def sentence(value: Any, *, where: str) -> str:
    """A text on one line, without blanks around it; it may be empty."""
    if not isinstance(value, str):
        raise ValueError(f"{where}: expected a text, got {shown(value)}")
    if not is_writable(value):
        raise ValueError(f"{where}: has half a character, such as \\ud800 with no other half after it")
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"{where}: has {len(value)} characters, more than {LONGEST_TEXT}")
    return " ".join(value.split())


def seconds(value: Any, *, where: str) -> float:
    """A number that is finite and not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
        raise ValueError(f"{where}: expected seconds, got {shown(value)}")
    return float(value)


def segment(value: Any, *, where: str) -> tuple[float, float]:
    """[start, end] in seconds."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{where}: expected [start, end], got {shown(value)}")
    start, end = (seconds(part, where=where) for part in value)
    if end < start:
        raise ValueError(f"{where}: ends at {end} s, before it starts at {start} s")
    return start, end


def printable(text: str) -> str:
    """A text as it can be written, whatever characters it has."""
    return text.encode("utf-8", "backslashreplace").decode()
