"""Leases: one process says that it works on something, in a folder that other hosts may work in, too.

A lease is a small file that is made if there is none (`O_EXCL`, which network file systems do in one step, too), that says who
made it, and that its owner renews every few seconds. Who finds one never compares the clocks of two hosts. It looks whether the
file changes, and takes over when it has not changed for `STALE` seconds of its own clock; at once, when the owner was a process
of its own host and has ended.

Leases save work; correctness does not rest on them. An owner that was stopped for a while may find that another has taken over.
Then both finish, and who writes the result sees to it that it is whole.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Thread

from pipeline.base.owners import Owner, host, owner_in, this_process

HEARTBEAT = 10.0  # seconds between two renewals
STALE = 60.0  # seconds without a change after which a lease is nobody's
OLD = 24 * 3600.0  # seconds after which what another host left counts as left; so long that no host's clock matters

_Seen = tuple[int, int, bytes]  # inode, time of change, content: what changes when a lease is renewed or replaced


class Lease:
    """A lease of this process."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._content = path, content

    def is_held(self) -> bool:
        """Whether nobody has taken over."""
        seen = _look(self._path)
        return seen is not None and seen[2] == self._content

    def renew(self) -> None:
        """Say that this process is there."""
        with suppress(OSError):  # a server that does not answer for a moment; if it lasts, another host takes over
            if self.is_held():
                os.utime(self._path)

    def release(self) -> None:
        with suppress(OSError):  # it has served its time, and will be found stale
            if self.is_held():
                self._path.unlink(missing_ok=True)


@contextmanager
def claimed(path: Path) -> Iterator[Lease | None]:
    """Hold the lease `path` while the block runs; None where a process holds it that may be alive."""
    lease = _take(path)
    if lease is None:
        yield None
        return
    held = _heart(os.getpid()).leases
    held[id(lease)] = lease
    try:
        yield lease
    finally:
        del held[id(lease)]
        lease.release()


class _Heart:
    """Renews all leases of this process. A thread for each would cost more than a small shard."""

    def __init__(self) -> None:
        self.leases: dict[int, Lease] = {}
        Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while True:
            time.sleep(HEARTBEAT)
            for lease in list(self.leases.values()):
                lease.renew()


@cache
def _heart(pid: int) -> _Heart:
    """The heart of this process, whose id is `pid`: a process that was forked has no threads of the other's."""
    return _Heart()


class Watch:
    """What this process has seen of leases that others hold, by its own clock."""

    def __init__(self) -> None:
        self._since: dict[Path, tuple[_Seen, float]] = {}

    def is_free(self, path: Path) -> bool:
        """Whether the lease `path` may be claimed. One that has not changed for `STALE` seconds, as seen from here, is taken
        away.
        """
        seen = _look(path)
        if seen is None:
            self._since.pop(path, None)
            return True
        owner, now = _owner(seen), time.monotonic()
        before, since = self._since.setdefault(path, (seen, now))
        if before != seen:
            self._since[path] = (seen, now)
        elif now - since > STALE:
            print(f"{path}: {owner or 'its owner'} has not renewed it for {STALE:g} s; taken over", flush=True)
            _take_away(path, seen)
            return True
        return owner is not None and owner.is_gone()


def owner_of(path: Path) -> Owner | None:
    """Who holds the lease; None where there is none, or one that cannot be read."""
    seen = _look(path)
    return None if seen is None else _owner(seen)


def is_left(path: Path) -> bool:
    """Whether a lease is of a process of this host that has ended, or of one elsewhere that has not renewed it for a day.

    Then it may go, and with it what it was held for, without a watch.
    """
    owner = owner_of(path)
    return owner.is_gone() if owner is not None and owner.host == host() else _is_old(path)


def is_left_temporary(path: Path) -> bool:
    """The same of a file or folder with a temporary name, by that name; this process, too, is done with what it finds."""
    owner = owner_in(path.name.rpartition(".tmp")[0])
    if owner is not None and owner.host == host():
        return owner.pid == os.getpid() or owner.is_gone()
    return _is_old(path)


def _take(path: Path) -> Lease | None:
    content = json.dumps(vars(this_process()) | {"token": secrets.token_hex(8)}).encode()
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            seen = _look(path)
            if seen is None:
                continue
            owner = _owner(seen)
            if owner is None or not owner.is_gone():
                return None
            _take_away(path, seen)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            return Lease(path, content)


def _is_old(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return time.time() - max(inside.stat().st_mtime for inside in (path, *path.rglob("*"))) > OLD
    return True


def _take_away(path: Path, seen: _Seen) -> None:
    """Remove the lease if it is still the one that was `seen`."""
    if _look(path) == seen:
        path.unlink(missing_ok=True)


def _look(path: Path) -> _Seen | None:
    """The file as it is now: a network file system asks its server when a file is opened, and may not when it is not."""
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            return status.st_ino, status.st_mtime_ns, stream.read()
    except FileNotFoundError:
        return None


def _owner(seen: _Seen) -> Owner | None:
    """None where the owner was ended between making and writing, or has not come that far."""
    try:
        told = json.loads(seen[2])
        return Owner(str(told["host"]), int(told["pid"]), float(told["started"]), str(told["command"]))
    except (ValueError, TypeError, KeyError):
        return None
