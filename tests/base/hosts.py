"""Processes that pose as other hosts on the folder that they are given: host name and locks are their own, ids mean nothing."""

import os
import secrets
import socket
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing import forkserver, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock
from typing import Any

from filelock import FileLock

from pipeline.base import leases, scratch, sharing
from pipeline.base.resumable import Shard, run_shards
from pipeline.base.scratch import publish, scratch_folder

SHARDS = [Shard("00000.parquet", [0, 1]), Shard("00001.parquet", [2]), Shard("a_folder", [3]), Shard("00003.parquet", [4, 5])]
STALE = 0.25
_ONE_AT_A_TIME = Lock()


def start(host: str, root: Path, shards: Sequence[Shard] = SHARDS, *, out: str = "", **how: Any) -> BaseProcess:
    """A process on `host` that does `shards` and publishes them to `root/<out or host>`."""
    forkserver.set_forkserver_preload([__name__])
    process = get_context("forkserver").Process(target=_pose, args=(host, root, shards, out or host, how), daemon=True)
    with _ONE_AT_A_TIME:
        process.start()
    return process


def exit_code(process: BaseProcess, *, seconds: float = 30.0) -> int:
    """What it ended with, when it has; in any thread: multiprocessing itself asks in each call after all processes."""
    deadline = time.monotonic() + seconds
    while True:
        with _ONE_AT_A_TIME:
            code = process.exitcode
        if code is not None:
            return code
        assert time.monotonic() < deadline, f"process {process.pid} has not ended"
        time.sleep(0.01)


def hurry() -> None:
    leases.HEARTBEAT, leases.STALE, sharing.LOOK = STALE / 10, STALE, STALE / 20


def made(root: Path) -> list[str]:
    """A line for each shard that was worked on to the end: host and shard."""
    return (root / "made").read_text().splitlines() if (root / "made").exists() else []


def _pose(host: str, root: Path, shards: Sequence[Shard], out: str, how: dict[str, Any]) -> None:
    socket.gethostname = lambda: host
    scratch.FileLock = lambda path, timeout=-1: FileLock(f"{path}.{host}", timeout=timeout)  # no lock reaches another host
    os.environ["DVC_ROOT"] = str(root)
    os.chdir(root)
    hurry()
    with scratch_folder("stage", "key") as folder:
        run_shards(partial(_work, host=host, **how), shards, folder=folder, workers=1, unit="item", title=host)
        publish(folder, [shard.name for shard in shards], Path(out))


def _work(items: Sequence[Any], path: Path, *, host: str, seconds: float, alike: bool = True) -> dict[str, Any]:
    """Write a file, or a folder of two: the same every time if `alike`, else with a word of its own that the summary has, too."""
    word = "same" if alike else secrets.token_hex(8)
    Path(f"working-{host}-{items[0]}").touch()
    files = [path]
    if path.name.startswith(".a_folder"):
        path.mkdir()
        files = [path / "one", path / "two"]
    for file in files:
        file.write_text(f"{items} ")
        time.sleep(seconds / len(files))
        with file.open("a") as stream:
            stream.write(word)
    with Path("made").open("a") as stream:
        stream.write(f"{host} {items[0]}\n")
    return {"word": word, "items": len(items)}
