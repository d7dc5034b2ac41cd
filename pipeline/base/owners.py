"""Who works on something in a folder that several hosts may share: a process, and the host that it is a process of.

A process id means something on its own host alone. So the name of a host tells apart two machines, or two containers, that are
called the same.
"""

import hashlib
import os
import re
import socket
import sys
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

_ANOTHER_START = 60.0  # seconds between two times of start: then an id has gone to another process, and no clock was set
_NAMED = re.compile(r"^(.*)-([0-9]+)-[0-9a-f]{8}$")


@dataclass(frozen=True)
class Owner:
    """A process; `started` is in seconds of its own host's clock, or None where nobody knows."""

    host: str
    pid: int
    started: float | None = None
    command: str = ""

    def is_gone(self) -> bool:
        """Whether it is known to have ended. Of a process on another host nothing is known."""
        if self.host != host():
            return False
        try:
            process = psutil.Process(self.pid)
            started, status = process.create_time(), process.status()
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False
        return status == psutil.STATUS_ZOMBIE or (self.started is not None and abs(started - self.started) > _ANOTHER_START)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f" ({self.command})" if self.command else "")


def host() -> str:
    """The name of this host, with six digits for its last start and the space of its process ids."""
    return f"{socket.gethostname()[:32]}-{_digits()}"


def this_process() -> Owner:
    return Owner(host(), os.getpid(), _started(os.getpid()), " ".join(sys.argv)[:200])


def owner_in(name: str) -> Owner | None:
    """The owner in a name that ends like those of `pipeline.base.files.temporary_beside`: `<host>-<pid>-<eight digits>`.

    `name` may begin with anything up to a full stop; host names may hold some themselves.
    """
    found = _NAMED.search(name)
    if found is None:
        return None
    return Owner(host() if found[1].endswith(f".{host()}") else found[1], int(found[2]))


@cache
def _digits() -> str:
    try:
        parts = [Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"), str(Path("/proc/self/ns/pid").readlink())]
    except OSError:  # no Linux
        parts = [str(uuid.getnode())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:6]


@cache
def _started(pid: int) -> float:
    return float(psutil.Process(pid).create_time())
