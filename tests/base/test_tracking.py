import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.base import tracking
from pipeline.base.tracking_store import open_store

PROJECT = Path(__file__).parents[2]
OPENING = {"study": "kitchen", "row": "clipsum", "stage": "train@clipsum", "fingerprint": "abc"}
EVALUATION = OPENING | {"stage": "evaluate@clipsum"}
DVC_AND_MLFLOW = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_HTTP_REQUEST_TIMEOUT",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
    "DVC_EXP_NAME",
    "DVC_EXP_BASELINE_REV",
)


@pytest.fixture(scope="module")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store. Making one takes seconds, copying it does not."""
    root = tmp_path_factory.mktemp("fresh")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("DVC_ROOT", str(root))
        open_store("unused")
    return root / "mlflow.db"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder: not a git repository, nothing set by DVC or a user."""
    for name in DVC_AND_MLFLOW:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def client(root: Path, fresh_store: Path) -> Iterator[Any]:
    """Reads the store; any warning of the tracker is an error."""
    shutil.copy(fresh_store, root / "mlflow.db")
    from mlflow import MlflowClient

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="MLflow tracking")
        yield MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")


def runs_of(client: Any, study: str = "kitchen") -> dict[str, Any]:
    runs = client.search_runs([client.get_experiment_by_name(study).experiment_id])
    assert len({run.info.run_name for run in runs}) == len(runs), "a run is there twice"
    return {run.info.run_name: run for run in runs}


def curve(client: Any, run: Any, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)]


def test_row_has_nested_runs_with_curves_figures_dataset_and_artifacts(root: Path, client: Any) -> None:
    predictions = root / "clipsum.jsonl"
    predictions.write_text("{}\n")
    params = {f"train.p{number}": number for number in range(230)} | {"long": "x" * 7000, "none": None}
    with tracking.row_run(**OPENING, params=params) as run:
        run.dataset(name="kitchen", path=Path("data/corpus/corpus.parquet"), digest="d" * 64, context="training")
        for seed in (0, 1):
            with run.seed_run(seed) as seed_run:
                for step in (1, 2, 3):
                    seed_run.epoch(step, {"train_loss": 4.0 / step, "val_rouge2": float("nan")})
                seed_run.metrics({"test_rouge1": 33.0 + seed})
                seed_run.artifact(predictions)
        run.metrics({"test_rouge1": 33.5})
        run.artifact(predictions)

    runs = runs_of(client)
    assert set(runs) == {"clipsum", "seed 0", "seed 1"}
    row, seed_1 = runs["clipsum"], runs["seed 1"]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert "mlflow.parentRunId" not in row.data.tags
    assert seed_1.data.tags["mlflow.parentRunId"] == row.info.run_id
    assert len(row.data.params) == 232
    assert row.data.params["train.p229"] == "229"
    assert row.data.params["long"] == "x" * 6000
    assert row.data.params["none"] == "None"
    assert curve(client, seed_1, "train_loss") == [(1, 4.0), (2, 2.0), (3, 4.0 / 3)]
    assert seed_1.data.metrics == {"train_loss": 4.0 / 3, "test_rouge1": 34.0}, "NaN is left out"
    assert row.data.metrics["test_rouge1"] == 33.5
    assert row.data.metrics["system/system_memory_usage_megabytes"] > 0, "a short run has a sample of the machine's load"
    assert "system/cpu_utilization_percentage" in row.data.metrics
    (dataset_input,) = row.inputs.dataset_inputs
    assert (dataset_input.dataset.name, dataset_input.dataset.digest) == ("kitchen", "d" * 36)
    assert [(tag.key, tag.value) for tag in dataset_input.tags] == [("mlflow.data.context", "training")]
    import mlflow.data

    assert mlflow.data.get_source(dataset_input).uri == "data/corpus/corpus.parquet"
    assert [file.path for file in client.list_artifacts(row.info.run_id)] == ["clipsum.jsonl"]
    assert [file.path for file in client.list_artifacts(seed_1.info.run_id)] == ["clipsum.jsonl"]
    assert (root / "mlartifacts" / row.info.run_id / "artifacts/clipsum.jsonl").read_text() == "{}\n"


def test_tags_say_what_made_a_run(root: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def tags(row: str) -> dict[str, str]:
        with tracking.row_run(**(OPENING | {"study": row, "row": row})) as run, run.seed_run(0):
            pass
        runs = runs_of(client, row)
        assert runs["seed 0"].data.tags.items() >= {k: v for k, v in runs[row].data.tags.items() if k != "mlflow.runName"}.items()
        return dict(runs[row].data.tags)

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(root.parent))
    plain = {"dvc.stage": "train@clipsum", "dvc.row": "no_git", "dvc.exp_name": "workspace", "fingerprint": "abc"}
    assert tags("no_git").items() >= (plain | {"dvc.baseline_rev": "unknown", "git.dirty": "unknown"}).items()

    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    (root / ".gitignore").write_text("/mlflow.db*\n")
    for command in (["init", "-q"], ["add", ".gitignore"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert tags("clean").items() >= {"dvc.baseline_rev": head, "git.dirty": "false"}.items()

    (root / "note.txt").write_text("not committed")
    monkeypatch.setenv("DVC_EXP_NAME", "lucky-fork")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "0123abc")
    assert tags("dvc").items() >= {"dvc.exp_name": "lucky-fork", "dvc.baseline_rev": "0123abc", "git.dirty": "true"}.items()


def test_evaluate_finds_the_run_of_train_by_its_fingerprint(root: Path, client: Any) -> None:
    with tracking.row_run(**OPENING, params={"lr": 0.1}) as run, run.seed_run(0) as seed_run:
        seed_run.epoch(1, {"train_loss": 2.0})
    for figure in (30.0, 31.0):
        with tracking.row_run(**EVALUATION) as evaluated:
            evaluated.metrics({"test_rouge1": figure})
            with evaluated.seed_run(0) as seed_run:
                seed_run.metrics({"test_rouge1": figure})
        assert evaluated.run_id == run.run_id

    runs = runs_of(client)
    assert set(runs) == {"clipsum", "seed 0"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["clipsum"].data.tags["dvc.stage"] == "train@clipsum, evaluate@clipsum"
    assert runs["clipsum"].data.metrics["test_rouge1"] == 31.0, "the later figure counts"
    assert runs["seed 0"].data.metrics == {"train_loss": 2.0, "test_rouge1": 31.0}
    assert runs["clipsum"].data.params == {"lr": "0.1"}


def test_a_control_evaluated_again_finds_its_own_run(client: Any) -> None:
    with tracking.row_run(**OPENING) as trained:
        pass
    control = EVALUATION | {"row": "clipsum_swapped", "stage": "evaluate@clipsum_swapped"}
    with tracking.row_run(**control) as first, first.seed_run(0):
        pass
    with tracking.row_run(**control) as second, second.seed_run(0) as seed_run:
        seed_run.metrics({"test_rouge1": 20.0})
    assert first.run_id == second.run_id != trained.run_id
    runs = runs_of(client)
    assert set(runs) == {"clipsum", "clipsum_swapped", "seed 0"}
    assert runs["clipsum_swapped"].data.tags["dvc.stage"] == "evaluate@clipsum_swapped"
    assert runs["seed 0"].data.tags["mlflow.parentRunId"] == second.run_id


def test_an_experiment_that_only_evaluates_leaves_the_run_of_the_baseline_alone(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracking.row_run(**OPENING) as baseline:
        baseline.metrics({"test_rouge1": 30.0})
    monkeypatch.setenv("DVC_EXP_NAME", "cook's-fork")
    forks = []
    for _ in range(2):
        with tracking.row_run(**EVALUATION) as run:
            run.metrics({"test_rouge1": 20.0})
        forks.append(run.run_id)
    data = client.get_run(baseline.run_id).data
    assert data.metrics["test_rouge1"] == 30.0
    assert data.tags["dvc.exp_name"] == "workspace"
    assert forks[0] == forks[1] != baseline.run_id
    assert client.get_run(forks[0]).data.tags["dvc.exp_name"] == "cook's-fork"


@pytest.mark.parametrize("why", ["other fingerprint", "other row", "other study", "deleted"])
def test_a_run_that_does_not_fit_is_not_taken(client: Any, why: str) -> None:
    with tracking.row_run(**OPENING) as former, former.seed_run(0):
        pass
    changed = {"other fingerprint": {"fingerprint": "other"}, "other row": {"row": "t5"}, "other study": {"study": "youcook2"}}
    if why == "deleted":
        client.delete_run(former.run_id)
    with tracking.row_run(**(EVALUATION | changed.get(why, {}))) as run:
        pass
    assert run.run_id not in (None, former.run_id)
    new = client.get_run(run.run_id)
    assert new.data.tags["dvc.stage"] == "evaluate@clipsum"
    assert "mlflow.parentRunId" not in new.data.tags, "the runs of seeds, which have the same tags, are not taken either"


def test_a_deleted_experiment_is_restored(client: Any) -> None:
    with tracking.row_run(**OPENING):
        pass
    client.delete_experiment(client.get_experiment_by_name("kitchen").experiment_id)
    with tracking.row_run(**EVALUATION) as run:
        run.metrics({"test_rouge1": 30.0})
    assert runs_of(client)["clipsum"].data.metrics["test_rouge1"] == 30.0


def test_of_two_runs_that_fit_the_newest_is_taken(client: Any) -> None:
    with tracking.row_run(**OPENING) as older:
        pass
    client.delete_run(older.run_id)
    with tracking.row_run(**OPENING) as newer:
        pass
    client.restore_run(older.run_id)
    with tracking.row_run(**EVALUATION) as run:
        pass
    assert run.run_id == newer.run_id != older.run_id


def test_resumed_training_goes_on_in_its_runs_and_repeats_no_point(client: Any) -> None:
    def train(first: int, last: int, *, batch_size: int) -> None:
        params = {"lr": 0.1, "batch_size": batch_size}
        with tracking.row_run(**OPENING, params=params) as run, run.seed_run(0) as seed_run:
            for step in range(first, last + 1):
                seed_run.epoch(step, {"train_loss": float(step)})
            if last < 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(1, 3, batch_size=8)
    assert {run.info.status for run in runs_of(client).values()} == {"KILLED"}
    train(3, 5, batch_size=4)
    runs = runs_of(client)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert curve(client, runs["seed 0"], "train_loss") == [(step, float(step)) for step in range(1, 6)]
    assert runs["clipsum"].data.params == {"lr": "0.1", "batch_size": "8"}, "MLflow cannot change a parameter"


def test_what_a_process_logged_is_there_after_its_sudden_death(client: Any) -> None:
    code = (
        "import os, signal\n"
        "from pipeline.base import tracking\n"
        f"with tracking.row_run(**{OPENING}, params={{'lr': 0.1}}) as run, run.seed_run(0) as seed_run:\n"
        "    seed_run.epoch(1, {'train_loss': 1.0})\n"
        "    seed_run.epoch(2, {'train_loss': 2.0})\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == -signal.SIGKILL
    assert {run.info.status for run in runs_of(client).values()} == {"RUNNING"}
    with tracking.row_run(**OPENING, params={"lr": 0.1}) as run, run.seed_run(0) as seed_run:
        for step in (1, 2, 3):
            seed_run.epoch(step, {"train_loss": 10.0 * step})
    runs = runs_of(client)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert curve(client, runs["seed 0"], "train_loss") == [(1, 1.0), (2, 2.0), (3, 30.0)]


def test_threads_log_side_by_side(client: Any) -> None:
    def log(seed: int) -> None:
        with run.seed_run(seed) as seed_run:
            for step in range(1, 21):
                seed_run.epoch(step, {"train_loss": float(step)})

    with tracking.row_run(**OPENING) as run:
        threads = [Thread(target=log, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        run.metrics({"test_rouge1": 30.0})
        for thread in threads:
            thread.join()
    runs = runs_of(client)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert all(len(curve(client, runs[f"seed {seed}"], "train_loss")) == 20 for seed in range(3))


def test_a_failure_inside_marks_the_runs_and_comes_through(client: Any) -> None:
    error = RuntimeError("loss is not finite")
    with pytest.raises(RuntimeError) as caught, tracking.row_run(**OPENING) as run, run.seed_run(0) as seed_run:
        seed_run.epoch(1, {"train_loss": 9.0})
        raise error
    assert caught.value is error
    runs = runs_of(client)
    assert {name: run.info.status for name, run in runs.items()} == {"clipsum": "FAILED", "seed 0": "FAILED"}
    assert curve(client, runs["seed 0"], "train_loss") == [(1, 9.0)], "what was logged before stays"


def test_report_has_one_run_per_experiment(root: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [root / "reports/table.csv", root / "reports/figures/curve.svg"]
    files[1].parent.mkdir(parents=True)
    for text in ("first", "second"):
        for file in files:
            file.write_text(text)
        tracking.log_report(study="kitchen", files=files)
    report = runs_of(client)["report"]
    assert [file.path for file in client.list_artifacts(report.info.run_id)] == ["curve.svg", "table.csv"]
    assert Path(client.download_artifacts(report.info.run_id, "curve.svg")).read_text() == "second"
    assert report.info.status == "FINISHED"
    monkeypatch.setenv("DVC_EXP_NAME", "lucky-fork")
    tracking.log_report(study="kitchen", files=files)
    assert len(client.search_runs([report.info.experiment_id])) == 2


def test_four_processes_share_a_fresh_store(root: Path) -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('error', RuntimeWarning)\n"
        "from pipeline.base import tracking\n"
        "with tracking.row_run(study='kitchen', row=sys.argv[1], stage='train', fingerprint='f', params={'a': 1}) as run:\n"
        "    with run.seed_run(0) as seed_run:\n"
        "        for step in range(20):\n"
        "            seed_run.epoch(step, {'loss': 1.0})\n"
    )
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([sys.executable, "-c", code, f"row{number}"], env=environment, stderr=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    errors = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, errors
    assert errors == [""] * 4, "nothing but warnings of this project goes to stderr"
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")
    assert sorted(experiment.name for experiment in client.search_experiments()) == ["Default", "kitchen"]
    runs = client.search_runs([client.get_experiment_by_name("kitchen").experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["row0", "row1", "row2", "row3", *["seed 0"] * 4]
    assert all(len(client.get_metric_history(run.info.run_id, "loss")) == 20 for run in runs if run.info.run_name == "seed 0")


def whole_training() -> tuple[float, list[str]]:
    """Seconds and warnings of a row with two seeds."""
    started = time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with tracking.row_run(**OPENING, params={"lr": 0.1}) as run:
            run.dataset(name="kitchen", path=Path("corpus.parquet"), digest="d", context="training")
            for seed in (0, 1):
                with run.seed_run(seed) as seed_run:
                    seed_run.epoch(1, {"train_loss": 1.0})
                    seed_run.artifact(Path("missing"))
            run.metrics({"test_rouge1": 30.0})
    return time.monotonic() - started, [str(warning.message) for warning in caught if warning.category is RuntimeWarning]


def test_unreachable_server_warns_once_and_costs_little(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:secret@127.0.0.1:9")
    seconds, messages = whole_training()
    assert len(messages) == 1
    assert "MLflow tracking is off" in messages[0]
    assert "127.0.0.1" in messages[0]
    assert "secret" not in messages[0]
    assert seconds < 10


def test_server_that_never_answers_costs_little(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        seconds, messages = whole_training()
    assert len(messages) == 1
    assert seconds < 10


def test_broken_database_warns_once(root: Path) -> None:
    (root / "mlflow.db").write_bytes(b"not a database" * 1000)
    seconds, messages = whole_training()
    assert len(messages) == 1
    assert "not a database" in messages[0]
    assert seconds < 10


def test_without_mlflow_a_training_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    _, messages = whole_training()
    assert len(messages) == 1
    assert "mlflow" in messages[0]


def test_store_that_fails_on_the_way_warns_once_and_hides_no_error(root: Path, client: Any) -> None:
    with pytest.raises(ValueError, match="from the training"), pytest.warns(RuntimeWarning) as caught:
        warnings.simplefilter("always")
        with tracking.row_run(**OPENING) as run, run.seed_run(0) as seed_run:
            seed_run.artifact(root / "missing.jsonl")
            seed_run.epoch(1, {"train_loss": 1.0})
            seed_run.artifact(root / "missing.jsonl")
            raise ValueError("from the training")
    assert len([warning for warning in caught if "MLflow tracking is off" in str(warning.message)]) == 1


def test_global_state_of_mlflow_is_untouched_and_telemetry_is_off(client: Any) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    with tracking.row_run(**OPENING):
        assert mlflow.active_run() is None
    assert mlflow.get_tracking_uri() == before
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert is_telemetry_disabled()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_import_is_cheap() -> None:
    code = "import sys, pipeline.base.tracking; sys.exit('mlflow' in sys.modules or 'sqlalchemy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT)
