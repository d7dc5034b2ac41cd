"""A row of somebody else's outputs in a study: aligned to its test videos, scored, and recorded as what it is."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.files import write_json_lines
from pipeline.base.params import load_params
from pipeline.base.row_names import check_external_names
from pipeline.corpus.table import Video, write_corpus
from pipeline.evaluation.external import external_row
from pipeline.scoring.predictions import read_predictions
from pipeline.scoring.record import read_record, write_record
from tests.parameters import ROOT, edit, write_parameters

ENTRY = {"title": "Theirs", "file": "theirs.jsonl", "provenance": "A. Body, 2026"}
TEST = {"a": "cut the onion", "b": "fry the leek"}


def project(folder: Path, entry: dict[str, Any] = ENTRY, *, name: str = "theirs") -> Path:
    """A project with two test videos that count; a third has no summary, and a fourth is lost."""

    def change(study: Any) -> None:
        study["external"] = {name: entry}
        study["bootstrap_resamples"] = 100

    write_parameters(folder, change)
    edit(folder / "params.yaml", folder / "params.yaml", lambda dials: dials.update(external=[name]))
    videos = [
        Video(video, "test", "v.mp4", transcript="this", transcript_origin="drawn", entities=["onion"], summary=text)
        for video, text in TEST.items()
    ]
    videos.append(Video("silent", "test", "v.mp4", transcript="this", transcript_origin="drawn"))
    videos.append(
        Video(
            "lost", "test", "v.mp4", transcript="this", transcript_origin="drawn", summary="gone", status="failed", reason="gone"
        )
    )
    videos.append(Video("learned", "train", "v.mp4", transcript="this", transcript_origin="drawn", summary="learned"))
    write_corpus(videos, folder / "data/corpus/corpus.parquet")
    (folder / "data/inputs/kitchen").mkdir(parents=True)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    def make(*arguments: Any, **named: Any) -> Path:
        folder = project(tmp_path, *arguments, **named)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("DVC_ROOT", str(folder))
        return folder / "data/inputs/kitchen"

    return make


def said(folder: Path, *videos: str, seeds: tuple[int, ...] = (0,)) -> None:
    rows = [{"video_id": video, "seed": seed, "prediction": TEST.get(video, "x")} for seed in seeds for video in videos]
    write_json_lines(folder / "theirs.jsonl", rows)


def test_the_record_says_what_is_known_and_nothing_else(here: Callable[..., Path]) -> None:
    said(here(), "b", "a", seeds=(4, 2))
    record = external_row("theirs", load_params())
    assert record == read_record(Path("metrics/theirs.json"))
    assert (record.kind, record.title, record.provenance) == ("external", "Theirs", "A. Body, 2026")
    assert (record.encoder, record.frames, record.training, record.seeds) == (None, "unknown", None, [2, 4])
    assert record.n_videos == 2 and record.metrics["rouge1"].mean == 100.0
    assert record.metrics["entity_f1"].mean == 50.0, "one of two names its onion"
    summaries = read_predictions(Path("predictions/theirs.jsonl"))
    assert summaries.videos == ("a", "b") and summaries.references == tuple(TEST.values())


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        (("a",), r"theirs\.jsonl: no summary of 'b'"),
        (("a", "b", "lost"), r"unknown videos: 'lost' \(line 3\)"),
        (("a", "b", "learned"), r"unknown videos: 'learned'"),
    ],
)
def test_the_test_videos_decide_which_ids_there_must_be(here: Callable[..., Path], videos: tuple[str, ...], message: str) -> None:
    said(here(), *videos)
    with pytest.raises(ValueError, match=message):
        external_row("theirs", load_params())
    assert not Path("metrics/theirs.json").exists() and not Path("predictions/theirs.jsonl").exists()


def test_text_in_the_order_of_a_list_and_references_that_are_checked(
    here: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = here({**ENTRY, "file": "said.txt", "order": "ids.txt", "references": "refs.txt"})
    for name, content in (
        ("said.txt", "\ncut the onion\n"),
        ("ids.txt", "b\na\n"),
        ("refs.txt", "fry the leek\ncut the onion\n"),
    ):
        (folder / name).write_text(content)
    record = external_row("theirs", load_params())
    assert record.per_video.scores["rouge1"] == [[100.0, 0.0]], "an empty summary scores 0"
    assert "theirs: 1 of 2 summaries are empty, and scored as such" in capsys.readouterr().out
    (folder / "refs.txt").write_text("fry a leek\ncut the onion\n")
    with pytest.raises(
        ValueError, match=r"refs\.txt, line 1: the reference of video 'b' is not that of the test videos of study"
    ):
        external_row("theirs", load_params())


def test_a_slip_in_the_block_or_the_dial_names_its_key(tmp_path: Path) -> None:
    project(tmp_path)
    dials, study = tmp_path / "params.yaml", tmp_path / "studies" / "kitchen.yaml"
    edit(dials, dials, lambda content: content.update(external=["their"]))
    with pytest.raises(ValueError, match=r"params\.yaml: external: 'their' is no entry of `external` in .*, which has theirs"):
        load_params(tmp_path)
    edit(dials, dials, lambda content: content.update(external=["theirs", "theirs"]))
    with pytest.raises(ValueError, match=r"params\.yaml: external: theirs stands there twice"):
        load_params(tmp_path)
    for key, value in (
        ("file", "../out.txt"),
        ("file", "/etc/passwd"),
        ("order", ""),
        ("title", ""),
        ("provenance", "two\nlines"),
    ):
        edit(study, study, lambda content, key=key, value=value: content["external"].update(theirs={**ENTRY, key: value}))  # type: ignore[misc]
        with pytest.raises(ValueError, match=rf"kitchen\.yaml: external\.theirs\.{key}"):
            load_params(tmp_path)


@pytest.mark.parametrize(
    ("name", "owner"), [("bart", "bart"), ("clipsum_swapped", "clipsum"), ("floor_mine", "floor"), ("corpus", "corpus")]
)
def test_a_name_that_another_row_or_stage_has_is_refused(tmp_path: Path, name: str, owner: str) -> None:
    project(tmp_path, name=name)
    with pytest.raises(ValueError, match=rf"external\.{name}: the name belongs to '{owner}'; take another"):
        check_external_names(load_params(tmp_path), pipeline=ROOT / "dvc.yaml")


def test_dvc_has_a_stage_for_each_that_the_dial_names_and_the_stage_runs(tmp_path: Path) -> None:
    folder = project(tmp_path)
    said(folder / "data/inputs/kitchen", "a", "b")
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder), "DVC_NO_ANALYTICS": "true"}

    def run(*command: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, env=environment | more, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("dvc", "init", "-q", "--no-scm")
    assert "external@theirs" in run("dvc", "stage", "list", "--name-only").split()
    assert "theirs: n 2" in run("stages.external", DVC_STAGE="external@theirs")


def test_records_of_our_own_rows_say_nothing_of_provenance(tmp_path: Path) -> None:
    for name in ("floor_random", "clipsum"):
        committed = ROOT / "metrics" / f"{name}.json"
        write_record(tmp_path / committed.name, read_record(committed))
        assert (tmp_path / committed.name).read_bytes() == committed.read_bytes()
