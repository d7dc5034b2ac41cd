"""Bodies that are too large or too slow, before Gradio has them whole."""

import asyncio
import json
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.inference import gate
from pipeline.inference.gate import gated

UPLOAD, ASK = "/gradio_api/upload", "/gradio_api/queue/join"


def passed(path: str, parts: list[bytes], folder: Path, *, endless: bool = False, wait: float = 0.0) -> tuple[int, bytes, bool]:
    """Status of the answer, what of the body an application behind the gate is given, and whether it has the whole of it."""
    sent: list[MutableMapping[str, Any]] = []
    left, got, whole = list(parts), bytearray(), False

    async def app(_: Any, receive: Any, send: Any) -> None:
        nonlocal whole
        while (message := await receive())["type"] == "http.request":
            got.extend(message["body"])
            if not message["more_body"]:
                whole = True
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(wait)
        part = left[0] if endless else left.pop(0)
        return {"type": "http.request", "body": part, "more_body": endless or bool(left)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"host", b"127.0.0.1:5000")]}
    asyncio.run(gated(app, folder)(scope, receive, send))
    return sent[0]["status"], bytes(got), whole


def test_a_body_passes_as_it_was_sent(tmp_path: Path) -> None:
    assert passed(UPLOAD, [b"a", b"b"], tmp_path) == (200, b"ab", True)
    body = json.dumps({"data": [{"path": str(tmp_path / "film.mp4")}, "text"]}).encode()
    assert passed(ASK, [body[:9], body[9:]], tmp_path) == (200, body, True)
    assert passed(f"{ASK}/", [body], tmp_path.parent / "another")[0] == 403
    (tmp_path / "link").symlink_to("/etc")
    assert passed(ASK, [json.dumps({"path": str(tmp_path / "link" / "passwd")}).encode()], tmp_path)[0] == 403


def test_a_question_that_is_no_json_or_names_no_path_is_refused(tmp_path: Path) -> None:
    for body in (b"{", b"[" * 100_000, b'{"path": 5}', b'{"path": "a\\u0000b"}', b'{"x": [{"path": {"path": "/"}}]}'):
        assert passed(ASK, [body], tmp_path)[0] == 403, body[:40]


def test_a_body_without_a_length_is_cut_off_where_it_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LARGEST_UPLOAD", "LARGEST_QUESTION"):
        monkeypatch.setattr(gate, name, 5000)
    _, got, whole = passed(UPLOAD, [b"x" * 1000], tmp_path, endless=True)
    assert len(got) == 5000 and not whole
    assert passed(ASK, [b"x" * 1000], tmp_path, endless=True) == (403, b"", False)


def test_a_body_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.3)
    started = time.monotonic()
    assert not passed(UPLOAD, [b"x"], tmp_path, endless=True, wait=0.05)[2]
    assert passed(ASK, [b"x"], tmp_path, endless=True, wait=0.05)[0] == 403
    assert time.monotonic() - started < 5
