"""Videos and subtitles from YouTube through yt-dlp, an optional package.

Each loss is a row with a reason, and only what failed is tried again.
"""

import re
import shutil
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.atomic import read_json, write_json

_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_REASONS = (  # what yt-dlp says, our reason, and whether another try is pointless
    (r"private video", "private", True),
    (r"members.only|join this channel", "members only", True),
    (r"not (made this video )?available in your country|blocked it", "blocked in this country", True),
    (r"account.*terminated|copyright|removed|no longer available|does not exist|video unavailable", "removed", True),
    (r"HTTP Error (404|410)", "removed", True),
    (r"confirm your age|age.restricted", "age restricted: give cookies", True),
    (r"sign in to confirm|not a bot", "sign-in demanded: give cookies", False),
    (r"HTTP Error 429|too many requests", "too many requests", False),
    (r"timed out|timeout", "no answer in time", False),
)  # fmt: skip


@dataclass(frozen=True)
class YouTube:
    """`rate_seconds` is the pause after each video of a worker; `cookies` a file in Netscape's format, or empty."""

    max_height: int
    max_seconds: float
    rate_seconds: float
    retries: int
    workers: int
    cookies: str


def fetch_videos(video_ids: Sequence[str], folder: Path, *, settings: YouTube, subtitles: bool) -> dict[str, str]:
    """Download the videos to `folder/<id>.<ext>` (and `<id>.en.vtt`); returns a reason for every id that was lost.

    A loss is kept in `folder/.lost/<id>.json`. One that will not change (removed, private, blocked, too long) is not tried
    again by a later call; delete its file to have it tried. Raises `RuntimeError` where yt-dlp is not installed.
    """
    try:
        import yt_dlp  # noqa: F401
    except ImportError as error:
        raise RuntimeError(
            "videos from YouTube need yt-dlp: `uv pip install yt-dlp`. Or put the files into dataset.videos.folder, "
            "or name the archive in dataset.videos.archive_url"
        ) from error
    if not any(shutil.which(runtime) for runtime in ("deno", "node", "bun")):
        warnings.warn(
            "yt-dlp needs a JavaScript runtime for YouTube: install deno (or node), or most videos will fail", stacklevel=2
        )
    folder.mkdir(parents=True, exist_ok=True)
    lost = {video_id: mark for video_id in video_ids if (mark := _read_mark(folder, video_id))}
    todo = [video_id for video_id in video_ids if not lost.get(video_id, {}).get("permanent", False)]
    work = partial(_fetch_one, folder=folder, settings=settings, subtitles=subtitles)
    with (
        ThreadPoolExecutor(settings.workers) as pool,
        tqdm(total=len(video_ids), initial=len(video_ids) - len(todo), unit="video", desc="fetch videos", disable=None) as bar,
    ):
        for video_id, mark in zip(todo, pool.map(work, todo), strict=True):
            bar.update()
            if mark is None:
                lost.pop(video_id, None)
            else:
                lost[video_id] = mark
    return {video_id: str(mark["reason"]) for video_id, mark in lost.items()}


def why_lost(message: str) -> tuple[str, bool]:
    """A short reason for what yt-dlp says, and whether it is permanent."""
    for pattern, reason, permanent in _REASONS:
        if re.search(pattern, message, flags=re.IGNORECASE):
            return reason, permanent
    lines = message.strip().splitlines()
    return (lines[0].removeprefix("ERROR: ")[:200] if lines else "yt-dlp gives no reason"), False


def _fetch_one(video_id: str, *, folder: Path, settings: YouTube, subtitles: bool) -> dict[str, Any] | None:
    """None, or the mark of a loss."""
    mark_file = _mark_file(folder, video_id)
    if not _ID.fullmatch(video_id):
        return {"reason": "not an id of YouTube", "permanent": True}
    try:
        too_long = _download(video_id, folder, settings, subtitles=subtitles)
    except Exception as error:  # noqa: BLE001 - yt-dlp raises whatever its extractors raise; each is this video's reason
        reason, permanent = why_lost(str(error))
        mark = {"reason": reason, "permanent": permanent}
    else:
        if too_long is None:
            mark_file.unlink(missing_ok=True)
            return None
        mark = {"reason": too_long, "permanent": True}
    write_json(mark_file, mark | {"tried_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    return mark


def _download(video_id: str, folder: Path, settings: YouTube, *, subtitles: bool) -> str | None:
    """Download one video; a reason when it is too long. yt-dlp writes `.part` files and renames, and resumes them."""
    from yt_dlp import YoutubeDL

    too_long: list[str] = []

    def check_length(info: dict[str, Any], *, incomplete: bool) -> str | None:
        seconds = info.get("duration")
        if seconds and seconds > settings.max_seconds:
            too_long.append(f"too long: {seconds:.0f} s")
            return too_long[0]
        return None

    options: dict[str, Any] = {
        "format": f"best[height<={settings.max_height}]/bestvideo[height<={settings.max_height}]/best",
        "paths": {"home": str(folder)},
        "outtmpl": {"default": f"{video_id}.%(ext)s", "subtitle": f"{video_id}.%(ext)s"},
        "match_filter": check_length,
        "retries": settings.retries,
        "extractor_retries": settings.retries,
        "socket_timeout": 30,
        "writesubtitles": subtitles,
        "writeautomaticsub": subtitles,
        "subtitleslangs": ["en"],
        "subtitlesformat": "vtt",
        "noprogress": True,
        "quiet": True,
        "no_warnings": True,
        "sleep_interval_requests": 0,
    }
    if settings.cookies:
        options["cookiefile"] = settings.cookies
    with YoutubeDL(options) as downloader:
        downloader.download([address(video_id)])
    time.sleep(settings.rate_seconds)
    return too_long[0] if too_long else None


def address(video_id: str) -> str:
    """The page of a video. The id is data inside an address, so a leading dash is no option."""
    return f"https://www.youtube.com/watch?v={video_id}"


def _mark_file(folder: Path, video_id: str) -> Path:
    return folder / ".lost" / f"{video_id}.json"


def _read_mark(folder: Path, video_id: str) -> dict[str, Any] | None:
    if not _ID.fullmatch(video_id) or not _mark_file(folder, video_id).exists():
        return None
    mark: dict[str, Any] = read_json(_mark_file(folder, video_id))
    return mark
