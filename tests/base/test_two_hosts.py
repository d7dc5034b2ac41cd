"""Two hosts, one folder: nothing is lost, mixed or done twice with another result, whoever is killed or stopped when."""

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.base import resumable
from pipeline.base.resumable import Shard, run_shards
from pipeline.base.scratch import digests_of, scratch_folder
from tests.base.hosts import SHARDS, STALE, exit_code, hurry, made, start

ROUNDS = 100
TEXTS = {name: f"{items} same" for name, items in (("00000.parquet", [0, 1]), ("00001.parquet", [2]), ("00003.parquet", [4, 5]))}
TEXTS |= {f"a_folder/{name}": "[3] same" for name in ("one", "two")}


def wait_for(met: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


def texts(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def marks(folder: Path) -> dict[str, Any]:
    return {shard.name: json.loads((folder / f"{shard.name}.json").read_text()) for shard in SHARDS}


def one_round(root: Path, seed: int) -> tuple[int, int]:
    """Two hosts work; now and then one is killed and started again, or stopped for longer than a lease lasts.

    Returns how often that was, and how often one ended with an error and was started again.
    """
    chance = random.Random(seed)
    alike, interruptions, again = chance.random() < 0.5, chance.randrange(1, 4), 0
    how = {"seconds": 0.02, "alike": alike}
    running = {host: start(host, root, **how) for host in ("anna", "bert")}
    known = {host: psutil.Process(process.pid) for host, process in running.items()}
    for _ in range(interruptions):
        time.sleep(chance.random() * 0.12)
        host = chance.choice(sorted(running))
        with suppress(psutil.NoSuchProcess):  # it has done its work before
            if chance.random() < 0.25:
                known[host].suspend()
                time.sleep(1.5 * STALE)
                known[host].resume()
            else:
                known[host].kill()
                exit_code(running[host])
                running[host] = start(host, root, **how)
                known[host] = psutil.Process(running[host].pid)
    for host in running:
        while (code := exit_code(running[host])) != 0:
            assert again < 3 and code == 1, f"round {seed}: {host} ended with {code}"
            again += 1
            running[host] = start(host, root, **how)
    check(root, alike=alike, seed=seed)
    return interruptions, again


def check(root: Path, *, alike: bool, seed: int) -> None:
    folder = root / ".scratch" / "stage" / "key"
    for name, mark in marks(folder).items():
        assert {file: sha256 for file, (_, sha256) in mark["files"].items()} == digests_of(folder / name), f"round {seed}: {name}"
        words = {text.split("] ")[1] for text in texts(folder / name).values()} or {(folder / name).read_text().split("] ")[1]}
        assert words == {mark["summary"]["word"]}, f"round {seed}: {name} is mixed"
    for host in ("anna", "bert"):
        assert texts(root / host).keys() == TEXTS.keys(), f"round {seed}: lost"
        if alike:
            assert texts(root / host) == TEXTS, f"round {seed}"
    left = [path.name for path in folder.iterdir() if path.name.endswith(".lease")]
    assert left == [], f"round {seed}"


def test_a_hundred_rounds_in_which_either_host_is_killed_or_stopped_at_random(tmp_path: Path) -> None:
    roots = [tmp_path / str(number) for number in range(ROUNDS)]
    for root in roots:
        root.mkdir()
    with ThreadPoolExecutor(4) as pool:  # a round mostly waits
        counts = list(pool.map(one_round, roots, range(ROUNDS)))
    interruptions, again = (sum(count) for count in zip(*counts, strict=True))
    assert again <= ROUNDS // 10, "an error that asks for another run is for results that differ"
    twice = sum(len(made(root)) for root in roots) - ROUNDS * len(SHARDS)
    print(f"{interruptions} interruptions, {twice} shards made to the end twice, {again} errors")
    assert 0 <= twice <= interruptions // 4, "work is lost at the moment between the end of a shard and its mark"


def test_a_lease_of_a_living_owner_is_respected_and_the_others_are_done_meanwhile(tmp_path: Path) -> None:
    first = start("anna", tmp_path, SHARDS[:1], seconds=6 * STALE)
    wait_for(lambda: (tmp_path / "working-anna-0").exists())
    second = start("bert", tmp_path, SHARDS, seconds=0.01)
    wait_for(lambda: len(made(tmp_path)) == 3)
    assert made(tmp_path) == ["bert 2", "bert 3", "bert 4"]
    assert exit_code(second) == 0
    assert made(tmp_path) == ["bert 2", "bert 3", "bert 4", "anna 0"]
    assert exit_code(first) == 0
    assert texts(tmp_path / "bert") == TEXTS


def test_what_a_killed_host_worked_on_is_taken_over_when_its_lease_has_run_out(tmp_path: Path) -> None:
    first = start("anna", tmp_path, seconds=60)
    wait_for(lambda: (tmp_path / "working-anna-0").exists())
    first.kill()
    exit_code(first)
    began = time.monotonic()
    second = start("bert", tmp_path, seconds=0.01)
    wait_for(lambda: len(made(tmp_path)) == 4, seconds=10 + 4 * STALE)
    assert time.monotonic() - began > STALE
    assert exit_code(second) == 0
    assert texts(tmp_path / "bert") == TEXTS and made(tmp_path)[-1] == "bert 0"
    temporary = [path for path in (tmp_path / ".scratch/stage/key").iterdir() if ".tmp" in path.name]
    assert ["anna" in path.name for path in temporary] == [True], "bert cannot know that anna's process has ended"
    assert exit_code(start("anna", tmp_path, seconds=0.01)) == 0
    assert not temporary[0].exists() and len(made(tmp_path)) == 4


def test_a_killed_process_of_the_same_host_is_followed_at_once(tmp_path: Path) -> None:
    first = start("anna", tmp_path, seconds=60)
    wait_for(lambda: (tmp_path / "working-anna-0").exists())
    first.kill()
    exit_code(first)
    second = start("anna", tmp_path, seconds=0.01)
    assert exit_code(second) == 0
    assert made(tmp_path) == ["anna 0", "anna 2", "anna 3", "anna 4"], "in order: nothing was waited for"


def test_an_owner_that_was_stopped_leaves_the_result_of_who_took_over(tmp_path: Path) -> None:
    first = start("anna", tmp_path, SHARDS[:1], seconds=0.1, alike=False)
    wait_for(lambda: (tmp_path / "working-anna-0").exists())
    psutil.Process(first.pid).suspend()
    second = start("bert", tmp_path, SHARDS[:1], seconds=0.01, alike=False)
    assert exit_code(second) == 0
    taken = texts(tmp_path / "bert")
    psutil.Process(first.pid).resume()
    assert exit_code(first) == 0
    assert made(tmp_path) == ["bert 0", "anna 0"]
    assert texts(tmp_path / "anna") == taken


@pytest.mark.parametrize("whose", ["file", "folder"])
def test_two_owners_at_once_with_different_results_are_noticed_by_who_writes_the_last_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    hurry_back(monkeypatch)
    shard, results, write = Shard("shard", [0]), iter(["mine", "theirs", "again"]), resumable.write_json

    def work(items: Any, path: Path) -> dict[str, Any]:
        word = next(results)
        if whose == "folder":
            path.mkdir()
        (path / "words" if whose == "folder" else path).write_text(word)
        return {"word": word}

    def interrupted(path: Path, mark: Any) -> None:
        """The other renames its file and writes its mark after this process has renamed its file, and before its mark."""
        if mark["summary"]["word"] == "mine":
            resumable._lease(shard, path.parent).unlink()
            resumable._run_one(work, shard, folder=path.parent)
        write(path, mark)

    monkeypatch.setattr(resumable, "write_json", interrupted)
    with scratch_folder("stage", "key") as folder:
        (summary,) = run_shards(work, [shard], folder=folder, workers=1, unit="item", title="work")
        assert summary == {"word": "again"} and "again" in texts(folder).get("shard", texts(folder).get("shard/words", ""))
    assert "not as it was written" in capsys.readouterr().out


def hurry_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """`hurry`, until the end of the test."""
    for name in ("HEARTBEAT", "STALE"):
        monkeypatch.setattr(f"pipeline.base.leases.{name}", STALE)
    monkeypatch.setattr("pipeline.base.sharing.LOOK", STALE)
    hurry()
