"""The same search for every row: as many trials, over one space, judged on the validation split by the study's primary metric.

Trials are proposed by Optuna's TPE sampler (Bergstra et al. 2011), and hopeless ones are stopped by its median pruner. They are
kept in an SQLite file in scratch, a row each, so a search that was killed goes on: a trial that was cut off is run again. Every
trial's sampler has a seed of its own, so a search that was killed proposes what one in one go proposes.
"""

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zlib import crc32

from tqdm import tqdm

from pipeline.base import tracking
from pipeline.base.code import code_digest
from pipeline.base.params import Params
from pipeline.base.resumable import start_server
from pipeline.base.scratch import fingerprint, keep_only, scratch_folder, scratch_root
from pipeline.training.space import Values, by_block, draw, own_values
from pipeline.training.table_row import Row, create_system, input_digests, write_row
from pipeline.training.train_row import PRELOAD, build_task, training_settings

if TYPE_CHECKING:
    import optuna

    from pipeline.training.loop import Epoch, Task

LEAST_VIDEOS = 100  # of the validation split: fewer tell settings apart by chance
UNPRUNED = 6  # trials of a row that are run to their end, and drawn at random, before anything is pruned or modelled
POLL_SECONDS = 10.0
BEGUN = "begun"  # lies beside a row's trials once they can be read
DIVERGED = "diverged"  # why a trial failed; one that failed without it was cut off


@dataclass(frozen=True)
class Trial:
    """`curve` is the primary metric on the validation split by epoch, `score` that of the epoch that training would choose."""

    number: int
    state: Literal["complete", "pruned", "diverged"]
    values: Values
    score: float | None
    curve: list[float]
    seconds: float


def search(rows: Sequence[Row], params: Params, *, trials: int) -> dict[str, list[Trial]]:
    """Search for the settings of every row, `trials` trials each, rows side by side on the cores; every trial is an MLflow run.

    Raises `ValueError` if the validation split has fewer than `LEAST_VIDEOS` videos.
    """
    from pipeline.base.device import choose_device

    on_cpu = choose_device(params.runtime.device).type == "cpu"
    workers = min(params.runtime.processes, len(rows)) if on_cpu else 1
    threads = max(1, params.runtime.processes // workers)
    start_server([*PRELOAD, "pipeline.training.search", "optuna"])
    keys = {row.name: search_key(row, params) for row in rows}
    with ExitStack() as runs, tqdm(total=trials * len(rows), unit="trial", desc="search", disable=None) as bar:
        log = _Log(runs, params, keys)
        with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
            work = partial(search_row, params=params, trials=trials, threads=threads)
            pending: set[Future[None]] = {pool.submit(work, row, keys[row.name]) for row in rows}
            while pending:
                done, pending = wait(pending, timeout=POLL_SECONDS)
                bar.n = sum(log.finished(row) for row in rows)
                bar.refresh()
                for future in done:
                    if (error := future.exception()) is not None:
                        pool.shutdown(wait=True, cancel_futures=True)
                        raise error
        return {row.name: read_trials(row.name, keys[row.name]) for row in rows}


def search_row(row: Row, key: str, *, params: Params, trials: int, threads: int) -> None:
    """Run the trials of a row that are missing; in a process of its own on a CPU."""
    import optuna
    import torch

    from pipeline.base.device import choose_device
    from pipeline.training.loop import Diverged

    if choose_device(params.runtime.device).type == "cpu":
        torch.set_num_threads(threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = params.current
    with scratch_folder(_stage(row.name), key) as folder:
        found = optuna.create_study(
            storage=_storage(folder),
            study_name=row.name,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED, n_warmup_steps=study.train.epochs // 2),
        )
        _run_again_what_was_cut_off(found)
        (folder / BEGUN).touch()
        if not found.trials:
            found.enqueue_trial(own_values(row, study))
        task = build_task(row, study, params.runtime)
        if len(task.validation) < LEAST_VIDEOS:
            raise ValueError(
                f"search: {row.name} has {len(task.validation)} validation videos, fewer than {LEAST_VIDEOS}: too few to tell "
                "settings apart"
            )
        objective = partial(_objective, task=task, row=row, params=params, work=folder)
        while (done := len(_trials(found))) < trials:
            found.sampler = optuna.samplers.TPESampler(seed=crc32(f"{row.name} {done}".encode()), n_startup_trials=UNPRUNED)
            found.optimize(objective, n_trials=1, catch=(Diverged,))
        keep_only(folder)


def read_trials(row: str, key: str) -> list[Trial]:
    """The finished trials of a row, in their order; none if its search under this key has not begun."""
    import optuna

    folder = scratch_root() / _stage(row) / key
    if not (folder / BEGUN).exists():
        return []
    return _trials(optuna.load_study(study_name=row, storage=_storage(folder)))


def best_of(trials: Sequence[Trial]) -> Trial:
    """The trial with the highest score, the earliest of equals: so the study's own values stay unless something is better."""
    return max(trials, key=lambda trial: (-1.0 if trial.score is None else trial.score, -trial.number))


def _objective(trial: "optuna.Trial", *, task: "Task", row: Row, params: Params, work: Path) -> float:
    import optuna

    from pipeline.training.loop import Diverged, train_seed

    values = draw(trial, row, params.current)
    trial.set_user_attr("values", values)
    study = params.current.changed(by_block(values), where=f"trial of {row.name}")
    scores: dict[int, float] = {}

    def on_epoch(epoch: "Epoch") -> None:
        number = int(epoch["epoch"])
        scores[number] = epoch[f"val_{study.primary.metric}"]
        trial.report(scores[number], number)
        if trial.should_prune():
            raise optuna.TrialPruned

    own = replace(
        task, create=partial(create_system, row, study, task.frame_inputs), settings=study.train, finetune=study.finetune
    )
    folder = work / f"trial-{fingerprint(values)}"  # one that is cut off goes on after its last epoch
    try:
        result = train_seed(own, study.seeds[0], folder / "out", work=folder / "work", on_epoch=on_epoch)
    except Diverged:
        trial.set_user_attr(DIVERGED, True)
        shutil.rmtree(folder)
        raise
    except optuna.TrialPruned:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)
    return scores[result["best_epoch"]]


def _run_again_what_was_cut_off(found: "optuna.Study") -> None:
    from optuna.trial import TrialState

    for trial in found.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        found.tell(trial.number, state=TrialState.FAIL)
        found.enqueue_trial(trial.params)


def _trials(found: "optuna.Study") -> list[Trial]:
    """Those that came to an end, numbered in their order."""
    from optuna.trial import TrialState

    states: dict[TrialState, Literal["complete", "pruned", "diverged"]] = {
        TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "diverged",
    }  # fmt: skip
    ended = [
        trial
        for trial in found.get_trials(deepcopy=False, states=tuple(states))
        if trial.state != TrialState.FAIL or DIVERGED in trial.user_attrs
    ]
    return [
        Trial(
            number=number,
            state=states[trial.state],
            values=trial.user_attrs["values"],
            score=trial.value if trial.state == TrialState.COMPLETE else None,
            curve=[trial.intermediate_values[step] for step in sorted(trial.intermediate_values)],
            seconds=trial.duration.total_seconds() if trial.duration else 0.0,
        )
        for number, trial in enumerate(ended)
    ]


class _Log:
    """Trials in MLflow, as they end: a run each, under the run of its row. Written by one process, whoever trains."""

    def __init__(self, runs: ExitStack, params: Params, keys: Mapping[str, str]) -> None:
        self._runs, self._params, self._keys = runs, params, keys
        self._of_row: dict[str, tracking.RowRun] = {}
        self._logged: dict[str, int] = {}

    def finished(self, row: Row) -> int:
        """How many trials of a row have come to an end; those that are new are logged."""
        trials = read_trials(row.name, self._keys[row.name])
        for trial in trials[self._logged.get(row.name, 0) :]:
            with self._row_run(row).trial_run(trial.number, params=trial.values, state=trial.state) as run:
                for epoch, value in enumerate(trial.curve, start=1):
                    run.epoch(epoch, {f"val_{self._params.current.primary.metric}": value})
                run.metrics({"seconds": trial.seconds} | ({} if trial.score is None else {"score": trial.score}))
        self._logged[row.name] = len(trials)
        return len(trials)

    def _row_run(self, row: Row) -> tracking.RowRun:
        if row.name not in self._of_row:
            run = tracking.row_run(
                study=self._params.study, row=row.name, stage="search", fingerprint=self._keys[row.name],
                params=write_row(row) | training_settings(row, self._params.current),
            )  # fmt: skip
            self._of_row[row.name] = self._runs.enter_context(run)
        return self._of_row[row.name]


def _stage(row: str) -> str:
    return f"search.{row}"


def search_key(row: Row, params: Params) -> str:
    """Stands for all that decides what a trial of a row gives, besides its values and its number."""
    code = code_digest("pipeline.training.search", f"pipeline.models.{row.model}")
    settings = training_settings(row, params.current)
    return fingerprint(write_row(row) | {"title": ""}, settings, input_digests(row), params.runtime.device, code)


def _storage(folder: Path) -> str:
    return f"sqlite:///{folder / 'trials.db'}"
