"""The best seed of a row in MLflow's registry: linked to what made it, there once, and never in the way."""

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from pipeline.base import tracking
from pipeline.base.code import import_closure
from pipeline.base.paths import CORPUS, metrics_file
from pipeline.inference import registered
from pipeline.inference.registered import register
from pipeline.scoring.record import RowRecord, read_record
from tests.inference.trained_project import PARAMS, ROOT, trained_project, video

NAME = "clipsum-kitchen-clipsum"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_project(tmp_path_factory.mktemp("made"))


@pytest.fixture
def scored(root: Path, client: Any, made: Path) -> RowRecord:
    """The project has been trained and scored; its runs are in the store."""
    shutil.copytree(made, root, dirs_exist_ok=True)
    CORPUS.parent.mkdir(parents=True)
    CORPUS.write_bytes(b"the corpus")
    with tracking.row_run(study="kitchen", row="clipsum", stage="evaluate@clipsum", fingerprint="clipsum") as run:
        for seed in (0, 1):
            with run.seed_run(seed):
                pass
    return read_record(metrics_file("clipsum"))


def versions(client: Any) -> list[Any]:
    return sorted(client.search_model_versions(f"name = '{NAME}'"), key=lambda version: int(version.version))


def logged_models(client: Any) -> list[Any]:
    return list(client.search_logged_models([client.get_experiment_by_name("kitchen").experiment_id]))


def test_the_best_seed_is_a_version_linked_to_its_run_its_dataset_and_its_scores(client: Any, scored: RowRecord) -> None:
    register("clipsum", PARAMS, scored)
    (version,) = versions(client)
    assert client.get_model_version_by_alias(NAME, "best").version == version.version
    run = client.get_run(version.run_id)
    assert run.data.tags["seed"] == "1", "the best on the validation split"
    (model,) = logged_models(client)
    assert (model.status, model.source_run_id) == ("READY", version.run_id) and version.source == f"models:/{model.model_id}"
    row = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert [each.outputs.model_outputs[0].model_id for each in (run, row)] == [model.model_id] * 2
    found = {metric.key: (metric.value, metric.dataset_name) for metric in model.metrics}
    assert found["rouge1"] == (60.0, "kitchen") and len(found) == len(scored.metrics)
    folder = Path("mlartifacts/models") / model.model_id / "artifacts"
    needed = {line.split("==")[0] for line in (folder / "requirements.txt").read_text().splitlines()}
    assert {"torch", "transformers", "av", "safetensors"} <= needed
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pickle", ".pt")], "nothing is pickled"
    assert (folder / "artifacts" / "export" / "README.md").read_text().startswith("---\nlanguage:")
    assert list(Path(".scratch").iterdir()) == []


def test_the_same_weights_are_registered_once_and_the_alias_follows_what_is_there(client: Any, scored: RowRecord) -> None:
    register("clipsum", PARAMS, scored)
    register("clipsum", PARAMS, scored)
    assert len(versions(client)) == len(logged_models(client)) == 1
    weights, other = Path("models/clipsum/1/model.safetensors"), Path("models/clipsum/0/model.safetensors")
    before = weights.read_bytes()
    weights.write_bytes(other.read_bytes())
    register("clipsum", PARAMS, scored)
    assert len(versions(client)) == 2
    assert str(client.get_model_version_by_alias(NAME, "best").version) == "2"
    weights.write_bytes(before)
    register("clipsum", PARAMS, scored)
    assert len(versions(client)) == 2 and str(client.get_model_version_by_alias(NAME, "best").version) == "1"


def test_a_failure_is_a_warning_and_leaves_no_version(client: Any, scored: RowRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(registered, "fill", full)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            register("clipsum", PARAMS, scored)
    assert any("MLflow tracking is off from here on (OSError: no space left)" in str(each.message) for each in caught)
    assert versions(client) == [] and [str(model.status) for model in logged_models(client)] == ["FAILED"]
    register("clipsum", PARAMS, scored)
    assert len(versions(client)) == 1


def test_a_store_that_is_no_store_is_a_warning(root: Path, made: Path) -> None:
    shutil.copytree(made, root, dirs_exist_ok=True)
    CORPUS.parent.mkdir(parents=True)
    CORPUS.write_bytes(b"the corpus")
    (root / "mlflow.db").write_bytes(b"no database" * 100)
    with pytest.warns(RuntimeWarning, match="MLflow tracking is off"):
        register("clipsum", PARAMS, read_record(metrics_file("clipsum")))


def test_what_cannot_be_registered_is_said(
    client: Any, scored: RowRecord, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("weights/clip_vit_b32/encoder.safetensors").unlink()
    register("clipsum", PARAMS, scored)
    assert "clipsum is not registered as a model: " in capsys.readouterr().out
    elsewhere = Path("a queued experiment")
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    register("clipsum", PARAMS, scored)
    assert capsys.readouterr().out == "" and versions(client) == []


def test_the_registered_model_works_where_there_is_no_project(client: Any, scored: RowRecord, tmp_path_factory: Any) -> None:
    register("clipsum", PARAMS, scored)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    video(elsewhere / "film.mp4")
    code = (
        "import mlflow, pandas, sys\n"
        f"mlflow.set_tracking_uri({'sqlite:///' + str(Path('mlflow.db').resolve())!r})\n"
        f"model = mlflow.pyfunc.load_model('models:/{NAME}@best')\n"
        "print(model.predict(pandas.DataFrame([{'text': 'now add this', 'video': 'film.mp4'}]))[0]['frames'])\n"
        "print(sys.modules['pipeline'].__file__)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, env=environment, capture_output=True, text=True, check=False
    )
    frames, place = done.stdout.splitlines()[-2:] if done.returncode == 0 else (done.stderr, "")
    assert frames == "6" and not Path(place).is_relative_to(ROOT), "with the code that it was registered with"


def test_what_a_summary_imports_is_required() -> None:
    """Packages that the modules behind the served model import, by the names of their distributions."""
    import ast
    from importlib.metadata import packages_distributions

    known, needed = packages_distributions(), set()
    for module in import_closure("pipeline.inference.served", "pipeline.models.clipsum", "pipeline.models.t5"):
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            needed |= {name.split(".")[0] for name in names}
    required = {name.lower().replace("_", "-") for name in (*registered.REQUIRED, "urllib3")}  # which comes with requests
    missing = [name for name in needed & set(known) if not {each.lower().replace("_", "-") for each in known[name]} & required]
    assert missing == []
