"""One thread per process: tests run in several processes, and small tensors gain nothing from more."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps two processes busy. One runs the slowest module first; the other runs about half of the rest until the first run of
    that module is there, then the other slow module, which shares this run, and then what is left.
    """
    slow = {"tests.test_pipeline": 0, "tests.test_pipeline_rows": 2}
    early = ("tests.base.", "tests.corpus.", "tests.encoders.", "tests.evaluation.", "tests.features.")
    items.sort(key=lambda item: slow.get(item.module.__name__, 1 if item.module.__name__.startswith(early) else 3))


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of a tiny project in which the whole pipeline has run once, for all processes; not to be changed."""
    from tests.tiny_project import STAGES, Project

    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "first_run"
    with FileLock(folder.with_suffix(".lock")):
        if not (done := folder.with_suffix(".done")).exists():
            shutil.rmtree(folder, ignore_errors=True)
            assert len(Project.created(folder).repro()) == STAGES
            done.touch()
    return folder


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.report_inputs import make_inputs

    return make_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def inputs(original: Path, tmp_path: Path) -> Path:
    """Metrics and predictions for the report (`tests.report_inputs`), to change at will."""
    shutil.copytree(original, tmp_path / "inputs")
    return tmp_path / "inputs"
