"""What a user may type or have in a folder: each a clear line, nothing lost, nothing read or written outside."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

import stages
from pipeline.base.files import read_json_lines
from pipeline.inference import page as pages
from pipeline.inference.chosen import choose_seed
from pipeline.inference.export import export, scores_of
from pipeline.inference.files import Texts
from pipeline.inference.page import write_page
from pipeline.inference.summarise import Summary, summarise_video
from pipeline.inference.trained import open_row
from stages import serve, summarise
from tests.inference.trained_project import PARAMS, ROOT, trained_project, video

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = trained_project(tmp_path_factory.mktemp("project"))
    video(folder / "film.mp4")
    return folder


@pytest.fixture(autouse=True)
def films(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of films; the project is where commands run."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(stages, "end_with_dvc", lambda: None)
    folder = tmp_path / "films"
    folder.mkdir()
    return folder


def film(folder: Path, name: str, text: str | None = "now add this and stir it well") -> Path:
    path = folder / name
    shutil.copy("film.mp4", path)
    if text is not None:
        path.with_suffix(".txt").write_text(text)
    return path


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | str | None:
    """The exit status of `python -m stages.summarise`, or what it says when it refuses."""
    monkeypatch.setattr(sys, "argv", ["summarise", *map(str, arguments)])
    try:
        stages.run(summarise.main)
    except SystemExit as ended:
        return ended.code
    return 0


def told(out: Path) -> dict[str, str]:
    """The reason of each line by the name of its video, empty where there is a summary."""
    lines = [line for _, line in read_json_lines(out)]
    assert all((line["status"] == "ok") == bool(line["summary"]) for line in lines)
    return {Path(line["video"]).name: line["reason"] for line in lines}


def test_every_bad_file_is_a_line_and_the_others_are_summarised(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    for name in ("good.mp4", "--row=bart.mp4", "qu\"o'te $(x).mp4", "two\nlines\x1b[31m.mp4", os.fsdecode(b"byte\xff.mp4")):
        film(films, name)
    film(films, "a" * 251 + ".mp4", None)
    film(films, "no text.mp4", None)
    film(films, "long.mp4", "stir it well " * 500)
    for name, content in (("letter.mp4", b"dear all"), ("empty.mp4", b""), ("cut.mp4", Path("film.mp4").read_bytes()[:1500])):
        (films / name).write_bytes(content)
        (films / name).with_suffix(".txt").write_text("add this")
    sound_alone(films / "sound.mp4")
    out, html = films / "out.jsonl", films / "page.html"
    assert command(monkeypatch, "--json", out, "--html", html, films) == 0
    reasons = told(out)
    assert {name for name, reason in reasons.items() if not reason} == {
        "good.mp4", "--row=bart.mp4", "qu\"o'te $(x).mp4", "two\nlines\x1b[31m.mp4", "byte\\xff.mp4", "long.mp4",
    }  # fmt: skip
    for name, reason in (
        ("a" * 251 + ".mp4", "no text: put"),
        ("no text.mp4", "no text: put no text.txt, .vtt or .srt beside the video"),
        ("letter.mp4", "not a video: "),
        ("empty.mp4", "empty file"),
        ("cut.mp4", "not a video: "),
        ("sound.mp4", "no video stream"),
    ):
        assert reasons.pop(name).startswith(reason), name
    shown = capsys.readouterr()
    assert "two\\nlines\\x1b[31m.mp4: " in shown.out and "\x1b" not in shown.out
    assert len(shown.out.splitlines()) == 12 and "long.mp4: the text is longer than" in shown.err
    assert "not a video" in html.read_text() and "no text: put" in html.read_text()
    assert command(monkeypatch, "--json", out, films) == 0, "the output lies in the folder, and is no video"


def test_nothing_outside_the_folder_is_read_and_what_is_passed_over_is_told(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    film(outside, "secret.mp4", "the password is egg")
    film(films, "text is a link.mp4", None)
    (films / "text is a link.txt").symlink_to(outside / "secret.txt")
    (films / "link.mp4").symlink_to(outside / "secret.mp4")
    (films / "device.mp4").symlink_to("/dev/zero")
    (films / "gone.mp4").symlink_to("nowhere.mp4")
    (films / "itself.mp4").symlink_to("itself.mp4")
    (films / "folder").symlink_to(outside)
    (films / "round").symlink_to(".")
    os.mkfifo(films / "pipe.mp4")
    out = tmp_path / "out.jsonl"
    assert command(monkeypatch, "--json", out, films) == 1
    reasons = told(out)
    assert list(reasons) == ["text is a link.mp4"]
    assert "text is a link.txt: a link to somewhere else is not read" in reasons["text is a link.mp4"]
    passed_over = "are passed over: 5 (device.mp4, gone.mp4, itself.mp4, link.mp4, pipe.mp4)"
    assert passed_over in capsys.readouterr().err and "password" not in out.read_text()


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_no_output_takes_the_place_of_something_else(option: str, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(films, "a.mp4")
    (films / "link to it.mp4").symlink_to("a.mp4")
    (films / "precious").mkdir()
    (films / "precious" / "thesis.txt").write_text("years of work")
    (films / "mine.html").write_text("<!doctype html><title>Mine</title>")
    os.mkfifo(films / "pipe")
    before = {each.name: each.read_bytes() for each in films.iterdir() if each.is_file()}
    for name, reason in (
        ("a.mp4", "is one of the videos, and would be overwritten"),
        ("link to it.mp4", "is one of the videos, and would be overwritten"),
        ("a.txt", "not valid JSON|was not written by this command"),
        ("mine.html", "not valid JSON|was not written by this command"),
        ("precious", "is a folder; name a file"),
        ("pipe", "is a pipe or a device; name a file"),
        ("a.mp4/out", "cannot be written: Not a directory"),
        ("x" * 256, "cannot be written: File name too long"),
    ):
        refused = command(monkeypatch, option, films / name, path)
        assert isinstance(refused, str) and re.search(reason, refused), (name, refused)
        assert refused.startswith("error: ") and "\n" not in refused
    assert {each.name: each.read_bytes() for each in films.iterdir() if each.is_file()} == before
    assert (films / "precious" / "thesis.txt").read_text() == "years of work"


def test_lines_and_page_do_not_write_over_each_other(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = film(films, "a.mp4"), films / "out"
    refused = command(monkeypatch, "--json", out, "--html", films / ".." / "films" / "out", path)
    assert isinstance(refused, str) and "--json names the same file" in refused and not out.exists()
    assert command(monkeypatch, "--html", out, path) == 0 == command(monkeypatch, "--html", out, path), "a page replaces its own"
    (films / ".lines.unfinished").symlink_to(films / "a.txt")
    refused = command(monkeypatch, "--json", films / "lines", path)
    assert isinstance(refused, str) and "is no file of this command but a link" in refused
    assert (films / "a.txt").read_text() == "now add this and stir it well"


def test_a_full_disk_is_one_line_and_what_was_done_is_kept(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        film(films, f"{number}.mp4")
    out = tmp_path / "out.jsonl"
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY)); "
    script += "from pipeline.inference import lines; from pipeline.inference.summarise import Summary; "
    script += "lines.summarise_video = lambda *a: Summary('said', 6, '', '', {}); "
    script += "import stages; from stages import summarise; stages.run(summarise.main)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-c", script, "--json", str(out), str(films)]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "File too large; make room and run this again: it goes on where it stopped" in done.stderr
    kept = (tmp_path / ".out.jsonl.unfinished").read_bytes()
    assert 0 < kept.count(b"\n") < 6 and not out.exists()
    worked: list[str] = []

    def work(trained: object, path: Path, *_: object) -> Summary:
        worked.append(path.name)
        return Summary("said", 6, "", "", {})

    monkeypatch.setattr("pipeline.inference.lines.summarise_video", work)
    assert command(monkeypatch, "--json", out, films) == 0
    assert len(worked) == 6 - kept.count(b"\n") and len(told(out)) == 6


def test_a_film_that_grows_and_one_that_nobody_foresaw_have_their_place_on_the_page(
    films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [film(films, f"{name}.mp4") for name in ("good", "grows", "odd")]

    def work(trained: object, path: Path, *given: object, **options: bool) -> Summary:
        if path.stem == "odd":
            raise KeyError("surprise")
        found = summarise_video(trained, path, *given, **options)  # type: ignore[arg-type]
        if path.stem == "grows":
            with path.open("ab") as stream:
                stream.write(b"more")
        return found

    monkeypatch.setattr(pages, "summarise_video", work)
    write_page(films / "page.html", open_row("clipsum", PARAMS), videos, Texts(None), PARAMS)
    page = (films / "page.html").read_text()
    assert page.count("the file has changed while it was read") == 1 and "KeyError: &#39;surprise&#39;" in page


def test_an_export_is_not_put_in_place_of_what_no_export_wrote(films: Path) -> None:
    chosen = choose_seed("bart", PARAMS)
    out = films / "handed on"
    for _ in range(2):
        export(chosen, scores_of(chosen), out, calibration=None)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds notes\.txt, which no export has written"):
        export(chosen, scores_of(chosen), out, calibration=None)
    assert (out / "notes.txt").read_text() == "mine"
    with pytest.raises(ValueError, match="cannot be written: "):
        export(chosen, scores_of(chosen), out / "notes.txt" / "deeper", calibration=None)


def test_a_row_of_another_width_is_refused(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("models/clipsum/1/config.json")
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | {"feature_width": 512}))
    try:
        refused = command(monkeypatch, film(films, "a.mp4"))
    finally:
        path.write_text(before)
    assert refused == "error: models/clipsum takes vectors of 512 values, clip_vit_b32 gives 96; train the row again"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--row", "nope"], "--row: 'nope' is none of"),
        (["--port", "99999"], "--port: 99999 is no port"),
        (["--videos", "nowhere"], "--videos: nowhere is no folder"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(arguments: list[str], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["serve", *arguments])
    with pytest.raises(SystemExit, match=re.escape(reason)):
        serve.main()


def sound_alone(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        for _ in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path.with_suffix(".txt").write_text("add this")
