"""Stage `train`: what MLflow shows of seeds whose training fails, and lengths that a text model cannot hold."""

from pathlib import Path

import mlflow
import pytest

from pipeline import tracking
from pipeline.atomic import write_json
from pipeline.params import load_params
from pipeline.rows import check_lengths
from stages.train import curves
from tests import toys


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
    assert {name: run.info.status for name, run in runs.items()} == {"clipsum": status, "seed 0": status}
    assert runs["seed 0"].data.metrics["train_loss"] == 2.0


@pytest.mark.parametrize("key", ["text.max_source_tokens", "text.max_target_tokens", "generate.max_tokens"])
def test_more_tokens_than_positions_are_refused_by_name(tmp_path: Path, key: str) -> None:
    study = load_params().current
    short = {"text": study.text.model_copy(update={"max_source_tokens": 64, "max_target_tokens": 48})}
    study = study.model_copy(update=short)
    folder = toys.text_model(tmp_path / "bart")  # 64 positions
    check_lengths(folder, study)
    block, name = key.split(".")
    longer = study.model_copy(update={block: getattr(study, block).model_copy(update={name: 65})})
    with pytest.raises(ValueError, match=rf"{key}: 65 tokens are more than the 64 positions of .*bart"):
        check_lengths(folder, longer)
    check_lengths(toys.t5(tmp_path / "t5"), longer)
