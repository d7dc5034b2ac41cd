"""What is said of a wrong parameter: its key, what was expected and what was given, and the key that may have been meant."""

import reprlib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_EXPECTED = {
    "int_type": "a whole number such as 3",
    "int_from_float": "a whole number such as 3",
    "float_type": "a number such as 1e-3",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list in square brackets",
    "dict_type": "a block of keys",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
}
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
_UNIONS = (["dataset"],)  # pydantic puts the tag of a union after such a key, and it is not one itself
_ROWS = 2  # `rows.<row>` stands before keys of other blocks


def explain(error: ValidationError, block: type[BaseModel], *, before: Sequence[str] = ()) -> list[str]:
    """A line for each problem of a file that should be `block`. `before`: the keys under which the part that is wrong stands."""
    return [_line(problem, block, before) for problem in error.errors()]


def _line(problem: Any, block: type[BaseModel], before: Sequence[str]) -> str:
    location = [*before, *(str(part) for part in problem["loc"])]
    if location[:1] in _UNIONS:
        del location[1:2]
    key = ".".join(location)
    said = _said(problem, location, block)
    return f"{key}: {said}" if key else said


def _said(problem: Any, location: Sequence[str], block: type[BaseModel]) -> str:
    kind, given = problem["type"], problem.get("input")
    if kind in _UNKNOWN:
        return f"unknown key; {_nearest(location, block)}"
    if kind == "missing":
        return "missing; every key of the file is needed"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, given {reprlib.repr(given)}"
    if kind == "union_tag_invalid":
        return f"name must be one of {problem['ctx']['expected_tags']}, given {problem['ctx']['tag']!r}"
    if kind == "too_short":
        return f"at least {problem['ctx']['min_length']} of them, given {reprlib.repr(given)}"
    message = problem["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return f"{message}, given {given!r}" if isinstance(given, str | int | float | bool) else message


def _nearest(location: Sequence[str], block: type[BaseModel]) -> str:
    """The key that may have been meant: one beside the wrong one, or of that name elsewhere; else all that may stand there."""
    *parents, name = location[_ROWS:] if location[0] == "rows" else location
    known = list(dict.fromkeys(_keys(block)))
    beside = [key for key in known if key.rpartition(".")[0] == ".".join(parents)]
    for candidates in (beside, known):
        last = {key.rpartition(".")[2]: key for key in candidates}
        if close := get_close_matches(name, last, n=1, cutoff=0.6):
            return f"did you mean {last[close[0]]}?"
    return f"known here are {', '.join(key.rpartition('.')[2] for key in beside)}" if beside else "remove it"


def _keys(block: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key that a file may have, with its blocks before it."""
    for name, field in block.model_fields.items():
        yield prefix + name
        for inner in _blocks(field.annotation):
            yield from _keys(inner, f"{prefix}{name}.")


def _blocks(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _blocks(part)
