"""Processes of this machine, or this process itself where one is enough."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

from pipeline.base.engines.engine import Means, WorkerDiedError
from pipeline.base.processes import end_with_parent

if TYPE_CHECKING:
    from pipeline.base.params import Runtime

T = TypeVar("T")


@dataclass(frozen=True)
class Local:
    """Processes are spawned, not forked: FFmpeg and PyTorch hold threads and locks that do not survive a fork. With `forked`
    they come from the server of `pipeline.base.resumable.start_server`, which has imported modules and done nothing else.
    """

    forked: bool = False

    def run(self, task: Callable[[T], None], shards: Sequence[T], means: Means) -> Iterator[T]:
        if means.workers == 1 or means.gpus or len(shards) == 1:
            for shard in shards:
                task(shard)
                yield shard
            return
        context = get_context("forkserver" if self.forked else "spawn")
        with ProcessPoolExecutor(min(means.workers, len(shards)), mp_context=context, initializer=end_with_parent) as pool:
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
