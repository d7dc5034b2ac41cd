"""A video without a text is heard: last of all, once, and not again when a stopped run goes on."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.base.params import load_params
from pipeline.inference import listening
from pipeline.inference.files import TextError, Texts
from pipeline.inference.lines import Lines
from pipeline.inference.listening import Ear, open_ear
from pipeline.inference.summarise import summarise_video
from pipeline.inference.trained import open_row
from pipeline.speech.recogniser import Segment
from tests.drawn_videos import draw_video
from tests.inference.trained_project import trained_project, video
from tests.speech.spoken import NO_MODEL, NO_SPEAKER, SENTENCES, SETTINGS, TINY, chords, put_model, spoken


@dataclass
class Toy:
    """Hears the same in every video that lasts."""

    label: str = "toy"
    about: Mapping[str, str] = field(default_factory=lambda: {"model": "toy"})
    asked: list[int] = field(default_factory=list)

    def hear(self, sound: NDArray[np.float32]) -> list[Segment]:
        self.asked.append(len(sound))
        return [Segment(0.0, 1.0, "now add this egg", [])] if len(sound) > 20_000 else []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(autouse=True)
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(project)
    yield


def test_whoever_has_a_text_is_not_heard(tmp_path: Path) -> None:
    toy = Toy()
    texts = Texts(None, Ear(toy, 60.0))
    assert texts.of(video(tmp_path / "written.mp4")).origin == "written.txt"
    assert Texts(str(tmp_path / "written.txt"), Ear(toy, 60.0)).of(draw_video(tmp_path / "given.mp4")).origin == "given"
    assert toy.asked == []
    heard = texts.of(draw_video(tmp_path / "heard.mp4", samples=chords(3.0)))
    assert (heard.origin, heard.video.transcript) == ("asr:toy", "now add this egg")
    texts.of(tmp_path / "heard.mp4")
    assert len(toy.asked) == 1, "lines and page share it"
    with pytest.raises(TextError, match=r"no text: nothing is said.*put short.txt, .vtt or .srt beside the video"):
        texts.of(draw_video(tmp_path / "short.mp4", samples=chords(1.0)))
    with pytest.raises(TextError, match="no text: no sound: the file has no audio stream"):
        texts.of(draw_video(tmp_path / "mute.mp4"))
    assert Texts(None).of(tmp_path / "heard.mp4").origin == "none"


def test_lines_say_who_heard_it_and_a_stopped_run_hears_nothing_again(tmp_path: Path) -> None:
    params = load_params()
    trained = open_row("clipsum", params)
    films = [draw_video(tmp_path / "a.mp4", samples=chords(3.0)), draw_video(tmp_path / "b.mp4")]
    out = tmp_path / "out.jsonl"
    toys = (Toy(), Toy())
    for toy in toys:
        Lines(out).summarise(trained, films, Texts(None, Ear(toy, 60.0)), params)
    first, second = map(json.loads, out.read_text().splitlines())
    assert [len(toy.asked) for toy in toys] == [1, 0]
    assert (first["status"], first["transcript_origin"]) == ("ok", "asr:toy") and first["seconds"].keys() >= {"hear", "decode"}
    assert (second["status"], second["transcript_origin"]) == ("failed", "asr:toy") and "no audio stream" in second["reason"]
    text = tmp_path / "said.txt"
    text.write_text("now add this egg")
    given = summarise_video(trained, films[0], Texts(str(text)).of(films[0]), params)
    assert given.text == first["summary"], "whoever wrote the text, the row reads the same"


def test_a_row_that_reads_steps_takes_the_one_text_there_is(tmp_path: Path) -> None:
    params = load_params()
    trained = open_row("bart", params)
    film = video(tmp_path / "film.mp4")
    plain = summarise_video(trained, film, Texts(None).of(film), params)
    steps = trained.study.model_copy(update={"text": trained.study.text.model_copy(update={"source": "steps"})})
    object.__setattr__(trained, "study", steps)
    found = summarise_video(trained, film, Texts(None).of(film), params)
    assert found.text == plain.text and not plain.note
    assert found.note == "the row has learned to read steps of its corpus; what it was given is another kind of text"


def test_nobody_listens_unless_the_study_or_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params()
    assert open_ear(params, listen=False) is None
    with pytest.raises(RuntimeError, match=r"weights Systran/faster-whisper-small\.en/model\.bin.*cannot be fetched"):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        open_ear(params, listen=True)


@NO_SPEAKER
@NO_MODEL
def test_spoken_words_reach_the_row(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "USUAL", SETTINGS)
    if not (project / "data/inputs/weights" / TINY).exists():
        put_model(project)
    film = draw_video(tmp_path / "film.mp4", samples=spoken(SENTENCES[1], tmp_path))
    params = load_params()
    source = Texts(None, open_ear(params, listen=True)).of(film)
    assert source.origin == "asr:faster-whisper-tiny.en" and "eggs" in source.video.transcript
    found = summarise_video(open_row("clipsum", params), film, source, params)
    assert found.text and not found.reason
