"""Run `dvc repro` and note what every stage takes: seconds, memory, and the space of its unfinished work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread

import psutil
from tqdm import tqdm

from pipeline.base.files import read_json, write_json

INTERVAL = 0.5  # seconds between two looks
TAIL = 40  # lines of the log that an error shows


@dataclass
class StageUse:
    """`memory_gb`: the highest sum over the stage's processes, shared memory counted once. `resume_mb`: the largest state that it
    kept to go on from.
    """

    seconds: float = 0.0
    memory_gb: float = 0.0
    resume_mb: float = 0.0


def repro(project: Path, environment: Mapping[str, str], *, log: Path, uses: Path) -> dict[str, StageUse]:
    """Run the pipeline of `project`; returns what each stage took, those of earlier runs included, and keeps it in `uses`.

    What stages print goes to `log`. A pipeline that fails is a `RuntimeError` with the end of it.
    """
    known = {name: StageUse(**use) for name, use in read_json(uses).items()} if uses.exists() else {}
    stages = _stages(project, environment)
    with log.open("a", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro"],
            cwd=project,
            env=dict(environment),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that an interrupt ends the running stage, too
        )
        done = Event()
        watcher = Thread(target=_watch, args=(process.pid, project, known, uses, len(stages), done))
        watcher.start()
        try:
            process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
            done.set()
            watcher.join()
    if process.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-TAIL:])
        raise RuntimeError(f"dvc repro failed in {project}; {log} has all that was printed, here is its end:\n{tail}")
    return known


def _stages(project: Path, environment: Mapping[str, str]) -> list[str]:
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only"],
        cwd=project, env=dict(environment), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        raise RuntimeError(f"dvc stage list failed in {project}:\n{listed.stderr[-2000:]}")
    return listed.stdout.split()


def _watch(pid: int, project: Path, known: dict[str, StageUse], uses: Path, stages: int, done: Event) -> None:
    started: dict[str, float] = {}
    with tqdm(total=stages, unit="stage", desc="youcook2", disable=None) as bar:
        while not done.wait(INTERVAL):
            for stage, memory in _memory_by_stage(pid).items():
                if stage not in started:
                    bar.update(int(bool(started)))
                    bar.set_postfix_str(stage)
                    started[stage], known[stage] = time.monotonic(), StageUse()
                use = known[stage]
                use.seconds = round(time.monotonic() - started[stage], 1)
                use.memory_gb = max(use.memory_gb, round(memory / 1e9, 2))
                use.resume_mb = max(use.resume_mb, round(_resume_bytes(project, stage) / 1e6, 1))
            write_json(uses, {name: asdict(use) for name, use in known.items()})


def _memory_by_stage(pid: int) -> dict[str, int]:
    """Bytes in use by the processes that DVC has started, by the stage's name, which DVC puts into their environment."""
    found: dict[str, int] = {}
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return found
    for child in children:
        try:
            stage = child.environ().get("DVC_STAGE", "")
            memory = child.memory_full_info()
        except (psutil.Error, OSError):  # it has just ended
            continue
        if stage:
            found[stage] = found.get(stage, 0) + int(getattr(memory, "pss", memory.rss))
    return found


def _resume_bytes(project: Path, stage: str) -> int:
    total = 0
    for path in project.glob(f".scratch/train.{stage.partition('@')[2]}/*/work-*/*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
