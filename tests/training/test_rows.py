"""All rows and seeds at once: the bytes of stage `train`, which then trains nothing; what cannot be trained stops nothing."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import mlflow
import pytest

from pipeline.base.engines.engine import Engine, Means, WorkerDiedError
from pipeline.base.files import read_json
from pipeline.base.params import SlurmSettings, load_params
from pipeline.base.paths import MODELS
from pipeline.training import train_row as training
from pipeline.training.rows import Seed, train_rows
from pipeline.training.table_row import declared_row
from stages import rows as stage
from tests.training.rows_project import SEEDS, copied, files, make_project

PACKAGES = {"ray": "ray", "slurm": "submitit"}
ENGINES = [
    "local",
    *(
        pytest.param(
            engine, marks=pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed (extra {engine})")
        )
        for engine, package in PACKAGES.items()
    ),
]
TRAINED = ("bart", "clipsum")
SLURM = SlurmSettings(cluster="slurm", partition="", minutes=5, memory_gb=1, tasks=4)  # whose machines have other devices


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def publish(names: Sequence[str]) -> dict[str, bytes]:
    """What stage `train` publishes of the rows."""
    params = load_params()
    for name in names:
        training.train_row(declared_row(name, encoder=params.encoder), params)
    return files(MODELS)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("rows") / "project")


@pytest.fixture(scope="module")
def by_train(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What stage `train` publishes where nothing was trained before."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        enter(copied(project, tmp_path_factory.mktemp("train") / "project"), monkeypatch)
        return publish(TRAINED)


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_are_those_of_stage_train_which_then_trains_nothing(
    engine: str,
    project: Path,
    by_train: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enter(copied(project, tmp_path / "project"), monkeypatch)
    monkeypatch.setattr("sys.argv", ["rows", "--engine", engine])
    # Not `capsys`: submitit sets logging up anew, at which absl closes a stderr that is no longer sys.stderr: pytest's own.
    with pytest.raises(SystemExit) as ended, redirect_stdout(StringIO()) as out:
        stage.main()
    assert ended.value.code == 1, "one row has no frames"
    told = out.getvalue().splitlines()[-3:]
    assert told[:2] == ["bart: trained", "clipsum: trained"]
    assert "data/frames" in told[2] and "dvc repro" in told[2]

    monkeypatch.setattr(training, "train_shard", refuse)
    assert publish(TRAINED) == by_train
    for row in TRAINED:
        seconds = read_json(training.training_seconds_file(row))["seconds"]
        assert len(seconds) == len(SEEDS) and all(0 < each < 300 for each in seconds)
        assert curves(row) == {f"seed {seed}": [1, 2] for seed in SEEDS}, "logged by the stage, from what was left"


def refuse(*_: Any, **__: Any) -> dict[str, Any]:
    raise AssertionError("all seeds are trained")


def curves(row: str) -> dict[str, list[int]]:
    """Epochs of the runs of a row's seeds, in MLflow."""
    client = mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    (experiment,) = [found for found in client.search_experiments() if found.name == "tiny"]
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run.info.run_id for run in runs if run.info.run_name.startswith(f"{row} ")]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]
    return {
        run.info.run_name: [point.step for point in client.get_metric_history(run.info.run_id, "val_loss")] for run in children
    }


def test_two_processes_a_seed_train_what_one_trains(
    project: Path, by_train: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(copied(project, tmp_path / "project"), monkeypatch)
    params = load_params()
    both = replace(params, runtime=params.runtime.model_copy(update={"processes_per_seed": 2}))
    assert train_rows(["clipsum"], both, engine=None) == {"clipsum": []}
    monkeypatch.setattr(training, "train_shard", refuse)
    found = publish(["clipsum"])
    for name in (f"clipsum/{seed}/history.json" for seed in SEEDS):
        for one, other in zip(json.loads(by_train[name]), json.loads(found[name]), strict=True):
            assert one == pytest.approx(other, abs=1e-4)  # larger losses than those of toys
    assert curves("clipsum") == {f"seed {seed}": [1, 2] for seed in SEEDS}


class Mortal:
    """An engine here, whose worker dies of some seeds the first time and every time."""

    def __init__(self, deadly: Sequence[str]) -> None:
        self.deadly, self.handed_over = deadly, 0

    def run(self, task: Any, shards: Sequence[Any], means: Means) -> Iterator[Any]:
        self.handed_over += 1
        left = list(shards)
        while left:
            if left[0].name in self.deadly:
                raise WorkerDiedError("a worker was lost", left)
            task(left[0])
            yield left.pop(0)


def test_a_worker_that_dies_stops_no_other_seed_and_is_told(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(copied(project, tmp_path / "project"), monkeypatch)
    trained: list[str] = []
    monkeypatch.setattr(
        training, "train_shard", lambda items, path, *, row, **_: written(path, trained, f"{row.name} {items[0]}")
    )
    engine = Mortal(["bart, seed 0", "clipsum, seed 1"])
    wrong = train_rows(["nothing", *TRAINED], load_params(), engine=engine)
    assert trained == ["bart 1", "clipsum 0"] and engine.handed_over == 2
    assert "row 'nothing' is none of bart" in wrong.pop("nothing")[0]
    assert [wrong[row][0][:25] for row in TRAINED] == ["seed 0: a worker was lost", "seed 1: a worker was lost"]
    assert all("the next run goes on from there" in reasons[0] for reasons in wrong.values())
    assert len(list(Path(".scratch").glob("train.*/*/.unfinished"))) == 2, "both are to be taken up again"
    assert train_rows(TRAINED, load_params(), engine=Mortal([])) == {row: [] for row in TRAINED}
    assert sorted(trained) == ["bart 0", "bart 1", "clipsum 0", "clipsum 1"], "each once"
    assert not list(Path(".scratch").glob("train.*/*/.unfinished"))


def written(path: Path, trained: list[str], name: str) -> dict[str, Any]:
    trained.append(name)
    path.write_text(name)
    return {}


@pytest.mark.parametrize(
    ("runtime", "cores", "means", "threads"),
    [
        ({}, 0, Means(workers=2, cores=1), 1),
        ({"workers": 8}, 0, Means(workers=2, cores=4), 4),  # two seeds on eight cores
        ({"workers": 8, "processes_per_seed": 2}, 0, Means(workers=2, cores=4), 2),
        ({"workers": 8}, 3, Means(workers=2, cores=3), 3),
        ({"device": "cuda", "processes_per_seed": 4, "engine": "slurm", "slurm": SLURM}, 0, Means(workers=1, gpus=4, cores=4), 1),
    ],
)
def test_a_seed_is_given_what_its_processes_need(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: Any, cores: int, means: Means, threads: int
) -> None:
    enter(copied(project, tmp_path / "project"), monkeypatch)
    asked: list[tuple[Means, set[int]]] = []

    class Asked:
        def run(self, task: Any, shards: Sequence[Seed], means: Means) -> Iterator[Any]:
            asked.append((means, {seed.threads for seed in shards}))
            return iter(())

    params = load_params()
    engine: Engine = Asked()
    changed = replace(params, runtime=params.runtime.model_copy(update=runtime))
    wrong = train_rows(TRAINED, changed, engine=engine, cores=cores)
    assert asked == [(means, {threads})]
    assert all(reasons == [f"seed {seed}: nobody has trained it" for seed in SEEDS] for reasons in wrong.values())
