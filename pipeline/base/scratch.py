"""Scratch: unfinished and kept work, in a folder keyed by a fingerprint of everything that decides its result.

A finished stage publishes its scratch folder as its output. Scratch hangs on `DVC_ROOT`, so experiments that DVC runs in
temporary folders share it.
"""

import errno
import glob
import hashlib
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.base.files import read_json, replacing, temporary_beside
from pipeline.base.leases import claimed, is_left, is_left_temporary, owner_of
from pipeline.base.owners import Owner
from pipeline.base.paths import RAW

_HELD = ".held"  # of the lease of a process that holds a scratch folder
_KEPT = ".kept"  # lies in a scratch folder that the project itself has finished
_ABANDONED_SECONDS = 14 * 24 * 3600
_UNFINISHED = ".unfinished"  # lies in a scratch folder until the block that works there has ended well
_NO_LINKS = (
    errno.EXDEV,
    errno.EPERM,
    errno.ENOTSUP,
    errno.EMLINK,
    errno.ENOSYS,
)  # another file system, or one without hard links


def fingerprint(*parts: Any) -> str:
    """Sixteen hexadecimal digits that change whenever any of `parts` (JSON-serialisable) does."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_identity(path: Path) -> list[int | str]:
    """What tells that a video is another one; nothing of what is no file.

    Size and time of change, so that large files are not read twice. Drawn ones are small and are written anew by each run of
    `download`, so of them the contents count.
    """
    if not path.is_file():
        return []
    if path.is_relative_to(RAW):
        return [file_sha256(path)]
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def files_of(target: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a folder with its path in it; of one file, that one with the name of nothing; of what is missing, none."""
    if target.is_dir():
        yield from ((path.relative_to(target).as_posix(), path) for path in sorted(target.rglob("*")) if path.is_file())
    elif target.is_file():
        yield "", target


def digests_of(target: Path) -> dict[str, str]:
    """sha256 of what `files_of` gives."""
    return {name: file_sha256(path) for name, path in files_of(target)}


def scratch_root() -> Path:
    """The scratch folder of the project, shared by all of its processes."""
    return Path(os.environ.get("DVC_ROOT", ".")) / ".scratch"


@contextmanager
def scratch_folder(stage: str, key: str) -> Iterator[Path]:
    """The folder where `stage` collects unfinished work under fingerprint `key`.

    Of the processes of one host, one holds it at a time, and on several hosts if locks of the file system reach that far. Where
    they do not, several hold it at once, and share the shards of `run_shards` by leases.
    """
    folder = scratch_root() / stage / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _held(folder):
        folder.mkdir(exist_ok=True)
        _remove_left(folder, ".*.tmp*")
        for lease in folder.glob(".*.lease"):
            if is_left(lease):
                lease.unlink(missing_ok=True)
        (folder / _UNFINISHED).touch()
        yield folder
        (folder / _UNFINISHED).unlink(missing_ok=True)


def read_kept(path: Path, keys: Mapping[str, type] | None = None) -> Any:
    """What a JSON file that was kept for later holds; None where there is none, or, with a warning, where it cannot be read.

    With `keys` it must be an object that has them, each with a value of the type given.
    """
    if not path.exists():
        return None
    try:
        return read_json(path, keys)
    except (ValueError, OSError) as error:
        print(f"warning: {error}. It is made again. Is the disk all right?", flush=True)
        return None


def publish(folder: Path, names: Sequence[str], out: Path) -> None:
    """Make `out` a folder with the files `names` of the scratch folder `folder`; keep that one and no other finished one.

    What is kept answers a later run under the same fingerprint.
    """
    link_files(folder, names, out)
    keep_only(folder)


def link_files(folder: Path, names: Sequence[str], out: Path) -> None:
    """Make `out` a folder with the files (or folders) `names` of `folder`.

    They are hard-linked, or copied where the file system cannot do that, into a temporary folder that is renamed, so a kill in
    between loses nothing.
    """
    _remove_left(out.parent, f".{glob.escape(out.stem[:64])}.*.tmp{out.suffix}")
    with replacing(out) as temporary:
        temporary.mkdir()
        for name in names:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, temporary / name, copy_function=link_or_copy)
            else:
                link_or_copy(folder / name, temporary / name)


def link_or_copy(source: Path | str, target: Path | str) -> None:
    """A hard link, or a copy where there can be none; the first one says so."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _say_copied(str(Path(target).parent.parent), error.strerror)
        shutil.copyfile(source, target)


@cache
def _say_copied(where: str, reason: str) -> None:
    print(f"{where}: no hard links here ({reason}), so files are copied, and take their disk twice", flush=True)


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
                if not _held_by(other):
                    discard(other)


def _may_go(folder: Path) -> bool:
    unfinished = folder / _UNFINISHED
    return not unfinished.exists() or time.time() - unfinished.stat().st_mtime > _ABANDONED_SECONDS


def discard(folder: Path) -> None:
    """Remove a folder of `scratch_folder`. It loses its name first: killed half-way, no mark is left without its shard."""
    with suppress(FileNotFoundError):  # another host was quicker
        os.replace(folder, folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.trash"))
    for trash in folder.parent.glob(f".{glob.escape(folder.name)}.*trash"):
        shutil.rmtree(trash, ignore_errors=True)


def _lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, and a lease beside the folder that tells other hosts; who has to wait is told for whom."""
    lock = FileLock(_lock(folder))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        whom = next(iter(_held_by(folder)), "another process")
        print(f"{folder.parent.name}: {whom} works on the same; waiting until it has ended", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        holders = _held_by(folder)
        for whom in holders:
            print(f"{folder.parent.name}: {whom} works on the same; the work is shared", file=sys.stderr, flush=True)
        with claimed(temporary_beside(folder).with_suffix(_HELD)):
            yield
    finally:
        lock.release()


def _held_by(folder: Path) -> list[Owner | None]:
    """Who holds the folder by a lease; those that have ended lose theirs."""
    holders = []
    for lease in folder.parent.glob(f".{glob.escape(folder.name)}.*{_HELD}"):
        if is_left(lease):
            lease.unlink(missing_ok=True)
        else:
            holders.append(owner_of(lease))
    return holders


def _remove_left(folder: Path, pattern: str) -> None:
    """Remove temporary files of processes that were killed, and none of others."""
    for path in folder.glob(pattern):
        if not is_left_temporary(path):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
