"""Kept shards: what is published stays for a later run, and what it holds is bounded."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from pipeline.base.engines.engine import WorkerDiedError
from pipeline.base.files import temporary_beside
from pipeline.base.resumable import Shard, run_shards, shard_seconds
from pipeline.base.scratch import discard, publish, scratch_folder


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(seeds: Sequence[int], out: Path, *, key: str = "a") -> list[int]:
    """Publish a folder a seed; the seeds that were really worked on."""
    worked = []

    def work(items: Sequence[Any], path: Path) -> dict[str, Any]:
        path.mkdir()
        (path / "weights").write_text(f"{key} {items[0]}")
        worked.append(items[0])
        return {}

    with scratch_folder("train.row", key) as folder:
        shards = [Shard(str(seed), [seed]) for seed in seeds]
        run_shards(work, shards, folder=folder, workers=1, unit="seed", title="train")
        publish(folder, [shard.name for shard in shards], out)
    return worked


def test_a_seed_added_later_is_worked_on_alone(root: Path) -> None:
    out = root / "out"
    assert train([0, 1], out) == [0, 1]
    assert train([0, 1, 2], out) == [2]
    assert {path.name: (path / "weights").read_text() for path in out.iterdir()} == {"0": "a 0", "1": "a 1", "2": "a 2"}
    assert train([1], out) == []
    assert [path.name for path in out.iterdir()] == ["1"]


def test_only_the_latest_parameters_are_kept_beside_what_is_unfinished_or_in_use(root: Path) -> None:
    train([0], root / "out", key="old")
    train([0], root / "out", key="in use")
    with pytest.raises(KeyboardInterrupt), scratch_folder("train.row", "killed"):
        raise KeyboardInterrupt
    with FileLock(root / ".scratch" / "train.row" / "in use.lock"):
        train([0], root / "out", key="new")
    left = {path.name for path in (root / ".scratch" / "train.row").iterdir() if path.is_dir()}
    assert left == {"in use", "killed", "new"}


def test_what_was_left_unfinished_for_a_fortnight_goes(root: Path) -> None:
    for key, days in (("abandoned", 15), ("recent", 13)):
        with pytest.raises(KeyboardInterrupt), scratch_folder("train.row", key):
            raise KeyboardInterrupt
        then = time.time() - days * 24 * 3600
        os.utime(root / ".scratch" / "train.row" / key / ".unfinished", (then, then))
    train([0], root / "out", key="new")
    assert {path.name for path in (root / ".scratch" / "train.row").iterdir() if path.is_dir()} == {"recent", "new"}


def test_a_queued_experiment_leaves_what_the_project_keeps(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs in a copy of the project and shares scratch with it."""
    train([0], root / "out", key="project")
    (root / "copy").mkdir()
    monkeypatch.chdir(root / "copy")
    assert train([0], root / "copy" / "out", key="experiment") == [0]
    assert train([0], root / "copy" / "out", key="project") == [], "answered from the project's scratch"
    left = {path.name for path in (root / ".scratch" / "train.row").iterdir() if path.is_dir()}
    assert left == {"project"}, "what the experiment made is in DVC's cache"
    monkeypatch.chdir(root)
    assert train([0], root / "out", key="project") == []


def test_what_is_discarded_loses_its_name_before_its_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a kill while files are removed could leave a mark whose shard is gone, and every later run would stop there."""
    with scratch_folder("stage", "key") as folder:
        (folder / "00000.parquet.json").write_text("{}")
        monkeypatch.setattr("pipeline.base.scratch.shutil.rmtree", lambda *_, **__: None)  # killed before anything is removed
        discard(folder)
        assert not folder.exists()
    monkeypatch.undo()
    monkeypatch.setenv("DVC_ROOT", str(root))
    with scratch_folder("stage", "key") as folder:
        assert [path.name for path in folder.iterdir()] == [".unfinished"]
        discard(folder)
    assert not [path for path in (root / ".scratch" / "stage").iterdir() if path.is_dir()]


def test_what_a_killed_process_was_writing_goes_with_the_next_run(root: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch_folder("train.row", "a") as folder:
        temporary_beside(folder / "0").mkdir()
        temporary_beside(folder / "1.parquet").write_text("half")
        temporary_beside(root / "out").mkdir()
        raise KeyboardInterrupt
    train([0], root / "out")
    assert [path.name for path in folder.iterdir() if "tmp" in path.name] == []
    assert [path.name for path in root.iterdir() if "tmp" in path.name] == []


def die(items: Sequence[Any], path: Path) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_a_process_that_dies_is_told_with_what_it_worked_on(root: Path) -> None:
    with (
        pytest.raises(WorkerDiedError, match=r"draw: a process died .* [01].*lower runtime\.workers"),
        scratch_folder("s", "k") as folder,
    ):
        run_shards(die, [Shard("0", [0]), Shard("1", [1])], folder=folder, workers=2, unit="video", title="draw")


def test_a_mark_says_how_long_its_shard_took_also_after_another_run(root: Path) -> None:
    def work(items: Sequence[Any], path: Path) -> dict[str, Any]:
        time.sleep(items[0])
        path.touch()
        return {}

    shards = [Shard("0", [0.2]), Shard("1", [0.1])]
    with scratch_folder("work", "key") as folder:
        for _ in range(2):
            began = time.monotonic()
            run_shards(work, shards, folder=folder, workers=1, unit="item", title="work")
            took = time.monotonic() - began
            assert 0.3 <= shard_seconds(shards, folder) < 3
    assert took < 0.2, "the second run made nothing"
