"""A local chat endpoint for tests, which answers as a test says and keeps what was sent."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pipeline.base.chat_params import Chat
from pipeline.corpus.chat import generate_summaries

SECRET = "sk-secret-0123456789"
STEPS = {"a": ["cut the bread", "fry it"]}


def completion(text: str | None, finish: str | None = "stop") -> bytes:
    value = {
        "id": "x", "object": "chat.completion", "created": 0, "model": "toy",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }  # fmt: skip
    return json.dumps(value).encode()


class Peer(BaseHTTPRequestHandler):
    """`act` answers; `asked` holds what was sent, with the headers under "headers"."""

    act: Callable[["Peer"], None]
    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body | {"headers": dict(self.headers)})
        try:
            type(self).act(self)
        except OSError:
            self.close_connection = True  # the client has gone, as it should

    def do_GET(self) -> None:
        self.asked.append({"headers": dict(self.headers)})
        self.say(completion("From elsewhere."))

    def say(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


def serve(handler: type[Peer]) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def chat(base_url: str, **changes: object) -> Chat:
    values: dict[str, object] = {
        "base_url": base_url, "model": "toy", "prompt": "Shorten this: {steps}", "temperature": 0.0, "max_tokens": 50,
        "concurrency": 1, "retries": 0, "timeout_seconds": 1.0, "price_in": 1.0, "price_out": 10.0, "max_cost": 1.0,
    }  # fmt: skip
    return Chat.model_validate(values | changes)


def generate(folder: Path, settings: Chat) -> dict[str, str]:
    return generate_summaries(STEPS, folder / "summaries.jsonl", settings=settings, cache=folder / "cache")


def complain(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()
