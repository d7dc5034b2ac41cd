"""Trained rows in MLflow's registry of models. Like all that goes to MLflow it is a view: without it every result is the same."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.base import tracking_words as words
from pipeline.base.tracking_dataset import DIGEST_LENGTH
from pipeline.base.tracking_store import Tracker

ALIAS = "best"
WEIGHTS = "weights"  # the tag of a version that says which weights it has
_PARENT = "mlflow.parentRunId"
_SAVING_SECONDS = 20


@dataclass(frozen=True)
class About:
    """A model: its `name` in the registry, a digest of its weights, and its scores on `dataset`, which is a name and a digest."""

    name: str
    study: str
    row: str
    seed: int
    fingerprint: str
    weights: str
    dataset: tuple[str, str]
    scores: Mapping[str, float]
    primary: str
    params: Mapping[str, Any]


def register(about: About, write: Callable[[Path, Any], None], *, scratch: Path) -> None:
    """Make the model a version of its name, and point the alias `best` at it. Weights that have one already get no other.

    `write` puts the model into a folder, which is not there yet, as the `mlflow.models.Model` it is given; it is called in a
    folder below `scratch`. Whatever fails is a warning.
    """
    tracker = Tracker(about.study)
    known = tracker.attempt(lambda client: [version for version in _versions(client, about.name) if _has(version, about.weights)])
    if known is None:
        return
    if known:
        tracker.attempt(lambda client: _point(client, about.name, known[0].version))
        return
    runs = tracker.attempt(lambda client: _runs(client, tracker.experiment_id, about))
    if runs is None:
        return
    model = tracker.attempt(lambda client: _create(client, tracker.experiment_id, about, runs))
    if model is None:
        return
    if tracker.attempt(lambda client: _save(client, model, write, scratch)):
        tracker.attempt(lambda client: _link(client, model, about, runs))
        tracker.attempt(lambda client: _version(client, model, about, runs))


def best_of(client: Any, name: str) -> str | None:
    """The version that the alias points at; None if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, ALIAS).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _versions(client: Any, name: str) -> list[Any]:
    return list(client.search_model_versions(f"name = '{name}'"))


def _has(version: Any, weights: str) -> bool:
    return bool(version.tags.get(WEIGHTS) == weights and version.status == "READY")


def _point(client: Any, name: str, version: Any) -> None:
    if best_of(client, name) != str(version):
        client.set_registered_model_alias(name, ALIAS, str(version))


def _runs(client: Any, experiment_id: str, about: About) -> list[str]:
    """The runs of the seed and of its row, as far as they are there."""
    experiment = os.environ.get("DVC_EXP_NAME") or words.WORKSPACE
    wanted = {"fingerprint": about.fingerprint, "dvc.row": about.row, words.EXPERIMENT: experiment}
    query = " and ".join(f"tags.`{key}` = {value!r}" for key, value in wanted.items())
    found = client.search_runs([experiment_id], query)  # the newest comes first
    rows = [run for run in found if _PARENT not in run.data.tags]
    for row in rows[:1]:
        tags = {_PARENT: row.info.run_id, "seed": str(about.seed)}
        seeds = [run for run in found if all(run.data.tags.get(key) == value for key, value in tags.items())]
        return [*(run.info.run_id for run in seeds[:1]), row.info.run_id]
    return []


def _create(client: Any, experiment_id: str, about: About, runs: list[str]) -> Any:
    return client.create_logged_model(
        experiment_id,
        name=about.name,
        source_run_id=runs[0] if runs else None,
        tags={WEIGHTS: about.weights, "dvc.row": about.row, "seed": str(about.seed)},
        params=words.short_parameters(about.params),
        model_type="summariser",
    )


def _save(client: Any, model: Any, write: Callable[[Path, Any], None], scratch: Path) -> bool:
    from mlflow.models import Model

    try:
        scratch.mkdir(exist_ok=True)
        with TemporaryDirectory(prefix=".register-", dir=scratch) as folder:
            write(Path(folder) / "model", Model(run_id=model.source_run_id, model_id=model.model_id))
            client.log_model_artifacts(model.model_id, f"{folder}/model")
    except BaseException:
        client.finalize_logged_model(model.model_id, "FAILED")
        raise
    client.finalize_logged_model(model.model_id, "READY")
    return True


def _link(client: Any, model: Any, about: About, runs: list[str]) -> None:
    """Show the model as what its runs made, and the seed's scores as the model's, on the dataset."""
    from mlflow.entities import LoggedModelOutput, Metric

    for run_id in runs:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    name, digest = about.dataset
    on = {"model_id": model.model_id, "dataset_name": name, "dataset_digest": digest[:DIGEST_LENGTH]}
    now = int(time.time() * 1000)
    scores = words.test_metrics(about.scores, primary=about.primary)
    for run_id in runs[:1]:
        client.log_batch(run_id, metrics=[Metric(key, value, now, 0, **on, run_id=run_id) for key, value in scores.items()])


def _version(client: Any, model: Any, about: About, runs: list[str]) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(about.name, description=words.model_note(about.study, about.row))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        about.name,
        source=f"models:/{model.model_id}",
        run_id=runs[0] if runs else None,
        tags={WEIGHTS: about.weights, "seed": str(about.seed)},
        model_id=model.model_id,
        await_creation_for=_SAVING_SECONDS,
    )
    client.set_registered_model_alias(about.name, ALIAS, version.version)
