"""One thread per process: tests run in several processes, and small tensors gain nothing from more."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow module first: while one process is busy with it the others run the rest."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
