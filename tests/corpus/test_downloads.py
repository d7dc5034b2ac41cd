"""Fetching against a local server that misbehaves in every way a real one does."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.corpus.downloads import FetchError, fetch_file

BODY = os.urandom(900_000)


class Server(BaseHTTPRequestHandler):
    """`plan` says for each request what to do: a status, "cut", "stall", "slow", or "whole"."""

    plan: list[Any]
    ranges: list[str]
    etag: str

    def do_GET(self) -> None:
        step = self.plan.pop(0) if self.plan else "whole"
        asked = self.headers.get("Range", "")
        self.ranges.append(asked)
        if isinstance(step, int):
            self.send_response(step)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.headers.get("If-Range") == self.etag else 0
        if start >= len(BODY):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(BODY)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", self.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        if step == "stall":
            self.wfile.write(BODY[start : start + 300_000])
            time.sleep(1.5)
        elif step == "cut":
            self.wfile.write(BODY[start : start + 300_000])
        elif step == "slow":
            for place in range(start, len(BODY), 20_000):
                self.wfile.write(BODY[place : place + 20_000])
                time.sleep(0.1)
        else:
            self.wfile.write(BODY[start:])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.plan, Server.ranges, Server.etag = [], [], '"one"'
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}/file"
    running.shutdown()


def fetch(url: str, path: Path, **settings: Any) -> str:
    return fetch_file(
        url, path, **({"title": "file", "max_bytes": 1e7, "pause_seconds": 0.01, "timeout_seconds": 0.5} | settings)
    )


@pytest.mark.parametrize("trouble", ["cut", "stall"])
def test_a_broken_body_is_resumed(server: str, tmp_path: Path, trouble: str) -> None:
    Server.plan = [trouble]
    path = tmp_path / "file"
    fetch(server, path)
    assert path.read_bytes() == BODY
    first, second = Server.ranges
    assert first == "" and second.startswith("bytes=") and int(second[6:-1]) > 0
    assert sorted(left.name for left in tmp_path.iterdir()) == [".file.from.json", "file"]


def test_an_unpinned_file_of_another_address_is_not_taken_for_this_one(server: str, tmp_path: Path) -> None:
    """As when a study's `revision` changes: the name of the file stays."""
    path, sha256 = tmp_path / "file", hashlib.sha256(BODY).hexdigest()
    fetch(f"{server}?signature=1", path)
    fetch(f"{server}?signature=2", path)
    other = server.replace("/file", "/another-commit/file")
    with pytest.raises(FetchError, match=r"file was fetched from /file, not from http.*another-commit/file; delete it"):
        fetch(other, path)
    assert fetch(other, path, sha256=sha256) == sha256, "a digest says more than an address"
    path.write_bytes(b"put there by hand")
    fetch(other, path)
    assert path.read_bytes() == b"put there by hand" and len(Server.ranges) == 1
    path.unlink()
    fetch(other, path)
    assert path.read_bytes() == BODY


def test_a_file_that_has_changed_is_fetched_from_its_beginning(server: str, tmp_path: Path) -> None:
    Server.plan = ["cut", "cut"]
    with pytest.raises(FetchError, match=r"cut short|Incomplete"):
        fetch(server, tmp_path / "file", attempts=1)
    Server.etag = '"two"'
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"validator": 5}', '{"validator"'])
def test_a_part_whose_note_is_damaged_is_fetched_from_its_beginning(server: str, tmp_path: Path, note: str) -> None:
    (tmp_path / "file.part").write_bytes(b"of something else")
    (tmp_path / "file.part.json").write_text(note)
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert Server.ranges == [""]


def test_a_part_that_was_whole_when_the_run_was_killed(server: str, tmp_path: Path) -> None:
    fetch(server, tmp_path / "file")
    (tmp_path / "file").rename(tmp_path / "file.part")
    (tmp_path / "file.part.json").write_text('{"url": "x", "validator": "\\"one\\""}')
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert len(Server.ranges) == 2, "nothing is fetched again"

    (tmp_path / "file.part").write_bytes(BODY + b"more than the server has")
    (tmp_path / "file").unlink()
    (tmp_path / "file.part.json").write_text('{"url": "x", "validator": "\\"one\\""}')
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_busy_server_is_waited_for_and_a_refusal_is_final(server: str, tmp_path: Path) -> None:
    Server.plan = [503, 429]
    fetch(server, tmp_path / "file")
    assert len(Server.ranges) == 3
    Server.plan = [404]
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*HTTP 404"):
        fetch(server, tmp_path / "other")
    assert len(Server.ranges) == 4
    Server.plan = [500] * 9
    with pytest.raises(FetchError, match="HTTP 500, 3 tries"):
        fetch(server, tmp_path / "other", attempts=3)
    with pytest.raises(FetchError, match=r"refused|Connection"):
        fetch("http://127.0.0.1:9/file", tmp_path / "other", attempts=2)
    with pytest.raises(FetchError, match="not an http"):
        fetch("file:///etc/passwd", tmp_path / "other")


def test_the_checksum_is_checked_and_spares_a_second_download(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"sha256 is .*, expected 00"):
        fetch(server, tmp_path / "file", sha256="00")
    assert not (tmp_path / "file").exists() and not (tmp_path / "file.part").exists()
    good = hashlib.sha256(BODY).hexdigest()
    assert fetch(server, tmp_path / "file", sha256=good) == fetch(server, tmp_path / "file", sha256=good) == good
    assert len(Server.ranges) == 2
    with pytest.raises(FetchError, match=r"file: sha256 is .*, expected 00; delete it to fetch it again"):
        fetch(server, tmp_path / "file", sha256="00")
    assert (tmp_path / "file").read_bytes() == BODY, "what somebody has put there stays"


def test_killed_midway_the_next_run_goes_on(server: str, tmp_path: Path) -> None:
    Server.plan = ["slow"]
    imports = "from pathlib import Path; from pipeline.corpus.downloads import fetch_file"
    code = f"{imports}; fetch_file({server!r}, Path('file'), title='t', max_bytes=1e7)"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    part, deadline = tmp_path / "file.part", time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 0):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "file").exists()
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert Server.ranges[1].startswith("bytes=")
