"""MLflow's server in the process that asks for it, so that nothing of it outlives that process.

`mlflow server` starts further processes, and gives no way to tell a browser what to show first. This is the same application.
"""

import os
import socket
import time
import urllib.request
import warnings
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

HOST = "127.0.0.1"
POLL_SECONDS = 0.2
CLOSING_SECONDS = 2  # for requests that are under way when the server is told to stop

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Callable[[], Awaitable[Any]], Send], Awaitable[None]]


def serve(*, store: str, artifacts: str | None, port: int, script: str, ready: Callable[[], None]) -> None:
    """Serve the MLflow store `store` on this machine alone until the process is told to stop (SIGINT, SIGTERM).

    `script` runs in the browser before MLflow's own do; `ready` is called, in a thread, once the server answers. A port that is
    taken is an `OSError`.
    """
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
    import uvicorn

    app = _application(store, artifacts, script)
    config = uvicorn.Config(
        app, host=HOST, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=CLOSING_SECONDS
    )
    Thread(target=_when_it_answers, args=(f"http://{HOST}:{port}/health", ready), daemon=True).start()
    uvicorn.Server(config).run()


def _application(store: str, artifacts: str | None, script: str) -> Application:
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR

    os.environ[BACKEND_STORE_URI_ENV_VAR] = store
    if artifacts is not None:
        os.environ[ARTIFACT_ROOT_ENV_VAR] = artifacts
    with warnings.catch_warnings(action="ignore"):  # of libraries among themselves
        from mlflow.server.fastapi_app import app
    from mlflow.server import app as pages
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(store, store, artifacts)
    page = (Path(str(pages.static_folder)) / "index.html").read_text(encoding="utf-8")
    return with_first_page(app, page.replace("<head>", f"<head><script>{script}</script>", 1).encode())


def with_first_page(app: Application, index: bytes) -> Application:
    """`app`, but for its first page, which is `index`."""

    async def answer(scope: Scope, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": index})

    return answer


def _when_it_answers(address: str, ready: Callable[[], None]) -> None:
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                break
        except OSError:
            time.sleep(POLL_SECONDS)
    ready()
