"""YouCook2 from an archive on the hub, between that of its owners and YouTube: whole videos, or clips of their steps, joined."""

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.base.dataset_params import YouCook2Dataset
from pipeline.corpus.clips import join_clips
from pipeline.corpus.downloads import FetchError, hub_address
from pipeline.corpus.hub_clips import join_all, joined_segments
from pipeline.corpus.table import Video
from pipeline.corpus.youcook2 import ANNOTATIONS, read_videos
from tests.corpus.test_youcook2 import dataset, entry
from tests.drawn_videos import draw_video

COMMIT = "d164962a70c383a57726388c9851e1486e9a9db7"
FILE = f"/datasets/lmms-eval/YouCook2/resolve/{COMMIT}/YouCookIIVideos.zip"
DATABASE = {
    "-aaaaaaaaaa": entry("validation", "cut the bread", "fry it"),
    "bbbbbbbbb_1": entry("validation", "mix it"),
    "ccccccccccc": entry("training", "bake it", "eat it", "clean up"),
    "ddddddddddd": entry("training", "boil it"),
}


class Hub(BaseHTTPRequestHandler):
    """It breaks off its first answer half-way, and gives the rest when it is asked for it."""

    files: dict[str, bytes]
    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        place = self.headers.get("Range", "")
        self.asked.append((self.path, place))
        content = self.files.get(self.path, b"")
        start = int(place.removeprefix("bytes=").rstrip("-") or 0)
        self.send_response((206 if start else 200) if content else 404)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", '"1"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start:] if start else content[: len(content) // 2] if len(self.asked) == 1 else content)

    def log_message(self, *arguments: object) -> None:
        pass


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"YouCookIIVideos/{name}", content)
    return stream.getvalue()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    """Clips of 12 and 24 frames for one video, one clip for the next, two of three for the third, and a whole fourth."""
    clips = {frames: draw_video(tmp_path / f"{frames}.mp4", frames=frames, sound=True).read_bytes() for frames in (12, 24)}
    content = zipped(
        {
            "val/-aaaaaaaaaa_0.mp4": clips[12], "val/-aaaaaaaaaa_1.mp4": clips[24], "val/bbbbbbbbb_1_0.mp4": clips[12],
            "test/ccccccccccc_0.mp4": clips[12], "test/ccccccccccc_2.mp4": clips[12], "test/ddddddddddd.mp4": clips[24],
            "test/zzzzzzzzzzz_0.mp4": clips[12], "val/readme.txt": b"hello",
        }
    )  # fmt: skip
    Hub.files, Hub.asked = {FILE: content}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("pipeline.corpus.downloads.time.sleep", lambda seconds: None)
    yield content
    server.shutdown()


def from_hub(folder: Path, *, sha256: str = "", clips: str = "join", **changes: Any) -> YouCook2Dataset:
    folder.mkdir(exist_ok=True)
    (folder / ANNOTATIONS).write_text(json.dumps({"database": DATABASE}))
    base = dataset(folder, annotations_sha256="")
    assert base.videos is not None
    source = {
        "repository": "lmms-eval/YouCook2",
        "file": "YouCookIIVideos.zip",
        "revision": COMMIT,
        "sha256": sha256,
        "clips": clips,
    }
    return dataset(folder, annotations_sha256="", videos=base.videos.model_dump() | {"archive_url": "", "hub": source} | changes)


def rows(settings: YouCook2Dataset) -> dict[str, Video]:
    return {video.video_id: video for video in read_videos(settings)}


def test_clips_are_joined_and_the_row_says_where_its_steps_lie_now(
    hub: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows(from_hub(tmp_path / "data", sha256=hashlib.sha256(hub).hexdigest()))
    told = capsys.readouterr().out
    assert "warning: 2 videos are joined from clips in YouCookIIVideos.zip" in told and "sha256 is empty" not in told
    assert [place for _, place in Hub.asked] == ["", f"bytes={len(hub) // 2}-"], "it goes on where it broke off"
    bread = found["-aaaaaaaaaa"]
    assert (bread.status, Path(bread.video_path).name, bread.steps) == ("ok", "-aaaaaaaaaa.mp4", ("cut the bread", "fry it"))
    (start, middle), (after, end) = bread.segments
    assert start == 0 and middle == pytest.approx(0.48, abs=0.1)
    assert middle <= after < middle + 0.2 and end - after == pytest.approx(0.96, abs=0.1)
    assert bread.duration_seconds == end
    assert found["bbbbbbbbb_1"].status == "ok" and len(found["bbbbbbbbb_1"].segments) == 1
    assert found["ccccccccccc"].reason == "YouCookIIVideos.zip has 2 clips of it, not one for each of its 3 steps"
    assert found["ddddddddddd"].segments == ((0.0, 3.0),), "a whole video keeps its annotation"


def test_what_was_joined_is_kept_and_what_lacks_is_not_fetched_again(hub: bytes, tmp_path: Path) -> None:
    settings = from_hub(tmp_path / "data")
    found = rows(settings)
    (tmp_path / "data" / "YouCookIIVideos.zip").unlink()
    Hub.files = {}
    again = rows(settings)
    assert again["-aaaaaaaaaa"] == found["-aaaaaaaaaa"]
    assert again == found, "the reasons among them"
    draw_video(tmp_path / "data" / "videos" / "-aaaaaaaaaa.mp4", frames=90)
    assert rows(settings)["-aaaaaaaaaa"].segments == ((0.0, 3.0), (4.0, 7.0)), "another file has the annotation's own times"


def test_killed_between_two_videos_it_joins_the_rest_when_it_runs_again(
    hub: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed_at_the_second(clips: Any, out: Path) -> Any:
        if clips[0].stem != "-aaaaaaaaaa_0":
            raise KeyboardInterrupt
        return join_clips(clips, out)

    settings = from_hub(tmp_path / "data")
    with monkeypatch.context() as during, pytest.raises(KeyboardInterrupt):
        during.setattr("pipeline.corpus.hub_clips.join_clips", killed_at_the_second)
        rows(settings)
    assert (tmp_path / "data" / "videos" / "-aaaaaaaaaa.mp4").exists()
    assert rows(settings)["bbbbbbbbb_1"].status == "ok"


def test_killed_between_the_note_and_the_file_it_begins_that_video_again(
    hub: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def killed(source: Path, target: Path) -> None:
        if Path(target).name == "-aaaaaaaaaa.mp4":
            raise KeyboardInterrupt
        replace(source, target)

    settings, videos = from_hub(tmp_path / "data"), tmp_path / "data" / "videos"
    with monkeypatch.context() as during, pytest.raises(KeyboardInterrupt):
        during.setattr(os, "replace", killed)
        rows(settings)
    assert (videos / "-aaaaaaaaaa.clips.json").exists() and not (videos / "-aaaaaaaaaa.mp4").exists()
    assert len(rows(settings)["-aaaaaaaaaa"].segments) == 2
    assert sorted(path.name for path in videos.glob("*.mp4")) == ["-aaaaaaaaaa.mp4", "bbbbbbbbb_1.mp4", "ddddddddddd.mp4"]


def archive_of(folder: Path, clips: dict[str, int]) -> Path:
    """Clips by name, of so many frames, so that they can be told apart in what is joined from them."""
    lengths = {frames: draw_video(folder / f"{frames}.mp4", frames=frames).read_bytes() for frames in set(clips.values())}
    path = folder / "clips.zip"
    path.write_bytes(zipped({name: lengths[frames] for name, frames in clips.items()}))
    return path


def frames_of_steps(path: Path) -> list[int]:
    return [round((end - start) * 25) for start, end in joined_segments(path) or []]


def test_clips_follow_each_other_by_number(tmp_path: Path) -> None:
    lengths = [place + 3 for place in range(11)]
    archive = archive_of(tmp_path, {f"val/x_{place}.mp4": frames for place, frames in enumerate(lengths)})
    assert join_all(archive, tmp_path / "videos", steps={"x": 11}, max_bytes=1e9) == {}
    assert frames_of_steps(tmp_path / "videos" / "x.mp4") == lengths


def test_clips_that_another_run_has_left_are_not_used(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, {"val/x_0.mp4": 5, "val/x_1.mp4": 7})
    left = tmp_path / "videos" / ".clips"
    left.mkdir(parents=True)
    draw_video(left / "x_0.mp4", frames=40)
    assert join_all(archive, tmp_path / "videos", steps={"x": 2}, max_bytes=1e9) == {}
    assert frames_of_steps(tmp_path / "videos" / "x.mp4") == [5, 7]
    assert not left.exists()


@pytest.mark.parametrize("again", ["val/x_00.mp4", "test/x_0.mp4", "val/x_0.webm"])
def test_two_clips_of_one_number_are_refused(tmp_path: Path, again: str) -> None:
    archive = archive_of(tmp_path, {"val/x_0.mp4": 5, "val/x_1.mp4": 5, again: 7, "val/y_0.mp4": 5})
    reasons = join_all(archive, tmp_path / "videos", steps={"x": 2, "y": 1}, max_bytes=1e9)
    assert reasons == {"x": "clips.zip has several clips of it with the number 0"}
    assert [path.name for path in (tmp_path / "videos").glob("*.mp4")] == ["y.mp4"]


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ("[[0, 1], [1, 2, 3]]", r"segments\[1\]: expected \[start, end\]"),
        ("[[0, 1], 7]", r"segments\[1\]"),
        ("[[0", "not valid JSON"),
        ("[[0, 1]]", "joined from 1 clips, the annotation has 2 steps"),
    ],
)
def test_a_damaged_note_loses_its_video_alone(tmp_path: Path, segments: str, reason: str) -> None:
    settings = from_hub(tmp_path / "data", hub=None)
    (tmp_path / "data" / "videos").mkdir()
    video = draw_video(tmp_path / "data" / "videos" / "-aaaaaaaaaa.mp4", frames=50)
    video.with_name("bbbbbbbbb_1.mp4").write_bytes(video.read_bytes())
    note = f'{{"bytes": {video.stat().st_size}, "segments": {segments}}}'
    video.with_name("-aaaaaaaaaa.clips.json").write_text(note)
    found = rows(settings)
    assert found["-aaaaaaaaaa"].status == "failed" and re.search(reason, found["-aaaaaaaaaa"].reason)
    assert found["bbbbbbbbb_1"].status == "ok"


def test_clips_may_be_left_and_youtube_is_asked_for_the_rest(
    hub: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def fetch(video_ids: Any, into: Path, *, settings: object) -> dict[str, str]:
        asked.extend(video_ids)
        return dict.fromkeys(video_ids, "removed")

    monkeypatch.setattr("pipeline.corpus.sources.fetch_videos", fetch)
    found = rows(from_hub(tmp_path / "data", clips="leave", youtube=True))
    assert sorted(asked) == ["-aaaaaaaaaa", "bbbbbbbbb_1", "ccccccccccc"]
    assert found["ddddddddddd"].status == "ok" and found["-aaaaaaaaaa"].reason == "removed"
    assert f"dataset.videos.hub.sha256 is empty, so {tmp_path / 'data'}" in (told := capsys.readouterr().out)
    assert hashlib.sha256(hub).hexdigest() in told
    joined = rows(from_hub(tmp_path / "data", clips="join", youtube=True))
    assert joined["-aaaaaaaaaa"].status == "ok", "asked for in another way, it is looked into again"


def test_another_archive_a_larger_one_and_none_are_errors(hub: bytes, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=rf"{COMMIT}/YouCookIIVideos\.zip: sha256 is .*, expected 0000"):
        read_videos(from_hub(tmp_path / "other", sha256="0" * 64))
    with pytest.raises(FetchError, match="more than the 1000 that it may have"):
        read_videos(from_hub(tmp_path / "small", archive_max_gb=1e-6))
    Hub.files = {}
    with pytest.raises(FetchError, match=r"YouCookIIVideos\.zip: HTTP 404"):
        read_videos(from_hub(tmp_path / "gone"))


def test_another_hub_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert hub_address("a/b", "c d.zip", revision=COMMIT) == f"https://huggingface.co/datasets/a/b/resolve/{COMMIT}/c%20d.zip"
    for mirror in ("http://mirror.example", "http://mirror.example/"):
        monkeypatch.setenv("HF_ENDPOINT", mirror)
        assert hub_address("a/b", "c.zip", revision=COMMIT).startswith("http://mirror.example/datasets/a/b/resolve/")
