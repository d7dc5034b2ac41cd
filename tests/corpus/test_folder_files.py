"""The files and texts that a user's table names: odd names, one file under two ids, and texts without end."""

import csv
import json
import os
import unicodedata
from pathlib import Path

import pytest

from pipeline.base.dataset_params import FolderDataset
from pipeline.corpus.folder import read_videos
from pipeline.corpus.table import LONGEST_TEXT, Video

COMPOSED = unicodedata.normalize("NFC", "Crème brûlée")
APART = unicodedata.normalize("NFD", COMPOSED)


def table(folder: Path, rows: list[dict[str, object]], *, name: str = "videos.jsonl", entities: str = "") -> FolderDataset:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return settings(folder, name, entities=entities)


def settings(folder: Path, name: str, *, entities: str = "") -> FolderDataset:
    return FolderDataset(
        name="folder", table=str(folder / name), videos=str(folder / "videos"), entities=entities, max_failed_share=0.5
    )


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"x")
    return tmp_path / "videos"


def only(found: list[Video]) -> Video:
    (video,) = found
    return video


@pytest.mark.parametrize(("asked", "there"), [(COMPOSED, APART), (APART, COMPOSED), (APART, APART)])
def test_accents_are_found_in_either_form(tmp_path: Path, videos: Path, asked: str, there: str) -> None:
    (videos / there).mkdir()
    (videos / there / f"{there}.mp4").write_bytes(b"x")
    video = only(read_videos(table(tmp_path, [{"video_id": "a", "file": f"{asked}/{asked}.mp4"}])))
    assert (video.status, video.reason) == ("ok", "")
    assert Path(video.video_path).is_file()
    assert only(read_videos(table(tmp_path, [{"video_id": "a", "file": f"{asked}/é.mp4"}]))).reason == "file is missing"


def test_a_name_that_no_disk_takes_is_a_failed_row(tmp_path: Path, videos: Path) -> None:
    rows: list[dict[str, object]] = [{"video_id": "a", "file": f"{'é' * 200}.mp4"}, {"video_id": "b", "file": "a.mp4/b.mp4"}]
    long, below = read_videos(table(tmp_path, rows))
    assert (long.status, long.reason) == ("failed", "file cannot be read: File name too long")
    assert (below.status, below.reason) == ("failed", "file is missing")


@pytest.mark.parametrize("other", ["a.mp4", "./a.mp4", "linked.mp4", "hard.mp4", "copy.mp4"])
def test_one_file_in_two_splits_is_refused_whatever_it_is_called(tmp_path: Path, videos: Path, other: str) -> None:
    (videos / "linked.mp4").symlink_to("a.mp4")
    os.link(videos / "a.mp4", videos / "hard.mp4")
    for name, content in (("a.mp4", b"a video"), ("copy.mp4", b"a video"), ("as_long.mp4", b"another")):
        (videos / name).write_bytes(content)
    rows: list[dict[str, object]] = [
        {"video_id": "one", "file": "a.mp4", "split": "train"}, {"video_id": "two", "file": other, "split": "test"},
    ]  # fmt: skip
    message = r"line 2: video 'two' of split test has the same file as video 'one' of split train.*give both the same split"
    with pytest.raises(ValueError, match=message):
        read_videos(table(tmp_path, rows))
    rows[1]["split"] = "train"
    assert [video.status for video in read_videos(table(tmp_path, rows))] == ["ok", "ok"]
    rows[1] |= {"split": "test", "file": "as_long.mp4"}
    assert [video.split for video in read_videos(table(tmp_path, rows))] == ["train", "test"]


def test_a_long_transcript_is_read_from_csv(tmp_path: Path, videos: Path) -> None:
    with (tmp_path / "videos.CSV").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["video_id", "file", "transcript"], ["a", "a.mp4", "stir, " * 100_000]])
    video = only(read_videos(settings(tmp_path, "videos.CSV")))
    assert (video.status, len(video.transcript)) == ("ok", 599_999)


@pytest.mark.parametrize("column", ["transcript", "summary", "steps"])
def test_a_text_without_end_is_a_row_with_a_reason(tmp_path: Path, videos: Path, column: str) -> None:
    rows: list[dict[str, object]] = [
        {"video_id": "a", "file": "a.mp4", "split": "train", column: "x" * (LONGEST_TEXT + 1)},
        {"video_id": "b", "file": "a.mp4", "split": "train"},
    ]  # fmt: skip
    long, short = read_videos(table(tmp_path, rows))
    assert (long.status, long.reason) == ("failed", f"{column} has {LONGEST_TEXT + 1} characters, more than {LONGEST_TEXT}")
    assert (long.transcript, long.summary, long.steps) == ("", "", ())
    assert short.status == "ok"


@pytest.mark.parametrize("value", ["[" * 900 + "]" * 900, "9" * 4000, json.dumps(["word"] * 100_000)])
def test_an_odd_value_is_told_in_a_short_line(tmp_path: Path, videos: Path, value: str) -> None:
    (tmp_path / "videos.jsonl").write_text(f'{{"video_id": "a", "file": "a.mp4", "recipe": {value}}}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"videos\.jsonl, line 1: recipe is not a text") as caught:
        read_videos(settings(tmp_path, "videos.jsonl"))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("number", "told"), [("NaN", "NaN is no number"), ("1e400", "1e400 is too large")])
def test_a_number_that_no_file_can_hold_is_told(tmp_path: Path, videos: Path, number: str, told: str) -> None:
    (tmp_path / "videos.jsonl").write_text(f'{{"video_id": "a", "file": "a.mp4", "recipe": {number}}}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=rf"videos\.jsonl, line 1: not valid JSON: {told}"):
        read_videos(settings(tmp_path, "videos.jsonl"))


def test_a_pipe_or_a_folder_is_no_video(tmp_path: Path, videos: Path) -> None:
    os.mkfifo(videos / "pipe.mp4")
    (videos / "folder.mp4").mkdir()
    rows: list[dict[str, object]] = [{"video_id": name, "file": f"{name}.mp4"} for name in ("pipe", "folder")]
    read = read_videos(table(tmp_path, rows))
    assert [(video.status, video.reason) for video in read] == [
        ("failed", "not a regular file but a folder, a pipe or a device")
    ] * 2


@pytest.mark.parametrize("video_id", ["a" * 201, "x/" * 100_000])
def test_an_id_too_long_for_a_file_name_is_refused(tmp_path: Path, videos: Path, video_id: str) -> None:
    with pytest.raises(ValueError, match=r"line 1: video id '.*' is refused") as caught:
        read_videos(table(tmp_path, [{"video_id": video_id, "file": "a.mp4"}]))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("words.TXT", b"caf\xe9\n", r"words\.TXT, line 1: not UTF-8"),
        ("words.txt", b"\xef\xbb\xbf# none\n", r"words\.txt: no words in it"),
        ("shown.jsonl", b'{"video_id": "a", "entities": []}\n' * 2, r"shown\.jsonl, line 2: video id 'a' occurs twice"),
    ],
)
def test_slips_in_what_a_summary_should_name(tmp_path: Path, videos: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_videos(table(tmp_path, [{"video_id": "a", "file": "a.mp4"}], entities=str(tmp_path / name)))
