"""Hubs that hardly send a file, never end one, or have one that is far too large."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

COMMIT = "1" * 40


class Peer(BaseHTTPRequestHandler):
    act: Callable[["Peer"], None]
    asked: list[str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path.rpartition('/')[2]}")
        with suppress(OSError):  # the client has gone, as it should
            type(self).act(self)

    def head(self, length: int, *, declared: bool = True) -> None:
        self.send_response(200)
        for name, value in {"X-Repo-Commit": COMMIT, "ETag": '"one"', "X-Linked-Size": str(length)}.items():
            self.send_header(name, value)
        if declared or self.command == "HEAD":
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def peer() -> Iterator[str]:
    Peer.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def fetch(folder: Path, endpoint: str, *files: str) -> str:
    """The last line of a process that fails to fetch the files; the hub client reads its address when imported."""
    wanted = ", ".join(f"({file!r},)" for file in files)
    code = (
        "from pipeline.base import hub; hub.ANSWER_SECONDS, hub.LOWEST_RATE, hub.MOST_BYTES = 2.0, 1000.0, 30_000_000\n"
        f"hub.fetch_files('x/y', [{wanted}])"
    )
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hub"), "HF_HUB_DISABLE_XET": "1"}
    settings |= {"HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    inherited = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=inherited | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr.strip().splitlines()[-1]


def drip_headers(peer: Peer) -> None:
    peer.wfile.write(b"HTTP/1.0 200 OK\r\nX-Padding: ")
    while True:
        peer.wfile.write(b"1")
        time.sleep(0.1)


def test_a_hub_that_hardly_answers_is_waited_for_once(peer: str, tmp_path: Path) -> None:
    Peer.act = drip_headers
    start = time.monotonic()
    assert "x/y/a (no answer in 2 seconds), x/y/b (not in the client's cache) cannot be fetched" in fetch(
        tmp_path, peer, "a", "b"
    )
    assert time.monotonic() - start < 20.0
    assert Peer.asked == ["HEAD a"]


def test_a_file_that_hardly_comes_is_given_up(peer: str, tmp_path: Path) -> None:
    def act(peer: Peer) -> None:
        peer.head(1000)
        while peer.command == "GET":
            peer.wfile.write(b"1")
            time.sleep(0.1)

    Peer.act = act
    start = time.monotonic()
    assert "x/y/a (slower than 1000 bytes a second) cannot be fetched" in fetch(tmp_path, peer, "a")
    assert time.monotonic() - start < 20.0


def test_a_file_without_end_is_given_up(peer: str, tmp_path: Path) -> None:
    def act(peer: Peer) -> None:
        peer.head(20_000_000, declared=False)
        for _ in range(1000 if peer.command == "GET" else 0):
            peer.wfile.write(bytes(1 << 18))

    Peer.act = act
    assert "x/y/a (sends more than the 20000000 bytes that it declares) cannot be fetched" in fetch(tmp_path, peer, "a")
    assert sum(path.stat().st_size for path in (tmp_path / "hub").rglob("*.incomplete")) < 40_000_000


def test_a_file_that_is_too_large_is_not_asked_for(peer: str, tmp_path: Path) -> None:
    Peer.act = lambda peer: peer.head(10**12)
    assert f"x/y/a (has {10**12} bytes, more than 30000000) cannot be fetched" in fetch(tmp_path, peer, "a")
    assert Peer.asked == ["HEAD a"]
