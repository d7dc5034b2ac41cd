"""Nothing works on that nobody waits for: workers end with their stage, and stages with DVC."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
POOL = """
import sys, time
from pathlib import Path
from pipeline.base.resumable import Shard, run_shards, start_server

def work(items, path):
    (Path("started") / str(items[0])).write_text(str(__import__("os").getpid()))
    time.sleep(300)

if __name__ == "__main__":
    forked = sys.argv[1] == "forked"
    if forked:
        start_server(["json"])
    shards = [Shard("0", [0]), Shard("1", [1])]
    run_shards(work, shards, folder=Path("shards"), workers=2, unit="seed", title="work", forked=forked)
"""
STAGE = """
import os, time
from pathlib import Path
from stages import run

def main():
    Path("stage").write_text(str(os.getpid()))
    time.sleep(300)

run(main)
"""


def wait_for(met: Callable[[], bool], *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def environment(**more: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "DVC_STAGE"} | {"PYTHONPATH": str(ROOT)} | more


@pytest.mark.parametrize("kind", ["spawned", "forked"])
def test_workers_end_with_a_stage_that_is_killed_alone(tmp_path: Path, kind: str) -> None:
    (tmp_path / "started").mkdir()
    (tmp_path / "program.py").write_text(POOL)
    stage = subprocess.Popen([sys.executable, "program.py", kind], cwd=tmp_path, env=environment())
    try:
        marks = [tmp_path / "started" / str(number) for number in range(2)]
        wait_for(lambda: all(mark.exists() and mark.read_text() for mark in marks))
        workers = [int(mark.read_text()) for mark in marks]
        assert not any(gone(worker) for worker in workers)
    finally:
        stage.kill()  # as the memory killer does it
        stage.wait()
    wait_for(lambda: all(gone(worker) for worker in workers), seconds=20)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("shell", ["", "; true"])  # with more to do, the shell stays between DVC and the stage
def test_a_stage_ends_with_dvc(tmp_path: Path, how: signal.Signals, shell: str) -> None:
    (tmp_path / "program.py").write_text(STAGE)
    dvc = (
        "import os, subprocess; "
        f"subprocess.run('{sys.executable} program.py{shell}', shell=True, env=os.environ | {{'DVC_STAGE': 'train@row'}})"
    )
    process = subprocess.Popen([sys.executable, "-c", dvc], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    mark = tmp_path / "stage"
    wait_for(lambda: mark.exists() and bool(mark.read_text()))
    stage = int(mark.read_text())
    assert not gone(stage)
    process.send_signal(how)
    process.wait()
    wait_for(lambda: gone(stage), seconds=20)
    assert process.stderr is not None
    assert "DVC, which started this stage, is gone" in process.stderr.read()


def test_a_stage_run_by_hand_outlives_the_shell(tmp_path: Path) -> None:
    """`nohup python -m stages.train ... &`, and the terminal is closed."""
    (tmp_path / "program.py").write_text(STAGE)
    shell = subprocess.Popen(["sh", "-c", f"{sys.executable} program.py & wait"], cwd=tmp_path, env=environment())
    mark = tmp_path / "stage"
    wait_for(lambda: mark.exists() and bool(mark.read_text()))
    stage = int(mark.read_text())
    shell.kill()
    shell.wait()
    time.sleep(3)
    try:
        assert not gone(stage)
    finally:
        os.kill(stage, signal.SIGKILL)


def test_who_waits_says_for_whom(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from pipeline.base.scratch import scratch_folder\n"
        "with scratch_folder('train.bart', 'key'):\n"
        "    Path(sys.argv[1]).touch(); time.sleep(float(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", code]
    first = subprocess.Popen([*command, "first", "6"], cwd=tmp_path, env=environment())
    wait_for((tmp_path / "first").exists)
    second = subprocess.run(
        [*command, "second", "0"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert f"train.bart: process {first.pid} on " in second.stderr and "waiting until it has ended" in second.stderr
    assert first.wait() == 0
    third = subprocess.run([*command, "third", "0"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert third.stderr == ""
