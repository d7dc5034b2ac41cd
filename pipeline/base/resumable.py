"""A map over shards that can be killed anywhere and goes on from there.

Each shard is written under a temporary name and renamed; its mark, a small JSON with the size and sha256 of what was written, and
the seconds it took, comes last. What is not as its mark says, or has an unreadable one, is made again.
"""

import json
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.base.engines.engine import Engine, Means, WorkerDiedError
from pipeline.base.engines.local import Local
from pipeline.base.files import replacing, write_json
from pipeline.base.leases import claimed
from pipeline.base.scratch import digests_of, discard, file_sha256, files_of, fingerprint, read_kept
from pipeline.base.sharing import share

Work = Callable[[Sequence[Any], Path], dict[str, Any]]
Run = Callable[[Sequence["Shard"]], None]


class _DoneByOther(Exception):
    """Another process has taken over a shard while this one was stopped, and was quicker."""


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
    work: Work,
    shards: Sequence[Shard],
    *,
    folder: Path,
    workers: int,
    unit: str,
    title: str,
    forked: bool = False,
    engine: Engine | None = None,
    gpus: int = 0,
    cores: int = 1,
) -> list[dict[str, Any]]:
    """Call `work(shard.items, temporary_path)` for every shard that is not done, in `workers` processes, or where `engine` has
    them worked on; each needs so many `gpus` and `cores`.

    `work` must be picklable and write a file or folder at the path it is given; the dictionary it returns is kept as the
    shard's summary. Returns the summaries of all shards in order. With `forked` processes come from the server of
    `start_server`. Raises `WorkerDiedError` when a process died.

    Shards of an earlier run are compared with their marks, last of all, so that a run that is killed and resumed many times
    reads them once. One that has changed on the disk is told, and made again.

    Processes of other hosts may work on the same shards in the same folder. A shard that one of them works on is left to it
    until the others are done; then this process waits for it, or takes it over (`pipeline.base.leases`).
    """
    todo: list[Shard] = []
    kept: list[Shard] = []
    for shard in shards:
        (kept if _is_done(shard, folder) else todo).append(shard)
    with tqdm(total=_items(shards), initial=_items(kept), unit=unit, desc=title, disable=None) as bar:

        def run(part: Sequence[Shard]) -> None:
            _run_all(
                work,
                part,
                bar,
                engine=engine or Local(forked=forked),
                means=Means(workers, gpus, cores),
                folder=folder,
                title=title,
            )

        _complete(run, todo, kept, bar, folder=folder, title=title)
    return [_summary(shard, folder) for shard in shards]


def all_done(shards: Sequence[Shard], folder: Path) -> bool:
    """Whether `run_shards` would have nothing to do, if all is on the disk as it was written."""
    return all(_is_done(shard, folder) for shard in shards)


def shard_digests(shards: Sequence[Shard], folder: Path, file: str = "") -> dict[str, str]:
    """sha256 of every shard that is one file, or of one `file` of each that is a folder, as its mark has it: none is read."""
    return {shard.name: _known(shard, folder)["files"][file][1] for shard in shards}


def shard_seconds(shards: Sequence[Shard], folder: Path) -> float:
    """How long the shards took, one after another, wherever and whenever they were made."""
    return float(sum(_known(shard, folder)["seconds"] for shard in shards))


def discard_shard(shard: Shard, folder: Path) -> None:
    """Remove what was made of a shard that is a folder: its mark first, so that no mark stands for what is gone."""
    _mark(shard, folder).unlink(missing_ok=True)
    discard(folder / shard.name)


def kept_file(folder: Path, name: str, make: Callable[[Path], None]) -> Path:
    """The file `name` of the scratch folder `folder`: as an earlier run left it, or else written by `make`."""

    def work(_: Sequence[Any], path: Path) -> dict[str, Any]:
        make(path)
        return {}

    def run(part: Sequence[Shard]) -> None:
        for shard in part:
            _run_one(work, shard, folder=folder)

    shard = Shard(name, [])
    todo, kept = ([], [shard]) if _is_done(shard, folder) else ([shard], [])
    with tqdm(disable=True) as bar:
        _complete(run, todo, kept, bar, folder=folder, title=name)
    return folder / name


def start_server(modules: Sequence[str]) -> None:
    """Start a server process that imports `modules` while the caller goes on; `run_shards(forked=True)` forks from it.

    So slow imports are paid for, and kept in memory, once for all processes.
    """
    forkserver.set_forkserver_preload(list(modules))
    forkserver.ensure_running()


def _run_all(work: Work, todo: Sequence[Shard], bar: Any, *, engine: Engine, means: Means, folder: Path, title: str) -> None:
    if not todo:
        return
    try:
        for shard in engine.run(partial(_run_one, work, folder=folder), todo, means):
            bar.update(len(shard.items))
    except WorkerDiedError as error:
        raise _explained(error, title) from error.__cause__


def _complete(run: Run, todo: Sequence[Shard], kept: Sequence[Shard], bar: Any, *, folder: Path, title: str) -> None:
    """Have `todo` done; then compare with their marks those that are `kept`, and those that others have done."""
    kept = [*kept, *_share(run, todo, bar, folder=folder, title=title)]
    while damaged := [shard for shard in kept if not _is_intact(shard, folder)]:
        bar.update(-_items(damaged))
        kept = _share(run, damaged, bar, folder=folder, title=title)


def _share(run: Run, todo: Sequence[Shard], bar: Any, *, folder: Path, title: str) -> list[Shard]:
    if not todo:
        return []
    return share(
        run,
        todo,
        is_done=lambda shard: _mark(shard, folder).exists(),
        lease=lambda shard: _lease(shard, folder),
        progress=lambda some, sign: bar.update(sign * _items(some)),
        title=title,
    )


def _run_one(work: Work, shard: Shard, *, folder: Path) -> None:
    """Make the shard, unless another process has done it or works on it. Then it has that process's mark, or none yet."""
    with suppress(_DoneByOther), claimed(_lease(shard, folder)) as lease:
        if lease is None or _is_done(shard, folder):
            return
        with replacing(folder / shard.name) as temporary:
            began = time.perf_counter()
            summary = work(shard.items, temporary)
            seconds = round(time.perf_counter() - began, 3)
            files = {name: [path.stat().st_size, file_sha256(path)] for name, path in files_of(temporary)}
            if not lease.is_held() and _is_done(shard, folder):
                raise _DoneByOther
            inode = temporary.stat().st_ino
        mark = json.loads(json.dumps({"summary": summary, "files": files, "seconds": seconds}))  # as it will be read
        write_json(_mark(shard, folder), mark | {"sha256": fingerprint(mark)})
        # Two owners at once: who wrote the last mark after the other had renamed the last file sees that here.
        if _inode(folder / shard.name) != inode and _is_done(shard, folder):
            _is_intact(shard, folder)


def _is_done(shard: Shard, folder: Path) -> bool:
    """Whether the shard has a mark, and files of the sizes that it says."""
    mark = _read_mark(shard, folder)
    if mark is None:
        return False
    sizes = {name: path.stat().st_size for name, path in files_of(folder / shard.name)}
    if sizes == {name: size for name, (size, _) in mark["files"].items()}:
        return True
    _give_up(shard, folder)
    return False


def _is_intact(shard: Shard, folder: Path) -> bool:
    if digests_of(folder / shard.name) == {name: sha256 for name, (_, sha256) in _known(shard, folder)["files"].items()}:
        return True
    _give_up(shard, folder)
    return False


def _give_up(shard: Shard, folder: Path) -> None:
    """Remove the mark. The files go when the shard is made again."""
    print(f"warning: {folder / shard.name} is not as it was written; it is made again. Is the disk all right?", flush=True)
    _mark(shard, folder).unlink(missing_ok=True)
    for _, path in files_of(folder / shard.name):
        # It may be in DVC's cache, too, under the same inode. DVC trusts what is read-only and looks at everything else.
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def _summary(shard: Shard, folder: Path) -> dict[str, Any]:
    summary: dict[str, Any] = _known(shard, folder)["summary"]
    return summary


def _known(shard: Shard, folder: Path) -> dict[str, Any]:
    """The mark of a shard that is done."""
    mark = _read_mark(shard, folder)
    if mark is None:
        raise OSError(f"{_mark(shard, folder)} has changed while it was in use; run this again. Is the disk all right?")
    return mark


def _read_mark(shard: Shard, folder: Path) -> dict[str, Any] | None:
    """The mark, or, with a warning, None where it is not as it was written: it has a digest of its own."""
    path = _mark(shard, folder)
    mark: dict[str, Any] | None = read_kept(path, {"summary": dict, "files": dict, "seconds": float, "sha256": str})
    if mark is not None and mark.pop("sha256") != fingerprint(mark):
        print(f"warning: {path} is not as it was written; {shard.name} is made again. Is the disk all right?", flush=True)
        return None
    return mark


def _explained(error: WorkerDiedError, title: str) -> WorkerDiedError:
    """What died says nothing of its own."""
    names = ", ".join(str(getattr(shard, "name", shard)) for shard in error.unfinished[:5])
    return WorkerDiedError(
        f"{title}: {error} while it worked on one of {names}; most often memory ran out, then lower runtime.workers. "
        "What is finished is kept: the next run goes on from there.",
        error.unfinished,
    )


def _mark(shard: Shard, folder: Path) -> Path:
    return folder / f"{shard.name}.json"


def _lease(shard: Shard, folder: Path) -> Path:
    path = folder / shard.name
    return path.with_name(f".{path.name}.lease")


def _inode(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        return path.stat().st_ino
    return None


def _items(shards: Sequence[Shard]) -> int:
    return sum(len(shard.items) for shard in shards)
