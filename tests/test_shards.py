"""Kept shards: what is published stays for a later run, and what it holds is bounded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from pipeline.shards import Shard, forget, publish, run_shards, scratch_folder


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def train(seeds: Sequence[int], out: Path, *, key: str = "a") -> list[int]:
    """Publish a folder a seed; the seeds that were really worked on."""
    worked = []

    def work(items: Sequence[Any], path: Path) -> dict[str, Any]:
        path.mkdir()
        (path / "weights").write_text(f"{key} {items[0]}")
        (path.parent / f"work-{items[0]}").mkdir()
        worked.append(items[0])
        return {}

    with scratch_folder("train.row", key) as folder:
        shards = [Shard(str(seed), [seed]) for seed in seeds]
        run_shards(work, shards, folder=folder, workers=1, unit="seed", title="train")
        publish(folder, [shard.name for shard in shards], out, keep=True)
        forget(folder, unfinished="work-*")
    return worked


def test_a_seed_added_later_is_worked_on_alone(root: Path) -> None:
    out = root / "out"
    assert train([0, 1], out) == [0, 1]
    assert not list((root / ".scratch").glob("train.row/a/work-*"))
    assert train([0, 1, 2], out) == [2]
    assert {path.name: (path / "weights").read_text() for path in out.iterdir()} == {"0": "a 0", "1": "a 1", "2": "a 2"}
    assert train([1], out) == []
    assert [path.name for path in out.iterdir()] == ["1"]


def test_only_the_latest_parameters_are_kept_beside_what_is_unfinished_or_in_use(root: Path) -> None:
    train([0], root / "out", key="old")
    train([0], root / "out", key="in use")
    killed = root / ".scratch" / "train.row" / "killed"
    (killed / "work-0").mkdir(parents=True)
    with FileLock(root / ".scratch" / "train.row" / "in use.lock"):
        train([0], root / "out", key="new")
    left = {path.name for path in (root / ".scratch" / "train.row").iterdir() if path.is_dir()}
    assert left == {"in use", "killed", "new"}
