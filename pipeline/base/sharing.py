"""Work that processes of several hosts share: each does what nobody else works on, then waits for what others do."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pipeline.base.leases import Watch, owner_of

LOOK = 0.5  # seconds between two looks at what another process works on

T = TypeVar("T")


def share(
    run: Callable[[Sequence[T]], None],
    todo: Sequence[T],
    *,
    is_done: Callable[[T], bool],
    lease: Callable[[T], Path],
    progress: Callable[[Sequence[T], int], None],
    title: str,
) -> list[T]:
    """Have all of `todo` done, by `run` and by whoever else works on it; returns those that others have done.

    `run` leaves out what others hold the lease of. `progress` is called with 1 for what others have done, and with -1 for what
    `run` has left out and so counted too early.
    """

    def run_free(part: Sequence[T]) -> list[T]:
        run(part)
        left_out = [one for one in part if not is_done(one)]
        progress(left_out, -1)
        return left_out

    watch, others, told = Watch(), [], False
    for one in todo:
        watch.is_free(lease(one))  # how long it does not change counts from here, before this process works on the rest
    left = run_free(todo)
    while left:
        done, left = _parted(left, is_done)
        progress(done, 1)
        others += done
        free, left = _parted(left, lambda one: watch.is_free(lease(one)))
        if free:
            left += run_free(free)
        elif left:
            if not told:
                whom = owner_of(lease(left[0])) or "another process"
                print(f"{title}: {whom} works on the same; waiting for that ({len(left)} left)", flush=True)
                told = True
            time.sleep(LOOK)
    return others


def _parted(some: Sequence[T], test: Callable[[T], bool]) -> tuple[list[T], list[T]]:
    """Those that pass the test, and the others."""
    passed = [test(one) for one in some]
    return (
        [one for one, ok in zip(some, passed, strict=True) if ok],
        [one for one, ok in zip(some, passed, strict=True) if not ok],
    )
