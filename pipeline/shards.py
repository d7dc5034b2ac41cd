"""A map over shards that can be killed anywhere and goes on from there.

Work goes to a scratch folder keyed by a fingerprint of everything that decides the result. Each shard is written under
a temporary name and renamed; its small JSON, written last, is the mark that it is done. A finished stage publishes the
scratch folder as its output. Scratch hangs on `DVC_ROOT`, so experiments queued in temporary folders share it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from pipeline.atomic import read_json, replacing, write_json

Work = Callable[[Sequence[Any], Path], dict[str, Any]]
_UNFINISHED = ".unfinished"  # lies in a scratch folder until the block that works there has ended well


@dataclass(frozen=True)
class Shard:
    """`items` become one file (or folder) called `name`."""

    name: str
    items: Sequence[Any]


def split_into_shards(items: Sequence[Any], *, size: int, suffix: str = ".parquet") -> list[Shard]:
    """Cut `items` into consecutive shards of `size`, named `00000.parquet`, `00001.parquet`, ..."""
    starts = range(0, len(items), size)
    return [Shard(name=f"{number:05d}{suffix}", items=items[start : start + size]) for number, start in enumerate(starts)]


def fingerprint(*parts: Any) -> str:
    """Sixteen hexadecimal digits that change whenever any of `parts` (JSON-serialisable) does."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def code_digest(*patterns: str) -> str:
    """Stands for the code of modules, given as patterns below `pipeline/`: unfinished and kept work of other code is not used."""
    here = Path(__file__).parent
    modules = sorted({path for pattern in patterns for path in here.glob(f"{pattern}.py")})
    assert modules, patterns
    return fingerprint({path.relative_to(here).as_posix(): file_sha256(path) for path in modules})


@contextmanager
def scratch_folder(stage: str, key: str) -> Iterator[Path]:
    """The folder where `stage` collects unfinished work under fingerprint `key`, held by one process at a time."""
    folder = Path(os.environ.get("DVC_ROOT", ".")) / ".scratch" / stage / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_lock(folder)):
        folder.mkdir(exist_ok=True)
        (folder / _UNFINISHED).touch()
        yield folder
        (folder / _UNFINISHED).unlink(missing_ok=True)


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


def start_server(modules: Sequence[str]) -> None:
    """Start a server process that imports `modules` while the caller goes on; `run_shards(forked=True)` forks from it.

    So slow imports are paid for, and kept in memory, once for all processes.
    """
    forkserver.set_forkserver_preload(list(modules))
    forkserver.ensure_running()


def publish(folder: Path, names: Sequence[str], out: Path, *, keep: bool = False) -> None:
    """Make `out` a folder with the files `names` of `folder`, then remove `folder`, or `keep` it and no other finished one.

    Files are hard-linked into a temporary folder that is renamed, so a kill in between loses nothing. What is kept serves a
    later run under the same fingerprint; folders of the same stage that are unfinished or in use stay as well.
    """
    temporary = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name in names:
        _link(folder / name, temporary / name)
    shutil.rmtree(out, ignore_errors=True)
    os.replace(temporary, out)
    if not keep:
        discard(folder)
        return
    for other in folder.parent.iterdir():
        if other.is_dir() and other != folder and not (other / _UNFINISHED).exists():
            with suppress(Timeout), FileLock(_lock(other), timeout=0):
                discard(other)


def discard(folder: Path) -> None:
    """Remove a folder of `scratch_folder`. It loses its name first: killed half-way, no mark is left without its shard."""
    trash = folder.with_name(f".{folder.name}.trash")
    shutil.rmtree(trash, ignore_errors=True)
    with suppress(FileNotFoundError):
        os.replace(folder, trash)
    shutil.rmtree(trash, ignore_errors=True)


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


def _lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _mark(folder: Path, shard: Shard) -> Path:
    return folder / f"{shard.name}.json"


def _link(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link)
    else:
        os.link(source, target)
