"""Archives that are damaged, cut short, encrypted, or made to fill a disk or a memory."""

import bz2
import errno
import gzip
import io
import lzma
import os
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.corpus import archives
from pipeline.corpus.downloads import FetchError

MOST = 1e7


def extract_member(archive: Path, wanted: str, out: Path) -> None:
    archives.extract_member(archive, wanted, out, max_bytes=MOST)


def extract_members(archive: Path, out: Path, *, accept: Callable[[str], str | None]) -> list[Path]:
    return archives.extract_members(archive, out, accept=accept, max_bytes=MOST)


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as target:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            target.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("link.mp4")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        target.addfile(link)
    return path


def test_members_stay_in_their_folder(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", {"../up.mp4": b"1", "/abs.mp4": b"2", "deep/er/in.mp4": b"3"})
    written = extract_members(path, tmp_path / "out", accept=lambda name: name)
    assert sorted(file.name for file in written) == ["abs.mp4", "in.mp4", "up.mp4"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tar.gz", "out"]
    (tmp_path / "out" / "in.mp4").write_bytes(b"mine")
    extract_members(path, tmp_path / "out", accept=lambda name: name)
    assert (tmp_path / "out" / "in.mp4").read_bytes() == b"mine"


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr("inside.mp4", b"4")
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as target:
        for name, content in {"one.mp4": b"1", "more.zip": packed.getvalue()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            target.addfile(info, io.BytesIO(content))
    assert zipfile.is_zipfile(path), "as the library sees it"
    written = extract_members(path, tmp_path / "out", accept=lambda name: name)
    assert sorted(file.name for file in written) == ["more.zip", "one.mp4"]


def test_a_damaged_archive_and_a_missing_member_are_named(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", {"x.json": os.urandom(50_000)})
    extract_member(path, "x.json", tmp_path / "x.json")
    with pytest.raises(FetchError, match=r"a\.tar\.gz: has no member y\.json"):
        extract_member(path, "y.json", tmp_path / "y.json")
    whole = path.read_bytes()
    for place in (len(whole) // 2, -6):  # inside the member; the checksum itself
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(FetchError, match=r"a\.tar\.gz: damaged or cut short"):
            extract_member(path, "x.json", tmp_path / "z.json")
        assert not (tmp_path / "z.json").exists(), "what comes from a damaged archive is not kept"
    path.write_bytes(whole[:20_000])
    with pytest.raises(FetchError, match=r"a\.tar\.gz: damaged or cut short"):
        extract_member(path, "x.json", tmp_path / "z.json")
    assert not (tmp_path / "z.json").exists()


def test_a_full_disk_is_not_taken_for_a_damaged_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "a.tar.gz", {"x.json": b"content"})

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pipeline.corpus.archives.shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        extract_member(path, "x.json", tmp_path / "x.json")
    assert [left.name for left in tmp_path.iterdir()] == ["a.tar.gz"]


def every(name: str) -> str:
    return name


def refusal(path: Path, out: Path) -> str:
    """Why the archive is refused; nothing may be left behind."""
    with pytest.raises(FetchError) as caught:
        extract_members(path, out, accept=every)
    assert not out.exists() or list(out.iterdir()) == []
    assert str(path) in str(caught.value)
    return str(caught.value)


def sparse_tar(path: Path, size: int) -> Path:
    """A tar, small, of a file of `size` bytes that is a hole."""
    member = tarfile.TarInfo("hole.mp4")
    member.size = 512
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:410] = b"%011o\0%011o\0" % (size - 512, 512)
    header[483:495] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(bytes(header) + b"x" * 512 + bytes(1024))
    return path


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    path = sparse_tar(tmp_path / "a.tar", 5_000_000)
    with tarfile.open(path) as tarred:
        assert tarred.getmembers()[0].size == 5_000_000, "it is what it is meant to be"
    assert "hole.mp4 is stored as a sparse file of 5000000 bytes" in refusal(path, tmp_path / "out")
    assert extract_members(path, tmp_path / "out", accept=lambda name: None) == [], "unless nobody wants it"


@pytest.mark.parametrize("compress", [gzip.open, bz2.open, lzma.open])
@pytest.mark.parametrize("wanted", [True, False])
def test_what_unpacks_to_more_than_it_may_is_refused(tmp_path: Path, compress: Callable[..., Any], wanted: bool) -> None:
    path = tmp_path / "a.tar.xz"
    with compress(path, "wb") as stream, tarfile.open(fileobj=stream, mode="w:") as tarred:
        member = tarfile.TarInfo("zeros.mp4")
        member.size = 20_000_000
        tarred.addfile(member, io.BytesIO(bytes(20_000_000)))
    assert path.stat().st_size < 100_000
    with pytest.raises(FetchError, match=r"a\.tar\.xz: unpacks to more than the 10000000 bytes that it may have"):
        extract_members(path, tmp_path / "out", accept=lambda name: name if wanted else None)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_what_follows_the_end_of_a_tar_counts(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", {"x.mp4": b"1"})
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(20_000_000)))
    with pytest.raises(FetchError, match="unpacks to more"):
        extract_members(path, tmp_path / "out", accept=every)


def test_a_header_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb") as stream:
        member = tarfile.TarInfo("long")
        member.type, member.size = tarfile.GNUTYPE_LONGNAME, 8_000_000
        stream.write(member.tobuf(tarfile.GNU_FORMAT))
        stream.write(b"n" * 8_000_000)
    tracemalloc.start()
    assert "a header of 8000" in refusal(path, tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 3_000_000
    tracemalloc.stop()


def test_a_zip_that_unpacks_to_more_than_it_may_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for number in range(4):
            zipped.writestr(f"{number}.mp4", bytes(3_000_000))
    assert "unpacks to more than the 10000000 bytes" in refusal(path, tmp_path / "out")


def test_a_zip_that_declares_less_than_it_holds_gives_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("0.mp4", bytes(20_000_000))
    path.write_bytes(path.read_bytes().replace((20_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    assert "damaged" in refusal(path, tmp_path / "out")


def test_an_encrypted_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("0.mp4", b"secret")
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "a.zip: 0.mp4 is encrypted" in refusal(path, tmp_path / "out")


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zip"])
def test_damage_is_named_wherever_it_is(tmp_path: Path, suffix: str) -> None:
    """A changed byte is refused, or it is one that nothing depends on; no other exception comes out."""
    content = os.urandom(3000)
    path = tmp_path / f"a.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as zipped:
            zipped.writestr("x.mp4", content)
    else:
        with tarfile.open(path, f"w:{suffix}") as tarred:  # type: ignore[call-overload]
            member = tarfile.TarInfo("x.mp4")
            member.size = len(content)
            tarred.addfile(member, io.BytesIO(content))
    whole, refused = path.read_bytes(), 0
    for place in [*range(0, 40), *range(40, len(whole), 41), *range(len(whole) - 40, len(whole))]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        out = tmp_path / "out" / str(place)
        try:
            written = extract_members(path, out, accept=lambda name: "x.mp4")
        except FetchError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert all(file.read_bytes() == content for file in written)
    assert refused > 100
