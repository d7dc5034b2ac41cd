"""What DVC's stages show in MLflow. DVC owns the truth, MLflow is the view: without it every result is the same.

One experiment per study; one run per row, with a nested run per seed:

    with tracking.row_run(study="kitchen", row="clipsum", stage="train@clipsum", fingerprint=key, params={...}) as run:
        run.dataset(name="kitchen", path=Path("data/corpus/corpus.parquet"), digest=digest, context="training")
        with run.seed_run(0) as seed_run:
            seed_run.epoch(1, {"train_loss": 2.0})

Runs are found by their tags: a try that was killed, and `evaluate` after `train`, go on in the run that is there.
A tracker that fails, in whatever way, warns once and does nothing from then on; what fails inside a block marks its run
and goes on unchanged to the caller.
"""

import math
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Self

from pipeline.base.tracking_store import Tracker

PARENT = "mlflow.parentRunId"  # the tag by which MLflow shows a run inside another
DIGEST_LENGTH = 36  # MLflow refuses a longer one
GIT_SECONDS = 20.0


@dataclass
class Run:
    """A block that writes to one MLflow run, or to nothing. As it ends, the run is FINISHED, FAILED or, if interrupted, KILLED.

    It goes on in the newest run whose tags `found_by` are the same; if there is none, it opens one.
    """

    tracker: Tracker
    name: str
    tags: dict[str, str]
    found_by: Sequence[str]
    params: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = field(default=None, init=False)
    logged: set[tuple[str, int]] = field(default_factory=set, init=False)

    def __enter__(self) -> Self:
        self.tracker.attempt(self._open)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        status = "FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED"
        self.tracker.attempt(lambda client: client.set_terminated(self.run_id, status=status))

    def epoch(self, step: int, metrics: Mapping[str, float]) -> None:
        """Points of curves. Points that an earlier, killed try has logged are left as they are."""
        new = {key: value for key, value in metrics.items() if (key, step) not in self.logged}
        self.tracker.attempt(lambda client: self._log(client, new, step))

    def metrics(self, metrics: Mapping[str, float]) -> None:
        """Single figures. Logged again, the later value counts."""
        self.tracker.attempt(lambda client: self._log(client, metrics, 0))

    def artifact(self, path: Path) -> None:
        """Copy a file into the run, in place of one with the same name."""
        self.tracker.attempt(lambda client: client.log_artifact(self.run_id, str(path)))

    def _open(self, client: Any) -> None:
        from mlflow.entities import Param, RunTag

        query = " and ".join(f"tags.`{key}` = {self.tags[key]!r}" for key in self.found_by)
        found = client.search_runs([self.tracker.experiment_id], query)  # the newest comes first, deleted ones are left out
        same = (run for run in found if run.data.tags.get(PARENT) == self.tags.get(PARENT))  # seeds' runs have their row's tags
        run = next(same, None) or client.create_run(self.tracker.experiment_id, run_name=self.name, tags=self.tags)
        self.run_id = run.info.run_id
        stage = self.tags["dvc.stage"]
        stages = [*run.data.tags.get("dvc.stage", stage).split(", "), stage]  # all that have written to this run
        tags = self.tags | {"dvc.stage": ", ".join(dict.fromkeys(stages))}
        # MLflow cannot change a parameter: those that the run has are left alone.
        params = [Param(key, str(value)) for key, value in self.params.items() if key not in run.data.params]
        client.update_run(self.run_id, status="RUNNING")
        client.log_batch(self.run_id, params=params, tags=[RunTag(key, value) for key, value in tags.items()])
        curves = [key for key in run.data.metrics if not key.startswith("system/")]  # of the machine's load there may be much
        self.logged = {(point.key, point.step) for key in curves for point in client.get_metric_history(self.run_id, key)}

    def _log(self, client: Any, metrics: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        points = [Metric(key, value, now, step) for key, value in metrics.items() if math.isfinite(value)]
        client.log_batch(self.run_id, metrics=points)


@dataclass
class RowRun(Run):
    """The run of a row: parent of its seeds' runs, with the dataset, the parameters and the machine's load."""

    monitor: Any = field(default=None, init=False)

    def __enter__(self) -> Self:
        super().__enter__()
        self.monitor = self.tracker.attempt(self._start_monitor)
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if self.monitor is not None:
            # It waits for the store, which may have been given up: nobody waits for it then.
            stopping = Thread(target=self.monitor.finish, daemon=True)
            stopping.start()
            self.tracker.attempt(lambda _: self._last_sample(stopping))
        super().__exit__(kind, *details)

    def dataset(self, *, name: str, path: Path, digest: str, context: str) -> None:
        """Log a file as dataset input. `context` is what it is used for; MLflow keeps 36 characters of `digest`."""

        def log(client: Any) -> None:
            from mlflow.data.meta_dataset import MetaDataset
            from mlflow.data.sources import LocalArtifactDatasetSource
            from mlflow.entities import Dataset, DatasetInput, InputTag

            dataset = MetaDataset(LocalArtifactDatasetSource(path.as_posix()), name=name, digest=digest[:DIGEST_LENGTH])
            tags = [InputTag("mlflow.data.context", context)]
            client.log_inputs(self.run_id, [DatasetInput(Dataset.from_dictionary(dataset.to_dict()), tags)])

        self.tracker.attempt(log)

    def seed_run(self, seed: int) -> Run:
        """The nested run of a seed."""
        tags = self.tags | {PARENT: str(self.run_id), "seed": str(seed)}
        return Run(self.tracker, name=f"seed {seed}", tags=tags, found_by=(PARENT, "seed"))

    def trial_run(self, number: int, *, params: Mapping[str, Any], state: str) -> Run:
        """The nested run of a trial of a search, which came to its end in `state`."""
        tags = self.tags | {PARENT: str(self.run_id), "trial": str(number), "state": state}
        return Run(self.tracker, name=f"trial {number}", tags=tags, found_by=(PARENT, "trial"), params=params)

    def _start_monitor(self, client: Any) -> Any:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(self.run_id, resume_logging=True, tracking_uri=client.tracking_uri)
        monitor.start()
        return monitor

    def _last_sample(self, stopping: Thread) -> None:
        """One more sample at the end, so that a run shorter than the sampling interval has one too."""
        stopping.join()
        for part in self.monitor.monitors:
            part.clear_metrics()
        self.monitor.collect_metrics()
        self.monitor.publish_metrics(self.monitor.aggregate_metrics())
        self.monitor.mlflow_logger.flush()


def row_run(*, study: str, row: str, stage: str, fingerprint: str, params: Mapping[str, Any] = {}) -> RowRun:
    """The run of `row` in this DVC experiment. `fingerprint` stands for everything that decides the result of its training."""
    tags = {"dvc.stage": stage, "dvc.row": row, "fingerprint": fingerprint, **_provenance()}
    return RowRun(Tracker(study), name=row, tags=tags, found_by=("fingerprint", "dvc.row", "dvc.exp_name"), params=params)


def log_report(*, study: str, files: Sequence[Path]) -> None:
    """Copy `files`, side by side, into the run `report` of the study; there is one for each DVC experiment."""
    tags = {"dvc.stage": "report", **_provenance()}
    with Run(Tracker(study), name="report", tags=tags, found_by=("dvc.stage", "dvc.exp_name")) as run:
        for path in files:
            run.artifact(path)


def _provenance() -> dict[str, str]:
    """What the code was: the DVC experiment, its commit, and whether the working tree differs from that."""
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch"]  # takes no lock a parallel stage may need
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_SECONDS).stdout.splitlines()
        commit = next(line.split()[-1] for line in lines if line.startswith("# branch.oid"))
        dirty = str(any(not line.startswith("#") for line in lines)).lower()
    except (OSError, subprocess.SubprocessError):  # no git, or no repository
        commit = dirty = "unknown"
    return {
        "dvc.exp_name": os.environ.get("DVC_EXP_NAME") or "workspace",
        "dvc.baseline_rev": os.environ.get("DVC_EXP_BASELINE_REV") or commit,
        "git.dirty": dirty,
    }
