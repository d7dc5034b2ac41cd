"""What the file system of the scratch folder can do, tried before any stage works: hard links and locks.

Locks that hold back another host cannot be tried from one host alone, so nothing rests on them (`pipeline.base.leases`).
"""

import os
from contextlib import suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pipeline.base.files import temporary_beside

_NETWORK = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "fuse.", "9p", "afs", "orangefs")


def try_disk(folder: Path) -> str:
    """A sentence on links and locks in `folder`, which is made. Locks that fail, or hold nobody back, are an `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    _require_locks(folder)
    kind = _kind(folder)
    told = [_links(folder), "locks hold back other processes of this host"]
    if kind.startswith(_NETWORK):
        told.append(f"whether they hold back other hosts cannot be tried from one ({kind}); leases decide who works on what")
    return f"{folder}: {'; '.join(told)}"


def _links(folder: Path) -> str:
    file = temporary_beside(folder / "link")
    other = file.with_name(f"{file.name}2")
    file.touch()
    try:
        os.link(file, other)
    except OSError as error:
        return f"no hard links ({error.strerror}): what is kept for later is copied, and takes its disk twice"
    else:
        return "hard links work"
    finally:
        file.unlink()
        other.unlink(missing_ok=True)


def _require_locks(folder: Path) -> None:
    path = temporary_beside(folder / "lock")
    why = "they hold nobody back"
    try:
        with FileLock(path), suppress(Timeout):
            FileLock(path).acquire(timeout=0)
            raise OSError(why)
    except OSError as error:
        raise OSError(
            f"{folder}: locks do not work here ({error.strerror or error}). Mount this file system with locks, or put the "
            "project, or DVC_ROOT, on one that has them"
        ) from error
    finally:
        path.unlink(missing_ok=True)


def _kind(folder: Path) -> str:
    """The kind of file system, `nfs4` for example; nothing where the system does not say."""
    mounts = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    return next((mounts[str(parent)] for parent in (folder.resolve(), *folder.resolve().parents) if str(parent) in mounts), "")
