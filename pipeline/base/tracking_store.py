"""Where MLflow keeps its runs: found, made ready for several processes at once, and reached without long waits.

The store is `MLFLOW_TRACKING_URI`, else the SQLite file `$DVC_ROOT/mlflow.db` with artifacts in `$DVC_ROOT/mlartifacts`.
Only an explicit client is used, so MLflow's global state (its tracking URI, its active run) stays untouched.
"""

import os
import re
import sqlite3
import time
import warnings
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from filelock import FileLock

from pipeline.base.bounded import bounded
from pipeline.base.files import replacing
from pipeline.base.tracking_words import experiment_tags

T = TypeVar("T")

LOCK_SECONDS = 60.0
# How long a caller waits at most. A server that goes on sending a byte a second is stopped by nothing else: MLflow's own limits
# are for the time between two bytes.
OPENING_SECONDS = LOCK_SECONDS + 30.0  # the wait for the lock, and a fresh database gets its tables
ACTION_SECONDS = 30.0
SLOW_SECONDS = 120.0  # of one process in all, counted is what an action takes beyond its first second
# A training must not wait for a tracker: MLflow's own defaults are 120 s a request, seven retries. Its log is silenced
# because `Tracker` reports a failure once, with its reason. A user's values win.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "4",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_FORCED = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


class Tracker:
    """An experiment in MLflow until the first failure, nothing after it. Opened at the first attempt; threads take turns.

    What it does happens in threads of its own, so that a store which neither answers nor fails is given up, too.
    """

    def __init__(self, study: str) -> None:
        self.experiment_id = ""
        self._study = study
        self._client: Any = None
        self._failed = False
        self._slow_seconds = 0.0
        self._lock = Lock()

    def attempt(self, action: Callable[[Any], T]) -> T | None:
        """What `action` makes of an `MlflowClient`, or None when the tracker fails or has failed before."""
        with self._lock:
            if self._failed:
                return None
            try:
                if self._client is None:
                    self._client, self.experiment_id = self._bounded(lambda: open_store(self._study), OPENING_SECONDS)
                return self._bounded(lambda: action(self._client), ACTION_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a tracker must not stop a training
                self._failed = True
                reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
                reason = re.sub(r"//[^/@\s]+@", "//***@", reason)[:300]  # an address may hold a password
                message = f"MLflow tracking is off from here on ({reason}). Results do not depend on it."
                warnings.warn(message, RuntimeWarning, stacklevel=3)
                return None

    def _bounded(self, work: Callable[[], T], seconds: float) -> T:
        """What `work` gives, within `seconds` and what is left of `SLOW_SECONDS`."""
        start = time.monotonic()
        try:
            return bounded(work, min(seconds, SLOW_SECONDS - self._slow_seconds))
        finally:
            self._slow_seconds += max(0.0, time.monotonic() - start - 1.0)


def store_address() -> tuple[str, str | None]:
    """Where the store is, and where artifacts lie; a server places them itself, and then it is None."""
    root = Path(os.environ.get("DVC_ROOT", ".")).resolve()  # all of a project's processes share it, queued experiments included
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
    # For a plain database MLflow would take the folder the process happens to be in.
    return uri, None if uri.startswith(("http:", "https:", "databricks")) else (root / "mlartifacts").as_uri()


def open_store(study: str) -> tuple[Any, str]:
    """A client of the store, and the id of the experiment called `study`, which is made if need be.

    Any exception may come out of here: MLflow missing, server unreachable, database broken, lock held too long.
    """
    os.environ.update(_FORCED)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient
    from sqlalchemy import make_url

    uri, artifacts = store_address()
    database = make_url(uri).database if uri.startswith("sqlite") else None
    with FileLock(f"{database}.lock", timeout=LOCK_SECONDS) if database else nullcontext():
        if database:
            _prepare_sqlite(Path(database), upgrade=not os.environ.get("MLFLOW_TRACKING_URI"))
        client = MlflowClient(tracking_uri=uri)
        return client, _experiment(client, study, artifacts)


def _prepare_sqlite(database: Path, *, upgrade: bool) -> None:
    """Give a fresh file its schema; bring the schema of the project's own file up to date. The caller holds the lock.

    MLflow creates tables when a store is first opened, without a lock that all versions honour and in many
    transactions: processes that start together collide, and one killed halfway leaves a store that never opens again.
    """
    from mlflow.db import upgrade as upgrade_command

    if not database.exists() or database.stat().st_size == 0:
        with replacing(database) as temporary:
            upgrade_command.callback(f"sqlite:///{temporary}")
        return
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("SELECT name FROM sqlite_master")  # fails at once on a broken file; MLflow tries for 100 seconds
    if upgrade:
        upgrade_command.callback(f"sqlite:///{database}")


def _experiment(client: Any, study: str, artifacts: str | None) -> str:
    """To create it comes first: of processes that start together on a server, one succeeds and the others find it."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(study, artifact_location=artifacts, tags=experiment_tags(study)))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    found = client.get_experiment_by_name(study)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)
