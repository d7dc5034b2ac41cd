"""A dropped video without a browser: where its text comes from, what is refused and why, how long and how often."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.paths import CORPUS
from pipeline.corpus.table import LONGEST_TEXT, Video, write_corpus
from pipeline.inference import dropped
from pipeline.inference.asked import AskedError
from pipeline.inference.dropped import Desk, rows_offered
from pipeline.inference.listening import Ear
from tests.drawn_videos import draw_video
from tests.inference.test_listening import Toy
from tests.inference.trained_project import PARAMS, trained_project, video
from tests.speech.spoken import chords

TEXT = "now add this and stir it well"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = trained_project(tmp_path_factory.mktemp("project"))
    shutil.copy(video(folder / "film.mp4"), folder / "lone.mp4")
    return folder


@pytest.fixture
def desk(project: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(project)
    return Desk(PARAMS)


def test_rows_that_are_trained_are_offered_and_of_others_it_is_said_how_to_train_them(desk: Desk) -> None:
    titles, reasons = rows_offered(PARAMS)
    assert "--row" not in str(reasons)
    assert titles == {"clipsum": "ClipSum", "bart": "BART"}
    assert "`dvc exp run -S study=kitchen --glob 'train*@resnet152'` trains it" in reasons["resnet152"]


def test_a_row_is_loaded_once_and_again_when_it_was_trained_anew(desk: Desk, project: Path) -> None:
    film = [Path("film.mp4"), Path("film.txt")]
    first, second = desk.answer(film, "clipsum", ""), desk.answer(film, "clipsum", "")
    assert list(first.seconds) == ["load the row", "decode", "embed", "generate", "attention and page"]
    assert list(second.seconds) == list(first.seconds)[1:] and second.summary == first.summary
    assert "What is said (film.txt)" in first.page and first.page.count("data:image/jpeg") == first.frames == 6
    facts = project / "models" / "clipsum" / "row.json"
    facts.write_text(facts.read_text() + "\n")
    assert "load the row" in desk.answer(film, "clipsum", "").seconds


def test_a_row_without_frames_says_so(desk: Desk) -> None:
    answer = desk.answer([Path("film.mp4")], "bart", TEXT)
    assert answer.frames == 0 and "This row sees no frames" in answer.page and "What is said (given)" in answer.page


def test_what_is_known_of_a_video_of_the_corpus_is_known_of_a_copy_of_it(desk: Desk, tmp_path: Path) -> None:
    row = Video(
        "a", "test", "film.mp4", transcript="now add the basil", transcript_origin="drawn", steps=("add basil",), summary="basil"
    )
    write_corpus([row], CORPUS)
    try:
        copy = Path(shutil.copy("film.mp4", tmp_path / "another name.mp4"))
        answer = desk.answer([copy], "clipsum", "")
        assert (
            "What is said (corpus: drawn)" in answer.page and "<span>basil" in answer.page and "another name.mp4" in answer.page
        )
        assert "What is said (given)" in desk.answer([copy], "clipsum", TEXT).page
        with copy.open("r+b") as stream:
            stream.write(b"\xff")
        with pytest.raises(AskedError, match="no text"):
            desk.answer([copy], "clipsum", "")
    finally:
        CORPUS.unlink()


def test_a_video_without_a_text_is_heard_once_if_somebody_listens(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    toy = Toy()
    desk = Desk(PARAMS, Ear(toy, 60.0))
    film = draw_video(Path("heard.mp4"), samples=chords(3.0))
    answer = desk.answer([film], "bart", "")
    assert "What is said (asr:toy)" in answer.page and "<span>egg" in answer.page and "hear" in answer.seconds
    desk.answer([film], "clipsum", "")
    assert len(toy.asked) == 1
    desk.answer([film], "bart", TEXT)
    assert len(toy.asked) == 1, "who has a text is not heard"
    with pytest.raises(AskedError, match=r"short.mp4: no text: nothing is said.*\. Write what is said in it, or drop"):
        desk.answer([draw_video(Path("short.mp4"), samples=chords(1.0))], "bart", "")


def test_hostile_texts_and_names_stay_texts(desk: Desk, tmp_path: Path) -> None:
    hostile = "{{value}} ${1+1} </script><img src=x onerror=alert(1)>"
    page = desk.answer([Path("film.mp4")], "bart", hostile).page
    assert "<img src=x" not in page and "&lt;/script&gt;&lt;img" in page


@pytest.mark.parametrize(
    ("files", "row", "text", "reason"),
    [
        ([], "clipsum", TEXT, "drop a video first"),
        (["film.txt"], "clipsum", "", "film.txt is a text; drop the video, too"),
        (["film.mp4", "film.mp4"], "clipsum", TEXT, "one video at a time"),
        (["film.mp4", "film.txt"], "clipsum", TEXT, "the text is given twice; empty the box, or remove film.txt"),
        (["lone.mp4"], "clipsum", " \n", "lone.mp4: no text. Write what is said in it"),
        (["film.mp4"], "clipsum", "a" * (LONGEST_TEXT + 1), "the text has .* characters, more than"),
        (["film.mp4"], "resnet152", TEXT, "row resnet152 has never been trained here"),
        (["film.mp4"], "oracle", TEXT, "oracle"),
        (["film.mp4"], "../clipsum", TEXT, "'../clipsum' is none of"),
        (["gone.mp4"], "clipsum", TEXT, "gone.mp4 is no longer there; drop it again"),
        (["params.yaml"], "clipsum", TEXT, "params.yaml: not a video"),
        (["empty.mp4"], "clipsum", TEXT, "empty.mp4 is empty"),
        (["large.mp4"], "clipsum", TEXT, "large.mp4 has 2048 MB, more than 2048"),
    ],
)
def test_what_is_wrong_is_said_and_the_next_video_is_summarised(
    desk: Desk, files: list[str], row: str, text: str, reason: str
) -> None:
    Path("empty.mp4").touch()
    with Path("large.mp4").open("wb") as stream:
        stream.truncate((2 << 30) + 1)
    with pytest.raises(AskedError, match=reason):
        desk.answer([Path(file) for file in files], row, text)
    assert desk.answer([Path("film.mp4")], "bart", TEXT).summary


def test_what_takes_too_long_is_given_up_and_what_waits_behind_it_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any, **__: Any) -> None:
        time.sleep(1.5)
        print(1 // 0)

    monkeypatch.setattr(dropped, "summarise_video", slow)
    monkeypatch.setattr(dropped, "SECONDS", 0.4)
    with pytest.raises(AskedError, match="took longer than 0 seconds and is given up"):
        desk.answer([Path("film.mp4")], "bart", TEXT)
    with pytest.raises(AskedError, match="another video is still being worked on"):
        desk.answer([Path("film.mp4")], "bart", TEXT)
    monkeypatch.setattr(dropped, "SECONDS", 30.0)
    with pytest.raises(AskedError, match="ZeroDivisionError: "):
        desk.answer([Path("film.mp4")], "bart", TEXT)
