"""All rows and seeds at once, on a Ray cluster or in Slurm jobs: into the scratch folders from which stage `train` publishes.

Every seed of every row is one shard of one run of the engine, so that no GPU waits for a row to end. A seed that cannot be
trained is told and stops no other one. Nothing is logged here: stage `train` finds all done, and logs what it finds.
"""

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from pipeline.base.engines.engine import Engine, Means, WorkerDiedError
from pipeline.base.failures import is_ours
from pipeline.base.files import write_json
from pipeline.base.params import Params
from pipeline.base.resumable import Shard, all_done, run_shards
from pipeline.base.scratch import read_kept, scratch_folder
from pipeline.training.table_row import declared_row
from pipeline.training.train_row import Plan, plan_row, preload, share_cores, train_here


@dataclass(frozen=True)
class Seed:
    """A seed of a row, to be trained in the row's scratch folder."""

    plan: Plan
    shard: Shard
    folder: Path
    threads: int

    @property
    def name(self) -> str:
        return f"{self.plan.row.name}, seed {self.shard.name}"

    @property
    def done(self) -> bool:
        return all_done([self.shard], self.folder)

    @property
    def _failure(self) -> Path:
        return self.folder / f"failed-{self.shard.name}.json"

    def failed(self) -> str | None:
        """Why it could not be trained, if it could not."""
        kept = read_kept(self._failure, {"error": str})
        return None if kept is None else str(kept["error"])

    def fail(self, error: str) -> None:
        write_json(self._failure, {"error": error})

    def try_again(self) -> None:
        self._failure.unlink(missing_ok=True)


class _Unfinished(Exception):
    """Leaves a scratch folder as one whose work is to be taken up again."""


def train_rows(names: Sequence[str], params: Params, *, engine: Engine | None, cores: int = 0) -> dict[str, list[str]]:
    """Train all seeds of the rows `names` into scratch, by `engine`, or here, row after row, as stage `train` does it.

    Each seed has a GPU for each of its processes, or, on a CPU, `cores` cores; 0: as many as stage `train` gives it, and then
    it is the same bytes. Returns for each row what went wrong: nothing if all its seeds are trained.
    """
    wrong: dict[str, list[str]] = {name: [] for name in names}
    with ExitStack() as held:
        folders: list[tuple[Plan, Path]] = []
        for name in names:
            with _told(wrong[name]):
                row = declared_row(name, encoder=params.encoder, more=params.more_encoders)
                plan = plan_row(row, params)
                folders.append((plan, held.enter_context(_held(plan, wrong[name]))))
        if engine is None:
            for plan, folder in folders:
                with _told(wrong[plan.row.name]):
                    preload(plan, folder)
                    train_here(plan, folder)
        else:
            _train_elsewhere(folders, params, engine=engine, cores=cores, wrong=wrong)
    return wrong


def train_seed_of(seed: Seed) -> None:
    """What a machine of the engine does. An error is written beside what is trained, so that the others go on."""
    try:
        work = seed.plan.work(seed.folder, threads=seed.threads)
        run_shards(work, [seed.shard], folder=seed.folder, workers=1, unit="seed", title=f"train {seed.plan.row.name}")
    except Exception as error:  # noqa: BLE001 - it is told when all have ended
        seed.fail(_words(error))


def _train_elsewhere(
    folders: Sequence[tuple[Plan, Path]], params: Params, *, engine: Engine, cores: int, wrong: dict[str, list[str]]
) -> None:
    means, threads = _means(params, cores)
    seeds = [Seed(plan, shard, folder, threads) for plan, folder in folders for shard in plan.shards]
    waiting = [seed for seed in seeds if not seed.done]
    for seed in waiting:
        seed.try_again()
    with tqdm(total=len(seeds), initial=len(seeds) - len(waiting), unit="seed", desc="train rows", disable=None) as bar:
        for _ in _ended(waiting, engine, means):
            bar.update()
    for seed in waiting:
        if not seed.done:
            wrong[seed.plan.row.name].append(f"seed {seed.shard.name}: {seed.failed() or 'nobody has trained it'}")


def _ended(waiting: Sequence[Seed], engine: Engine, means: Means) -> Iterator[Seed]:
    """Seeds as they end, well or not. One whose worker has died counts as failed, and the others are handed over again."""
    left = list(waiting)
    while left:
        try:
            yield from engine.run(train_seed_of, left, means)
            return
        except WorkerDiedError as died:
            left = [seed for seed in left if not seed.done and seed.failed() is None]
            names = {seed.name for seed in left}
            suspect = next((seed for seed in died.unfinished if isinstance(seed, Seed) and seed.name in names), None)
            if suspect is None:
                raise
            suspect.fail(f"{died}; most often memory ran out. What is finished is kept: the next run goes on from there")
            left = [seed for seed in left if seed.name != suspect.name]
            yield suspect


def _means(params: Params, cores: int) -> tuple[Means, int]:
    """What a seed needs, and threads for each of its processes."""
    from pipeline.base.device import device_of_tasks

    runtime = params.runtime
    each = runtime.processes_per_seed
    if device_of_tasks(runtime) == "cuda":
        return Means(workers=1, gpus=each, cores=each), 1
    threads = max(1, cores // each) if cores else share_cores(params)[1]
    cores = cores or threads * each
    return Means(workers=max(1, runtime.processes // cores), cores=cores), threads


@contextmanager
def _held(plan: Plan, wrong: list[str]) -> Iterator[Path]:
    """The row's scratch folder, finished when the block ends with nothing `wrong`."""
    with suppress(_Unfinished), scratch_folder(plan.stage, plan.key) as folder:
        yield folder
        if wrong:
            raise _Unfinished


@contextmanager
def _told(wrong: list[str]) -> Iterator[None]:
    """An error of the block is put into `wrong`."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - it stops no other row
        wrong.append(_words(error))


def _words(error: Exception) -> str:
    """An error that says what to do, as it is. Any other has its traceback shown."""
    if is_ours(error):
        return str(error)
    traceback.print_exception(error, file=sys.stderr)
    return f"{type(error).__name__}: {error}"
