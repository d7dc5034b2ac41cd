"""What a reader of MLflow's pages sees of a run: its name, its words, its tables and curves, its data."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base import tracking
from pipeline.base.tracking_store import open_store
from pipeline.base.tracking_view import browser_defaults, describe_experiment, first_screen
from tests.base.tracked import OPENING, curve, runs_of

EVALUATION = OPENING | {"stage": "evaluate@clipsum"}
SCORES = {"content_f1": 70.0, "rouge1": 60.123456, "entity_f1": 80.0, "bleu4": 40.0}


def only_run(client: Any) -> Any:
    (run,) = runs_of(client).values()
    return run


def test_names_say_which_experiment_and_tell_versions_of_a_row_apart(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(**changed: str) -> None:
        with tracking.row_run(**(OPENING | changed)) as run, run.seed_run(0):
            pass

    train()
    train(fingerprint="of other parameters")
    train(fingerprint="of a search", stage="search")
    train()
    monkeypatch.setenv("DVC_EXP_NAME", "lucky-fork")
    train()
    found = client.search_runs([client.get_experiment_by_name("kitchen").experiment_id])
    assert sorted(run.info.run_name for run in found if run.info.run_name != "seed 0") == [
        "clipsum · lucky-fork",
        "clipsum · workspace",
        "clipsum · workspace · 2",
        "search of clipsum · workspace",
    ]


def test_scores_that_are_compared_come_first_and_all_others_have_a_prefix(client: Any) -> None:
    with tracking.row_run(**EVALUATION) as run:
        run.scores(SCORES, primary="entity_f1")
    shown = {key: value for key, value in only_run(client).data.metrics.items() if not key.startswith("system/")}
    assert list(shown.items()) == [("entity_f1", 80.0), ("rouge1", 60.12), ("test/content_f1", 70.0), ("test/bleu4", 40.0)]


def test_the_stage_is_the_one_that_dvc_runs(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "evaluate_text@bart")
    with tracking.row_run(**(OPENING | {"row": "bart", "stage": "evaluate@bart"})):
        pass
    tags = only_run(client).data.tags
    assert tags["dvc.stage"] == "evaluate_text@bart"
    assert "`dvc repro evaluate_text@bart`" in tags["mlflow.note.content"]


def test_a_row_has_the_mean_curves_of_its_seeds_as_far_as_all_of_them_have_come(client: Any) -> None:
    def epochs(*scores: float) -> list[dict[str, float]]:
        return [{"epoch": 1.0, "train_loss": score / 10, "val_loss": 1.0, "val_score": score} for score in scores]

    for _ in range(2):  # evaluated twice: no point is there twice
        with tracking.row_run(**EVALUATION) as run:
            run.mean_curves([epochs(10.0, 20.0, 30.0), epochs(20.0, 40.0)])
    row = only_run(client)
    assert curve(client, row, "val_score") == [(1, 15.0), (2, 30.0)]
    assert curve(client, row, "val_score_low") == [(1, 10.0), (2, 20.0)]
    assert curve(client, row, "val_score_high") == [(1, 20.0), (2, 40.0)]
    assert curve(client, row, "train_loss") == [(1, 1.5), (2, 3.0)]


def test_rates_and_seconds_stand_beside_the_curves_and_the_number_of_the_epoch_nowhere(client: Any) -> None:
    with tracking.row_run(**OPENING) as run, run.seed_run(0) as seed_run:
        seed_run.epoch(1, {"epoch": 1.0, "train_loss": 2.0, "lr_new": 0.1, "seconds": 3.0})
    assert runs_of(client)["seed 0"].data.metrics == {"train_loss": 2.0, "train/lr_new": 0.1, "train/seconds": 3.0}


def test_a_table_that_is_logged_again_replaces_the_former(client: Any) -> None:
    for prediction in ("first", "zweite é"):
        with tracking.row_run(**EVALUATION) as run:
            run.table("predictions.json", {"video_id": ["a", "b"], "prediction": [prediction, "c"]})
    row = only_run(client)
    table = json.loads(Path(client.download_artifacts(row.info.run_id, "predictions.json")).read_text(encoding="utf-8"))
    assert table == {"columns": ["video_id", "prediction"], "data": [["a", "zweite é"], ["b", "c"]]}
    assert json.loads(row.data.tags["mlflow.loggedArtifacts"]) == [{"path": "predictions.json", "type": "table"}]


def test_a_description_says_what_a_run_is_how_it_is_made_again_and_where_the_report_is(
    root: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "lucky-fork")
    with tracking.row_run(**OPENING, params={"title": "ClipSum"}):
        pass
    with tracking.row_run(**EVALUATION):
        pass
    (root / "index.html").write_text("<p>report")
    tracking.log_report(study="kitchen", files=[root / "index.html"])
    runs = runs_of(client)
    row, report = runs["clipsum · lucky-fork"], runs["report · lucky-fork"]
    note = row.data.tags["mlflow.note.content"]
    assert note.startswith("**ClipSum**, row `clipsum`. [The report]")
    assert "`dvc exp apply lucky-fork && dvc repro train@clipsum evaluate@clipsum`" in note
    assert f"commit `{row.data.tags['mlflow.source.git.commit'][:12]}`" in note
    link = f"(#/experiments/{row.info.experiment_id}/runs/{report.info.run_id}/artifacts/index.html)"
    assert link in note
    with tracking.row_run(**EVALUATION):
        pass
    assert link in runs_of(client)["clipsum · lucky-fork"].data.tags["mlflow.note.content"], "evaluated again, it stays"
    assert "dvc repro report" in report.data.tags["mlflow.note.content"]


def test_a_run_says_where_it_comes_from(root: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train", "evaluate"):
        monkeypatch.setattr("sys.argv", [str(root / "stages" / f"{name}.py"), "--row", "clipsum"])
        with tracking.row_run(**(OPENING | {"stage": f"{name}@clipsum"})):
            pass
    tags = only_run(client).data.tags
    assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("stages/train.py", "LOCAL")
    assert tags["mlflow.user"]
    assert tags["mlflow.source.git.commit"]


def test_a_dataset_shows_its_columns_and_how_many_videos_each_split_has(root: Path, client: Any) -> None:
    table = {"video_id": ["a", "b", "c"], "split": ["train", "train", "test"], "steps": [["x"], [], ["y"]]}
    pq.write_table(pa.table(table), root / "corpus.parquet")
    with tracking.row_run(**OPENING) as run:
        run.dataset(name="kitchen", path=root / "corpus.parquet", digest="d" * 64, context="training")
    (found,) = only_run(client).inputs.dataset_inputs
    columns = {column["name"]: column["type"] for column in json.loads(found.dataset.schema)["mlflow_colspec"]}
    assert columns == {"video_id": "string", "split": "string", "steps": "list of string"}
    assert json.loads(found.dataset.profile) == {"num_rows": 3, "train": 2, "test": 1}


def test_the_experiment_says_what_it_is_in_the_mode_for_training(client: Any) -> None:
    store, experiment_id = open_store("kitchen")
    tags = store.get_experiment(experiment_id).tags
    assert "Study `kitchen`" in tags["mlflow.note.content"]
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    describe_experiment(store, experiment_id, study="kitchen", primary="rouge2")
    assert store.get_experiment(experiment_id).tags["mlflow.experiment.primaryMetric.name"] == "rouge2"


def test_the_address_names_mode_and_experiment_and_the_script_closes_no_element() -> None:
    assert first_screen("http://127.0.0.1:5000", "7") == (
        "http://127.0.0.1:5000/?workflowType=machine_learning#/experiments/7/runs?workflowType=machine_learning"
    )
    script = browser_defaults("7", "</script>")
    assert "</" not in script
    assert 'ExperimentPage-[\\"7\\"]' in script


def test_nothing_of_a_users_environment_is_changed(client: Any) -> None:
    before = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with tracking.row_run(**OPENING):
        pass
    after = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    assert after == before | {"DO_NOT_TRACK": "true"}
