"""Runs in MLflow: what they hold, how they are found again, and that nothing is logged twice or lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.base import tracking
from tests.base.tracked import OPENING, PROJECT, curve, runs_of

EVALUATION = OPENING | {"stage": "evaluate@clipsum"}


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
    assert set(runs) == {"clipsum · workspace", "seed 0", "seed 1"}
    row, seed_1 = runs["clipsum · workspace"], runs["seed 1"]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert "mlflow.parentRunId" not in row.data.tags
    assert seed_1.data.tags["mlflow.parentRunId"] == row.info.run_id
    assert len(row.data.params) == 231, "without the one that has no value"
    assert row.data.params["train.p229"] == "229"
    assert row.data.params["long"] == "x" * 249 + "…"
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
        nested, parent = (run.data.tags for _, run in sorted(runs_of(client, row).items(), key=lambda item: item[0] != "seed 0"))
        own = ("mlflow.runName", "mlflow.note.content")
        assert nested.items() >= {key: value for key, value in parent.items() if key not in own}.items()
        return dict(parent)

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
    assert set(runs) == {"clipsum · workspace", "seed 0"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["clipsum · workspace"].data.tags["dvc.stage"] == "train@clipsum, evaluate@clipsum"
    assert runs["clipsum · workspace"].data.metrics["test_rouge1"] == 31.0, "the later figure counts"
    assert runs["seed 0"].data.metrics == {"train_loss": 2.0, "test_rouge1": 31.0}
    assert runs["clipsum · workspace"].data.params == {"lr": "0.1"}


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
    assert set(runs) == {"clipsum · workspace", "clipsum_swapped · workspace", "seed 0"}
    assert runs["clipsum_swapped · workspace"].data.tags["dvc.stage"] == "evaluate@clipsum_swapped"
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
    assert runs_of(client)["clipsum · workspace"].data.metrics["test_rouge1"] == 30.0


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
    assert runs["clipsum · workspace"].data.params == {"lr": "0.1", "batch_size": "8"}, "MLflow cannot change a parameter"


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
    assert {name: run.info.status for name, run in runs.items()} == {"clipsum · workspace": "FAILED", "seed 0": "FAILED"}
    assert curve(client, runs["seed 0"], "train_loss") == [(1, 9.0)], "what was logged before stays"


def test_report_has_one_run_per_experiment(root: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [root / "reports/table.csv", root / "reports/figures/curve.svg"]
    files[1].parent.mkdir(parents=True)
    for text in ("first", "second"):
        for file in files:
            file.write_text(text)
        tracking.log_report(study="kitchen", files=files)
    report = runs_of(client)["report · workspace"]
    assert [file.path for file in client.list_artifacts(report.info.run_id)] == ["figures", "table.csv"]
    assert Path(client.download_artifacts(report.info.run_id, "figures/curve.svg")).read_text() == "second"
    assert report.info.status == "FINISHED"
    monkeypatch.setenv("DVC_EXP_NAME", "lucky-fork")
    tracking.log_report(study="kitchen", files=files)
    assert len(client.search_runs([report.info.experiment_id])) == 2
