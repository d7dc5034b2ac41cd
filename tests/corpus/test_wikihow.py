"""WikiHow Summaries in its published layout: an article a file, from a folder or the archive, and whatever else may lie there."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.base.dataset_params import WikiHowDataset
from pipeline.corpus.folder import hashed_split
from pipeline.corpus.table import Video, write_corpus
from pipeline.corpus.wikihow import read_articles, read_videos
from tests.drawn_videos import draw_video

ROOT = Path(__file__).parents[2]
# The real archive is not in git: whoever has it says where, and it is read as a whole.
REAL = Path(os.environ.get("WIKIHOW_ARCHIVE", "../shared/data/wikihow/how_to_steps.tar.gz"))


def article(video_id: str, *steps: str, clip: str | None = None) -> dict[str, Any]:
    numbered = {str(place): {"text": text, "img": "https://x/a.jpg", "vid": clip} for place, text in enumerate(steps, 1)}
    return {"video_url": f"https://www.youtube.com/embed/{video_id}?showinfo=0", **numbered}


ARTICLES: dict[str, Any] = {
    "Break-an-Egg": article("aaaaaaaaaaa", "Hold the egg.", "Tap it on a\nfirm surface", clip="/b/b6/Break an Egg.360p.mp4"),
    "Ask-if-They%27re-Okay": article("-bbbbbbbbbb", "Ask."),
}


def put(folder: Path, articles: Mapping[str, Any]) -> Path:
    place = folder / "how_to_steps"
    place.mkdir(parents=True, exist_ok=True)
    for name, content in articles.items():
        written = content if isinstance(content, bytes) else json.dumps(content).encode()
        (place / f"{name}.json").write_bytes(written)
    return folder


def packed(articles: Mapping[str, Any]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in articles.items():
            data = json.dumps(content).encode()
            member = tarfile.TarInfo(f"how_to_steps/{name}.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def dataset(folder: Path, **changes: object) -> WikiHowDataset:
    values: dict[str, object] = {
        "name": "wikihow", "folder": str(folder), "articles_url": "http://127.0.0.1:9/how_to_steps.tar.gz", "articles_sha256": "",
        "videos": None, "subtitles": False, "transcripts": ["files", "subtitles"], "transcripts_by": "asr:unknown",
        "entities": "", "max_failed_share": 0.5,
    }  # fmt: skip
    return WikiHowDataset.model_validate(values | changes)


def rows(settings: WikiHowDataset) -> dict[str, Video]:
    videos = read_videos(settings)
    write_corpus(videos, Path(settings.folder) / "corpus.parquet")  # it refuses what no table may have
    return {video.video_id: video for video in videos}


def test_steps_are_the_reference_and_files_beside_them_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, ARTICLES)
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "-bbbbbbbbbb.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nare you okay\n")
    (tmp_path / "transcripts" / "aaaaaaaaaaa.txt").write_text("take an egg\n")
    (tmp_path / "transcripts" / "zzzzzzzzzzz.txt").write_text("nobody's\n")
    found = rows(dataset(tmp_path))
    assert "1 files fit no video of the annotations, such as zzzzzzzzzzz" in capsys.readouterr().out
    assert set(found) == {"aaaaaaaaaaa", "-bbbbbbbbbb"} and all(video.status == "ok" for video in found.values())
    egg, friend = found["aaaaaaaaaaa"], found["-bbbbbbbbbb"]
    assert (egg.recipe, egg.steps) == ("Break an Egg", ("Hold the egg.", "Tap it on a firm surface"))
    assert egg.summary == "Hold the egg. Tap it on a firm surface."
    assert (egg.transcript, egg.transcript_origin, egg.video_path) == ("take an egg", "asr:unknown", "")
    assert (friend.recipe, friend.transcript, friend.transcript_origin) == ("Ask if They're Okay", "are you okay", "subtitles")
    assert egg.split == hashed_split("aaaaaaaaaaa")


def test_the_archive_gives_the_same_as_the_folder_and_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = packed(ARTICLES)
    sha256 = hashlib.sha256(archive).hexdigest()

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(archive)))
            self.end_headers()
            self.wfile.write(archive)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/datasets/how_to_steps.tar.gz"
    try:
        expected = read_videos(dataset(put(tmp_path / "unpacked", ARTICLES)))
        assert read_videos(dataset(tmp_path / "pinned", articles_url=url, articles_sha256=sha256)) == expected
        assert "warning" not in capsys.readouterr().out
        assert read_videos(dataset(tmp_path / "free", articles_url=url)) == expected
        assert f"dataset.articles_sha256 is empty, so {tmp_path / 'free'}" in (told := capsys.readouterr().out) and sha256 in told
        with pytest.raises(RuntimeError, match=rf"sha256 is {sha256}, expected 0000.*put it, or the folder how_to_steps inside"):
            read_videos(dataset(tmp_path / "other", articles_url=url, articles_sha256="0" * 64))
    finally:
        server.shutdown()
    (tmp_path / "free" / "how_to_steps.tar.gz").write_bytes(archive[:150])
    with pytest.raises(RuntimeError, match=r"how_to_steps\.tar\.gz: damaged or cut short"):
        read_videos(dataset(tmp_path / "free"))


def hostile() -> Iterator[tuple[str, Any, str]]:
    """Name, content, and what the reason says."""
    good = article("hhhhhhhhhhh", "Wait.")
    yield "Not-JSON", b"{", "Not-JSON.json: not valid JSON"
    yield "Not-UTF8", b'{"video_url": "\xff"}', "not UTF-8"
    yield "A-List", [1], "A-List.json: expected an object"
    yield "No-Address", {"1": good["1"]}, "the key 'video_url' is missing"
    yield "Other-Site", good | {"video_url": "https://example.com/embed/hhhhhhhhhhh"}, "no video of YouTube"
    yield "Long-Id", good | {"video_url": f"https://www.youtube.com/embed/{'h' * 300}"}, "no video of YouTube"
    yield "Up", good | {"video_url": "https://www.youtube.com/embed/../../etc/pw"}, "no video of YouTube"
    yield "No-Steps", article("ggggggggggg"), "No-Steps.json: no steps"
    yield "Wordless", article("fffffffffff", "\n\n", ""), "Wordless.json: no steps"
    yield "Odd-Key", article("eeeeeeeeeee", "Go.") | {"intro": {"text": "x"}}, "'intro' is neither video_url nor the number"
    yield "Odd-Text", article("ddddddddddd") | {"1": {"text": ["Go."]}}, "Odd-Text.json.1.text: expected str"
    yield "Half", article("ccccccccccc", "x\ud800"), "half a character"
    yield "Deep", b'{"video_url": ' + b"[" * 100_000, "nested too deeply"
    yield "Long", b'{"video_url": "' + b"x" * (1 << 20) + b'"}', "longer than 1 MB"
    yield "Nan", good | {"1": float("nan")}, "Nan.json.1: expected an object, got nan"


def test_what_cannot_be_used_is_a_lost_row_with_a_reason(tmp_path: Path) -> None:
    cases = list(hostile())
    put(tmp_path, ARTICLES | {name: content for name, content, _ in cases})
    (tmp_path / "how_to_steps" / "notes.txt").write_text("not an article")
    videos = read_videos(dataset(tmp_path))
    write_corpus(videos, tmp_path / "corpus.parquet")
    lost = [video.reason for video in videos if video.status == "failed"]
    assert len(videos) == len(cases) + 2 and len(lost) == len(cases)
    for name, _, reason in cases:
        assert any(name in told and reason in told for told in lost), (name, reason)


def test_a_step_without_words_is_left_out_and_two_articles_of_a_video_are_one_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = {"Sleep-Better": article("aaaaaaaaaaa", "Sleep."), "Wake": article("wwwwwwwwwww", "Wake.", "\n\n\n", "Rise.")}
    found = rows(dataset(put(tmp_path, ARTICLES | twice)))
    assert found["wwwwwwwwwww"].steps == ("Wake.", "Rise.")
    assert "1 articles have steps without words" in capsys.readouterr().out
    assert found["aaaaaaaaaaa"].recipe == "Break an Egg" and found["aaaaaaaaaaa"].status == "ok"
    assert found["aaaaaaaaaaa.2"].reason == "Sleep-Better.json: the video of Break-an-Egg.json again"
    assert found["aaaaaaaaaaa.2"].status == "failed"


def test_videos_come_from_the_folder_and_a_missing_one_is_lost(tmp_path: Path) -> None:
    (tmp_path / "videos" / "deep").mkdir(parents=True)
    draw_video(tmp_path / "videos" / "deep" / "aaaaaaaaaaa.mp4", frames=12)
    videos = {
        "folder": str(tmp_path / "videos"), "archive_url": "", "archive_sha256": "", "archive_max_gb": 0.01, "hub": None,
        "youtube": False, "max_height": 360, "max_seconds": 60.0, "rate_seconds": 0.0, "retries": 1, "workers": 1, "cookies": "",
    }  # fmt: skip
    found = rows(dataset(put(tmp_path, ARTICLES), videos=videos))
    assert found["aaaaaaaaaaa"].video_path.endswith("videos/deep/aaaaaaaaaaa.mp4")
    assert (found["-bbbbbbbbbb"].status, found["-bbbbbbbbbb"].reason) == ("failed", "not in dataset.videos.folder")


def test_no_articles_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "how_to_steps").mkdir()
    with pytest.raises(ValueError, match=r"how_to_steps has no \.json file of an article; delete it"):
        read_videos(dataset(tmp_path))
    with pytest.raises(RuntimeError, match=r"Get datasets/how_to_steps\.tar\.gz of github\.com/medhini/Instructional-Video"):
        read_videos(dataset(tmp_path / "empty", articles_url="ftp://nowhere/how_to_steps.tar.gz"))


@pytest.mark.skipif(not REAL.exists(), reason="the dataset's own archive is not beside the project (WIKIHOW_ARCHIVE)")
def test_the_real_articles(tmp_path: Path) -> None:
    (tmp_path / "how_to_steps.tar.gz").symlink_to(REAL.resolve())
    sha256 = "ecdbc0d51bfaa7917714bcb8c18cd04554ca55d677c6dcb4f828520a4c0f38e9"
    assert sha256 in (ROOT / "studies" / "wikihow.yaml").read_text()
    settings = dataset(tmp_path, articles_sha256=sha256)
    assert len(read_articles(settings)) == 2111
    videos = read_videos(settings)
    write_corpus(videos, tmp_path / "corpus.parquet")
    lost = [video for video in videos if video.status == "failed"]
    assert len(videos) == 2111 and len(lost) == 6
    assert sum("no steps" in video.reason for video in lost) == 1 and sum("again" in video.reason for video in lost) == 5
    assert sum(len(video.steps) for video in videos if video.status == "ok") == 33300
