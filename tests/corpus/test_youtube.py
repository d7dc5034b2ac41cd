"""yt-dlp itself, pointed at a local server instead of YouTube."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.corpus import youtube
from pipeline.corpus.youtube import GIVE_UP, YouTube, fetch_subtitles, fetch_videos, why_lost
from tests.drawn_videos import draw_video

SETTINGS = YouTube(max_height=360, max_seconds=60, rate_seconds=0.0, retries=2, workers=2, cookies="")
SUBTITLES = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nnow mix it\n"
GOOD, DASHED, GONE, LATER = "good0000000", "-dashed0000", "gone0000000", "later000000"


class Site(BaseHTTPRequestHandler):
    video: bytes
    asked: list[str]
    trouble: dict[str, list[Any]]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.strip("/").removesuffix(".mp4")
        if name.endswith((".html", ".vtt")):
            self.send_page(name)
            return
        if self.command == "GET":
            self.asked.append(name)
        steps = self.trouble.get(name, [])
        step = steps[0] if len(steps) == 1 else steps.pop(0) if steps else 200
        self.send_response(step if isinstance(step, int) else 200)
        self.send_header("Content-Type", "video/mp4")
        if step == "large":
            self.send_header("Content-Length", str(10**12))
        elif step != "endless":
            self.send_header("Content-Length", str(len(self.video) if step in (200, "slow", "drip") else 0))
        self.end_headers()
        if self.command == "GET" and step in ("drip", "large", "endless"):
            with suppress(OSError):  # until the client has gone
                self.send_without_end(2000 if step == "endless" else 1, pause=0.0 if step == "endless" else 0.1)
        if self.command == "GET" and step in (200, "slow"):
            for place in range(0, len(self.video), 2000):
                self.wfile.write(self.video[place : place + 2000])
                time.sleep(0.3 if step == "slow" else 0)

    def send_without_end(self, size: int, *, pause: float) -> None:
        self.wfile.write(self.video[:2000])  # enough to be known for a video
        while True:
            self.wfile.write(bytes(size))
            time.sleep(pause)

    def send_page(self, name: str) -> None:
        """A page with a video and, if it is a good one, subtitles; or the subtitles."""
        stem, _, kind = name.rpartition(".")
        languages = {GOOD: ("en", "de"), LATER: ("en-GB", "en-orig", "en-de")}.get(stem, ())
        track = "".join(f'<track kind="subtitles" srclang="{language}" src="/{stem}.vtt">' for language in languages)
        text = SUBTITLES if kind == "vtt" else f'<html><title>t</title><video src="/{stem}.mp4">{track}</video></html>'
        self.send_response(200)
        self.send_header("Content-Type", "text/vtt" if kind == "vtt" else "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command == "GET":
            self.asked.append(name)
            self.wfile.write(text.encode())

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    Site.video, Site.asked, Site.trouble = draw_video(tmp_path / "drawn.mp4", frames=40).read_bytes(), [], {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(youtube, "address", lambda video_id: f"{base}/{video_id}.mp4")
    yield base
    server.shutdown()


def fetch(folder: Path, *video_ids: str, settings: YouTube = SETTINGS) -> dict[str, str]:
    return fetch_videos(video_ids, folder, settings=settings)


pytestmark = pytest.mark.filterwarnings("ignore:yt-dlp needs a JavaScript runtime")


def test_videos_arrive_and_losses_are_rows_with_reasons(site: str, tmp_path: Path) -> None:
    Site.trouble = {GONE: [404], LATER: [429]}
    folder = tmp_path / "videos"
    lost = fetch(folder, GOOD, DASHED, GONE, LATER, "../../escape")
    assert lost == {GONE: "removed", LATER: "too many requests", "../../escape": "not an id of YouTube"}
    for video_id in (GOOD, DASHED):
        assert (folder / f"{video_id}.mp4").read_bytes() == Site.video
    assert not list(folder.glob("*.part"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.mp4", "videos"]


def test_only_what_failed_for_the_moment_is_tried_again(site: str, tmp_path: Path) -> None:
    Site.trouble = {GONE: [404], LATER: [429]}
    fetch(tmp_path, GONE, LATER)
    Site.trouble, Site.asked = {}, []
    assert fetch(tmp_path, GONE, LATER) == {GONE: "removed"}
    assert set(Site.asked) == {LATER}
    assert json.loads((tmp_path / ".lost" / f"{GONE}.json").read_text())["permanent"] is True
    assert not (tmp_path / ".lost" / f"{LATER}.json").exists()


@pytest.mark.parametrize("mark", ["", "[]", "{}", '{"reason": "removed"}', '{"reason": "removed", "permanent": 1}'])
def test_a_damaged_mark_of_a_loss_has_the_video_tried_again(site: str, tmp_path: Path, mark: str) -> None:
    (tmp_path / ".lost").mkdir()
    (tmp_path / ".lost" / f"{GOOD}.json").write_text(mark)
    assert fetch(tmp_path, GOOD) == {}
    assert set(Site.asked) == {GOOD}


def test_after_refusals_in_a_row_nobody_asks_any_more(site: str, tmp_path: Path) -> None:
    ids = [f"later{number:06d}" for number in range(8)]
    Site.trouble = {video_id: [429] for video_id in ids}
    patient = replace(SETTINGS, workers=1, retries=0)
    message = r"refused 3 requests in a row \(too many requests\), so 5 of 9 were not asked for.*videos.youtube: false"
    with pytest.raises(RuntimeError, match=message):  # a stage that ended well would not be run again by DVC
        fetch(tmp_path, GOOD, *ids, settings=patient)
    assert (tmp_path / f"{GOOD}.mp4").exists(), "what came is kept"
    assert set(Site.asked) == {GOOD, *ids[:GIVE_UP]}
    with pytest.raises(RuntimeError, match=r"fetch subtitles: .*subtitles: false"):
        fetch_subtitles(ids, tmp_path, settings=patient)
    Site.trouble = {}
    assert fetch(tmp_path, *ids) == {}, "a later run gets them all"


def test_a_loss_to_a_limit_is_tried_again_when_the_limit_is_raised(site: str, tmp_path: Path) -> None:
    (tmp_path / ".lost").mkdir()
    mark = {"reason": "too long: 70 s", "permanent": True, "max_seconds": 60}
    (tmp_path / ".lost" / f"{GOOD}.json").write_text(json.dumps(mark))
    assert fetch(tmp_path, GOOD) == {GOOD: "too long: 70 s"}
    assert Site.asked == []
    assert fetch(tmp_path, GOOD, settings=replace(SETTINGS, max_seconds=120)) == {}


def test_subtitles_come_without_the_video(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(youtube, "address", lambda video_id: f"{site}/{video_id}.html")
    lost = fetch_subtitles([GOOD, DASHED, LATER], tmp_path, settings=SETTINGS)
    assert lost == {DASHED: "no English subtitles"}
    assert (tmp_path / f"{GOOD}.en.vtt").read_text().startswith("WEBVTT")
    assert sorted(path.name for path in tmp_path.glob("*.vtt")) == [f"{GOOD}.en.vtt", f"{LATER}.en-GB.vtt"]
    assert [path.name for path in tmp_path.glob("*.mp4")] == ["drawn.mp4"], "that is the server's"
    Site.asked = []
    assert fetch_subtitles([DASHED], tmp_path, settings=SETTINGS) == lost
    assert Site.asked == [], "what has none is not asked again"
    assert fetch_videos([DASHED], tmp_path, settings=SETTINGS) == {}, "and its video is another matter"


def test_a_killed_run_goes_on(site: str, tmp_path: Path) -> None:
    Site.trouble = {GOOD: ["slow"]}
    code = (
        "from pathlib import Path; from pipeline.corpus import youtube\n"
        f"youtube.address = lambda video_id: {site!r} + f'/{{video_id}}.mp4'\n"
        f"youtube.fetch_videos([{DASHED!r}, {GOOD!r}], Path('.'), settings=youtube.{SETTINGS!r})"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    folder = tmp_path / "videos"
    folder.mkdir()
    child = subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not ((folder / f"{DASHED}.mp4").exists() and list(folder.glob(f"{GOOD}.mp4.part*"))):
        assert child.poll() is None and time.monotonic() < deadline, sorted(folder.iterdir())
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (folder / f"{GOOD}.mp4").exists()
    Site.trouble = {}
    assert fetch(folder, GOOD) == {}
    assert (folder / f"{GOOD}.mp4").read_bytes() == Site.video


@pytest.mark.parametrize(
    ("trouble", "reason", "permanent"),
    [
        ("drip", "no answer in time", False),
        ("large", "too large: more than 1000000 bytes", True),
        ("endless", "too large: more than 1000000 bytes", True),
    ],
)
def test_a_video_without_end_is_given_up(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, reason: str, permanent: bool
) -> None:
    monkeypatch.setattr(youtube, "VIDEO_SECONDS", 4.0)
    monkeypatch.setattr(youtube, "MOST_BYTES_PER_SECOND", 1e6 / SETTINGS.max_seconds)
    Site.trouble = {GOOD: [trouble]}
    start = time.monotonic()
    assert fetch(tmp_path, GOOD, DASHED) == {GOOD: reason}, "the other one arrives"
    assert time.monotonic() - start < 15.0
    assert json.loads((tmp_path / ".lost" / f"{GOOD}.json").read_text())["permanent"] is permanent
    assert not (tmp_path / f"{GOOD}.mp4").exists()


@pytest.mark.parametrize(
    ("message", "reason", "permanent"),
    [
        ("ERROR: [youtube] x: Private video. Sign in if you've been granted access", "private", True),
        ("ERROR: [youtube] x: Video unavailable. This video has been removed by the uploader", "removed", True),
        ("ERROR: [youtube] x: The uploader has not made this video available in your country", "blocked in this country", True),
        ("ERROR: [youtube] x: Sign in to confirm your age", "age restricted: give cookies", False),
        ("ERROR: [youtube] x: Sign in to confirm you're not a bot", "sign-in demanded: give cookies", False),
        ("ERROR: Join this channel to get access to members-only content", "members only", True),
        ("ERROR: HTTP Error 429: Too Many Requests", "too many requests", False),
        (
            "ERROR: [youtube] x: Video unavailable. This content isn't available, try again later.",
            "too many requests",
            False,
        ),
        ("ERROR: something new\nmore", "something new", False),
    ],
)
def test_reasons(message: str, reason: str, permanent: bool) -> None:
    assert why_lost(message) == (reason, permanent)
