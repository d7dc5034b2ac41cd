"""What stands between a browser and the local page: who may ask, for what, how much, and what the page may fetch itself.

Gradio's application has many more addresses than this page needs: files by path, other servers by proxy, recordings, code to
edit. None of those is reached. Where it is mounted, as here, it also takes any path and any URL for a file that was uploaded.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.base.tracking_server import Application, Scope, Send
from pipeline.inference.asked import LARGEST_FILE
from pipeline.inference.serving import HOSTS, Receive, once

LARGEST_UPLOAD = LARGEST_FILE + (8 << 20)  # bytes: a video, its text, and the form around both
LARGEST_QUESTION = 8 << 20  # bytes of any other request: a text in the box
BODY_SECONDS = 300.0  # for a request to arrive
_API = "/gradio_api"
_UPLOAD, _ASK = f"{_API}/upload", f"{_API}/queue/join"
_READ = re.compile(
    rf"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/(static|assets)/.+"
    rf"|{_API}/(info/?|app_id/?|startup-events|theme\.css|heartbeat/\w+|queue/data|upload_progress)"
)
_SENT = re.compile(rf"{_API}/(upload|queue/join|cancel|reset)/?")
# A browser that obeys it asks nobody but this server. Gradio's scripts make functions of texts.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


def gated(app: Application, folder: Path) -> Application:
    """`app` for pages of its own alone: another host, another origin, another address or too large a body is a 4xx.

    So is a question about a file that does not lie in `folder`, to which uploads go.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        refused = _refusal(scope)
        if refused is not None:
            await _say(send, *refused)
            return

        async def protected(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
            await send(message)

        receive = _limited(receive, _limit(scope))
        if scope["path"].rstrip("/") == _ASK:
            if (body := await _whole(receive)) is None or not _within(body, folder):
                await _say(send, 403, "ask about files that were uploaded here, and about no others")
                return
            receive = once(body)
        await app(scope, receive, protected)

    return answer


def _refusal(scope: Scope) -> tuple[int, str] | None:
    """Status and reason, or None for a request that may pass."""
    if scope["type"] != "http":
        return 403, "this server speaks HTTP alone"
    headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
    if _name(f"//{headers.get('host', '')}") not in HOSTS:  # a page elsewhere may lead a browser here by a name of its own
        return 400, f"this server answers to {' and '.join(sorted(HOSTS))} alone"
    if "origin" in headers and urlsplit(headers["origin"]).netloc != headers["host"]:
        return 403, "this server answers to its own page alone"
    if not _passes(scope["method"], scope["path"]):
        return 404, "there is no such address here"
    limit = _limit(scope)
    if not (length := headers.get("content-length", "0")).isdecimal() or int(length) > limit:
        return 413, f"the request has more than {limit >> 20} MB"
    return None


def _limit(scope: Scope) -> int:
    return LARGEST_UPLOAD if scope["path"].rstrip("/") == _UPLOAD else LARGEST_QUESTION


def _passes(method: str, path: str) -> bool:
    allowed = _READ if method in ("GET", "HEAD") else _SENT if method == "POST" else None
    return allowed is not None and allowed.fullmatch(path) is not None


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _limited(receive: Receive, limit: int) -> Receive:
    """The body as it comes, cut off where it is too large or too late: for the application, the browser has gone."""
    left, whole = limit, False
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS

    async def limited() -> Mapping[str, Any]:
        nonlocal left, whole
        if whole:  # what comes now is that the browser goes, whenever that is
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        left -= len(message.get("body", b""))
        whole = not message.get("more_body", False)
        return message if left >= 0 else {"type": "http.disconnect"}

    return limited  # type: ignore[return-value]


async def _whole(receive: Receive) -> bytes | None:
    """The body, or None if it is cut off."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body
    return None


def _within(body: bytes, folder: Path) -> bool:
    """Whether `body` is JSON in which every `path` is that of something in `folder`."""
    try:
        left = [json.loads(body)]
        while left:
            value = left.pop()
            if isinstance(value, dict):
                if "path" in value and not _lies_in(folder, value["path"]):
                    return False
                left += value.values()
            elif isinstance(value, list):
                left += value
    except (ValueError, TypeError, OSError, RecursionError):
        return False
    return True


def _lies_in(folder: Path, path: str) -> bool:
    return Path(path).is_absolute() and Path(path).resolve().is_relative_to(folder.resolve())


async def _say(send: Send, status: int, reason: str) -> None:
    content = reason.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
