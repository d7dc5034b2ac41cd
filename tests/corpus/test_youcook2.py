"""YouCook2 as a corpus: from the folder, from a local mirror of the dataset's site, and with what is missing."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.base.dataset_params import YouCook2Dataset
from pipeline.corpus.downloads import FetchError
from pipeline.corpus.table import Video
from pipeline.corpus.youcook2 import ANNOTATIONS, get_annotations, held_out_split, read_videos
from tests.drawn_videos import draw_video

REAL = Path("../shared/data/youcook2")


def entry(subset: str, *sentences: str) -> dict[str, Any]:
    steps = [{"segment": [4 * place, 4 * place + 3], "id": place, "sentence": text} for place, text in enumerate(sentences)]
    return {"duration": 12.5, "subset": subset, "recipe_type": "101", "annotations": steps, "video_url": "u"}


DATABASE = {
    "-aaaaaaaaaa": entry("training", "cut the bread", "fry it"),
    "bbbbbbbbbbb": entry("training", "mix it"),
    "ccccccccccc": entry("validation", "bake it"),
    "ddddddddddd": entry("validation", "boil it") | {"duration": "long"},
}
CONTENT = json.dumps({"database": DATABASE}).encode()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def packed(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


class Mirror(BaseHTTPRequestHandler):
    files: dict[str, bytes]

    def do_GET(self) -> None:
        content = self.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    drawn = draw_video(tmp_path / "drawn.mp4", frames=12).read_bytes()
    videos = {f"raw_videos/training/101/{video_id}.mp4": drawn for video_id in ("-aaaaaaaaaa", "zzzzzzzzzzz")}
    Mirror.files = {
        "/annotations.tar.gz": packed({f"deep/{ANNOTATIONS}": CONTENT, "deep/readme.txt": b"hello"}),
        "/raw_videos.tar.gz": packed(videos | {"raw_videos/validation/101/ccccccccccc.webm": drawn}),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def dataset(folder: Path, base: str = "http://127.0.0.1:9", **changes: object) -> YouCook2Dataset:
    videos = {
        "folder": str(folder / "videos"), "archive_url": f"{base}/raw_videos.tar.gz", "youtube": False, "max_height": 360,
        "archive_sha256": "", "archive_max_gb": 0.01, "hub": None, "max_seconds": 60.0, "rate_seconds": 0.0, "retries": 1,
        "workers": 1, "cookies": "",
    }  # fmt: skip
    values: dict[str, object] = {
        "name": "youcook2", "folder": str(folder), "annotations_url": f"{base}/annotations.tar.gz", "annotations_sha256": SHA256,
        "splits": "held_out", "summaries": "steps", "chat": None, "videos": videos, "subtitles": False, "entities": "",
        "transcripts": ["files", "subtitles"], "transcripts_by": "asr:unknown",
        "max_failed_share": 0.5,
    }  # fmt: skip
    return YouCook2Dataset.model_validate(values | changes)


def rows(settings: YouCook2Dataset) -> dict[str, Video]:
    return {video.video_id: video for video in read_videos(settings)}


def test_everything_from_the_mirror(mirror: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    (folder / "transcripts").mkdir(parents=True)
    (folder / "transcripts" / "-aaaaaaaaaa.txt").write_text("first cut it\nthen fry it\n")
    (folder / "transcripts" / "aaaaaaaaaa.English.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\ncut it\n")
    (folder / "label_foodtype.csv").write_text("101,toast\n")
    found = rows(dataset(folder, mirror))
    assert "transcripts: 1 files fit no video of the annotations, such as aaaaaaaaaa.English" in capsys.readouterr().out
    assert set(found) == set(DATABASE)
    dashed = found["-aaaaaaaaaa"]
    assert (dashed.split, dashed.recipe, dashed.duration_seconds, dashed.status) == ("train", "toast", 12.5, "ok")
    assert (dashed.transcript, dashed.summary) == ("first cut it then fry it", "cut the bread. fry it.")
    assert dashed.segments == ((0.0, 3.0), (4.0, 7.0))
    assert Path(dashed.video_path).is_file() and Path(dashed.video_path).is_relative_to(folder)
    assert found["ccccccccccc"].split == held_out_split("ccccccccccc")
    assert (found["bbbbbbbbbbb"].status, found["bbbbbbbbbbb"].reason) == ("failed", "not in the archive")
    assert found["ddddddddddd"].status == "failed" and "ddddddddddd.duration" in found["ddddddddddd"].reason
    assert sorted(path.name for path in (folder / "videos").glob("[!.]*")) == ["-aaaaaaaaaa.mp4", "ccccccccccc.webm"]
    Mirror.files = {}
    assert rows(dataset(folder, mirror)) == found, "what is there is not fetched again"
    (folder / "raw_videos.tar.gz").unlink()
    assert rows(dataset(folder, mirror)) == found, "nor an archive for what it is known to lack"
    (folder / "videos" / "ccccccccccc.webm").unlink()
    with pytest.raises(RuntimeError, match=r"raw_videos\.tar\.gz"):
        rows(dataset(folder, mirror))


@pytest.mark.parametrize("mark", ["", "[]", "{}", '{"archive": "x", "lacking": 5}'])
def test_a_damaged_note_of_what_an_archive_lacks_has_it_read_again(mirror: str, tmp_path: Path, mark: str) -> None:
    found = rows(dataset(tmp_path, mirror))
    (tmp_path / "videos" / ".archive.json").write_text(mark)
    assert rows(dataset(tmp_path, mirror)) == found


def test_a_signed_address_gives_the_archive_its_plain_name(mirror: str, tmp_path: Path) -> None:
    signed = f"/raw_videos.tar.gz?signature={'0' * 300}"
    Mirror.files[signed] = Mirror.files["/raw_videos.tar.gz"]
    settings = dataset(tmp_path, mirror)
    assert settings.videos is not None
    videos = settings.videos.model_dump() | {"archive_url": mirror + signed}
    assert rows(dataset(tmp_path, mirror, videos=videos))["-aaaaaaaaaa"].status == "ok"
    assert (tmp_path / "raw_videos.tar.gz").is_file()


def test_the_archive_is_checked_by_its_sha256_and_without_one_there_is_a_warning(
    mirror: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = hashlib.sha256(Mirror.files["/raw_videos.tar.gz"]).hexdigest()
    for number, (sha256, warned) in enumerate([(good, False), ("", True)]):
        settings = dataset(tmp_path / str(number), mirror)
        assert settings.videos is not None
        videos = settings.videos.model_dump() | {"archive_sha256": sha256}
        assert rows(dataset(tmp_path / str(number), mirror, videos=videos))["-aaaaaaaaaa"].status == "ok"
        printed = capsys.readouterr().out
        assert (f"Its sha256 is {good}" in printed) == warned == ("archive_sha256 is empty" in printed)
    videos |= {"archive_sha256": "0" * 64}
    with pytest.raises(FetchError, match=rf"raw_videos\.tar\.gz: sha256 is {good}, expected 0000"):
        rows(dataset(tmp_path / "other", mirror, videos=videos | {"folder": str(tmp_path / "other" / "videos")}))
    assert not (tmp_path / "other" / "videos").exists()
    with pytest.raises(FetchError, match=r"raw_videos\.tar\.gz: has \d+ bytes, more than the 1000 that it may have"):
        small = videos | {"folder": str(tmp_path / "small" / "videos"), "archive_max_gb": 1e-6}
        rows(dataset(tmp_path / "small", mirror, videos=small))


def test_no_source_says_where_to_get_it(mirror: str, tmp_path: Path) -> None:
    for change in ({}, {"/annotations.tar.gz": packed({ANNOTATIONS: CONTENT * 50})[:300]}):
        Mirror.files = dict(change)
        with pytest.raises(RuntimeError, match=rf"youcook2\.eecs\.umich\.edu/download and put it, or the {ANNOTATIONS}"):
            get_annotations(dataset(tmp_path / str(len(change)), mirror))


def test_another_annotation_file_is_refused(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{ANNOTATIONS}: sha256 is {SHA256}, dataset\.annotations_sha256 says 00"):
        get_annotations(dataset(tmp_path, mirror, annotations_sha256="00"))
    assert get_annotations(dataset(tmp_path, mirror, annotations_sha256="")).read_bytes() == CONTENT


def test_the_papers_split_is_refused_for_want_of_test_captions(mirror: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "test_list.txt").write_text("101/ttttttttttt\n101/uuuuuuuuuuu\n")
    settings = dataset(folder, mirror, splits="paper", summaries="file", videos=None)
    lines = [{"video_id": video_id, "summary": "s"} for video_id in DATABASE]
    (folder / "summaries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(ValueError, match=r"keep back.*Set splits: held_out.*2 are listed and 2 of them have no summary"):
        read_videos(settings)
    for video_id, lacking in (("ttttttttttt", 1), ("uuuuuuuuuuu", 0)):
        with (folder / "summaries.jsonl").open("a") as stream:
            stream.write(json.dumps({"video_id": video_id, "summary": "made elsewhere"}) + "\n")
        if lacking:
            with pytest.raises(ValueError, match=r"2 are listed and 1 of them have no summary"):
                read_videos(settings)
    found = rows(settings)
    assert found["ttttttttttt"].split == "test" and found["ttttttttttt"].summary == "made elsewhere"
    assert {found[video_id].split for video_id in ("ccccccccccc", "ddddddddddd")} == {"validation"}


def test_a_test_list_without_ids_is_refused(mirror: str, tmp_path: Path) -> None:
    (tmp_path / "test_list.txt").write_text("101/ttttttttttt\n101/a b\n")
    with pytest.raises(ValueError, match=r"test_list\.txt, line 2"):
        read_videos(dataset(tmp_path, mirror, splits="paper", videos=None))


def test_subtitles_come_for_videos_that_are_there_already_and_lack_a_transcript(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    (folder / "transcripts").mkdir(parents=True)
    (folder / "transcripts" / "-aaaaaaaaaa.txt").write_text("first cut it\n")
    elsewhere.mkdir()
    for video_id in ("-aaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc"):
        draw_video(elsewhere / f"{video_id}.mp4", frames=12)
    asked: list[str] = []

    def fetch(video_ids: Any, into: Path, *, settings: object) -> dict[str, str]:
        asked.extend(video_ids)
        (into / "bbbbbbbbbbb.en.vtt").write_text("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nnow mix it\n")
        return {"ccccccccccc": "no English subtitles"}

    monkeypatch.setattr("pipeline.corpus.sources.fetch_subtitles", fetch)
    settings = dataset(folder, mirror)
    assert settings.videos is not None
    videos = settings.videos.model_dump() | {"folder": str(elsewhere), "archive_url": "", "youtube": True}
    monkeypatch.setattr("pipeline.corpus.sources.fetch_videos", lambda *_, **__: {})
    found = rows(dataset(folder, mirror, videos=videos, subtitles=True))
    assert sorted(asked) == ["bbbbbbbbbbb", "ccccccccccc"]
    texts = {video_id: found[video_id].transcript for video_id in ("-aaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")}
    assert texts == {"-aaaaaaaaaa": "first cut it", "bbbbbbbbbbb": "now mix it", "ccccccccccc": ""}
    assert found["ccccccccccc"].status == "ok", "a video is none the worse for lacking subtitles"


def test_english_subtitles_are_fetched_for_a_video_that_has_another_language_alone(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, videos = tmp_path / "data", tmp_path / "videos"
    (folder / "transcripts").mkdir(parents=True)
    videos.mkdir()
    for video_id, where in (("-aaaaaaaaaa", folder / "transcripts"), ("bbbbbbbbbbb", videos), ("ccccccccccc", videos)):
        draw_video(videos / f"{video_id}.mp4", frames=12)
        (where / f"{video_id}.de.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nauf Deutsch\n")
    (videos / "ccccccccccc.en-GB.SRT").write_text("1\n00:00:01,000 --> 00:00:02,000\nby people\n")
    asked: list[str] = []

    def fetch(video_ids: Any, into: Path, *, settings: object) -> dict[str, str]:
        asked.extend(video_ids)
        (into / "-aaaaaaaaaa.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nin English\n")
        return {"bbbbbbbbbbb": "no English subtitles"}

    monkeypatch.setattr("pipeline.corpus.sources.fetch_subtitles", fetch)
    settings = dataset(folder, mirror)
    assert settings.videos is not None
    local = settings.videos.model_dump() | {"folder": str(videos), "archive_url": "", "youtube": True}
    found = rows(dataset(folder, mirror, videos=local, subtitles=True))
    assert sorted(asked) == ["-aaaaaaaaaa", "bbbbbbbbbbb"]
    texts = {video_id: found[video_id].transcript for video_id in ("-aaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")}
    assert texts == {"-aaaaaaaaaa": "in English", "bbbbbbbbbbb": "auf Deutsch", "ccccccccccc": "by people"}
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("transcript of")]
    assert sorted(told) == [
        "transcript of bbbbbbbbbbb: bbbbbbbbbbb.de.vtt is read; there are no English subtitles",
        "transcript of ccccccccccc: ccccccccccc.en-GB.SRT is read, not ccccccccccc.de.vtt",
    ]


def test_missing_summaries_are_an_error_that_says_what_to_do(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"summaries\.jsonl is missing\. Nobody has published"):
        read_videos(dataset(tmp_path, mirror, summaries="file", videos=None))


def test_the_held_out_split_depends_on_the_id_alone() -> None:
    ids = [f"video{number:06d}" for number in range(2000)]
    tests = [video_id for video_id in ids if held_out_split(video_id) == "test"]
    assert 900 < len(tests) < 1100
    assert [held_out_split(video_id) for video_id in ids[::-1]] == [held_out_split(video_id) for video_id in ids][::-1]
    assert [held_out_split(video_id) for video_id in ("xHr8X2Wpmno", "dQw4w9WgXcQ")] == ["test", "validation"]


@pytest.mark.skipif(not REAL.exists(), reason="YouCook2's own files are not beside the project")
def test_the_real_annotations_and_transcripts(tmp_path: Path) -> None:
    for name in (ANNOTATIONS, "label_foodtype.csv", "transcripts.tar"):
        (tmp_path / name).symlink_to((REAL / name).resolve())
    sha256 = "6be6f3cdcf4448b4bdef27a869fadddfddeb9b20249d55558afabe354b246e80"
    found = list(rows(dataset(tmp_path, annotations_sha256=sha256, videos=None)).values())
    assert len(found) == 1790 and all(video.status == "ok" for video in found)
    assert sum(video.split == "train" for video in found) == 1333
    held_out = {split: sum(video.split == split for video in found) for split in ("validation", "test")}
    assert sum(held_out.values()) == 457 and min(held_out.values()) > 200
    assert sum(not video.transcript for video in found) == 54
    assert sum(len(video.segments) for video in found) == 13829
    assert len({video.recipe for video in found}) == 89
