"""Whoever recognises: what is kept of it, what is a reason, and how a killed run goes on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline.base.dataset_params import Speech
from pipeline.corpus.coverage import count_origins
from pipeline.corpus.table import Video, read_corpus, write_corpus, write_with_transcripts
from pipeline.speech import transcribe
from pipeline.speech.heard import describe_heard, nothing_to_hear, videos_to_hear
from pipeline.speech.recogniser import RATE, Segment, Word, open_recogniser
from pipeline.speech.sound import SoundError, read_sound
from pipeline.speech.store import read_texts
from tests.drawn_videos import cut_short, damage, draw_sound, draw_video
from tests.speech.spoken import SETTINGS, chords

REAL = Path("../shared/data/videos")


@dataclass
class Toy:
    """Says how long the sound is; `answers` has other things to say, by whole seconds of sound."""

    label: str = "toy"
    about: Mapping[str, str] = field(default_factory=lambda: {"model": "toy"})
    answers: Mapping[int, list[Segment]] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    act: Callable[[int], None] = lambda seconds: None

    def hear(self, sound: NDArray[np.float32]) -> list[Segment]:
        assert sound.dtype == np.float32 and sound.ndim == 1
        seconds = round(len(sound) / RATE)
        self.asked.append(seconds)
        self.act(seconds)
        said = f"{seconds} seconds"
        return self.answers.get(seconds, [Segment(0.0, 1.0, said, [Word(said, 0.0, 1.0, 0.5)])])


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = Path.cwd()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    yield root


def film(name: str, seconds: float = 2.0) -> tuple[str, str]:
    return name, str(draw_video(Path(f"{name}.mp4"), samples=chords(seconds)))


def hear(toy: Toy, videos: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    monkeypatch.setattr(transcribe, "open_recogniser", lambda settings, *, device: toy)
    origin, known = transcribe.hear_videos(videos, Path("speech"), settings=SETTINGS, device="cpu", workers=1)
    assert origin == "asr:toy"
    return {video["video_id"]: video for video in known}


def test_sounds_and_loops_are_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[Word] = []
    answers = {
        2: [Segment(0, 1, "(clatter) now [music] add it ♪", words), Segment(1, 2, "yes yes yes yes yes", words, loops=True)],
        3: [Segment(0, 1, "[Music]", words), Segment(1, 2, "♪ ♪", words)],
        4: [Segment(0, 1, "on and on and on", words, loops=True)],
        5: [],
    }
    known = hear(Toy(answers=answers), [film(f"v{seconds}", seconds) for seconds in answers], monkeypatch)
    assert read_texts(Path("speech")) == {"v2": "now add it"}
    assert known["v2"]["note"] == "1 of 2 sentences repeat themselves and are left out"
    assert known["v3"]["reason"] == "nothing is said: what was heard are sounds, such as '[Music]'"
    assert known["v4"]["reason"] == "nothing is said: what was heard repeats itself, such as 'on and on and on'"
    assert known["v5"]["reason"] == "nothing is said: no speech was found in its sound"


def test_a_killed_run_goes_on_after_the_last_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    videos = [film(f"v{seconds}", seconds) for seconds in range(1, 11)]

    def die(seconds: int) -> None:
        if seconds == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hear(Toy(act=die), videos, monkeypatch)
    assert not Path("speech").exists()
    toy = Toy()
    hear(toy, videos, monkeypatch)
    assert toy.asked == [9, 10], "the first eight were one shard"
    assert read_texts(Path("speech")) == {f"v{n}": f"{n} seconds" for n in range(1, 11)}
    again = Toy()
    hear(again, videos, monkeypatch)
    assert again.asked == []
    hear(again, [*videos[:9], film("v10", 12)], monkeypatch)
    assert 12 in again.asked, "a file that has changed is heard again"


def test_what_one_file_provokes_is_its_reason_and_what_all_provoke_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(seconds: int) -> None:
        if seconds == 2:
            raise ValueError("this one")

    known = hear(Toy(act=fail), [film("a", 2), film("b", 3)], monkeypatch)
    assert (known["a"]["reason"], known["b"]["status"]) == ("ValueError: this one", "ok")
    with pytest.raises(RuntimeError, match="that is no fault of theirs"):
        hear(Toy(act=fail, about={"model": "other"}), [film(f"c{n}", 2) for n in range(8)], monkeypatch)


def test_damaged_sound_counts_up_to_the_damage_and_is_told() -> None:
    whole, _ = read_sound(Path(film("whole", 20)[1]), max_seconds=99)
    assert abs(len(whole) / RATE - 20) < 0.2 and 0.1 < np.abs(whole).max() < 1
    damaged, _ = read_sound(damage(Path(film("damaged", 20)[1]), start=0.5, length=3000), max_seconds=99)
    assert len(whole) * 0.7 < len(damaged) <= len(whole)
    with pytest.raises(SoundError, match="not a video"):
        read_sound(cut_short(Path(film("cut", 20)[1]), share=0.5), max_seconds=99)
    sound, note = read_sound(draw_sound(Path("sound.m4a")), max_seconds=99)
    assert len(sound) and not note, "sound alone is heard, too"


@pytest.mark.skipif(not REAL.exists(), reason="the real videos of ../shared are not there")
def test_real_videos_have_sound_or_a_reason(project: Path) -> None:
    found = {}
    for path in sorted((project / REAL).resolve().iterdir()):
        try:
            found[path.name] = round(len(read_sound(path, max_seconds=99)[0]) / RATE)
        except SoundError as error:
            found[path.name] = str(error)  # type: ignore[assignment]
    assert found["squirrel.mp4"] == 10 and found["squirrel_no_audio.mp4"] == "no sound: the file has no audio stream"
    assert isinstance(found["nasa_13013.mp4"], int) and isinstance(found["physicsworks_audio.webm"], int)
    assert len(found) == 11


def test_only_videos_that_are_there_and_have_no_text_are_heard() -> None:
    rows = [
        Video("a", "train", "a.mp4"),
        Video("b", "test", "b.mp4", transcript="said", transcript_origin="subtitles"),
        Video("c", "test", "", status="failed", reason="gone"),
        Video("d", "test", ""),
    ]
    write_corpus(rows, Path("downloaded.parquet"))
    assert videos_to_hear(Path("downloaded.parquet")) == ({"a": "train"}, [("a", "a.mp4")])
    write_with_transcripts(Path("downloaded.parquet"), Path("corpus.parquet"), {"a": "heard"}, origin="asr:toy")
    texts = read_corpus(Path("corpus.parquet")).set_index("video_id")
    assert dict(texts.transcript) == {"a": "heard", "b": "said", "c": "", "d": ""}
    origins = {"train": {"asr:toy": 1, "subtitles": 0}, "validation": {"asr:toy": 0, "subtitles": 0}}
    assert count_origins(Path("corpus.parquet")) == origins | {"test": {"asr:toy": 0, "subtitles": 1}}
    assert describe_heard("asr:toy", {"a": "train"}, [{"video_id": "a", "status": "failed", "reason": "quiet", "note": ""}]) == {
        "origin": "asr:toy", "asked": 1, "ok": 0, "failed": 1, "notes": [],
        "lost": [{"video_id": "a", "split": "train", "reason": "quiet"}],
    }  # fmt: skip
    nothing_to_hear(Path("speech"))
    assert [path.name for path in Path("speech").iterdir()] == ["README.txt"] and read_texts(Path("speech")) == {}


def test_a_transcript_has_an_origin() -> None:
    with pytest.raises(ValueError, match="'a': a transcript and its origin go together"):
        write_corpus([Video("a", "train", "a.mp4", transcript="said")], Path("corpus.parquet"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"recogniser": "ear"}, "'ear' is none of faster_whisper"),
        ({"language": "de"}, "knows English alone"),
        ({"models": {"cpu": "a/b"}}, "name a model for each kind of device"),
        ({"models": {"cpu": "../x", "cuda": "a/b"}}, "should match pattern"),
        ({"models": {"cpu": "/etc/x", "cuda": "a/b"}}, "should match pattern"),
        ({"max_seconds": 0.0}, "greater than 0"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Speech.model_validate(SETTINGS.model_dump() | changes)


def test_without_a_model_and_a_hub_it_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("data/inputs/weights/Systran/faster-whisper-tiny.en")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    with pytest.raises(RuntimeError, match=r"faster-whisper-tiny.en/model.bin \(not in the folder\).*complete it: data/inputs"):
        open_recogniser(SETTINGS, device="cpu")
    for name in ("model.bin", "tokenizer.json", "vocabulary.txt"):
        (folder / name).write_text("no model")
    with pytest.raises(RuntimeError, match="are not the pinned ones"):
        open_recogniser(SETTINGS, device="cpu")
