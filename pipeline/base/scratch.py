"""Scratch: unfinished and kept work, in a folder keyed by a fingerprint of everything that decides its result.

A finished stage publishes its scratch folder as its output. Scratch hangs on `DVC_ROOT`, so experiments that DVC runs in
temporary folders share it.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

_KEPT = ".kept"  # lies in a scratch folder that the project itself has finished
_ABANDONED_SECONDS = 14 * 24 * 3600
_UNFINISHED = ".unfinished"  # lies in a scratch folder until the block that works there has ended well


def fingerprint(*parts: Any) -> str:
    """Sixteen hexadecimal digits that change whenever any of `parts` (JSON-serialisable) does."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def scratch_root() -> Path:
    """The scratch folder of the project, shared by all of its processes."""
    return Path(os.environ.get("DVC_ROOT", ".")) / ".scratch"


@contextmanager
def scratch_folder(stage: str, key: str) -> Iterator[Path]:
    """The folder where `stage` collects unfinished work under fingerprint `key`, held by one process at a time."""
    folder = scratch_root() / stage / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_lock(folder)):
        folder.mkdir(exist_ok=True)
        (folder / _UNFINISHED).touch()
        yield folder
        (folder / _UNFINISHED).unlink(missing_ok=True)


def publish(folder: Path, names: Sequence[str], out: Path) -> None:
    """Make `out` a folder with the files `names` of the scratch folder `folder`; keep that one and no other finished one.

    What is kept answers a later run under the same fingerprint.
    """
    link_files(folder, names, out)
    keep_only(folder)


def link_files(folder: Path, names: Sequence[str], out: Path) -> None:
    """Make `out` a folder with the files (or folders) `names` of `folder`.

    They are hard-linked into a temporary folder that is renamed, so a kill in between loses nothing.
    """
    temporary = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name in names:
        _link(folder / name, temporary / name)
    shutil.rmtree(out, ignore_errors=True)
    os.replace(temporary, out)


def keep_only(folder: Path) -> None:
    """Keep the finished scratch folder `folder` and no other of its stage, except those that are in use, or unfinished and not
    abandoned: taken up within the last fortnight.

    A queued experiment runs in a copy of the project and shares scratch with it. There, what the project keeps stays, and the
    experiment's own work goes: its results are in DVC's cache.
    """
    if Path.cwd().resolve() != scratch_root().parent.resolve():
        if not (folder / _KEPT).exists():
            discard(folder)
        return
    (folder / _KEPT).touch()
    for other in folder.parent.iterdir():
        if other.is_dir() and other != folder and _may_go(other):
            with suppress(Timeout), FileLock(_lock(other), timeout=0):
                discard(other)


def _may_go(folder: Path) -> bool:
    unfinished = folder / _UNFINISHED
    return not unfinished.exists() or time.time() - unfinished.stat().st_mtime > _ABANDONED_SECONDS


def discard(folder: Path) -> None:
    """Remove a folder of `scratch_folder`. It loses its name first: killed half-way, no mark is left without its shard."""
    trash = folder.with_name(f".{folder.name}.trash")
    shutil.rmtree(trash, ignore_errors=True)
    with suppress(FileNotFoundError):
        os.replace(folder, trash)
    shutil.rmtree(trash, ignore_errors=True)


def _lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _link(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link)
    else:
        os.link(source, target)
