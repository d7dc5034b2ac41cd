"""Leases, and what may be removed from a folder in which another host may work."""

import errno
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.base import leases, resumable, shared_disk
from pipeline.base.files import temporary_beside
from pipeline.base.leases import Watch, claimed, is_left_temporary, owner_of
from pipeline.base.owners import Owner, host, owner_in, this_process
from pipeline.base.resumable import Shard, run_shards
from pipeline.base.scratch import link_or_copy, publish, scratch_folder

DAYS = 24 * 3600


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_lease(path: Path, owner: Owner) -> None:
    path.write_text(json.dumps(vars(owner) | {"token": "theirs"}))


def older(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds, time.time() - seconds))


def test_one_holds_a_lease_at_a_time_and_gives_it_back(root: Path) -> None:
    with claimed(root / ".a.lease") as first, claimed(root / ".a.lease") as second:
        assert first is not None and first.is_held() and second is None
        assert owner_of(root / ".a.lease") == this_process()
    assert not (root / ".a.lease").exists()


def test_it_is_renewed_and_a_watch_sees_that(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "STALE", 0.1)
    with claimed(root / ".a.lease") as lease:
        watch, ended = Watch(), time.monotonic() + 0.5
        while time.monotonic() < ended:
            lease.renew()
            assert not watch.is_free(root / ".a.lease")
            time.sleep(0.005)
        time.sleep(0.15)
        assert watch.is_free(root / ".a.lease") and not lease.is_held()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 3}', "\udcff"])
def test_a_lease_that_cannot_be_read_is_watched_too(root: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr(leases, "STALE", 0.05)
    (root / ".a.lease").write_bytes(content.encode("utf-8", "surrogateescape"))
    with claimed(root / ".a.lease") as lease:
        assert lease is None
    watch = Watch()
    assert not watch.is_free(root / ".a.lease")
    time.sleep(0.06)
    assert watch.is_free(root / ".a.lease") and not (root / ".a.lease").exists()


def test_an_old_time_on_a_lease_of_another_host_says_nothing(root: Path) -> None:
    """Its clock may be years behind ours."""
    write_lease(root / ".a.lease", Owner("elsewhere", 1, 0.0, "train"))
    older(root / ".a.lease", 1000 * DAYS)
    assert not Watch().is_free(root / ".a.lease")
    with claimed(root / ".a.lease") as lease:
        assert lease is None


@pytest.mark.parametrize("owner", [Owner(host(), 1 << 30, 0.0), Owner(host(), os.getpid(), 5.0)], ids=["ended", "another"])
def test_a_process_of_this_host_that_has_ended_is_followed_at_once(root: Path, owner: Owner) -> None:
    write_lease(root / ".a.lease", owner)
    with claimed(root / ".a.lease") as lease:
        assert lease is not None and owner_of(root / ".a.lease") == this_process()


def test_a_process_that_nobody_has_waited_for_has_ended_all_the_same() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        owner, deadline = Owner(host(), process.pid), time.monotonic() + 30
        while not owner.is_gone():
            assert time.monotonic() < deadline and process.returncode is None
            time.sleep(0.01)


def test_who_lost_a_lease_does_not_give_back_that_of_the_next(root: Path) -> None:
    with claimed(root / ".a.lease") as lease:
        theirs = Owner("elsewhere", 7, 0.0)
        write_lease(root / ".a.lease", theirs)
        assert lease is not None and not lease.is_held()
    assert owner_of(root / ".a.lease") == theirs


@pytest.mark.parametrize("name", ["a.parquet", "a.b.c-1-00000000", "folder", "x" * 200])
def test_temporary_names_tell_their_owner(root: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert owner_in(temporary_beside(root / name).name.rpartition(".tmp")[0]) == Owner(host(), os.getpid())
    with monkeypatch.context() as patched:
        patched.setattr(socket, "gethostname", lambda: "else.where.org")
        theirs = temporary_beside(root / name)
    owner = owner_in(theirs.name.rpartition(".tmp")[0])
    assert owner is not None and owner.host.endswith("else.where.org" + host()[-7:]) and owner.pid == os.getpid()
    assert not owner.is_gone()


def test_of_a_folder_nothing_goes_that_a_living_host_may_be_writing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / ".scratch" / "stage" / "key"
    folder.mkdir(parents=True)
    with monkeypatch.context() as patched:
        patched.setattr(socket, "gethostname", lambda: "else.where.org")
        theirs, abandoned = temporary_beside(folder / "a.parquet"), temporary_beside(folder / "b")
    ours = temporary_beside(folder / "c.parquet")
    for path in (theirs, abandoned / "inside", ours):
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    for path in (theirs, abandoned / "inside", abandoned):
        older(path, (0.9 if path == theirs else 1.1) * DAYS)
    assert [is_left_temporary(path) for path in (theirs, abandoned, ours)] == [False, True, True]
    with scratch_folder("stage", "key"):
        assert [path for path in folder.iterdir() if ".tmp" in path.name] == [theirs]


def test_a_folder_that_another_host_holds_is_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = root / ".scratch" / "stage"
    for key in ("held", "left", "ended"):
        with scratch_folder("stage", key):
            pass
    write_lease(stage / ".held.elsewhere-1-00000000.held", Owner("elsewhere", 1, 0.0))
    write_lease(stage / ".left.elsewhere-1-00000000.held", Owner("elsewhere", 1, 0.0))
    write_lease(stage / f".ended.{host()}-{1 << 30}-00000000.held", Owner(host(), 1 << 30, 0.0))
    older(stage / ".left.elsewhere-1-00000000.held", 1.1 * DAYS)
    with scratch_folder("stage", "new") as folder:
        publish(folder, [], root / "out")
    assert {path.name for path in stage.iterdir() if path.is_dir()} == {"held", "new"}
    assert [path.name for path in stage.glob(".*.held")] == [".held.elsewhere-1-00000000.held"]


def test_without_hard_links_one_line_says_that_files_are_copied(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    (root / "out").mkdir()
    for name in ("a", "b"):
        (root / name).write_text(name)
        link_or_copy(root / name, root / "out" / name)
    assert capsys.readouterr().out.count("no hard links here (Operation not permitted)") == 1
    assert (root / "out" / "b").read_text() == "b"
    assert "no hard links (Operation not permitted)" in shared_disk.try_disk(root / "scratch")
    monkeypatch.undo()
    assert "hard links work; locks hold back" in shared_disk.try_disk(root / "scratch")
    assert list((root / "scratch").iterdir()) == []


@pytest.mark.parametrize("how", ["refused", "ignored"])
def test_a_file_system_without_locks_is_refused_with_a_reason(root: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    def flock(*_: Any) -> None:
        if how == "refused":
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(OSError, match=r"locks do not work here \((No locks available|they hold nobody back)\).*DVC_ROOT"):
        shared_disk.try_disk(root / "scratch")


@pytest.mark.parametrize(("kind", "told"), [("nfs4", True), ("fuse.sshfs", True), ("ext4", False)])
def test_on_a_network_file_system_it_is_said_what_cannot_be_tried(
    root: Path, monkeypatch: pytest.MonkeyPatch, kind: str, told: bool
) -> None:
    mounts = [SimpleNamespace(mountpoint=str(root.resolve()), fstype=kind)]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: mounts)
    assert ("cannot be tried from one" in shared_disk.try_disk(root / "scratch")) == told


def test_a_mark_is_renamed_after_its_shard_is_on_the_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def noted_sync(descriptor: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name.split('.')[-1] or 'folder'}")
        sync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        done.append(f"rename {Path(target).name}")
        replace(source, target)

    def work(items: Any, path: Path) -> dict[str, Any]:
        path.write_text("a")
        return {}

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    (root / "key").mkdir()
    run_shards(work, [Shard("a.parquet", [0])], folder=root / "key", workers=1, unit="item", title="work")
    assert done == ["sync parquet", "rename a.parquet", "sync key", "sync json", "rename a.parquet.json", "sync key"]
    assert resumable.all_done([Shard("a.parquet", [0])], root / "key")
