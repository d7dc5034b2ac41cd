"""What DVC's stages show in MLflow. DVC owns the truth, MLflow is the view: without it every result is the same.

One experiment per study; one run per row and DVC experiment, with a nested run per seed:

    with tracking.row_run(study="kitchen", row="clipsum", stage="train@clipsum", fingerprint=key, params={...}) as run:
        run.dataset(name="kitchen", path=Path("data/corpus/corpus.parquet"), digest=digest, context="training")
        with run.seed_run(0) as seed_run:
            seed_run.epoch(1, {"train_loss": 2.0})

Runs are found by their tags: a try that was killed, and `evaluate` after `train`, go on in the run that is there.
A tracker that fails, in whatever way, warns once and does nothing from then on; what fails inside a block marks its run
and goes on unchanged to the caller.
"""

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from threading import Thread
from typing import Any, Self

from pipeline.base import tracking_words as words
from pipeline.base.tracking_dataset import dataset_input
from pipeline.base.tracking_store import Tracker

PARENT = "mlflow.parentRunId"  # the tag by which MLflow shows a run inside another
ONE_SCRIPT = ("mlflow.source.name", words.COMMIT)  # tags that say where a run comes from: the first script to write to it
BATCH = 1000  # MLflow takes no more metrics at once


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
        self._log_new([(key, value, step) for key, value in words.curve_points(metrics).items()])

    def metrics(self, metrics: Mapping[str, float]) -> None:
        """Single figures. Logged again, the later value counts."""
        self.tracker.attempt(lambda client: self._log(client, [(key, value, 0) for key, value in metrics.items()]))

    def scores(self, scores: Mapping[str, float], *, primary: str) -> None:
        """Scores of the test split, by metric: `primary` and those that papers report first."""
        self.metrics(words.test_metrics(scores, primary=primary))

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file into the run, or into a folder of it, in place of one with the same name."""
        self.tracker.attempt(lambda client: client.log_artifact(self.run_id, str(path), folder))

    def _open(self, client: Any) -> None:
        from mlflow.entities import Param, RunTag

        query = " and ".join(f"tags.`{key}` = {self.tags[key]!r}" for key in self.found_by)
        found = client.search_runs([self.tracker.experiment_id], query)  # the newest comes first, deleted ones are left out
        run = next(filter(self._is_like, found), None)
        if run is None:
            run = client.create_run(self.tracker.experiment_id, run_name=self._new_name(client), tags=self.tags)
        self.run_id = run.info.run_id
        stage = self.tags[words.STAGES]
        stages = [*run.data.tags.get(words.STAGES, stage).split(", "), stage]  # all that have written to this run
        tags = self.tags | {words.STAGES: ", ".join(dict.fromkeys(stages))}
        tags |= {key: run.data.tags[key] for key in ONE_SCRIPT if key in run.data.tags}
        # MLflow cannot change a parameter: those that the run has are left alone.
        params = {key: value for key, value in words.short_parameters(self.params).items() if key not in run.data.params}
        if PARENT not in tags:
            facts = run.data.tags | tags
            tags[words.NOTE] = words.description(facts, run.data.params | params, experiment_id=self.tracker.experiment_id)
        client.update_run(self.run_id, status="RUNNING")
        client.log_batch(
            self.run_id,
            params=[Param(key, value) for key, value in params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        curves = [key for key in run.data.metrics if not key.startswith("system/")]  # of the machine's load there may be much
        self.logged = {(point.key, point.step) for key in curves for point in client.get_metric_history(self.run_id, key)}

    def _is_like(self, run: Any) -> bool:
        """Seeds' runs have their row's tags, too."""
        return bool(run.data.tags.get(PARENT) == self.tags.get(PARENT))

    def _new_name(self, client: Any) -> str:
        return self.name

    def _log_new(self, points: Sequence[tuple[str, float, int]]) -> None:
        new = [(key, value, step) for key, value, step in points if (key, step) not in self.logged]
        self.tracker.attempt(lambda client: self._log(client, new))

    def _log(self, client: Any, points: Sequence[tuple[str, float, int]]) -> None:
        """Points are names, values and steps; what is no number is left out."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for key, value, step in points if math.isfinite(value)]
        for start in range(0, len(metrics), BATCH):
            client.log_batch(self.run_id, metrics=metrics[start : start + BATCH])


@dataclass
class RowRun(Run):
    """The run of a row: parent of its seeds' runs, with the dataset, the parameters, the mean curves, the machine's load."""

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
        """Log a Parquet file as dataset input. `context` is what it is used for."""
        self.tracker.attempt(
            lambda client: client.log_inputs(self.run_id, [dataset_input(name=name, path=path, digest=digest, context=context)])
        )

    def table(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """A table that MLflow shows as one, in place of one with the same name: `log_table` would add its rows to those."""
        names = list(columns)
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        text = json.dumps({"columns": names, "data": rows}, ensure_ascii=False)
        shown = json.dumps([{"path": name, "type": "table"}])

        def log(client: Any) -> None:
            client.log_text(self.run_id, text, name)
            client.set_tag(self.run_id, "mlflow.loggedArtifacts", shown)

        self.tracker.attempt(log)

    def mean_curves(self, histories: Sequence[Sequence[Mapping[str, float]]]) -> None:
        """Losses and `val_score` over epochs: the mean over seeds, whose epochs are `histories`, as far as all of them have come.

        The score also gets its lowest and highest value. A curve that is there already stays.
        """
        points = []
        for step, epochs in enumerate(zip(*histories, strict=False), start=1):
            points += [(key, mean([epoch[key] for epoch in epochs]), step) for key in ("train_loss", "val_loss", "val_score")]
            scores = [epoch["val_score"] for epoch in epochs]
            points += [("val_score_low", min(scores), step), ("val_score_high", max(scores), step)]
        self._log_new(points)

    def seed_run(self, seed: int) -> Run:
        """The nested run of a seed."""
        tags = self.tags | {PARENT: str(self.run_id), "seed": str(seed)}
        return Run(self.tracker, name=f"seed {seed}", tags=tags, found_by=(PARENT, "seed"))

    def trial_run(self, number: int, *, params: Mapping[str, Any], state: str) -> Run:
        """The nested run of a trial of a search, which came to its end in `state`."""
        tags = self.tags | {PARENT: str(self.run_id), "trial": str(number), "state": state}
        return Run(self.tracker, name=f"trial {number}", tags=tags, found_by=(PARENT, "trial"), params=params)

    def _is_like(self, run: Any) -> bool:
        """A search has runs of its own."""
        return super()._is_like(run) and _searches(run.data.tags) == _searches(self.tags)

    def _new_name(self, client: Any) -> str:
        same = ("dvc.row", words.EXPERIMENT)
        query = " and ".join(f"tags.`{key}` = {self.tags[key]!r}" for key in same)
        former = sum(map(self._is_like, client.search_runs([self.tracker.experiment_id], query)))
        return words.row_name(self.tags["dvc.row"], self.tags[words.STAGES], self.tags[words.EXPERIMENT], former)

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
    """The run of `row` in this DVC experiment. `fingerprint` stands for everything that decides the result of its training.

    `stage` is what the run is said to come from where DVC, which knows better, has not started this process.
    """
    tags = {words.STAGES: os.environ.get("DVC_STAGE") or stage, "dvc.row": row, "fingerprint": fingerprint, **words.provenance()}
    return RowRun(Tracker(study), name=row, tags=tags, found_by=("fingerprint", "dvc.row", words.EXPERIMENT), params=params)


def log_report(*, study: str, files: Sequence[Path]) -> None:
    """Copy `files` into the run `report` of the study, figures into a folder; there is one for each DVC experiment.

    The runs of its rows get a link to it.
    """
    tags = {words.STAGES: "report", **words.provenance()}
    name = f"report · {tags[words.EXPERIMENT]}"
    with Run(Tracker(study), name=name, tags=tags, found_by=(words.STAGES, words.EXPERIMENT)) as run:
        for path in files:
            run.artifact(path, "figures" if path.suffix in (".svg", ".png") else None)
        run.tracker.attempt(lambda client: _link_report(client, run))


def _link_report(client: Any, report: Run) -> None:
    from mlflow.entities import RunTag

    experiment_id = report.tracker.experiment_id
    for run in client.search_runs([experiment_id], f"tags.`{words.EXPERIMENT}` = {report.tags[words.EXPERIMENT]!r}"):
        tags = run.data.tags | {words.REPORT: str(report.run_id)}
        if PARENT not in tags and "dvc.row" in tags:
            tags[words.NOTE] = words.description(tags, run.data.params, experiment_id=experiment_id)
            client.log_batch(run.info.run_id, tags=[RunTag(key, tags[key]) for key in (words.REPORT, words.NOTE)])


def _searches(tags: Mapping[str, str]) -> bool:
    return tags[words.STAGES] == "search"
