"""Videos and subtitles from YouTube through yt-dlp, an optional package.

Each loss is a row with a reason, and only what failed is tried again.
"""

import re
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.base.bounded import bounded
from pipeline.base.files import listed, write_json
from pipeline.base.scratch import read_kept

_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_LONGEST_PAUSE = 120.0
_REASONS = (  # what yt-dlp says, our reason, and whether another try is pointless
    (r"HTTP Error 429|too many requests|rate.limit|try again later|captcha", "too many requests", False),
    (r"confirm your age|age.restricted", "age restricted: give cookies", False),
    (r"sign in to confirm you|not a bot", "sign-in demanded: give cookies", False),
    (r"private video", "private", True),
    (r"members.only|join this channel", "members only", True),
    (r"not (made this video )?available in your country|blocked it", "blocked in this country", True),
    (r"account.*terminated|copyright|removed|no longer available|does not exist|video unavailable", "removed", True),
    (r"HTTP Error (404|410)", "removed", True),
    (r"timed out|timeout", "no answer in time", False),
)  # fmt: skip
REFUSALS = ("too many requests", "sign-in demanded: give cookies")  # the site refuses us, not one video
GIVE_UP = 3  # refusals in a row
_COUNTRIES = "(?-i:en-[A-Z]{2})"  # of English; yt-dlp's patterns take either case, and en-de is a translation by machine
RUNTIMES = ("deno", "node", "bun")
VIDEO_SECONDS = 3600.0  # for a video in all: yt-dlp's own limit is for the time between two bytes
MOST_BYTES_PER_SECOND = 2.5e6  # of `max_seconds`: 20 Mbit/s, far more than a video of moderate height has
_NOT_TRIED: dict[str, Any] = {"reason": "not tried"}


@dataclass(frozen=True)
class YouTube:
    """`rate_seconds` is the pause after each request of a worker; `cookies` a file in Netscape's format, or empty."""

    max_height: int
    max_seconds: float
    rate_seconds: float
    retries: int
    workers: int
    cookies: str


class _TooLarge(Exception):
    pass


Download = Callable[[str, Path, YouTube], dict[str, Any] | None]


def fetch_videos(video_ids: Sequence[str], folder: Path, *, settings: YouTube) -> dict[str, str]:
    """Download the videos to `folder/<id>.<ext>`; returns a reason for every id that was lost.

    A loss is kept in `folder/.lost/<id>.json`. One that will not change (removed, private, blocked, longer than `max_seconds`) is
    not tried again by a later call; delete its file to have it tried. Raises `RuntimeError` if yt-dlp is not installed, and when
    the site has refused `GIVE_UP` requests in a row: the rest is then not asked for, and a later call resumes there.
    """
    return _fetch_all(
        video_ids, folder, _download, settings=settings, suffix="", title="fetch videos", instead="videos.youtube: false"
    )


def fetch_subtitles(video_ids: Sequence[str], folder: Path, *, settings: YouTube) -> dict[str, str]:
    """Download English subtitles to `folder/<id>.en.vtt`, separately, so that a video is not lost for want of subtitles.

    Those of a country, which only people write, come too, to `folder/<id>.en-GB.vtt` for instance. Returns and raises as
    `fetch_videos` does, with marks called `<id>.subtitles.json`.
    """
    return _fetch_all(
        video_ids, folder, _download_subtitles, settings=settings, suffix=".subtitles", title="fetch subtitles",
        instead="subtitles: false",
    )  # fmt: skip


def why_lost(message: str) -> tuple[str, bool]:
    """A short reason made from yt-dlp's message, and whether it is permanent."""
    for pattern, reason, permanent in _REASONS:
        if re.search(pattern, message, flags=re.IGNORECASE):
            return reason, permanent
    lines = message.strip().splitlines()
    return (lines[0].removeprefix("ERROR: ")[:200] if lines else "yt-dlp gives no reason"), False


class _Manners:
    """What all workers share: after a refusal every worker waits longer, and after several none asks."""

    def __init__(self, rate_seconds: float) -> None:
        self.refused = 0
        self._rate = rate_seconds

    def pause(self, reason: str | None) -> None:
        """Wait after a request that failed for this reason, or succeeded (None)."""
        self.refused = self.refused + 1 if reason in REFUSALS else 0
        time.sleep(self._rate * 2**self.refused)


def _fetch_all(
    video_ids: Sequence[str], folder: Path, download: Download, *, settings: YouTube, suffix: str, title: str, instead: str
) -> dict[str, str]:
    try:
        import yt_dlp  # noqa: F401
    except ImportError as error:
        raise RuntimeError(
            "videos from YouTube need yt-dlp: `uv pip install 'yt-dlp[default]'`. Or put the files into dataset.videos.folder, "
            "or name the archive in dataset.videos.archive_url"
        ) from error
    if not any(shutil.which(runtime) for runtime in RUNTIMES):
        warnings.warn(
            "yt-dlp needs a JavaScript runtime for YouTube: install deno (or node 22, or bun), or most videos will fail",
            stacklevel=3,
        )
    folder.mkdir(parents=True, exist_ok=True)
    manners = _Manners(settings.rate_seconds)

    def work(video_id: str) -> dict[str, Any] | None:
        if not _ID.fullmatch(video_id):
            return {"reason": "not an id of YouTube"}
        mark_file = folder / ".lost" / f"{video_id}{suffix}.json"
        mark = read_kept(mark_file, {"reason": str, "permanent": bool})
        if mark is not None and mark["permanent"] and settings.max_seconds <= mark.get("max_seconds", settings.max_seconds):
            return dict(mark)
        if manners.refused >= GIVE_UP:
            return _NOT_TRIED
        mark = _fetch_one(video_id, folder, download, settings)
        if mark is None:
            mark_file.unlink(missing_ok=True)
        else:
            write_json(mark_file, mark | {"tried_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
        manners.pause(mark["reason"] if mark is not None else None)
        return mark

    lost: dict[str, str] = {}
    not_tried = 0
    with (
        ThreadPoolExecutor(settings.workers) as pool,
        tqdm(total=len(video_ids), unit="video", desc=title, disable=None) as bar,
    ):
        for video_id, mark in zip(video_ids, pool.map(work, video_ids), strict=True):
            bar.update()
            if mark is not None:
                lost[video_id] = str(mark["reason"])
            not_tried += mark is _NOT_TRIED
    if not_tried:
        refusals = sorted(set(lost.values()) & set(REFUSALS))
        raise RuntimeError(
            f"{title}: YouTube refused {GIVE_UP} requests in a row ({', '.join(refusals)}), so {not_tried} of {len(video_ids)} "
            "were not asked for. What was fetched is kept: wait an hour or more, or set dataset.videos.cookies, and run this "
            f"again. To do without the rest, set {instead}"
        )
    return lost


def _fetch_one(video_id: str, folder: Path, download: Download, settings: YouTube) -> dict[str, Any] | None:
    """None, or the mark of a loss."""
    try:
        return bounded(lambda: download(video_id, folder, settings), VIDEO_SECONDS)
    except TimeoutError:
        return {"reason": "no answer in time", "permanent": False}
    except Exception as error:  # noqa: BLE001 - yt-dlp raises whatever its extractors raise; each is this video's reason
        reason, permanent = why_lost(str(error))
        return {"reason": reason, "permanent": permanent}


def _download(video_id: str, folder: Path, settings: YouTube) -> dict[str, Any] | None:
    """Download one video; returns a mark if it is too long or large. yt-dlp writes `.part` files, resumes and renames them."""
    too_long: list[str] = []

    def check_length(info: dict[str, Any], *, incomplete: bool) -> str | None:
        seconds = info.get("duration")
        if seconds and seconds > settings.max_seconds:
            too_long.append(f"too long: {seconds:.0f} s")
            return too_long[0]
        return None

    height = f"[height<={settings.max_height}]"
    try:
        _run(video_id, folder, settings, {"format": f"best{height}/bestvideo{height}/best", "match_filter": check_length})
    except _TooLarge as error:
        for part in listed(folder, f"{video_id}.*.part"):
            part.unlink()
        too_long.append(str(error))
    return {"reason": too_long[0], "permanent": True, "max_seconds": settings.max_seconds} if too_long else None


def _download_subtitles(video_id: str, folder: Path, settings: YouTube) -> dict[str, Any] | None:
    """Download one video's subtitles, written rather than automatic ones; returns a mark if there are none."""
    wanted = {"skip_download": True, "writesubtitles": True, "writeautomaticsub": True}
    _run(video_id, folder, settings, wanted | {"subtitleslangs": ["en", _COUNTRIES], "subtitlesformat": "vtt"})
    found = listed(folder, f"{video_id}.en*.vtt")
    return None if found else {"reason": "no English subtitles", "permanent": True}


def _run(video_id: str, folder: Path, settings: YouTube, wanted: dict[str, Any]) -> None:
    from yt_dlp import YoutubeDL

    most, start = settings.max_seconds * MOST_BYTES_PER_SECOND, time.monotonic()

    def check_progress(progress: dict[str, Any]) -> None:
        if max(progress.get(name) or 0 for name in ("total_bytes", "downloaded_bytes")) > most:
            raise _TooLarge(f"too large: more than {most:.0f} bytes")
        if time.monotonic() - start > VIDEO_SECONDS:
            raise RuntimeError("timeout: nobody waits for it any more")

    options: dict[str, Any] = {
        "paths": {"home": str(folder)},
        "outtmpl": {"default": f"{video_id}.%(ext)s", "subtitle": f"{video_id}.%(ext)s"},
        "retries": settings.retries,
        "extractor_retries": settings.retries,
        "retry_sleep_functions": dict.fromkeys(("http", "fragment", "extractor"), partial(_retry_pause, settings.rate_seconds)),
        "socket_timeout": 30,
        "js_runtimes": {runtime: {} for runtime in RUNTIMES},
        "progress_hooks": [check_progress],
        "noprogress": True,
        "quiet": True,
        "no_warnings": True,
    }
    if settings.cookies:
        options["cookiefile"] = settings.cookies
    with YoutubeDL(options | wanted) as downloader:
        downloader.download([address(video_id)])


def _retry_pause(rate_seconds: float, n: int) -> float:
    """Seconds before try number `n` + 1 of the same request."""
    return float(min(rate_seconds * 2**n, _LONGEST_PAUSE))


def address(video_id: str) -> str:
    """The address of a video's page. Inside an address, an id with a leading dash is not read as an option."""
    return f"https://www.youtube.com/watch?v={video_id}"
