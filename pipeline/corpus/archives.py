"""Members of tar and zip archives, never written outside their folder, and never more than the archive may hold."""

import bz2
import errno
import gzip
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pipeline.base.files import replacing
from pipeline.corpus.downloads import FetchError

_CHUNK = 1 << 18
_LARGEST_READ = 1 << 20  # bytes of a header, such as a long name; members are read in chunks
_COMPRESSED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_ENCRYPTED = 0x1  # a flag of a zip member
# What the libraries raise for damage; bz2 raises a plain OSError, which has no number.
_DAMAGE = (
    zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, EOFError, struct.error, ValueError, OverflowError,
    NotImplementedError, OSError,
)  # fmt: skip
_UNTRUSTED = (zlib.error, lzma.LZMAError, OSError)  # what came before the place may be wrong as well


def extract_member(archive: Path, wanted: str, out: Path, *, max_bytes: float) -> None:
    """Write the member whose base name is `wanted` to `out`. A damaged archive or missing member is a `FetchError` naming it."""

    def accept(name: str) -> str | None:
        return out.name if PurePosixPath(name).name == wanted else None

    if not extract_members(archive, out.parent, accept=accept, max_bytes=max_bytes, replace=True):
        raise FetchError(f"{archive}: has no member {wanted}")


def extract_members(
    archive: Path, out: Path, *, accept: Callable[[str], str | None], max_bytes: float, replace: bool = False
) -> list[Path]:
    """Write members of a tar or zip archive into the folder `out`, each whole or not at all; returns their paths.

    `accept` maps a member's name to a file name in `out`, or to None. Links and folders are left out, and only the last part
    of the file name counts, so nothing lands outside `out`. Files that are already there are kept unless `replace`. If the
    archive is cut short, the members before that place are kept; if its checksum is wrong, none can be trusted. An archive that
    unpacks to more than `max_bytes`, or that holds what is wanted encrypted or as a sparse file, is a `FetchError` that names it.
    """
    written, fresh = [], []
    try:
        with naming_damage(archive):
            for name, open_member in open_members(archive, max_bytes):
                target = accept(name)
                if target is None:
                    continue
                path = out / PurePosixPath(target).name
                if replace or not path.exists():
                    with replacing(path) as temporary, open_member() as source, temporary.open("wb") as stream:
                        shutil.copyfileobj(source, stream, _CHUNK)
                    fresh.append(path)
                written.append(path)
    except FetchError as error:
        if isinstance(error.__cause__, _UNTRUSTED):
            for path in fresh:
                path.unlink()
        raise
    return written


@contextmanager
def naming_damage(archive: Path) -> Iterator[None]:
    """Turn what the libraries raise for a damaged archive into a `FetchError` that names it; a full disk stays what it is."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # EINVAL: to seek before the beginning
            raise
        reason = str(error) or type(error).__name__
        raise FetchError(f"{archive}: damaged or cut short ({reason}); delete it to fetch it again") from error


def open_members(archive: Path, max_bytes: float) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """Name of each regular member, and what opens it."""
    if _begins_as_zip(archive):
        with zipfile.ZipFile(archive) as zipped:
            if sum(info.file_size for info in zipped.infolist()) > max_bytes:  # a member gives no more than it declares
                raise _too_much(archive, max_bytes)
            for info in zipped.infolist():
                if not info.is_dir():
                    yield info.filename, partial(_open_zipped, archive, zipped, info)
        return
    with _Unpacked(archive, max_bytes) as stream, tarfile.open(fileobj=stream, mode="r:") as tarred:  # type: ignore[call-overload]
        while (member := tarred.next()) is not None:
            tarred.members.clear()  # it would keep them all
            if member.isreg():
                yield member.name, partial(_open_tarred, archive, tarred, member)
        while stream.read(_CHUNK):
            pass  # gzip's checksum is at the very end, after the end of the tar


def _begins_as_zip(archive: Path) -> bool:
    """`zipfile` looks at the end alone, so that a tar whose last member is a zip would be one."""
    with archive.open("rb") as stream:
        return stream.read(2) == b"PK"


def _open_zipped(archive: Path, zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.flag_bits & _ENCRYPTED:
        raise FetchError(f"{archive}: {info.filename} is encrypted; unpack it yourself")
    return zipped.open(info)


def _open_tarred(archive: Path, tarred: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    if member.issparse():
        raise FetchError(
            f"{archive}: {member.name} is stored as a sparse file of {member.size} bytes, which no video or text is; if you "
            "trust it, unpack it yourself"
        )
    stream = tarred.extractfile(member)
    assert stream is not None, "regular files have content"
    return stream


class _Unpacked:
    """A tar as it is, or decompressed: an error where it becomes longer than it may, or where a header wants too much memory."""

    def __init__(self, archive: Path, max_bytes: float) -> None:
        self._archive, self._max_bytes = archive, max_bytes
        with archive.open("rb") as stream:
            start = stream.read(8)
        opener = next((opener for magic, opener in _COMPRESSED.items() if start.startswith(magic)), Path.open)
        self._stream = opener(archive, "rb")

    def __enter__(self) -> "_Unpacked":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def tell(self) -> int:
        return int(self._stream.tell())

    def seek(self, place: int) -> None:
        if place > self._max_bytes:
            raise _too_much(self._archive, self._max_bytes)
        self._stream.seek(place)

    def read(self, size: int) -> bytes:
        if size > _LARGEST_READ:
            raise FetchError(f"{self._archive}: damaged (a header of {size} bytes); delete it to fetch it again")
        data: bytes = self._stream.read(size)
        if self.tell() > self._max_bytes:
            raise _too_much(self._archive, self._max_bytes)
        return data


def _too_much(archive: Path, max_bytes: float) -> FetchError:
    return FetchError(f"{archive}: unpacks to more than the {max_bytes:.0f} bytes that it may have")
