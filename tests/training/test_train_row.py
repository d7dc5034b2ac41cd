"""Training of a row: what MLflow shows of seeds whose training fails."""

from pathlib import Path

import mlflow
import pytest

from pipeline.base import tracking
from pipeline.base.files import write_json
from pipeline.training.train_row import curves


@pytest.mark.parametrize(("error", "status"), [(None, "FINISHED"), (RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_the_runs_of_seeds_end_as_their_training_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | None, status: str
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)

    def train() -> None:
        run = tracking.row_run(study="kitchen", row="clipsum", stage="train@clipsum", fingerprint="f", params={})
        with run as row_run, curves(row_run, tmp_path, [0, 1]):
            write_json(tmp_path / "curve-0.json", [{"epoch": 1, "train_loss": 2.0}])
            if error is not None:
                raise error("in the middle")

    if error is None:
        train()
    else:
        with pytest.raises(error):
            train()
    client = mlflow.MlflowClient(uri)
    (experiment,) = [found for found in client.search_experiments() if found.name == "kitchen"]
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert {name: run.info.status for name, run in runs.items()} == {"clipsum · workspace": status, "seed 0": status}
    assert runs["seed 0"].data.metrics["train_loss"] == 2.0
