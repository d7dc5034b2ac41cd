"""The videos of YouCook2: first those already in the folder, then the official archive, then YouTube.

About a tenth of them have vanished from YouTube; the dataset's owners give the raw files to researchers (see its download page).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from pipeline.base.dataset_params import Videos, YouCook2Dataset
from pipeline.base.files import read_json, write_json
from pipeline.corpus.downloads import extract_members, fetch_file
from pipeline.corpus.youtube import YouTube, fetch_subtitles, fetch_videos

_LACKING = ".archive.json"
SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v")


def find_videos(video_ids: Sequence[str], settings: YouCook2Dataset) -> tuple[dict[str, Path], dict[str, str]]:
    """The file of every video that was found, and a reason for every other one."""
    assert settings.videos is not None
    sources = settings.videos
    folder = Path(sources.folder)
    found = local_videos(folder, video_ids)
    reasons: dict[str, str] = {}
    if sources.archive_url and len(found) < len(video_ids):
        _unpack(sources, folder, wanted=set(video_ids) - found.keys())
        found = local_videos(folder, video_ids)
    missing = [video_id for video_id in video_ids if video_id not in found]
    if sources.youtube and missing:
        reasons = fetch_videos(missing, folder, settings=_youtube(sources))
        found = local_videos(folder, video_ids)
    where = "YouTube" if sources.youtube else "the archive" if sources.archive_url else "dataset.videos.folder"
    lost = {video_id: reasons.get(video_id, f"not in {where}") for video_id in video_ids if video_id not in found}
    return found, lost


def find_subtitles(video_ids: Sequence[str], sources: Videos) -> None:
    """Fetch subtitles that are not yet in the folder of the videos, and print how many videos have none."""
    folder = Path(sources.folder)
    missing = [video_id for video_id in video_ids if not (folder / f"{video_id}.en.vtt").exists()]
    lost = fetch_subtitles(missing, folder, settings=_youtube(sources)) if missing else {}
    if lost:
        reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(lost.values()).most_common())
        print(f"subtitles: none for {len(lost)} of {len(video_ids)} videos without a transcript ({reasons})")


def local_videos(folder: Path, video_ids: Iterable[str]) -> dict[str, Path]:
    """Files below `folder` whose name is one of the ids, with any video suffix."""
    wanted = set(video_ids)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.stem in wanted)
    return {path.stem: path for path in files}


def _unpack(sources: Videos, folder: Path, *, wanted: set[str]) -> None:
    """Unpack what is wanted; what the archive lacks is remembered, so that tens of GB are not fetched again for nothing."""
    mark = folder / _LACKING
    known = read_json(mark) if mark.exists() else {}
    if known.get("archive") == sources.archive_url and wanted <= set(known["lacking"]):
        return
    archive = folder.parent / PurePosixPath(sources.archive_url).name
    fetch_file(sources.archive_url, archive, title="raw videos")

    def accept(name: str) -> str | None:
        member = PurePosixPath(name)
        return member.name if member.suffix.lower() in SUFFIXES and member.stem in wanted else None

    extract_members(archive, folder, accept=accept)
    lacking = sorted(wanted - local_videos(folder, wanted).keys())
    write_json(mark, {"archive": sources.archive_url, "lacking": lacking})


def _youtube(sources: Videos) -> YouTube:
    return YouTube(
        max_height=sources.max_height, max_seconds=sources.max_seconds, rate_seconds=sources.rate_seconds,
        retries=sources.retries, workers=sources.workers, cookies=sources.cookies,
    )  # fmt: skip
