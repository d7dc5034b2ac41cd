"""Servers that never end a file, hardly send one, or send the client in circles."""

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.corpus.downloads import FetchError, fetch_file


class Peer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    act: Callable[["Peer"], None]
    asked: list[dict[str, str]]

    def do_GET(self) -> None:
        self.close_connection = True
        self.asked.append({"path": self.path, **self.headers})
        with suppress(OSError):  # the client has gone, as it should
            type(self).act(self)

    def head(self, status: int = 200, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def peer() -> Iterator[str]:
    Peer.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/file"
    server.shutdown()


def fetch(url: str, path: Path, **settings: Any) -> str:
    values = {"title": "file", "max_bytes": 1e6, "pause_seconds": 0.01, "timeout_seconds": 1.0, "attempts": 1}
    return fetch_file(url, path, **(values | {"lowest_rate": 1000.0, "rate_seconds": 2.0} | settings))


def drip(peer: Peer) -> None:
    while True:
        peer.wfile.write(b"1")
        time.sleep(0.1)


def drip_headers(peer: Peer) -> None:
    peer.wfile.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    drip(peer)


def drip_body(peer: Peer) -> None:
    peer.head(Content_Length=10**6)
    drip(peer)


def drip_chunks(peer: Peer) -> None:
    """The size of a chunk, which never ends."""
    peer.head(Transfer_Encoding="chunked")
    drip(peer)


def drip_redirect(peer: Peer) -> None:
    peer.head(302, Location="/elsewhere" if peer.path == "/file" else "/nowhere", Content_Length=10**9)
    drip(peer)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (drip_headers, "no answer in time"),
        (drip_body, "slower than 1000 bytes a second"),
        (drip_chunks, "no answer in time"),
        (drip_redirect, "sends us on more than 5 times"),
    ],
)
def test_a_byte_now_and_then_does_not_go_on_for_ever(peer: str, tmp_path: Path, act: Callable[[Peer], None], reason: str) -> None:
    Peer.act = act
    start = time.monotonic()
    with pytest.raises(FetchError, match=rf"127\.0\.0\.1.*{reason}"):
        fetch(peer, tmp_path / "file")
    assert time.monotonic() - start < 7.0
    assert not (tmp_path / "file").exists()


def test_a_slow_file_is_resumed_where_it_was_given_up(peer: str, tmp_path: Path) -> None:
    def act(peer: Peer) -> None:
        start = int(peer.headers.get("Range", "bytes=0-")[6:-1])
        place = {"Content_Range": f"bytes {start}-19/20"} if start else {}
        peer.head(206 if start else 200, ETag='"one"', Content_Length=20 - start, **place)
        for byte in b"0123456789abcdefghij"[start:] if len(peer.asked) == 1 else ():
            peer.wfile.write(bytes([byte]))
            time.sleep(0.3)
        peer.wfile.write(b"0123456789abcdefghij"[start:])

    Peer.act = act
    fetch(peer, tmp_path / "file", attempts=2)
    assert (tmp_path / "file").read_bytes() == b"0123456789abcdefghij"
    assert int(Peer.asked[1]["Range"][6:-1]) > 0


def endless(peer: Peer) -> None:
    peer.head()
    for _ in range(1000):
        peer.wfile.write(bytes(1 << 16))


def endless_chunks(peer: Peer) -> None:
    """It declares a length and does not keep to it."""
    peer.head(Transfer_Encoding="chunked", Content_Length=1000)
    for _ in range(1000):
        peer.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")


@pytest.mark.parametrize(("act", "most"), [(endless, 1_000_000), (endless_chunks, 1000)])
def test_an_endless_file_is_refused(peer: str, tmp_path: Path, act: Callable[[Peer], None], most: int) -> None:
    Peer.act = act
    with pytest.raises(FetchError, match=f"sends more than the {most} bytes that it may have"):
        fetch(peer, tmp_path / "file", attempts=3)
    assert len(Peer.asked) == 1, "another try would bring the same"
    assert not list(tmp_path.glob("file*.part"))


def test_a_file_that_declares_too_much_is_refused_at_once(peer: str, tmp_path: Path) -> None:
    Peer.act = lambda peer: peer.head(Content_Length=2_000_000)
    with pytest.raises(FetchError, match="has 2000000 bytes, more than the 1000000 that it may have"):
        fetch(peer, tmp_path / "file", attempts=3)
    assert len(Peer.asked) == 1


def test_what_is_compressed_on_the_way_is_kept_as_it_comes(peer: str, tmp_path: Path) -> None:
    content = gzip.compress(bytes(100_000_000))

    def act(peer: Peer) -> None:
        peer.head(Content_Encoding="gzip", Content_Length=len(content))
        peer.wfile.write(content)

    Peer.act = act
    fetch(peer, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/file", "gopher:x"])
def test_a_redirect_leads_to_no_other_protocol(peer: str, tmp_path: Path, place: str) -> None:
    Peer.act = lambda peer: peer.head(302, Location=place, Content_Length=0)
    with pytest.raises(FetchError, match="not an http or https address"):
        fetch(peer, tmp_path / "file")


def test_a_redirect_is_followed(peer: str, tmp_path: Path) -> None:
    def act(peer: Peer) -> None:
        if peer.path == "/file":
            peer.head(302, Location="/elsewhere", Content_Length=0)
        else:
            peer.head(Content_Length=2)
            peer.wfile.write(b"hi")

    Peer.act = act
    fetch(peer, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"hi"


@pytest.mark.parametrize("value", ["²", "9" * 5000, "-1", "soon"])
def test_numbers_that_are_none_are_no_numbers(peer: str, tmp_path: Path, value: str) -> None:
    def act(peer: Peer) -> None:
        if len(peer.asked) == 1:
            peer.head(503, Retry_After=value, Content_Length=0)
        else:
            peer.head(X_Other=value, **({"Content_Length": value} if value != "-1" else {}))
            peer.wfile.write(b"hi")

    Peer.act = act
    fetch(peer, tmp_path / "file", attempts=2)
    assert (tmp_path / "file").read_bytes() == b"hi"


def test_another_part_than_was_asked_for_is_not_taken_for_it(peer: str, tmp_path: Path) -> None:
    def act(peer: Peer) -> None:
        if "Range" in peer.headers:
            peer.head(206, ETag='"one"', Content_Range="bytes 0-9/10", Content_Length=10)
        else:
            peer.head(ETag='"one"', Content_Length=10)
        peer.wfile.write(b"0123456789"[: 4 if len(peer.asked) == 1 else 10])

    Peer.act = act
    fetch(peer, tmp_path / "file", attempts=3)
    assert (tmp_path / "file").read_bytes() == b"0123456789"
    assert len(Peer.asked) == 3
