"""Where MLflow keeps its runs: found, made ready for several processes at once, and reached without long waits.

The store is `MLFLOW_TRACKING_URI`, else the SQLite file `$DVC_ROOT/mlflow.db` with artifacts in `$DVC_ROOT/mlartifacts`.
Only an explicit client is used, so MLflow's global state (its tracking URI, its active run) stays untouched.
"""

import os
import re
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from pipeline.atomic import replacing

T = TypeVar("T")

LOCK_SECONDS = 60.0
_FORCED = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
# A training must not wait for a tracker: MLflow's own defaults are 120 s a request, seven retries. A user's values win.
# Its log is silenced because a failure is reported once, with its reason, by the caller.
_DEFAULTS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "4", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_LOGGING_LEVEL": "CRITICAL"}


@dataclass(frozen=True)
class Store:
    """An experiment in an MLflow store. `client` is an `mlflow.MlflowClient`."""

    client: Any
    uri: str
    experiment_id: str


class Tracker:
    """A store until its first failure, nothing after it."""

    def __init__(self, study: str) -> None:
        self._store: Store | None = None
        try:
            self._store = open_store(study)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a tracker must not stop a training
            self._give_up(error)

    def attempt(self, action: Callable[[Store], T], *, otherwise: T) -> T:
        """The result of `action`, or `otherwise` when the tracker fails or has failed before."""
        if self._store is None:
            return otherwise
        try:
            return action(self._store)
        except Exception as error:  # noqa: BLE001 - as above
            self._give_up(error)
            return otherwise

    def _give_up(self, error: Exception) -> None:
        self._store = None
        reason = re.sub(r"//[^/@\s]+@", "//***@", " ".join(str(error).split()))[:300]  # an address may hold a password
        warnings.warn(
            f"MLflow tracking is off from here on ({type(error).__name__}: {reason}). Results do not depend on it.",
            RuntimeWarning,
            stacklevel=2,
        )


def project_root() -> Path:
    """The folder all of a project's processes share, queued experiments included."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def open_store(study: str) -> Store:
    """Connect to the store and get, or make, the experiment called `study`.

    Any exception may come out of here: MLflow missing, server unreachable, database broken, lock held too long.
    """
    os.environ.update(_FORCED)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    own = f"sqlite:///{project_root() / 'mlflow.db'}"
    uri = os.environ.get("MLFLOW_TRACKING_URI") or own
    database = _sqlite_file(uri)
    with FileLock(f"{database}.lock", timeout=LOCK_SECONDS) if database else nullcontext():
        if database:
            _prepare_sqlite(database, upgrade=uri == own)
        client = MlflowClient(tracking_uri=uri)
        return Store(client, uri, _experiment(client, study, artifact_location=_artifact_location(uri)))


def _sqlite_file(uri: str) -> Path | None:
    if not uri.startswith("sqlite"):
        return None
    from sqlalchemy import make_url

    name = make_url(uri).database
    return Path(name).resolve() if name and name != ":memory:" else None


def _prepare_sqlite(database: Path, *, upgrade: bool) -> None:
    """Give a fresh file its schema; bring the schema of the project's own file up to date. The caller holds the lock.

    MLflow creates tables when a store is first opened, without a lock that all versions honour and in many
    transactions: processes that start together collide, and one killed halfway leaves a store that never opens again.
    """
    from mlflow.db import upgrade as upgrade_command
    from sqlalchemy import create_engine, inspect

    database.parent.mkdir(parents=True, exist_ok=True)
    if not database.exists() or database.stat().st_size == 0:
        with replacing(database) as temporary:
            upgrade_command.callback(f"sqlite:///{temporary}")
        return
    engine = create_engine(f"sqlite:///{database}")
    try:
        inspect(engine).get_table_names()  # a broken file fails here at once; MLflow would try ten times in 100 seconds
    finally:
        engine.dispose()
    if upgrade:
        upgrade_command.callback(f"sqlite:///{database}")


def _artifact_location(uri: str) -> str | None:
    """A server places artifacts itself; for a plain database MLflow would take the folder the process happens to be in."""
    if uri.startswith(("http:", "https:", "databricks")):
        return None
    return (project_root() / "mlartifacts").as_uri()


def _experiment(client: Any, study: str, *, artifact_location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(study)
    if found is None:
        try:
            return str(client.create_experiment(study, artifact_location=artifact_location))
        except MlflowException:  # on a server, another process may have been faster
            found = client.get_experiment_by_name(study)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)
