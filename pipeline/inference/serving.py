"""A registered row behind `mlflow models serve`'s own application, on this machine alone, with limits around it.

`mlflow models serve` starts a further process and takes requests of any size. This is the same application: it has its addresses
(`/ping`, `/version`, `/invocations`) and its answers, but what is wrong with a request is said before MLflow reads it.
"""

import json
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.base.tracking_server import HOST, Application, Scope, Send
from pipeline.inference.asked import MOST_VIDEOS, AskedError, read_asked
from pipeline.inference.served import FOLDER_VARIABLE, SECONDS_VARIABLE

LARGEST_BODY = 72 << 20  # bytes: the largest video, written as base64, and its text
SECONDS = 120  # from the request to its answer
BODY_SECONDS = 60  # for the request to arrive
AT_ONCE = 32  # requests that are open; more are told to come back
RECORDS, INVOCATIONS = "dataframe_records", "/invocations"
HOSTS = {HOST, "localhost"}  # a page elsewhere may lead a browser here by a name of its own

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class _RefusedError(Exception):
    """An answer that is no summary: `status` of HTTP, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def serve(uri: str, *, port: int, folder: Path) -> None:
    """Serve the model at `uri`, such as `models:/name@best`, until the process is told to stop.

    Requests may name videos in `folder`. A port that is taken is an `OSError`.
    """
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
    os.environ[FOLDER_VARIABLE] = str(folder.resolve())
    os.environ[SECONDS_VARIABLE] = str(SECONDS)
    import uvicorn
    from mlflow.pyfunc import load_model, scoring_server

    app = limited(scoring_server.init(load_model(uri)), folder)
    print(f"serving: http://{HOST}:{port}{INVOCATIONS}", flush=True)
    config = uvicorn.Config(app, host=HOST, port=port, log_level="warning", access_log=False, limit_concurrency=AT_ONCE)
    uvicorn.Server(config).run()


def limited(app: Application, folder: Path) -> Application:
    """`app`, but requests for summaries have to be small, in time and well-formed: else the answer is a 4xx that says why."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        try:
            headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
            if headers.get("host", "").rsplit(":", 1)[0] not in HOSTS:
                raise _RefusedError(400, f"this server answers to {' and '.join(sorted(HOSTS))} alone")
            if scope["path"] != INVOCATIONS or scope["method"] != "POST":
                await app(scope, receive, send)
                return
            if headers.get("content-type", "").split(";")[0].strip() != "application/json":
                raise _RefusedError(415, "send JSON, with the header Content-Type: application/json")
            body = await _whole(receive, headers)
            await _in_thread(body, folder)
        except _RefusedError as error:
            await _say(send, error.status, str(error))
            return
        await app(scope, once(body), send)

    return answer


def check(body: bytes, folder: Path) -> None:
    """Raise what is wrong with the body of a request."""
    example = f'{{"{RECORDS}": [{{"video": "path.mp4", "text": "what is said"}}]}}'
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(400, f"the request is not JSON ({str(error)[:100]}); send {example}") from error
    if not isinstance(found, dict) or set(found) != {RECORDS} or not isinstance(found[RECORDS], list):
        raise _RefusedError(400, f"the request is no list of records; send {example}, at most {MOST_VIDEOS}")
    try:
        read_asked(found[RECORDS], folder)
    except AskedError as error:
        raise _RefusedError(400, str(error)) from error


async def _in_thread(body: bytes, folder: Path) -> None:
    import asyncio

    await asyncio.to_thread(check, body, folder)


async def _whole(receive: Receive, headers: dict[str, str]) -> bytes:
    import asyncio

    too_large = _RefusedError(413, f"the request has more than {LARGEST_BODY >> 20} MB; name a path instead of sending the bytes")
    if headers.get("content-length", "0").isdecimal() and int(headers.get("content-length", "0")) > LARGEST_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _RefusedError(400, "the request ended before its end")
                body += message.get("body", b"")
                if len(body) > LARGEST_BODY:
                    raise too_large
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise _RefusedError(408, f"the request has not arrived in {BODY_SECONDS} seconds") from None


def once(body: bytes) -> Receive:
    """The body as if it came over the net: whole, and then nothing for as long as the answer takes."""
    import asyncio

    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError("nothing sets that event")

    return receive


async def _say(send: Send, status: int, reason: str) -> None:
    content = json.dumps({"error_code": "BAD_REQUEST", "message": reason}, ensure_ascii=False).encode("utf-8", "replace")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
