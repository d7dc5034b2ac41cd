"""Work that goes on in threads while its results are used, a few at a time: decoding that keeps an encoder fed.

PyAV, Pillow and PyTorch release Python's lock while they work, so threads use the cores.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice, repeat
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")
_END: Any = object()


def ahead(values: Iterator[T], *, depth: int = 2) -> Generator[T, None, None]:
    """`values`, of which a thread makes the next `depth` while the caller uses what came before."""
    with closing(in_order(lambda _: next(values, _END), repeat(None), threads=1, depth=depth)) as steps:
        for step in steps:
            if (value := step.result()) is _END:
                return
            yield value


def in_order(function: Callable[[S], T], items: Iterable[S], *, threads: int, depth: int) -> Generator["Future[T]", None, None]:
    """`function` of every item, in the order of the items, begun in so many `threads`; no more than `depth` are under way or done
    and not yet used. An exception is the result of its item. Who stops early waits for what has begun and for nothing else.
    """
    waiting: deque[Future[T]] = deque()
    rest = iter(items)
    pool = ThreadPoolExecutor(threads)
    try:
        waiting.extend(pool.submit(function, item) for item in islice(rest, depth))
        while waiting:
            yield waiting.popleft()
            waiting.extend(pool.submit(function, item) for item in islice(rest, 1))
    finally:
        pool.shutdown(cancel_futures=True)


class Stopwatch:
    """Seconds since it was made, and those of them spent `at_work`."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._busy = 0.0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._busy += time.perf_counter() - start

    def read(self) -> dict[str, float]:
        return {"seconds": time.perf_counter() - self._start, "busy_seconds": self._busy}


def busy_share(parts: Sequence[Mapping[str, Any]]) -> float:
    """Of what `Stopwatch.read` gave for each part: the share of all the time that was spent at work."""
    total = sum(part["seconds"] for part in parts)
    return sum(part["busy_seconds"] for part in parts) / total if total else 0.0
