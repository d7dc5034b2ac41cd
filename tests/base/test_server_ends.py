"""MLflow's server ends with what started it, and says why when it cannot start."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.base.served import answers, falls_silent, free_port, printed_address, started, ui_command
from tests.base.tracked import PROJECT


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "SIGKILL"])
def test_the_server_ends_with_make(root: Path, fresh_store: Path, how: str) -> None:
    shutil.copy(fresh_store, root / "mlflow.db")
    port = free_port()
    with started(["make", "--old-file=setup", "ui", f"PORT={port}"], root) as (make, log):
        address = printed_address(make, log)
        assert address.startswith(f"http://127.0.0.1:{port}/?workflowType=machine_learning#/experiments/")
        assert answers(port)
        if how == "Ctrl-C":  # a terminal sends it to the whole group
            os.killpg(make.pid, signal.SIGINT)
        else:
            make.send_signal(signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL)
        assert falls_silent(port)


def test_a_port_that_is_taken_is_said_with_another_to_try(root: Path, fresh_store: Path) -> None:
    shutil.copy(fresh_store, root / "mlflow.db")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started(ui_command(port), root) as (process, log):
            assert process.wait(timeout=60) == 1
            assert log.read_text().splitlines()[-1] == (
                f"ui: port {port} cannot be had (Address already in use); try `make ui PORT={port + 1}`"
            )


def test_a_store_on_a_server_is_not_served_again(root: Path, fresh_store: Path) -> None:
    shutil.copy(fresh_store, root / "mlflow.db")
    port = free_port()
    with started(ui_command(port), root) as (process, log):
        address = printed_address(process, log)
        environment = os.environ | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "DVC_ROOT": str(root)}
        environment.pop("DISPLAY", None)
        command = ui_command(port + 1)
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == f"MLflow: {address}\n"
