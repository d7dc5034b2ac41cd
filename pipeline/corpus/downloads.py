"""Files from the web, resumed, retried and checked; and members of archives, never written outside their folder."""

import gzip
import os
import random
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from tqdm import tqdm

from pipeline.base.files import read_json, replacing, write_json
from pipeline.base.scratch import file_sha256

if TYPE_CHECKING:
    import requests

_CHUNK = 1 << 18
_PATIENCE = (408, 425, 429, 500, 502, 503, 504)  # worth another try
_LONGEST_PAUSE = 120.0


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
    sha256: str | None = None,
    timeout_seconds: float = 30.0,
    attempts: int = 5,
    pause_seconds: float = 2.0,
) -> None:
    """Bring `url` (http or https) to `path`, resuming where a killed or broken try stopped.

    Connection errors, stalls longer than `timeout_seconds`, bodies cut short, 429 and 5xx are retried with growing pauses
    (`Retry-After` is honoured); other refusals are not. Raises `FetchError` naming the url; a file with another sha256 is
    removed. A file that is already there, with the right sha256 if one is given, is not fetched again.
    """
    if not url.startswith(("http://", "https://")):
        raise FetchError(f"{url!r}: not an http or https address")
    if path.exists() and (sha256 is None or file_sha256(path) == sha256):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    for attempt in range(1, attempts + 1):
        try:
            _fetch(url, part, title=title, timeout_seconds=timeout_seconds)
            break
        except _TryAgain as error:
            if attempt == attempts:
                raise FetchError(f"{url}: {error}, {attempts} tries") from error
            pause = error.after if error.after is not None else pause_seconds * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
            time.sleep(min(pause, _LONGEST_PAUSE))
    found = file_sha256(part)
    if sha256 is not None and found != sha256:
        part.unlink()
        raise FetchError(f"{url}: sha256 is {found}, expected {sha256}; the file was removed")
    os.replace(part, path)
    _note(part).unlink(missing_ok=True)


def extract_member(archive: Path, wanted: str, out: Path) -> None:
    """Write the member whose base name is `wanted` to `out`. A damaged archive or missing member is a `FetchError` naming it."""
    found = extract_members(
        archive, out.parent, accept=lambda name: out.name if PurePosixPath(name).name == wanted else None, replace=True
    )
    if not found:
        raise FetchError(f"{archive}: has no member {wanted}")


def extract_members(archive: Path, out: Path, *, accept: Callable[[str], str | None], replace: bool = False) -> list[Path]:
    """Write members of a tar or zip archive into the folder `out`, each whole or not at all; returns their paths.

    `accept` maps a member's name to a file name in `out`, or to None. Links and folders are left out, and only the last part
    of the file name counts, so nothing lands outside `out`. Files that are already there are kept unless `replace`. If the
    archive is cut short, the members before that place are kept; if its checksum is wrong, none can be trusted.
    """
    written, fresh = [], []
    try:
        for name, open_member in _members(archive):
            target = accept(name)
            if target is None:
                continue
            path = out / PurePosixPath(target).name
            if replace or not path.exists():
                with replacing(path) as temporary, open_member() as source, temporary.open("wb") as stream:
                    shutil.copyfileobj(source, stream, _CHUNK)
                fresh.append(path)
            written.append(path)
    except (gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        if isinstance(error, gzip.BadGzipFile | zlib.error):
            for path in fresh:
                path.unlink()
        raise FetchError(f"{archive}: damaged or cut short ({error}); delete it to fetch it again") from error
    return written


def _members(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if not info.is_dir():
                    yield info.filename, partial(zipped.open, info)
        return
    with tarfile.open(archive) as tarred:
        for member in tarred:
            if member.isreg():
                yield member.name, partial(_open, tarred, member)
        while tarred.fileobj is not None and tarred.fileobj.read(_CHUNK):
            pass  # gzip's checksum is at the very end, after the end of the tar


def _open(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(member)
    assert stream is not None, "regular files have content"
    return stream


def _fetch(url: str, part: Path, *, title: str, timeout_seconds: float) -> None:
    import requests
    from urllib3.exceptions import HTTPError

    start = part.stat().st_size if part.exists() else 0
    validator = read_json(_note(part)).get("validator", "") if _note(part).exists() else ""
    headers = {"Accept-Encoding": "identity"}
    if start and validator:  # without one there is no telling whether the rest belongs to the same file
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout_seconds) as response:
            if response.status_code == 416:
                if response.headers.get("Content-Range") == f"bytes */{start}":
                    return  # all of it was there: killed between the last byte and the renaming
                part.unlink()  # the file has become shorter: start over
                raise _TryAgain("the partial file does not fit the server's", after=0.0)
            _check_status(url, response)
            if response.status_code != 206:
                start = 0
                write_json(_note(part), {"url": url, "validator": _validator(response)})
            expected = _expected(response, start)
            with (
                part.open("ab" if start else "wb") as stream,
                _progress(title, done=start, total=expected) as bar,
            ):
                for chunk in response.iter_content(_CHUNK):
                    stream.write(chunk)
                    bar.update(len(chunk))
    except (requests.RequestException, HTTPError) as error:
        raise _TryAgain(_reason(error)) from error
    size = part.stat().st_size
    if expected is not None and size < expected:
        raise _TryAgain(f"cut short at {size} of {expected} bytes")


def _check_status(url: str, response: "requests.Response") -> None:
    status = response.status_code
    if status in _PATIENCE:
        after = response.headers.get("Retry-After", "")
        raise _TryAgain(f"HTTP {status}", after=float(after) if after.isdigit() else None)
    if status >= 400:
        raise FetchError(f"{url}: HTTP {status} {response.reason}")


def _expected(response: "requests.Response", start: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _validator(response: "requests.Response") -> str:
    etag = str(response.headers.get("ETag", ""))
    return etag if etag and not etag.startswith("W/") else str(response.headers.get("Last-Modified", ""))


@contextmanager
def _progress(title: str, *, done: int, total: int | None) -> Iterator[Any]:
    with tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=title, disable=None) as bar:
        yield bar


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    return f"{type(error).__name__}: {str(error)[:120]}"


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
