"""One thread per process: tests run in several processes, and small tensors gain nothing from more."""

import os
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow module first: while one process is busy with it the others run the rest."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.report_inputs import make_inputs

    return make_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def inputs(original: Path, tmp_path: Path) -> Path:
    """Metrics and predictions for the report (`tests.report_inputs`), to change at will."""
    shutil.copytree(original, tmp_path / "inputs")
    return tmp_path / "inputs"
