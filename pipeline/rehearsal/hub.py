"""A stand-in for the model hub on this machine: what `huggingface_hub` asks for, answered from a folder.

`<folder>/<owner>/<name>/<file>` is served as `<address>/<owner>/<name>/resolve/<revision>/<file>`. A revision is `main` or any
commit (40 hexadecimal digits): every commit has the same files. A file that is not there is "entry not found", a folder that is
not there "repository not found", in the header by which the client tells them apart.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

from pipeline.base.scratch import file_sha256

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_FILE = re.compile(rf"/(?P<repository>{_NAME}/{_NAME})/resolve/(?P<revision>{_NAME})/(?P<file>{_NAME})")
_MODEL = re.compile(rf"/api/models/(?P<repository>{_NAME}/{_NAME})(?:/revision/(?P<revision>{_NAME}))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@contextmanager
def serve_hub(folder: Path) -> Iterator[str]:
    """Serve `folder` while the block runs; yields the address for `HF_ENDPOINT`."""
    with _Server(folder.resolve()) as server:
        listener = Thread(target=server.serve_forever, daemon=True)
        listener.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            listener.join()


def head_commit(repository: str) -> str:
    """The commit that `main` of a repository stands for."""
    return hashlib.sha1(repository.encode(), usedforsecurity=False).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        asked = _FILE.fullmatch(path) or _MODEL.fullmatch(path)
        if asked is None:
            self._refuse("EntryNotFound")
            return
        repository, revision = asked["repository"], asked["revision"] or "main"
        folder = self.server.folder / repository
        if not folder.is_dir():
            self._refuse("RepoNotFound")
        elif revision != "main" and not _COMMIT.fullmatch(revision):
            self._refuse("RevisionNotFound")
        else:
            commit = head_commit(repository) if revision == "main" else revision
            if asked.re is _FILE:
                self._send_file(folder / asked["file"], commit, body=body)
            else:
                self._send_listing(repository, folder, commit, body=body)

    def _refuse(self, code: str) -> None:
        self.send_response(HTTPStatus.NOT_FOUND)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_listing(self, repository: str, folder: Path, commit: str, *, body: bool) -> None:
        files = [{"rfilename": path.name} for path in sorted(folder.iterdir())]
        content = json.dumps({"id": repository, "modelId": repository, "sha": commit, "siblings": files}).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _send_file(self, path: Path, commit: str, *, body: bool) -> None:
        """A whole file, or what is left of one that the client has begun (`Range: bytes=<start>-`)."""
        if not path.is_file():
            self._refuse("EntryNotFound")
            return
        size = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = min(int(asked[1]), size) if asked else 0
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{_digest(path, size, path.stat().st_mtime_ns)}"')
        self.send_header("Content-Length", str(size - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        if body:
            with path.open("rb") as stream, suppress(ConnectionError):  # a client that was killed comes back and asks again
                stream.seek(start)
                shutil.copyfileobj(stream, self.wfile, 1 << 20)

    def log_message(self, *arguments: object) -> None:
        """Nothing: the client says what it fetches."""


@cache
def _digest(path: Path, size: int, changed: int) -> str:
    """sha256 of a file, once for each state of it."""
    return file_sha256(path)
