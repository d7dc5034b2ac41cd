"""Videos and transcripts of a published dataset, each from the nearest source.

Videos: first those already in the folder, then the archive of the dataset's owners, then the hub's, then YouTube, where about a
tenth of YouCook2 has vanished. Transcripts: files, and subtitles beside the videos.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pipeline.base.containers import VIDEO_SUFFIXES
from pipeline.base.dataset_params import SpokenDataset, Videos
from pipeline.base.files import listed, write_json
from pipeline.base.scratch import read_kept
from pipeline.corpus.archives import extract_members
from pipeline.corpus.downloads import fetch_pinned, hub_address
from pipeline.corpus.hub_clips import join_all
from pipeline.corpus.table import SUBTITLES
from pipeline.corpus.transcripts import Transcripts, read_transcripts
from pipeline.corpus.youtube import YouTube, fetch_subtitles, fetch_videos

_LONGEST_NAME = 200


@dataclass(frozen=True)
class _Archive:
    """`mark` is the file that says what it lacks, so that tens of GB are not fetched again for nothing."""

    url: str
    known_as: str  # in the mark: what it gives depends on more than its address
    sha256: str
    key: str  # of the parameter that has the sha256
    mark: str
    max_bytes: float


def find_videos(
    video_ids: Sequence[str],
    sources: Videos,
    *,
    steps: Mapping[str, int] | None = None,
    names: Mapping[str, str] | None = None,
) -> tuple[dict[str, Path], dict[str, str]]:
    """The file of every video that was found, and a reason for every other one.

    `steps` says how many annotated steps a video has, where clips of them may stand for it: `sources.hub` with clips: join.
    `names` are other names by which files go, in the folder and in archives, each with the id that it stands for.
    """
    folder = Path(sources.folder)
    called = {**(names or {}), **{video_id: video_id for video_id in video_ids}}
    found = _find_local(folder, called)
    reasons: dict[str, str] = {}
    if sources.archive_url and len(found) < len(video_ids):
        _from_archive(sources, folder, wanted=_names_of(called, found=found))
        found = _find_local(folder, called)
    if sources.hub is not None and len(found) < len(video_ids):
        reasons |= _from_hub(sources, folder, wanted=_names_of(called, found=found), steps=steps or {})
        found = _find_local(folder, called)
    missing = [video_id for video_id in video_ids if video_id not in found]
    if sources.youtube and missing:
        reasons |= fetch_videos(missing, folder, settings=_youtube(sources))
        found = _find_local(folder, called)
    where = (
        "YouTube" if sources.youtube else "the hub's archive" if sources.hub is not None else
        "the archive" if sources.archive_url else "dataset.videos.folder"
    )  # fmt: skip
    lost = {video_id: reasons.get(video_id, f"not in {where}") for video_id in video_ids if video_id not in found}
    return found, lost


def find_transcripts(
    settings: SpokenDataset, asked: Sequence[str], *, known: Collection[str], names: Mapping[str, str] | None = None
) -> Transcripts:
    """The transcripts in the dataset's folder and beside its videos.

    With `settings.subtitles`, those of the videos `asked` for are fetched. Prints which files fit no id that is `known`, and what
    is to be said of the others. `names` are other names by which files go, each with the id that it stands for.
    """
    transcripts = _read_all(settings, names)
    if settings.subtitles and settings.videos is not None:
        english = transcripts.texts.keys() - transcripts.foreign
        _find_subtitles([video_id for video_id in asked if video_id not in english], settings.videos)
        transcripts = _read_all(settings, names)
    if unknown := sorted({*transcripts.texts, *transcripts.problems} - {*known}):
        print(f"transcripts: {len(unknown)} files fit no video of the annotations, such as {', '.join(unknown[:3])}")
    for video_id, remark in (*transcripts.problems.items(), *transcripts.notes.items()):
        print(f"transcript of {video_id}: {remark}")
    return transcripts


def spoken(video_id: str, transcripts: Transcripts, *, written_by: str) -> tuple[str, str]:
    """The transcript of a video and its origin; both empty where there is none. Texts that are no subtitles are `written_by`."""
    if video_id not in transcripts.texts:
        return "", ""
    return transcripts.texts[video_id], SUBTITLES if video_id in transcripts.captions else written_by


def local_videos(folder: Path, video_ids: Iterable[str]) -> dict[str, Path]:
    """Files below `folder` whose name is one of the ids, with any video suffix; of two, the one whose suffix is listed first."""
    wanted = set(video_ids)
    files = [path for path in listed(folder, "**/*") if path.suffix.lower() in VIDEO_SUFFIXES and path.stem in wanted]
    files.sort(key=lambda path: (VIDEO_SUFFIXES.index(path.suffix.lower()), path))
    found: dict[str, Path] = {}
    for path in files:
        found.setdefault(path.stem, path)
    return found


def _find_local(folder: Path, called: Mapping[str, str]) -> dict[str, Path]:
    """As `local_videos`, for the names in `called`, by the ids that they stand for."""
    found: dict[str, Path] = {}
    for name, path in local_videos(folder, called).items():
        found.setdefault(called[name], path)
    return found


def _names_of(called: Mapping[str, str], *, found: Collection[str]) -> set[str]:
    """Every name of the videos that are not yet found."""
    return {name for name, video_id in called.items() if video_id not in found}


def _read_all(settings: SpokenDataset, names: Mapping[str, str] | None) -> Transcripts:
    folder = Path(settings.folder)
    every = Transcripts()
    beside_videos = [Path(settings.videos.folder)] if settings.videos is not None else []
    for source in (*beside_videos, folder / "transcripts.tar", folder / "transcripts"):  # the last one wins
        if source.exists():
            every = read_transcripts(source, settings.transcripts, names=names).over(every)
    return every


def _find_subtitles(video_ids: Sequence[str], sources: Videos) -> None:
    """Fetch subtitles that are not yet in the folder of the videos, and print how many videos have none."""
    folder = Path(sources.folder)
    missing = [video_id for video_id in video_ids if not (folder / f"{video_id}.en.vtt").exists()]
    lost = fetch_subtitles(missing, folder, settings=_youtube(sources)) if missing else {}
    if lost:
        reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(lost.values()).most_common())
        print(f"subtitles: none for {len(lost)} of {len(video_ids)} videos without a transcript ({reasons})")


def _from_archive(sources: Videos, folder: Path, *, wanted: set[str]) -> None:
    url, most = sources.archive_url, sources.archive_max_gb * 1e9
    archive = _Archive(url, url, sources.archive_sha256, "dataset.videos.archive_sha256", ".archive.json", most)
    if _known(archive, folder, wanted) is None:
        _unpack(archive, folder, wanted=wanted)
        _remember(archive, folder, wanted, {})


def _from_hub(sources: Videos, folder: Path, *, wanted: set[str], steps: Mapping[str, int]) -> dict[str, str]:
    """Unpack from the hub's archive what is wanted; of a video that it has in clips, join them. Returns why that was not done."""
    assert sources.hub is not None
    hub = sources.hub
    url = hub_address(hub.repository, hub.file, revision=hub.revision)
    known_as, most = f"{url} (clips: {hub.clips})", sources.archive_max_gb * 1e9
    archive = _Archive(url, known_as, hub.sha256, "dataset.videos.hub.sha256", ".hub.json", most)
    known = _known(archive, folder, wanted)
    if known is not None:
        return known
    path = _unpack(archive, folder, wanted=wanted)
    left = wanted - local_videos(folder, wanted).keys()
    countable = {key: steps[key] for key in left if steps.get(key)}
    reasons = join_all(path, folder, steps=countable, max_bytes=most) if hub.clips == "join" else {}
    _remember(archive, folder, wanted, reasons)
    return reasons


def _known(archive: _Archive, folder: Path, wanted: set[str]) -> dict[str, str] | None:
    """If the archive is known to have nothing that is wanted, the reasons why, as far as there are; else None."""
    mark = read_kept(folder / archive.mark, {"archive": str, "lacking": list})
    if mark is None or mark["archive"] != archive.known_as or not wanted <= set(map(str, mark["lacking"])):
        return None
    return {str(key): str(reason) for key, reason in dict(mark.get("reasons", {})).items() if key in wanted}


def _remember(archive: _Archive, folder: Path, wanted: set[str], reasons: Mapping[str, str]) -> None:
    """Note what the archive lacks, once all that it has is there."""
    lacking = sorted(wanted - local_videos(folder, wanted).keys())
    write_json(folder / archive.mark, {"archive": archive.known_as, "lacking": lacking, "reasons": dict(reasons)})


def _unpack(archive: _Archive, folder: Path, *, wanted: set[str]) -> Path:
    """Fetch the archive and unpack the videos that are wanted; its path."""
    # The path alone: a signed address goes on for hundreds of characters, and changes.
    name = PurePosixPath(urlsplit(archive.url).path).name[-_LONGEST_NAME:] or "archive"
    path = folder.parent / name
    fetch_pinned(archive.url, path, title="raw videos", max_bytes=archive.max_bytes, sha256=archive.sha256, key=archive.key)

    def accept(name: str) -> str | None:
        member = PurePosixPath(name)
        return member.name if member.suffix.lower() in VIDEO_SUFFIXES and member.stem in wanted else None

    extract_members(path, folder, accept=accept, max_bytes=archive.max_bytes)
    return path


def _youtube(sources: Videos) -> YouTube:
    return YouTube(
        max_height=sources.max_height, max_seconds=sources.max_seconds, rate_seconds=sources.rate_seconds,
        retries=sources.retries, workers=sources.workers, cookies=sources.cookies,
    )  # fmt: skip
