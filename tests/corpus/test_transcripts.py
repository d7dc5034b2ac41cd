"""Transcripts from text files and subtitles."""

import io
import statistics
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.corpus.downloads import FetchError
from pipeline.corpus.transcripts import clean_subtitles, read_transcripts

REAL = Path("../shared/data/youcook2/transcripts.tar")
ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.000 --> 00:00:02.000 align:start position:0%

<00:00:00.500><c>today</c><00:00:00.900><c> we</c> cook

00:00:02.000 --> 00:00:02.010 align:start position:0%
today we cook


00:00:02.010 --> 00:00:04.000 align:start position:0%
today we cook
salt<00:00:03.000><c> &amp;</c> pepper [Music]

00:00:04.000 --> 00:00:04.010
salt &amp; pepper

"""


def test_rolling_captions_are_said_once() -> None:
    assert clean_subtitles(ROLLING) == "today we cook salt & pepper"


def test_what_is_said_twice_with_a_pause_stays_twice() -> None:
    text = "WEBVTT\n\n1\n00:01.000 --> 00:02.000\nstir it\n\n2\n00:05.000 --> 00:06.000\nstir it\n"
    assert clean_subtitles(text) == "stir it stir it"


def test_notes_styles_and_sounds_are_no_speech() -> None:
    text = (
        "WEBVTT\n\nNOTE 00:00:01.000 --> 00:00:02.000\nnot said\n\nSTYLE\n::cue { color: red }\n\n"
        "00:00:01.000 --> 00:00:02.000\n(applause) <v Ann>add [laughs] oil</v>\n"
    )
    assert clean_subtitles(text) == "add oil"
    assert clean_subtitles(text.replace("\n", "\r\n")) == "add oil"


def test_text_wins_over_subtitles_and_problems_are_named(tmp_path: Path) -> None:
    (tmp_path / "-a_b.txt").write_text("cut it.\nfry it.\n")
    (tmp_path / "-a_b.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nelse\n")
    (tmp_path / "c.en-US.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nonly here\n")
    (tmp_path / "d.txt").write_text(" \n")
    (tmp_path / "e.txt").write_bytes(b"caf\xe9")
    found = read_transcripts(tmp_path)
    assert found.texts == {"-a_b": "cut it. fry it.", "c": "only here"}
    assert found.problems == {"d": "d.txt is empty", "e": "e.txt is not UTF-8 (byte 3)"}


@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_archives_are_read_and_damage_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"transcripts.{suffix}"
    content = ("word " * 5000).encode()
    if suffix == "tar":
        with tarfile.open(path, "w") as archive:
            member = tarfile.TarInfo("deep/abc.txt")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    else:
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("deep/abc.txt", content)
    assert len(read_transcripts(path).texts["abc"].split()) == 5000
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(FetchError, match=path.name):
        read_transcripts(path)


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere is missing"):
        read_transcripts(tmp_path / "nowhere")


@pytest.mark.skipif(not REAL.exists(), reason="the real transcripts are not beside the project")
def test_the_real_transcripts() -> None:
    found = read_transcripts(REAL)
    words = [len(text.split()) for text in found.texts.values()]
    assert (len(words), statistics.median(words), min(words), max(words), found.problems) == (1736, 625, 4, 3128, {})
