"""Which files are summarised, and with which text."""

import io
import os
from pathlib import Path

import pytest

from pipeline.base.paths import CORPUS
from pipeline.corpus.table import Video, write_corpus
from pipeline.inference.files import TextError, Texts, find_videos


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")


def test_a_folder_gives_its_videos_and_nothing_from_outside(tmp_path: Path) -> None:
    touch("in/b.MP4", "in/deep/a.mkv", "in/notes.txt", "in/.hidden.mp4", "outside/c.mp4")
    Path("in/link.mp4").symlink_to(tmp_path / "outside" / "c.mp4")
    Path("in/same.mp4").symlink_to("b.MP4")
    os.mkfifo("in/pipe.mp4")
    assert [str(path) for path in find_videos(["in"])] == ["in/b.MP4", "in/deep/a.mkv", "in/same.mp4"]
    assert find_videos(["in/b.MP4", "in/b.MP4", "gone.mp4"]) == [Path("in/b.MP4"), Path("gone.mp4")]
    assert Path("in/deep/a.mkv") in find_videos(["."])
    with pytest.raises(ValueError, match="no video is named"):
        find_videos([""])
    Path("empty").mkdir()
    with pytest.raises(ValueError, match="empty: no file with a suffix of a video"):
        find_videos(["empty"])


def test_a_text_is_given_or_known_or_stands_beside_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("v/a.mp4", "v/b.mp4", "v/c é$(x).mp4", "raw/d.mp4")
    Path("v/a.txt").write_text("now\nadd this")
    Path("v/b.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<b>stir</b> it\n")
    Path("v/c é$(x).srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nserve\n")
    write_corpus(
        [
            Video(
                "d",
                "test",
                "raw/d.mp4",
                transcript="known",
                transcript_origin="drawn",
                steps=("one", "two"),
                transcript_named="known egg",
            )
        ],
        CORPUS,
    )
    texts = Texts(None)
    found = {path.name: texts.of(path) for path in (*find_videos(["v", "raw"]), Path("v/gone.mp4"))}
    told = {name: (source.origin, source.video.transcript) for name, source in found.items()}
    assert told == {
        "a.mp4": ("a.txt", "now add this"),
        "b.mp4": ("b.en.vtt", "stir it"),
        "c é$(x).mp4": ("c é$(x).srt", "serve"),
        "d.mp4": ("corpus: drawn", "known"),
        "gone.mp4": ("none", ""),
    }
    assert (list(found["d.mp4"].video.steps), found["d.mp4"].video.transcript_named) == (["one", "two"], "known egg")
    assert Texts("v/a.txt").of(Path("raw/d.mp4")).video.transcript == "now add this"
    monkeypatch.setattr("sys.stdin", io.StringIO("spoken"))
    assert Texts("-").of(Path("v/a.mp4")).origin == "given"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe\x00", r"a\.txt, line 1: not UTF-8"),
        (b"x" * ((16 << 20) + 1), r"a\.txt: 16777217 characters, more than 16777216"),
    ],
)
def test_a_text_that_cannot_be_read_is_told(content: bytes, reason: str) -> None:
    touch("a.mp4")
    Path("a.txt").write_bytes(content)
    with pytest.raises(TextError, match=reason):
        Texts(None).of(Path("a.mp4"))
    with pytest.raises(TextError, match=r"nowhere\.txt: no such text file"):
        Texts("nowhere.txt")
