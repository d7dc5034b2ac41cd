"""Files that are either whole or absent: written under a temporary name beside the target, then renamed."""

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.base.owners import host
from pipeline.base.text_files import parse_json, parse_object, read_text, text_lines

_A_FOLDER_IS_THERE = (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR)
_FULL = 1 << 24  # bytes: with less left, the disk is what made a writer fail

# A list of numbers, an element a line, as `json.dumps` indents it. Text never holds a raw line break, so none is changed.
_NUMBERS = re.compile(r"\[\n\s*(-?[0-9][-+.0-9eE]*(?:,\s*-?[0-9][-+.0-9eE]*)*)\n\s*\]")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` when the block ends well, remove it when it does not.

    What has the name of `path` is on the disk, whole, whatever happens to the machine. The block may write a file or a folder.
    The temporary name is hidden, so that `listed` never yields it; it is no other process's, on this host or another; and it
    keeps the suffix of `path`, because image, video and Parquet writers choose a format by it. A full disk is an `OSError` that
    says so, whatever the writer made of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        try:
            yield temporary
            _make_durable(temporary)
        except Exception as error:
            if shutil.disk_usage(path.parent).free < _FULL:
                raise OSError(errno.ENOSPC, "the disk is full; make room and run this again", str(path)) from error
            raise
        _rename(temporary, path)
        _make_durable_folder(path.parent)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    """A hidden name in the folder of `path` that no other process takes."""
    owner = f"{host()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f".{path.stem[:64]}.{owner}.tmp{path.suffix}")


def listed(folder: Path, pattern: str) -> list[Path]:
    """Files and folders below `folder` that match `pattern`, sorted, without hidden ones: those are unfinished, or some program's
    own.
    """
    found = folder.glob(pattern)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, lists of numbers on one line. NaN is refused: other tools cannot read it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, _NUMBERS.sub(_on_one_line, text) + "\n")


def read_json(path: Path, keys: Mapping[str, type] | None = None) -> Any:
    """Read a JSON file that the pipeline wrote; a broken one is a `ValueError` that names it and says how to have it again.

    With `keys` it must be an object that has them, each with a value of the type given.
    """
    try:
        value = parse_json(read_text(path), where=str(path))
    except ValueError as error:
        raise ValueError(f"{error}; delete the file and run its stage again") from error
    if keys is not None and not isinstance(value, dict):
        raise ValueError(f"{path}: not as it was written: no object; delete the file and run its stage again")
    if strange := [key for key, kind in (keys or {}).items() if not isinstance(value.get(key), kind)]:
        raise ValueError(f"{path}: not as it was written ({', '.join(strange)}); delete the file and run its stage again")
    return value


@contextmanager
def readable(path: Path, *, stage: str) -> Iterator[None]:
    """Around whatever reads `path`, which `stage` wrote: a file that is missing, or that its reader cannot make sense of, is an
    error that names it and says what to run.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} is missing; run `dvc repro {stage}` first") from error
    except Exception as error:  # the libraries that read files have no common one, and damage makes them raise any
        reason = " ".join(str(error).removeprefix(f"{path}: ").split())[:300]
        raise ValueError(
            f"{path}: cannot be read ({type(error).__name__}: {reason}); run `dvc repro --force {stage}`. Is the disk all right?"
        ) from error


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one object a line (JSON Lines)."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Objects with the number of their line, from 1; empty lines are skipped.

    Anything that is not UTF-8, not JSON or not an object is a `ValueError` that names file and line, and so is a key that is
    given twice.
    """
    for number, line in text_lines(path):
        if line.strip():
            yield number, parse_object(line, where=f"{path}, line {number}")


def _on_one_line(found: re.Match[str]) -> str:
    return f"[{', '.join(found[1].replace(',', ' ').split())}]"


def _rename(temporary: Path, path: Path) -> None:
    """No rename replaces a folder, so one that is there loses its name first; another host may put one there meanwhile."""
    while True:
        if path.is_dir():
            outdated = temporary_beside(path)
            with suppress(FileNotFoundError):
                path.rename(outdated)
                shutil.rmtree(outdated)
        try:
            os.replace(temporary, path)
        except OSError as error:
            if error.errno not in _A_FOLDER_IS_THERE:
                raise
        else:
            return


def _make_durable(path: Path) -> None:
    """Wait until a file, or all that a folder holds, is on the disk."""
    if not path.is_dir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        return
    for inside in path.iterdir():
        _make_durable(inside)
    _make_durable_folder(path)


def _make_durable_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk; some file systems have no such call, and keep them safe themselves."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
