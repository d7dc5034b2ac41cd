"""Work that is given up when it takes too long, whatever it waits for.

The limits of network libraries are for the time between two bytes, so a peer that goes on sending one a second is ended by none.
"""

import time
from collections.abc import Callable
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def bounded(work: Callable[[], T], seconds: float) -> T:
    """What `work` gives or raises, in a thread that is left behind if it takes longer than `seconds`: a `TimeoutError` then."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again below, where somebody waits for it
            errors.append(error)

    start = time.monotonic()
    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"it has not answered in {time.monotonic() - start:.0f} seconds")
    return results[0]
