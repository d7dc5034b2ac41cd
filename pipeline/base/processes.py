"""Processes that end when the one they work for has ended: nothing goes on that nobody waits for."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import wait
from threading import Thread

import psutil

_INTERVAL = 1.0  # seconds between two looks at DVC


def end_with_parent() -> None:
    """In a process of `multiprocessing`: end it when its parent is gone, killed for want of memory, say."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a process that was started by another one has a parent to end with"
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    Thread(target=watch, daemon=True).start()


def end_with_dvc() -> None:
    """In a process that DVC has started: end it when DVC, or the shell in between, is gone. Elsewhere this does nothing."""
    if "DVC_STAGE" not in os.environ:
        return
    _end_with(
        _up_to_dvc(psutil.Process().parents()),
        "DVC, which started this stage, is gone. The stage ends here; the next `dvc repro` goes on.",
    )


def end_with_group(message: str) -> None:
    """Say `message` and end this process when one of those above it is gone that share its process group: `make`, for example, to
    which a terminal sends what stops this one. A process that leads a group of its own goes on.
    """
    _end_with([parent for parent in psutil.Process().parents() if _group(parent) == os.getpgrp()], message)


def _end_with(ancestors: Sequence[psutil.Process], message: str) -> None:
    def watch() -> None:
        while all(_lives(process) for process in ancestors):
            time.sleep(_INTERVAL)
        print(message, file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, daemon=True).start()


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


def _up_to_dvc(parents: Sequence[psutil.Process]) -> list[psutil.Process]:
    """The nearest of `parents`, up to the first that DVC has not told the name of a stage: that is DVC."""
    found = []
    for process in parents:
        found.append(process)
        try:
            if "DVC_STAGE" not in process.environ():
                break
        except psutil.Error:  # somebody else's, so not DVC's
            found.pop()
            break
    return found


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
