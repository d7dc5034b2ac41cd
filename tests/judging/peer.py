"""A local chat endpoint that judges, for tests: it sees the summaries as they were shown, and keeps what was sent."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "sk-secret-0123456789"
SETTINGS: dict[str, Any] = {
    "model": "org/toy", "temperature": 0.0, "max_tokens": 50, "concurrency": 2, "retries": 0, "timeout_seconds": 5.0,
    "price_in": 1.0, "price_out": 10.0, "max_cost": 1.0, "frames": 2, "tokens_per_frame": 100,
}  # fmt: skip


class Peer(BaseHTTPRequestHandler):
    """`says` makes the answer from the two summaries as they were shown; `asked` holds what was sent."""

    says: Callable[[str, str], str]
    status = 200
    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        last = body["messages"][0]["content"][-1]["text"]
        a, b = last.partition("Summary A:\n")[2].split("\n\nSummary B:\n")
        message = {"role": "assistant", "content": type(self).says(a, b.rstrip("\n"))}
        choices = [{"index": 0, "finish_reason": "stop", "message": message}]
        usage = {"prompt_tokens": 500, "completion_tokens": 20, "total_tokens": 520}
        value = {"id": "x", "object": "chat.completion", "created": 0, "model": "toy", "choices": choices, "usage": usage}
        content = json.dumps(value if self.status == 200 else {"error": {"message": f"no {SECRET}"}}).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[str]:
    """The address of an endpoint that has not been asked yet."""
    Peer.asked, Peer.status = [], 200
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def answer(faithful: str, useful: str, **errors: list[str]) -> str:
    return json.dumps({"chosen": {"faithful": faithful, "useful": useful}, "errors": errors})
