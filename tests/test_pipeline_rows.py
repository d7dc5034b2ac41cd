"""The real `dvc repro` in a copy of the project, on a tiny study: new rows and seeds, a kill, the whole table, errors, MLflow."""

import os
import re
import signal
import subprocess
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_project import REPORTING, STUDIED, STUDY, Project, set_value

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def project(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.copied(first_run, tmp_path_factory.mktemp("rows") / "project")


def test_a_new_row_runs_alone_and_goes_on_when_killed(project: Project) -> None:
    def add_row(content: Any) -> None:
        rows = content["stages"]["train"]["foreach"]
        rows["second"] = dict(rows["clipsum"]) | {"title": "A second row", "trained": "models/second"}

    project.edit("dvc.yaml", add_row)
    process = subprocess.Popen(
        ["dvc", "repro"],
        cwd=project.folder,
        env=project.environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    scratch = project.folder / ".scratch"
    deadline = time.monotonic() + 300
    while not list(scratch.glob("train.second/*/work-0/last.pt")):
        assert time.monotonic() < deadline and process.poll() is None, "training ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (project.folder / "models" / "second" / "seeds").exists()

    output = project.run("dvc", "repro")
    assert set(re.findall(r"Running stage '([^']+)'", output)) == {"train@second", "evaluate@second"} | REPORTING
    assert "seed 0: goes on after epoch" in output
    continued, whole = (
        sha256((project.folder / "models" / row / "seeds" / "0" / "model.safetensors").read_bytes()).hexdigest()
        for row in ("second", "clipsum")
    )
    assert continued == whole, "the row it was copied from was trained in one go"
    assert not list(scratch.glob("train.second/*/work-0")), "scratch of a finished stage is removed"
    assert "A second row" in (project.folder / "reports" / "table.md").read_text()


def test_a_seed_added_later_trains_alone(project: Project) -> None:
    def marks() -> dict[str, float]:
        return {path.name: path.stat().st_mtime for path in (project.folder / ".scratch").glob("train.bart/*/?.json")}

    before = marks()
    assert set(before) == {"0.json"}
    project.edit("params.yaml", set_value(*STUDY, "seeds", value=[0, 1]))
    assert "Running stage 'train@bart'" in project.run("dvc", "repro", "train@bart")
    after = marks()
    assert set(after) == {"0.json", "1.json"}
    assert after["0.json"] == before["0.json"], "it was not trained again"
    assert len(list((project.folder / "models" / "bart" / "seeds").glob("?/model.safetensors"))) == 2
    project.edit("params.yaml", set_value(*STUDY, "seeds", value=[0]))
    assert project.repro() == set()


def test_the_whole_table_builds_on_what_is_there(project: Project) -> None:
    """`dvc repro --dry` would say it too, but stops at the first dependency that is yet to be made."""
    changed = project.changed("--with-deps", "table/dvc.yaml")
    assert {"table/dvc.yaml:train@t5", "table/dvc.yaml:evaluate@clipsum_zeros", "table/dvc.yaml:report"} <= changed
    assert all(stage.startswith("table/dvc.yaml:") for stage in changed)

    features = "table/dvc.yaml:extract_features@random_vit_b32"
    assert project.repro(features) == {"table/dvc.yaml:weights@random_vit_b32", features}
    assert project.repro() == set(), "the smaller table does not look at it"


def test_an_error_in_params_stops_before_any_stage_works(project: Project) -> None:
    params = project.folder / "params.yaml"
    before = params.read_text()
    for text, slip, message in (
        ("encoder: clip_vit_b32", "encoder: clip_vit_b33", "encoder: 'clip_vit_b33' has no mini tower"),
        ("fps: 6", "fps: -6", "studies.tiny.dataset.fps: Input should be greater than 0"),
        ("fps: 6", "fsp: 6", "studies.tiny.dataset.fsp: unknown key"),
        ("study: tiny", "study: tiyn", "study: 'tiyn' is none of tiny"),
    ):
        assert text in before
        params.write_text(before.replace(text, slip))
        done = subprocess.run(
            ["dvc", "repro"], cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert message in done.stderr
        assert done.stdout.count("Running stage") <= 1, "the first stage that would run stops"
    params.write_text(before)
    assert project.repro() == set(), "nothing that was there is lost"


def test_runs_are_logged_in_one_experiment(project: Project) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    (experiment,) = [found for found in client.search_experiments() if found.name == "tiny"]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    parents = {run.info.run_name for run in runs if "mlflow.parentRunId" not in run.data.tags}
    assert {"bart", *STUDIED, "second"} <= parents
    nested = [run for run in runs if "mlflow.parentRunId" in run.data.tags and run.data.tags["dvc.row"] == "clipsum"]
    assert nested and all("test_rouge1" in run.data.metrics for run in nested)
    assert any(len(client.get_metric_history(run.info.run_id, "val_rouge2")) > 1 for run in nested)
