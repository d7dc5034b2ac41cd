"""`make ui` for tests: the same command on a store of its own, and a port that is free."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

from tests.base.tracked import PROJECT

SECONDS = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def ui_command(port: int) -> list[str]:
    return [sys.executable, "-m", "stages.ui", "--port", str(port)]


@contextmanager
def started(command: Sequence[str], root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process group that runs `command` on the store in `root`, and the file to which it writes; it is ended afterwards."""
    environment = os.environ | {
        "DVC_ROOT": str(root),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MLFLOW_TRACKING_URI"):
        environment.pop(name, None)
    log = root / "ui.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=stream, stderr=stream, text=True, start_new_session=True
        )
        try:
            yield process, log
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


def printed_address(process: subprocess.Popen[str], log: Path) -> str:
    """The address that the command prints once its server answers."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := re.search(r"^MLflow: (http\S+)$", log.read_text(), re.MULTILINE):
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"no address within {SECONDS} seconds: {log.read_text()}")


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
            return True
    except OSError:
        return False


def falls_silent(port: int, *, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while answers(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
