"""Transcripts from text files and subtitles."""

import io
import os
import statistics
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.corpus.downloads import FetchError
from pipeline.corpus.transcripts import Transcripts, read_transcripts

REAL = Path("../shared/data/youcook2/transcripts.tar")


def test_text_wins_over_subtitles_and_problems_are_named(tmp_path: Path) -> None:
    (tmp_path / "-a_b.txt").write_text("cut it.\nfry it.\n")
    (tmp_path / "-a_b.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nelse\n")
    (tmp_path / "c.en-US.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nonly here\n")
    (tmp_path / "d.txt").write_text(" \n")
    (tmp_path / "e.txt").write_bytes(b"caf\xe9")
    found = read_transcripts(tmp_path)
    assert found.texts == {"-a_b": "cut it. fry it.", "c": "only here"}
    assert found.problems == {"d": "d.txt is empty", "e": "e.txt is not UTF-8 (byte 3)"}


def cue(text: str) -> str:
    return f"WEBVTT\n\n00:01.000 --> 00:02.000\n{text}\n"


ORDER = ("en-GB", "en", "en-orig", "", "de", "zh-Hans")  # the best first


@pytest.mark.parametrize("best", range(len(ORDER)))
def test_of_several_languages_peoples_english_is_read_and_the_clash_is_named(tmp_path: Path, best: int) -> None:
    names = [f"a.{language}.vtt".replace("..", ".") for language in ORDER[best:]]
    for name in names:
        (tmp_path / name).write_text(cue(f"from {name}"))
    found = read_transcripts(tmp_path)
    assert found.texts == {"a": f"from {names[0]}"}
    if len(names) > 1:
        assert found.notes == {"a": f"{names[0]} is read, not {', '.join(names[1:])}"}
    else:
        assert found.notes == {"a": f"{names[0]} is read; there are no English subtitles"}
    assert found.foreign == ({"a"} if best >= 4 else set())


@pytest.mark.parametrize("name", ["a.en_US.vtt", "a.en.sdh.srt", "a.en-GB.cc.vtt", "a.EN.Forced.vtt", "a.cc.vtt"])
def test_other_ways_to_name_a_language(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(cue("cut it"))
    found = read_transcripts(tmp_path)
    assert (found.texts, found.notes, found.foreign) == ({"a": "cut it"}, {}, frozenset())


def test_an_empty_file_of_the_better_language_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.en.vtt").write_text("WEBVTT\n")
    (tmp_path / "a.fr.vtt").write_text(cue("bonjour"))
    found = read_transcripts(tmp_path)
    assert (found.texts, found.problems, found.foreign) == ({"a": "bonjour"}, {}, {"a"})


def test_of_two_sources_the_upper_one_counts_unless_it_is_foreign() -> None:
    upper = Transcripts({"a": "upper", "b": "oben", "c": "oben"}, {"x": "is empty"}, {"b": "n"}, frozenset("bc"))
    lower = Transcripts({"a": "lower", "b": "lower", "c": "unten", "d": "lower"}, {}, {"a": "n", "d": "n"}, frozenset("c"))
    both = upper.over(lower)
    assert both.texts == {"a": "upper", "b": "lower", "c": "oben", "d": "lower"}
    assert (both.problems, both.notes, both.foreign) == ({"x": "is empty"}, {"d": "n"}, {"c"})


def test_suffixes_of_any_case_and_subrip_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.TXT").write_text("one")
    (tmp_path / "b.en.VTT").write_text(cue("two"))
    (tmp_path / "c.EN-us.Srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nthree\n")
    (tmp_path / "d.mp4").write_text("no text")
    found = read_transcripts(tmp_path)
    assert (found.texts, found.problems, found.notes) == ({"a": "one", "b": "two", "c": "three"}, {}, {})


def test_what_cannot_be_read_is_a_reason_of_its_video_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.corpus.transcripts.LONGEST_TEXT", 1 << 20)
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "gone.vtt").symlink_to(tmp_path / "nowhere")
    with (tmp_path / "long.txt").open("wb") as stream:
        stream.truncate((1 << 20) + 1)
    (tmp_path / os.fsdecode(b"\xe9.txt")).write_text("")
    (tmp_path / "fine.txt").write_text("fine")
    found = read_transcripts(tmp_path)
    assert found.texts == {"fine": "fine"}
    assert found.problems == {
        "folder": "folder.txt is no file",
        "gone": "gone.vtt is no file",
        "long": "long.txt is larger than 1 MB",
        "\\udce9": "\\udce9.txt is empty",
    }
    with zipfile.ZipFile(tmp_path / "t.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("long.txt", bytes(1 << 28))
        zipped.writestr("__MACOSX/._fine.txt", b"\0\5")
        zipped.writestr("fine.txt", "fine")
    found = read_transcripts(tmp_path / "t.zip")
    assert (found.texts, found.problems) == ({"fine": "fine"}, {"long": "long.txt is larger than 1 MB"})


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


def test_an_archive_that_nobody_can_read_is_named(tmp_path: Path) -> None:
    content = b"word " * 5000
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        member = tarfile.TarInfo("abc.txt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    damaged = bytearray(packed.getvalue())
    damaged[len(damaged) // 2] ^= 255
    (tmp_path / "t.tar.xz").write_bytes(damaged)
    with pytest.raises(FetchError, match=r"t\.tar\.xz: damaged or cut short"):
        read_transcripts(tmp_path / "t.tar.xz")
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as zipped:
        zipped.writestr("abc.txt", content)
    locked = bytearray((tmp_path / "t.zip").read_bytes())
    locked[6] |= 1  # of the member, and in the directory: encrypted
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "t.zip").write_bytes(locked)
    with pytest.raises(FetchError, match=r"t\.zip: abc\.txt is encrypted"):
        read_transcripts(tmp_path / "t.zip")


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere is missing"):
        read_transcripts(tmp_path / "nowhere")


@pytest.mark.skipif(not REAL.exists(), reason="the real transcripts are not beside the project")
def test_the_real_transcripts() -> None:
    found = read_transcripts(REAL)
    words = [len(text.split()) for text in found.texts.values()]
    assert (len(words), statistics.median(words), min(words), max(words), found.problems) == (1736, 625, 4, 3128, {})
