"""yt-dlp itself, pointed at a local server instead of YouTube."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.datasets import youtube
from pipeline.datasets.youtube import YouTube, fetch_videos, why_lost
from tests.drawn_videos import draw_video

SETTINGS = YouTube(max_height=360, max_seconds=60, rate_seconds=0.0, retries=2, workers=2, cookies="")
GOOD, DASHED, GONE, LATER = "good0000000", "-dashed0000", "gone0000000", "later000000"


class Site(BaseHTTPRequestHandler):
    video: bytes
    asked: list[str]
    trouble: dict[str, list[Any]]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.strip("/").removesuffix(".mp4")
        if self.command == "GET":
            self.asked.append(name)
        steps = self.trouble.get(name, [])
        step = steps[0] if len(steps) == 1 else steps.pop(0) if steps else 200
        self.send_response(step if isinstance(step, int) else 200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(self.video) if step in (200, "slow") else 0))
        self.end_headers()
        if self.command == "GET" and step in (200, "slow"):
            for place in range(0, len(self.video), 2000):
                self.wfile.write(self.video[place : place + 2000])
                time.sleep(0.3 if step == "slow" else 0)

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
    return fetch_videos(video_ids, folder, settings=settings, subtitles=False)


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


def test_a_killed_run_goes_on(site: str, tmp_path: Path) -> None:
    Site.trouble = {GOOD: ["slow"]}
    code = (
        "from pathlib import Path; from pipeline.datasets import youtube\n"
        f"youtube.address = lambda video_id: {site!r} + f'/{{video_id}}.mp4'\n"
        f"youtube.fetch_videos([{DASHED!r}, {GOOD!r}], Path('.'), settings=youtube.{SETTINGS!r}, subtitles=False)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
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
    ("message", "reason", "permanent"),
    [
        ("ERROR: [youtube] x: Private video. Sign in if you've been granted access", "private", True),
        ("ERROR: [youtube] x: Video unavailable. This video has been removed by the uploader", "removed", True),
        ("ERROR: [youtube] x: The uploader has not made this video available in your country", "blocked in this country", True),
        ("ERROR: [youtube] x: Sign in to confirm your age", "age restricted: give cookies", True),
        ("ERROR: [youtube] x: Sign in to confirm you're not a bot", "sign-in demanded: give cookies", False),
        ("ERROR: Join this channel to get access to members-only content", "members only", True),
        ("ERROR: HTTP Error 429: Too Many Requests", "too many requests", False),
        ("ERROR: something new\nmore", "something new", False),
    ],
)
def test_reasons(message: str, reason: str, permanent: bool) -> None:
    assert why_lost(message) == (reason, permanent)
