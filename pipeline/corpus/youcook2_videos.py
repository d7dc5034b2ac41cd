"""The videos of YouCook2: first those already in the folder, then the official archive, then YouTube.

About a tenth of them have vanished from YouTube; the dataset's owners give the raw files to researchers (see its download page).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pipeline.base.containers import VIDEO_SUFFIXES
from pipeline.base.dataset_params import Videos, YouCook2Dataset
from pipeline.base.files import listed, write_json
from pipeline.base.scratch import read_kept
from pipeline.corpus.archives import extract_members
from pipeline.corpus.downloads import fetch_file
from pipeline.corpus.youtube import YouTube, fetch_subtitles, fetch_videos

_LONGEST_NAME = 200
_LACKING = ".archive.json"


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
    """Files below `folder` whose name is one of the ids, with any video suffix; of two, the one whose suffix is listed first."""
    wanted = set(video_ids)
    files = [path for path in listed(folder, "**/*") if path.suffix.lower() in VIDEO_SUFFIXES and path.stem in wanted]
    files.sort(key=lambda path: (VIDEO_SUFFIXES.index(path.suffix.lower()), path))
    found: dict[str, Path] = {}
    for path in files:
        found.setdefault(path.stem, path)
    return found


def _unpack(sources: Videos, folder: Path, *, wanted: set[str]) -> None:
    """Unpack what is wanted; what the archive lacks is remembered, so that tens of GB are not fetched again for nothing."""
    mark = folder / _LACKING
    known = read_kept(mark, {"archive": str, "lacking": list})
    if known is not None and known["archive"] == sources.archive_url and wanted <= set(map(str, known["lacking"])):
        return
    # The path alone: a signed address goes on for hundreds of characters, and changes.
    name = PurePosixPath(urlsplit(sources.archive_url).path).name[-_LONGEST_NAME:] or "archive"
    archive = folder.parent / name
    most = sources.archive_max_gb * 1e9
    sha256 = fetch_file(sources.archive_url, archive, title="raw videos", max_bytes=most, sha256=sources.archive_sha256)
    if not sources.archive_sha256:
        print(
            f"warning: dataset.videos.archive_sha256 is empty, so {archive} is taken as it is. Its sha256 is {sha256}; "
            "if you trust it, set the parameter to that"
        )

    def accept(name: str) -> str | None:
        member = PurePosixPath(name)
        return member.name if member.suffix.lower() in VIDEO_SUFFIXES and member.stem in wanted else None

    extract_members(archive, folder, accept=accept, max_bytes=most)
    lacking = sorted(wanted - local_videos(folder, wanted).keys())
    write_json(mark, {"archive": sources.archive_url, "lacking": lacking})


def _youtube(sources: Videos) -> YouTube:
    return YouTube(
        max_height=sources.max_height, max_seconds=sources.max_seconds, rate_seconds=sources.rate_seconds,
        retries=sources.retries, workers=sources.workers, cookies=sources.cookies,
    )  # fmt: skip
