"""Spoken sentences in a video's sound become its transcript, the same on every run and with any number of workers."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpus.table import Video, read_corpus, write_corpus
from pipeline.speech.recogniser import open_recogniser
from pipeline.speech.store import SCHEMA, read_texts
from pipeline.speech.transcribe import hear_video, hear_videos
from tests.drawn_videos import draw_video, silence
from tests.speech.spoken import NO_MODEL, NO_SPEAKER, SENTENCES, SETTINGS, TINY, chords, put_model, spoken

pytestmark = [NO_SPEAKER, NO_MODEL]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    put_model(tmp_path)
    yield tmp_path


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def table(folder: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("*.parquet")))


def test_what_is_said_is_heard_with_its_times(project: Path) -> None:
    pause = silence(1.5)
    samples = np.concatenate([part for sentence in SENTENCES for part in (spoken(sentence, project), pause)])
    said = draw_video(project / "said.mp4", samples=samples)
    quiet, mute = draw_video(project / "quiet.mp4", sound=True, sound_seconds=4.0), draw_video(project / "mute.mp4")
    music = draw_video(project / "music.mp4", samples=chords(8.0))
    (project / "text.mp4").write_text("no video at all, but a text of some length")
    videos = [(path.stem, str(path)) for path in (said, quiet, mute, music, project / "text.mp4", project / "gone.mp4")]
    origin, known = hear_videos(videos, Path("speech"), settings=SETTINGS, device="cpu", workers=1)
    assert origin == "asr:faster-whisper-tiny.en"
    reasons = {video["video_id"]: video["reason"] for video in known}
    assert reasons["said"] == ""
    assert reasons["quiet"] == reasons["music"] == "nothing is said: no speech was found in its sound"
    assert reasons["mute"] == "no sound: the file has no audio stream"
    assert reasons["text"].startswith("not a video:") and reasons["gone"] == "file is missing"
    (text,) = read_texts(Path("speech")).values()
    expected = words(" ".join(SENTENCES))
    missed = [word for word in expected if word not in words(text)]
    assert len(missed) <= 2, (missed, text)
    rows = table(Path("speech"))
    assert rows.schema.equals(SCHEMA)
    heard = [row for row in rows.to_pylist() if not row["reason"]]
    assert {row["video_id"] for row in rows.to_pylist()} == reasons.keys()
    times = [time for row in heard for word in row["words"] for time in (word["start_seconds"], word["end_seconds"])]
    assert times == sorted(times) and 0 <= times[0] < 1 and len(times) == 2 * len(text.split())
    assert times[-1] < len(samples) / 16000
    first_of_second = next(word["start_seconds"] for row in heard for word in row["words"] if word["word"].lower() == "now")
    begins = len(spoken(SENTENCES[0], project)) / 16000 + 1.5
    assert abs(first_of_second - begins) < 0.5, "seconds of the video, not of what the detector has left of it"
    footer = pq.read_schema(next(Path("speech").glob("*.parquet"))).metadata
    assert footer[b"model"].decode() == TINY and len(footer[b"sha256 of model.bin"]) == 64
    assert footer[b"condition_on_previous_text"] == b"False" and footer[b"temperature"] == b"0.0"


def test_the_same_bytes_with_any_number_of_workers_and_on_any_day(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = []
    for number in range(10):
        sound = spoken(SENTENCES[number % 3], project)
        videos.append((f"v{number}", str(draw_video(project / f"v{number}.mp4", samples=sound))))
    written = []
    for run, workers in enumerate((1, 2)):
        monkeypatch.setenv("DVC_ROOT", str(project / f"run{run}"))
        hear_videos(videos, Path(f"speech{run}"), settings=SETTINGS, device="cpu", workers=workers)
        written.append({path.name: path.read_bytes() for path in Path(f"speech{run}").iterdir()})
    assert written[0] == written[1] and len(written[0]) == 2
    model = [open_recogniser(SETTINGS, device="cpu", threads=threads) for threads in (1, 2)]
    one, two = (hear_video(Path("v0.mp4"), each, max_seconds=600)[0] for each in model)
    assert [segment.text for segment in one] == [segment.text for segment in two]


def test_only_so_much_is_heard_and_that_is_told(project: Path) -> None:
    samples = np.concatenate([spoken(SENTENCES[0], project), silence(2.0), spoken(SENTENCES[2], project)])
    video = draw_video(project / "long.mp4", samples=samples)
    recogniser = open_recogniser(SETTINGS, device="cpu")
    segments, note = hear_video(video, recogniser, max_seconds=len(spoken(SENTENCES[0], project)) / 16000 + 1)
    assert "golden" not in " ".join(segment.text for segment in segments) and "onion" in segments[0].text
    assert re.fullmatch(r"only the first \d+ seconds were heard", note)


def test_the_stage_fills_in_what_is_missing_and_nothing_else(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.base.paths import CORPUS, DOWNLOADED, METRICS
    from stages import transcribe
    from tests.parameters import write_parameters

    write_parameters(project, lambda study: study.update(speech=SETTINGS.model_dump()))
    video = draw_video(project / "said.mp4", samples=spoken(SENTENCES[1], project)).name
    rows = [
        Video("said", "train", video),
        Video("written", "train", video, transcript="as it was", transcript_origin="human"),
        Video("lost", "test", "gone.mp4", status="failed", reason="file is missing"),
    ]
    write_corpus(rows, DOWNLOADED)
    transcribe.main()
    found = read_corpus(CORPUS).set_index("video_id")
    assert "eggs" in found.transcript["said"] and found.transcript_origin["said"] == "asr:faster-whisper-tiny.en"
    assert (found.transcript["written"], found.transcript_origin["written"]) == ("as it was", "human")
    assert found.transcript["lost"] == found.transcript_origin["lost"] == ""
    told = (METRICS / "speech.json").read_text()
    assert '"asked": 1' in told and '"human": 1' in told
    draw_video(project / video)  # now without sound
    with pytest.raises(RuntimeError, match=r"transcribe: 1 of 1 failed .*said: no sound: the file has no audio stream"):
        transcribe.main()
    assert read_corpus(CORPUS).transcript.tolist().count("") == 2, "all is written before it fails"
