"""What DVC's stages show in MLflow. DVC owns the truth, MLflow is the view: without it every result is the same.

One experiment per study; one run per row, with a nested run per seed. `train` opens the row's run, `evaluate` re-opens it:

    with tracking.row_run(study="kitchen", row="clipsum", stage="train@clipsum", fingerprint=key, params={...}) as run:
        run.dataset(name="kitchen", path=Path("data/corpus/corpus.parquet"), digest=digest, context="training")
        with run.seed_run(0) as seed_run:
            seed_run.epoch(1, {"train_loss": 2.0})
        run.save_record(Path("models/clipsum/mlflow_run.json"))

A tracker that fails, in whatever way, warns once and does nothing from then on; what fails inside a block marks its run
and goes on unchanged to the caller.
"""

import json
import math
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.atomic import read_json, write_json
from pipeline.tracking_store import Store, Tracker

FLUSH_SECONDS = 5.0
FLUSH_COUNT = 500
SYSTEM_SECONDS = 10.0
METRICS_PER_BATCH = 1000  # this and the next three are limits of MLflow
PARAMS_PER_BATCH = 100
PARAM_LENGTH = 6000
DIGEST_LENGTH = 36
GIT_SECONDS = 20.0


class Run:
    """One MLflow run, or nothing. Metrics are collected and sent in batches; values that are not finite are left out."""

    def __init__(self, tracker: Tracker, run_id: str | None, *, logged: frozenset[tuple[str, int]] = frozenset()) -> None:
        self.run_id = run_id
        self._tracker = tracker
        self._logged = logged
        self._buffer: list[tuple[str, float, int, int]] = []
        self._flushed = time.monotonic()

    def epoch(self, step: int, metrics: Mapping[str, float]) -> None:
        """Points of curves. Points that an earlier, killed try has logged are left as they are."""
        self._collect({key: value for key, value in metrics.items() if (key, step) not in self._logged}, step)

    def metrics(self, metrics: Mapping[str, float]) -> None:
        """Single figures. Logged again, the later value counts."""
        self._collect(metrics, 0)

    def artifact(self, path: Path, *, folder: str | None = None) -> None:
        """Copy a file, or a whole directory, into the run, under `folder` if given."""
        self._tracker.attempt(lambda store: store.client.log_artifact(self.run_id, str(path), folder), otherwise=None)

    def close(self, status: str) -> None:
        """Send what is left and end the run as FINISHED, FAILED or KILLED."""
        self._flush()
        self._tracker.attempt(lambda store: store.client.set_terminated(self.run_id, status=status), otherwise=None)

    def _collect(self, metrics: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        numbers = {key: float(value) for key, value in metrics.items()}
        self._buffer += [(key, value, now, step) for key, value in numbers.items() if math.isfinite(value)]
        if len(self._buffer) >= FLUSH_COUNT or time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        points, self._buffer = self._buffer, []
        if points:
            self._tracker.attempt(lambda store: _log_metrics(store, self.run_id, points), otherwise=None)
        self._flushed = time.monotonic()


class RowRun(Run):
    """The run of a row: parent of its seeds' runs, with the dataset, the parameters and the machine's load."""

    def __init__(self, tracker: Tracker, run_id: str | None, *, tags: Mapping[str, str]) -> None:
        super().__init__(tracker, run_id)
        self._tags = dict(tags)
        self._seed_run_ids: dict[str, str | None] = {}
        self._monitor = tracker.attempt(lambda store: _start_monitor(store, run_id), otherwise=None)

    def dataset(self, *, name: str, path: Path, digest: str, context: str) -> None:
        """Log a file as dataset input. `context` is what it is used for; MLflow keeps 36 characters of `digest`."""
        self._tracker.attempt(
            lambda store: _log_dataset(store, self.run_id, name=name, path=path, digest=digest, context=context), otherwise=None
        )

    @contextmanager
    def seed_run(self, seed: int) -> Iterator[Run]:
        """The nested run of a seed; the one that exists, if this row's run has one."""
        run = self._tracker.attempt(lambda store: self._open_seed(store, seed), otherwise=Run(self._tracker, None))
        self._seed_run_ids[str(seed)] = run.run_id
        with _closing(run):
            yield run

    def save_record(self, path: Path) -> None:
        """Write the ids of this run and of its seeds' runs, null without a tracker. Where the store is, is not written.

        A stage may declare this file as an output, so it is written in any case, and `OSError` comes through.
        """
        write_json(path, {"run_id": self.run_id, "seed_run_ids": self._seed_run_ids})

    def close(self, status: str) -> None:
        if self._monitor is not None:
            self._monitor.finish()
            self._tracker.attempt(lambda store: _last_sample(self._monitor), otherwise=None)
        super().close(status)

    def _open_seed(self, store: Store, seed: int) -> Run:
        name = f"seed {seed}"
        query = f"tags.`mlflow.parentRunId` = '{self.run_id}' and attributes.run_name = '{name}'"
        found = next(iter(store.client.search_runs([store.experiment_id], query, max_results=1)), None)
        tags = self._tags | {"mlflow.parentRunId": str(self.run_id), "seed": str(seed)}
        run_id = _open_run(store, found, name=name, tags=tags)
        keys = found.data.metrics if found is not None else {}
        points = [point for key in keys for point in store.client.get_metric_history(run_id, key)]
        return Run(self._tracker, run_id, logged=frozenset((point.key, point.step) for point in points))


@contextmanager
def row_run(
    *, study: str, row: str, stage: str, fingerprint: str, params: Mapping[str, Any], record: Path | None = None
) -> Iterator[RowRun]:
    """The run of `row`. `fingerprint` stands for everything that decides the result of its training.

    `record` is where this function keeps the run's id, for a try that is killed and goes on: the run named there is
    re-opened if the store has it and its fingerprint is the same, else a new one is opened.
    """
    with _row_run(study=study, row=row, stage=stage, fingerprint=fingerprint, params=params, record=record, keep=True) as run:
        yield run


@contextmanager
def reopen(*, record: Path, study: str, row: str, stage: str, fingerprint: str) -> Iterator[RowRun]:
    """The run a former stage of this DVC experiment saved in `record`, under the same `fingerprint`; else, a new one.

    `record` is only read.
    """
    with _row_run(study=study, row=row, stage=stage, fingerprint=fingerprint, params={}, record=record, keep=False) as run:
        yield run


def log_report(*, study: str, folder: Path) -> None:
    """Copy the files of `folder` into the run `report` of the study's experiment; there is one for each DVC experiment."""
    Tracker(study).attempt(lambda store: _log_report(store, folder), otherwise=None)


@contextmanager
def _row_run(
    *, study: str, row: str, stage: str, fingerprint: str, params: Mapping[str, Any], record: Path | None, keep: bool
) -> Iterator[RowRun]:
    tags = {"dvc.stage": stage, "dvc.row": row, "fingerprint": fingerprint, **_provenance()}

    def open_row(store: Store) -> str:
        found = _recorded(store, record, fingerprint) if record is not None else None
        if found is not None and found.data.tags.get("dvc.exp_name") != tags["dvc.exp_name"]:
            found = None  # the run of another experiment, whose training this one only evaluates anew
        run_id = _open_run(store, found, name=row, tags=tags)
        _log_params(store, run_id, params, known=found.data.params if found is not None else {})
        return run_id

    tracker = Tracker(study)
    run = RowRun(tracker, tracker.attempt(open_row, otherwise=None), tags=tags)
    if keep and record is not None:
        tracker.attempt(lambda store: run.save_record(record), otherwise=None)
    with _closing(run):
        yield run


@contextmanager
def _closing(run: Run) -> Iterator[None]:
    status = "FINISHED"
    try:
        yield
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        raise
    finally:
        run.close(status)


def _recorded(store: Store, record: Path, fingerprint: str) -> Any:
    """The run that `record` names, or None when there is none to go on with."""
    from mlflow.exceptions import MlflowException

    run_id = read_json(record)["run_id"] if record.exists() else None
    if run_id is None:
        return None
    try:
        run = store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    alive = run.info.lifecycle_stage == "active" and run.info.experiment_id == store.experiment_id
    return run if alive and run.data.tags.get("fingerprint") == fingerprint else None


def _open_run(store: Store, found: Any, *, name: str, tags: Mapping[str, str]) -> str:
    """Start a run, or set `found` running again; its `dvc.stage` then lists every stage that has written to it."""
    if found is None:
        return str(store.client.create_run(store.experiment_id, run_name=name, tags=tags).info.run_id)
    from mlflow.entities import RunTag

    run_id = str(found.info.run_id)
    former = found.data.tags.get("dvc.stage", "").split(", ")
    stages = ", ".join(dict.fromkeys(stage for stage in [*former, tags["dvc.stage"]] if stage))
    store.client.update_run(run_id, status="RUNNING")
    store.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in {**tags, "dvc.stage": stages}.items()])
    return run_id


def _log_params(store: Store, run_id: str, params: Mapping[str, Any], *, known: Mapping[str, str]) -> None:
    """Parameters of a run cannot change: those it has are left alone."""
    from mlflow.entities import Param

    new = [Param(key, str(value)[:PARAM_LENGTH]) for key, value in params.items() if key not in known]
    for start in range(0, len(new), PARAMS_PER_BATCH):
        store.client.log_batch(run_id, params=new[start : start + PARAMS_PER_BATCH])


def _log_metrics(store: Store, run_id: str | None, points: list[tuple[str, float, int, int]]) -> None:
    from mlflow.entities import Metric

    for start in range(0, len(points), METRICS_PER_BATCH):
        store.client.log_batch(run_id, metrics=[Metric(*point) for point in points[start : start + METRICS_PER_BATCH]])


def _log_dataset(store: Store, run_id: str | None, *, name: str, path: Path, digest: str, context: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": path.as_posix()})
    dataset = Dataset(name=name, digest=digest[:DIGEST_LENGTH], source_type="local", source=source)
    store.client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])


def _log_report(store: Store, folder: Path) -> None:
    tags = {"dvc.stage": "report", **_provenance()}
    runs = store.client.search_runs([store.experiment_id], "tags.`dvc.stage` = 'report'")
    found = next((run for run in runs if run.data.tags.get("dvc.exp_name") == tags["dvc.exp_name"]), None)
    run_id = _open_run(store, found, name="report", tags=tags)
    store.client.log_artifacts(run_id, str(folder))
    store.client.set_terminated(run_id)


def _start_monitor(store: Store, run_id: str | None) -> Any:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, sampling_interval=SYSTEM_SECONDS, resume_logging=True, tracking_uri=store.uri)
    monitor.start()
    return monitor


def _last_sample(monitor: Any) -> None:
    """One more sample at the end, so that a run shorter than the sampling interval has one too."""
    for part in monitor.monitors:
        part.clear_metrics()
    monitor.collect_metrics()
    monitor.publish_metrics(monitor.aggregate_metrics())
    monitor.mlflow_logger.flush()


def _provenance() -> dict[str, str]:
    """What the code was: the DVC experiment, its commit, and whether the working tree differs from that."""
    status = _git("status", "--porcelain")
    return {
        "dvc.exp_name": os.environ.get("DVC_EXP_NAME") or "workspace",
        "dvc.baseline_rev": os.environ.get("DVC_EXP_BASELINE_REV") or _git("rev-parse", "HEAD") or "unknown",
        "git.dirty": "unknown" if status is None else str(bool(status)).lower(),
    }


def _git(*arguments: str) -> str | None:
    """Output of a git command, or None without git or a repository. Takes no lock that a parallel stage might need."""
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
