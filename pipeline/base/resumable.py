"""A map over shards that can be killed anywhere and goes on from there.

Each shard is written under a temporary name and renamed; its small JSON, written last, is the mark that it is done.
"""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.base.files import read_json, replacing, write_json

Work = Callable[[Sequence[Any], Path], dict[str, Any]]


@dataclass(frozen=True)
class Shard:
    """`items` become one file (or folder) called `name`."""

    name: str
    items: Sequence[Any]


def split_into_shards(items: Sequence[Any], *, size: int, suffix: str = ".parquet") -> list[Shard]:
    """Cut `items` into consecutive shards of `size`, named `00000.parquet`, `00001.parquet`, ..."""
    starts = range(0, len(items), size)
    return [Shard(name=f"{number:05d}{suffix}", items=items[start : start + size]) for number, start in enumerate(starts)]


def run_shards(
    work: Work, shards: Sequence[Shard], *, folder: Path, workers: int, unit: str, title: str, forked: bool = False
) -> list[dict[str, Any]]:
    """Call `work(shard.items, temporary_path)` for every shard that is not done, in `workers` processes.

    `work` must be picklable and write a file or folder at the path it is given; the dictionary it returns is kept as the
    shard's summary. Returns the summaries of all shards in order. Processes are spawned, not forked: FFmpeg and
    PyTorch hold threads and locks that do not survive a fork. With `forked` they come from the server of
    `start_server`, which has imported modules and done nothing else.
    """
    todo = [shard for shard in shards if not _mark(folder, shard).exists()]
    total = sum(len(shard.items) for shard in shards)
    done = total - sum(len(shard.items) for shard in todo)
    with tqdm(total=total, initial=done, unit=unit, desc=title, disable=None) as bar:
        if workers == 1 or len(todo) == 1:
            for shard in todo:
                _run_one(work, shard, folder)
                bar.update(len(shard.items))
        elif todo:
            with ProcessPoolExecutor(
                min(workers, len(todo)), mp_context=get_context("forkserver" if forked else "spawn")
            ) as pool:
                pending: dict[Future[None], Shard] = {pool.submit(_run_one, work, shard, folder): shard for shard in todo}
                while pending:
                    finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in finished:
                        shard = pending.pop(future)
                        if (error := future.exception()) is not None:
                            pool.shutdown(wait=True, cancel_futures=True)
                            raise _explained(error, title, [shard, *pending.values()])
                        bar.update(len(shard.items))
    return [read_json(_mark(folder, shard)) for shard in shards]


def all_done(shards: Sequence[Shard], folder: Path) -> bool:
    """Whether `run_shards` would have nothing to do."""
    return all(_mark(folder, shard).exists() for shard in shards)


def start_server(modules: Sequence[str]) -> None:
    """Start a server process that imports `modules` while the caller goes on; `run_shards(forked=True)` forks from it.

    So slow imports are paid for, and kept in memory, once for all processes.
    """
    forkserver.set_forkserver_preload(list(modules))
    forkserver.ensure_running()


def _run_one(work: Work, shard: Shard, folder: Path) -> None:
    target = folder / shard.name
    if target.is_dir():  # left by a kill between the rename and the mark
        shutil.rmtree(target)
    with replacing(target) as temporary:
        if temporary.is_dir():  # left by a killed process that had this one's number
            shutil.rmtree(temporary)
        try:
            summary = work(shard.items, temporary)
        except BaseException:
            if temporary.is_dir():
                shutil.rmtree(temporary)
            raise
    write_json(_mark(folder, shard), summary)


def _explained(error: BaseException, title: str, unfinished: Sequence[Shard]) -> BaseException:
    """A process that died says nothing of its own."""
    if not isinstance(error, BrokenProcessPool):
        return error
    names = ", ".join(shard.name for shard in unfinished[:5])
    explained = BrokenProcessPool(
        f"{title}: a process died while it worked on one of {names}; most often memory ran out, then lower runtime.workers. "
        "What is finished is kept: the next run goes on from there."
    )
    explained.__cause__ = error
    return explained


def _mark(folder: Path, shard: Shard) -> Path:
    return folder / f"{shard.name}.json"
