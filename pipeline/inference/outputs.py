"""Where a command may write: never over a video, a folder, a pipe, or a file that something else has written."""

import stat
from collections.abc import Sequence
from pathlib import Path

from pipeline.base.files import temporary_beside

_OUR_PAGE, _BEGINNING = b"<title>Summaries by ", 4096  # it stands in so many bytes of a page that this command has written


def check_outputs(*, lines: Path | None, page: Path | None, videos: Sequence[Path]) -> None:
    """Refuse what `--json` and `--html` name, before anything is worked on: a `ValueError` says why.

    Each must be a new file, or one of this command, and no video of `videos`. Its folder is made, if need be. What an old file
    of lines holds is for `pipeline.inference.lines` to say.
    """
    if lines is not None and page is not None and lines.resolve() == page.resolve():
        raise ValueError(f"--html: {page}: --json names the same file; choose another")
    taken = set(map(_identity, videos))
    for path, option, mark in ((lines, "--json", b""), (page, "--html", _OUR_PAGE)):
        if path is not None:
            _check(path, f"{option}: {path}", taken, mark)


def _check(path: Path, where: str, taken: set[tuple[int, int] | None], mark: bytes) -> None:
    try:
        found = path.stat()
    except FileNotFoundError:
        found = None
    except OSError as error:
        raise ValueError(f"{where}: cannot be written: {error.strerror}") from error
    if found is not None:
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
            raise ValueError(f"{where}: is {what}; name a file")
        if (found.st_dev, found.st_ino) in taken:
            raise ValueError(f"{where}: is one of the videos, and would be overwritten; choose another file")
        if found.st_size and not _has(path, mark):
            raise ValueError(f"{where}: is there already and was not written by this command; choose another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trial = temporary_beside(path)
        try:
            trial.write_bytes(b"\n")
        finally:
            trial.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"{where}: cannot be written: {error.strerror}") from error


def _identity(video: Path) -> tuple[int, int] | None:
    try:
        status = video.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _has(path: Path, mark: bytes) -> bool:
    with path.open("rb") as stream:
        return mark in stream.read(_BEGINNING)
