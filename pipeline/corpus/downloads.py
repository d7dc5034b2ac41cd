"""Files from the web, resumed, retried and checked, from peers that may be slow or endless."""

import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from tqdm import tqdm

from pipeline.base.bounded import bounded
from pipeline.base.files import write_json
from pipeline.base.scratch import file_sha256, read_kept

if TYPE_CHECKING:
    import requests

_CHUNK = 1 << 18
_BATCH = 1 << 22  # bytes at most that are taken before they are written, and seconds
_BATCH_SECONDS = 1.0
_MOST_REDIRECTS = 5
_PATIENCE = (408, 425, 429, 500, 502, 503, 504)  # worth another try
_LONGEST_PAUSE = 120.0
_HUB = "https://huggingface.co"
_COUNT = re.compile(r"[0-9]{1,18}")


class FetchError(RuntimeError):
    """A file could not be fetched; the message is one line that names it and the reason."""


class _TryAgain(Exception):
    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def fetch_file(
    url: str,
    path: Path,
    *,
    title: str,
    max_bytes: float,
    sha256: str = "",
    timeout_seconds: float = 30.0,
    attempts: int = 5,
    pause_seconds: float = 2.0,
    lowest_rate: float = 1000.0,
    rate_seconds: float = 60.0,
) -> str:
    """Bring `url` (http or https) to `path`, resuming where a killed or broken try stopped; returns its sha256.

    Connection errors, stalls longer than `timeout_seconds`, bodies cut short or slower than `lowest_rate` bytes a second for
    `rate_seconds`, 429 and 5xx are retried with growing pauses (`Retry-After` is honoured); other refusals are not. The bytes
    are kept as they come, never decompressed. Raises `FetchError` naming the url; a file with another sha256, or above
    `max_bytes`, is removed. A file that is already there is not fetched again; with another sha256 than the one given, it is
    a `FetchError` that names it, and it stays. So is one without a sha256 to check, if it was fetched from another address, such
    as another commit's. Of an address the path alone counts: the rest may be a signature, or name a mirror.
    """
    if not url.startswith(("http://", "https://")):
        raise FetchError(f"{url!r}: not an http or https address")
    if path.exists():
        found = file_sha256(path)
        if sha256 and found != sha256:
            raise FetchError(f"{path}: sha256 is {found}, expected {sha256}; delete it to fetch it again")
        kept = read_kept(_origin(path), {"path": str, "sha256": str})
        if not sha256 and kept is not None and kept["sha256"] == found and kept["path"] != urlsplit(url).path:
            raise FetchError(f"{path} was fetched from {kept['path']}, not from {url}; delete it to fetch it again")
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    pace = partial(_Pace, lowest_rate, rate_seconds)
    for attempt in range(1, attempts + 1):
        try:
            _fetch(url, part, _Limits(title, max_bytes, timeout_seconds, pace()))
            break
        except _TryAgain as error:
            if attempt == attempts:
                raise FetchError(f"{url}: {error}, {attempts} tries") from error
            pause = error.after if error.after is not None else pause_seconds * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
            time.sleep(min(pause, _LONGEST_PAUSE))
    found = file_sha256(part)
    if sha256 and found != sha256:
        part.unlink()
        raise FetchError(f"{url}: sha256 is {found}, expected {sha256}; the file was removed")
    if not sha256:  # first the note: a file without one is taken for the user's own
        write_json(_origin(path), {"path": urlsplit(url).path, "sha256": found})
    os.replace(part, path)
    _note(part).unlink(missing_ok=True)
    return found


def fetch_pinned(url: str, path: Path, *, title: str, max_bytes: float, sha256: str, key: str) -> None:
    """Have `url` at `path` with the sha256 that the study's `key` says. Where it says none, a warning tells the one that came."""
    _tell_unpinned(path, fetch_file(url, path, title=title, max_bytes=max_bytes, sha256=sha256), key=key, pinned=sha256)


def check_pinned(path: Path, *, sha256: str, key: str) -> None:
    """As `fetch_pinned`, of a file that is there and cannot be fetched; another one is a `ValueError` that names both digests."""
    found = file_sha256(path)
    if sha256 and found != sha256:
        raise ValueError(f"{path}: sha256 is {found}, {key} says {sha256}. Put that file there, or set the parameter to this one")
    _tell_unpinned(path, found, key=key, pinned=sha256)


def _tell_unpinned(path: Path, found: str, *, key: str, pinned: str) -> None:
    if not pinned:
        print(
            f"warning: {key} is empty, so {path} is taken as it is. Its sha256 is {found}; if you trust it, set the parameter to "
            "that"
        )


def hub_address(repository: str, file: str, *, revision: str) -> str:
    """Where a file of a dataset repository of the hub lies; `HF_ENDPOINT` names another hub."""
    from huggingface_hub import hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or _HUB
    return hf_hub_url(repository, file, repo_type="dataset", revision=revision, endpoint=endpoint)


class _Pace:
    """The mean rate of a try, looked at once in so many seconds."""

    def __init__(self, lowest_rate: float, seconds: float) -> None:
        self._lowest_rate, self._seconds = lowest_rate, seconds
        self._start, self._size = time.monotonic(), 0

    def add(self, size: int) -> None:
        self._size += size
        taken = time.monotonic() - self._start
        if taken < self._seconds:
            return
        if self._size < self._lowest_rate * taken:
            raise _TryAgain(f"slower than {self._lowest_rate:.0f} bytes a second")
        self._start, self._size = time.monotonic(), 0


@dataclass(frozen=True)
class _Limits:
    title: str
    max_bytes: float
    timeout_seconds: float
    pace: _Pace


def _fetch(url: str, part: Path, limits: _Limits) -> None:
    import requests
    from urllib3.exceptions import HTTPError

    start = part.stat().st_size if part.exists() else 0
    validator = (read_kept(_note(part), {"validator": str}) or {"validator": ""})["validator"]
    headers = {"Accept-Encoding": "identity"}
    if start and validator:  # without one there is no telling whether the rest belongs to the same file
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    try:
        opening = partial(_open, url, headers, limits.timeout_seconds)
        with bounded(
            opening, 4 * limits.timeout_seconds
        ) as response:  # names, connections, redirects: each has a limit of its own
            if response.status_code == 416:
                if response.headers.get("Content-Range") == f"bytes */{start}":
                    return  # all of it was there: killed between the last byte and the renaming
                part.unlink(missing_ok=True)  # the file has become shorter: start over
                raise _TryAgain("the partial file does not fit the server's", after=0.0)
            _check_status(url, response)
            if response.status_code != 206:
                start = 0
                write_json(_note(part), {"url": url, "validator": _validator(response)})
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                part.unlink(missing_ok=True)
                raise _TryAgain("another part of the file came than was asked for", after=0.0)
            expected = _expected(response, start)
            if expected is not None and expected > limits.max_bytes:
                raise FetchError(f"{url}: has {expected} bytes, more than the {limits.max_bytes:.0f} that it may have")
            _receive(url, response, part, start, expected, limits)
    except TimeoutError as error:
        raise _TryAgain("no answer in time") from error
    except (requests.RequestException, HTTPError) as error:
        raise _TryAgain(_reason(error)) from error
    size = part.stat().st_size
    if expected is not None and size < expected:
        raise _TryAgain(f"cut short at {size} of {expected} bytes")


def _open(url: str, headers: dict[str, str], timeout_seconds: float) -> "requests.Response":
    """The response, after redirects, its body not yet read. `requests` by itself would read the body of a redirect, too."""
    import requests

    place = url
    with requests.Session() as session:
        for _ in range(_MOST_REDIRECTS + 1):
            request = session.prepare_request(requests.Request("GET", place, headers=headers))
            surroundings: Any = session.merge_environment_settings(place, {}, True, None, None)
            response = session.get_adapter(place).send(request, timeout=timeout_seconds, **surroundings)
            if not response.is_redirect:
                return response
            response.close()
            place = urljoin(place, response.headers["Location"])
            if not place.startswith(("http://", "https://")):
                raise FetchError(f"{url}: sends us on to {place[:200]!r}, which is not an http or https address")
    raise FetchError(f"{url}: sends us on more than {_MOST_REDIRECTS} times")


def _receive(url: str, response: "requests.Response", part: Path, start: int, expected: int | None, limits: _Limits) -> None:
    """Write the body to `part` from `start` on, in batches, so that neither silence nor single bytes hold it up for long."""
    most, size, ended = min(limits.max_bytes, expected or limits.max_bytes), start, False
    with part.open("ab" if start else "wb") as stream, _progress(limits.title, done=start, total=expected) as bar:
        while not ended:
            chunks: list[bytes] = []
            try:
                # The response's own limit, for the time between two bytes, comes first.
                ended = bounded(partial(_read_batch, response.raw, chunks), limits.timeout_seconds + 2 * _BATCH_SECONDS)
            except TimeoutError:
                response.raw.shutdown()  # ends the thread that was left behind
                raise
            finally:
                batch = b"".join(tuple(chunks))
                size += len(batch)
                if size <= most:
                    stream.write(batch)
                    stream.flush()
                    bar.update(len(batch))
            if size > most:
                part.unlink()
                raise FetchError(f"{url}: sends more than the {most:.0f} bytes that it may have; the part was removed")
            limits.pace.add(len(batch))


def _read_batch(raw: Any, chunks: list[bytes]) -> bool:
    """Append what comes in a second, but not much more than `_BATCH` bytes, undecoded. Whether that was the end of it."""
    start, size = time.monotonic(), 0
    while size < _BATCH and time.monotonic() - start < _BATCH_SECONDS:
        chunk = raw.read1(_CHUNK, decode_content=False)  # what is there; `read` would wait for a whole chunk
        if not chunk:
            return True
        chunks.append(chunk)
        size += len(chunk)
    return False


def _check_status(url: str, response: "requests.Response") -> None:
    status = response.status_code
    if status in _PATIENCE:
        after = response.headers.get("Retry-After", "")
        raise _TryAgain(f"HTTP {status}", after=float(after) if _COUNT.fullmatch(after) else None)
    if status >= 400:
        raise FetchError(f"{url}: HTTP {status} {str(response.reason)[:80]}")


def _expected(response: "requests.Response", start: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return start + int(length) if _COUNT.fullmatch(length) else None


def _validator(response: "requests.Response") -> str:
    etag = str(response.headers.get("ETag", ""))
    return etag if etag and not etag.startswith("W/") else str(response.headers.get("Last-Modified", ""))


@contextmanager
def _progress(title: str, *, done: int, total: int | None) -> Iterator[Any]:
    with tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=title, disable=None) as bar:
        yield bar


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.Timeout | TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {str(error)[:120]}"


def _origin(path: Path) -> Path:
    """Beside a file that was fetched without a sha256 to check: where it came from."""
    return path.with_name(f".{path.name}.from.json")


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
