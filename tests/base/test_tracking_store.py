"""The store of MLflow: shared by processes that start together, and never in the way of a training when it fails."""

import json
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from pipeline.base import tracking, tracking_store
from tests.base.tracked import OPENING, PROJECT


def test_four_processes_share_a_fresh_store(root: Path) -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('error', RuntimeWarning)\n"
        "from pipeline.base import tracking\n"
        "with tracking.row_run(study='kitchen', row=sys.argv[1], stage='train', fingerprint='f', params={'a': 1}) as run:\n"
        "    with run.seed_run(0) as seed_run:\n"
        "        for step in range(20):\n"
        "            seed_run.epoch(step, {'train_loss': 1.0})\n"
    )
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([sys.executable, "-c", code, f"row{number}"], env=environment, stderr=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    errors = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, errors
    assert errors == [""] * 4, "nothing but warnings of this project goes to stderr"
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")
    assert sorted(experiment.name for experiment in client.search_experiments()) == ["Default", "kitchen"]
    runs = client.search_runs([client.get_experiment_by_name("kitchen").experiment_id])
    assert sorted(run.info.run_name for run in runs) == [*(f"row{number} · workspace" for number in range(4)), *["seed 0"] * 4]
    assert all(
        len(client.get_metric_history(run.info.run_id, "train_loss")) == 20 for run in runs if run.info.run_name == "seed 0"
    )


def whole_training() -> tuple[float, list[str]]:
    """Seconds and warnings of a row with two seeds."""
    started = time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with tracking.row_run(**OPENING, params={"lr": 0.1}) as run:
            run.dataset(name="kitchen", path=Path("corpus.parquet"), digest="d", context="training")
            for seed in (0, 1):
                with run.seed_run(seed) as seed_run:
                    seed_run.epoch(1, {"train_loss": 1.0})
                    seed_run.artifact(Path("missing"))
            run.metrics({"test_rouge1": 30.0})
    return time.monotonic() - started, [str(warning.message) for warning in caught if warning.category is RuntimeWarning]


def test_unreachable_server_warns_once_and_costs_little(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:secret@127.0.0.1:9")
    seconds, messages = whole_training()
    assert len(messages) == 1
    assert "MLflow tracking is off" in messages[0]
    assert "127.0.0.1" in messages[0]
    assert "secret" not in messages[0]
    assert seconds < 10


def test_server_that_never_answers_costs_little(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        seconds, messages = whole_training()
    assert len(messages) == 1
    assert seconds < 10


@contextmanager
def trickling(answers: int) -> Iterator[int]:
    """A server that answers some requests as MLflow does and then sends a byte every fifth of a second, without end."""
    experiment = json.dumps({"experiment_id": "7"}).encode()
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        served = 0

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            Handler.served += 1
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            if Handler.served <= answers:
                self.send_header("Content-Length", str(len(experiment)))
                self.end_headers()
                self.wfile.write(experiment)
                return
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            with suppress(OSError):
                while not over.wait(0.2):
                    self.wfile.write(b" ")

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        over.set()
        server.shutdown()


@pytest.mark.parametrize("answers", [0, 1])
def test_server_that_sends_a_byte_now_and_then_is_given_up(root: Path, monkeypatch: pytest.MonkeyPatch, answers: int) -> None:
    """Every byte is in time, so no limit on the time between two of them ever ends it."""
    for name in ("OPENING_SECONDS", "ACTION_SECONDS"):
        monkeypatch.setattr(tracking_store, name, 2.0)
    with trickling(answers) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        seconds, messages = whole_training()
    assert len(messages) == 1
    assert "it has not answered in 2 seconds" in messages[0]
    assert seconds < 10


def test_a_store_that_is_slow_every_time_is_given_up_in_the_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_store, "SLOW_SECONDS", 2.0)
    monkeypatch.setattr(tracking_store, "open_store", lambda _: ("client", "7"))
    tracker = tracking_store.Tracker("kitchen")
    assert [tracker.attempt(lambda _: time.sleep(1.4) or "done") for _ in range(2)] == ["done", "done"]
    with pytest.warns(RuntimeWarning, match="MLflow tracking is off"):
        assert tracker.attempt(lambda _: time.sleep(1.4) or "done") is None
    assert tracker.attempt(lambda _: "done") is None


def test_broken_database_warns_once(root: Path) -> None:
    (root / "mlflow.db").write_bytes(b"not a database" * 1000)
    seconds, messages = whole_training()
    assert len(messages) == 1
    assert "not a database" in messages[0]
    assert seconds < 10


def test_without_mlflow_a_training_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    _, messages = whole_training()
    assert len(messages) == 1
    assert "mlflow" in messages[0]


def test_store_that_fails_on_the_way_warns_once_and_hides_no_error(root: Path, client: Any) -> None:
    with pytest.raises(ValueError, match="from the training"), pytest.warns(RuntimeWarning) as caught:
        warnings.simplefilter("always")
        with tracking.row_run(**OPENING) as run, run.seed_run(0) as seed_run:
            seed_run.artifact(root / "missing.jsonl")
            seed_run.epoch(1, {"train_loss": 1.0})
            seed_run.artifact(root / "missing.jsonl")
            raise ValueError("from the training")
    assert len([warning for warning in caught if "MLflow tracking is off" in str(warning.message)]) == 1


def test_global_state_of_mlflow_is_untouched_and_telemetry_is_off(client: Any) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    with tracking.row_run(**OPENING):
        assert mlflow.active_run() is None
    assert mlflow.get_tracking_uri() == before
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert is_telemetry_disabled()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_import_is_cheap() -> None:
    code = "import sys, pipeline.base.tracking; sys.exit('mlflow' in sys.modules or 'sqlalchemy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT)
