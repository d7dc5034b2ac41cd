"""Processes of this machine, or this process itself where one is enough. Where shards need GPUs: one process for each of them."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

from pipeline.base.engines.engine import Means, WorkerDiedError
from pipeline.base.processes import end_with_parent

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from pipeline.base.params import Runtime

T = TypeVar("T")


@dataclass(frozen=True)
class Local:
    """Processes are spawned, not forked: FFmpeg and PyTorch hold threads and locks that do not survive a fork. With `forked`
    they come from the server of `pipeline.base.resumable.start_server`, which has imported modules and done nothing else.
    """

    forked: bool = False

    def run(self, task: Callable[[T], None], shards: Sequence[T], means: Means) -> Iterator[T]:
        devices = _devices() if means.gpus else []
        workers = min(len(devices) if means.gpus else means.workers, len(shards))
        if workers <= 1:
            for shard in shards:
                task(shard)
                yield shard
            return
        context = get_context("forkserver" if self.forked else "spawn")
        free = context.SimpleQueue()
        for device in devices[:workers]:
            free.put(device)
        begin = partial(_begin, free if devices else None)
        with ProcessPoolExecutor(workers, mp_context=context, initializer=begin) as pool:
            pending: dict[Future[None], T] = {pool.submit(task, shard): shard for shard in shards}
            while pending:
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    shard = pending.pop(future)
                    if (error := future.exception()) is not None:
                        pool.shutdown(wait=True, cancel_futures=True)
                        if isinstance(error, BrokenProcessPool):
                            raise WorkerDiedError("a process died", [shard, *pending.values()]) from error
                        raise error
                    yield shard


def open_engine(runtime: "Runtime") -> Local:
    return Local()


def _devices() -> list[str]:
    from pipeline.base.device import visible_devices  # PyTorch, which most workers do without

    return visible_devices()


def _begin(free: "SimpleQueue[str] | None") -> None:
    """In a new process, before it has begun anything on a GPU: take one of those that are `free`, and see no other."""
    end_with_parent()
    if free is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = free.get()
