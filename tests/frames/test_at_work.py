"""Videos that were being decoded when a worker, or the stage itself, ended."""

import os
from pathlib import Path

import pytest

from pipeline.base.engines.engine import WorkerDiedError
from pipeline.base.files import temporary_beside
from pipeline.frames.at_work import AtWork, naming_videos


def begin(folder: Path, name: str, *videos: str) -> AtWork:
    """A worker that is at all of these, in threads of its own."""
    worker = AtWork(temporary_beside(folder / name))
    for video in videos:
        worker._add("begins", video)
    return worker


def test_all_that_were_at_work_are_named_and_nobody_else(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"died while it decoded one of these videos: a, b, d\. Either"),
        naming_videos(tmp_path, doing="decoded"),
    ):
        worker = begin(tmp_path, "00000", "a", "b")
        with worker.at("c"):
            pass
        begin(tmp_path, "00001", "d")
        begin(tmp_path, "00002", "e").done()
        with pytest.raises(ValueError, match="lost"), worker.at("lost"):
            raise ValueError("lost")
        raise WorkerDiedError("a process died", [])


def test_the_next_run_says_where_the_last_one_ended_and_forgets_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, "00000", "a", "b")
    for expected in ("the last run ended while it sampled one of these videos: a, b\n", ""):
        with naming_videos(tmp_path, doing="sampled"):
            pass
        assert capsys.readouterr().out == expected


def test_what_a_living_process_is_at_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, "00000", "a")
    mine = next(tmp_path.glob(".*.current"))
    living = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{os.getppid()}-"))
    others = [living, tmp_path / ".0.elsewhere-7-0123abcd.current"]
    for other in others:
        other.write_text("begins b\n")
    with naming_videos(tmp_path, doing="sampled"):
        assert sorted(tmp_path.glob(".*.current")) == sorted(others)
    assert capsys.readouterr().out == "the last run ended while it sampled one of these videos: a\n"


def test_half_a_line_is_no_video(tmp_path: Path) -> None:
    begin(tmp_path, "00000", "a")
    marker = next(tmp_path.glob(".*.current"))
    marker.write_text(marker.read_text() + "ends a\nbeg")
    with pytest.raises(RuntimeError, match="these videos: unknown"), naming_videos(tmp_path, doing="x"):
        marker.write_text("begins a\nends a\nbeg")
        raise WorkerDiedError("a process died", [])
