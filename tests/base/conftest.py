"""An MLflow store of a project's own, for the tests of tracking."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.tracking_store import open_store

DVC_AND_MLFLOW = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_HTTP_REQUEST_TIMEOUT",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
    "DVC_STAGE",
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
