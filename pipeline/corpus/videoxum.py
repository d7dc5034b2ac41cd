"""VideoXum: videos of ActivityNet Captions with a sentence for each of their parts, of the hub repository `jylins/videoxum`.

Of "VideoXum: Cross-modal Visual and Textural Summarization of Videos" (IEEE Transactions on Multimedia). In `dataset.folder`:

    train_videoxum.json, val_videoxum.json, test_videoxum.json   fetched where they are not there
    transcripts/ or transcripts.tar   optional: `<YouTube id>.txt`, or `.vtt` or `.srt`, or with `v_` before the id
    videos/                           `v_<YouTube id>.<any extension>`, as ActivityNet names them, or without `v_`; so in archives

A file is a list of `{"video_id": "v_<YouTube id>", "duration", "sampled_frames", "timestamps", "tsum", "vsum", "vsum_onehot"}`.
There is **one** text a video, in sentences: `tsum` has one for each [start, end] of `timestamps`, and the authors' own loader
joins them to the reference. So does this one. The "ten summaries" are `vsum`: where ten people saw the essence of each part. They
are not read.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.base.dataset_params import VideoXumDataset
from pipeline.base.text_files import parse_json, read_text
from pipeline.corpus.doubles import once_each
from pipeline.corpus.downloads import FetchError, fetch_pinned, hub_address
from pipeline.corpus.entities import add_entities
from pipeline.corpus.fields import field, printable, seconds, segment, sentence
from pipeline.corpus.sources import find_transcripts, find_videos, spoken
from pipeline.corpus.table import Video, check_video_id, join_steps, shown

FILES = {"train": "train_videoxum.json", "validation": "val_videoxum.json", "test": "test_videoxum.json"}
_MOST_BYTES = 1 << 28  # of a file: some seven times the largest
_PREFIX = "v_"  # of ActivityNet; what follows is the id of YouTube
_NAME = re.compile(r"(?:v_)?([A-Za-z0-9_-]{11})", re.ASCII)


def read_videos(settings: VideoXumDataset, *, workers: int = 1) -> list[Video]:
    """One `Video` for every entry, split by split; an entry that cannot be used is a lost row.

    Raises `ValueError` for a file that is no list of videos, `RuntimeError` when nothing supplies it.
    """
    rows = once_each(entry for split in FILES for entry in read_split(get_file(settings, FILES[split]), split))
    names = {row.video_id: row.video_id.removeprefix(_PREFIX) for row in rows if row.status == "ok"}
    asked = list(dict.fromkeys(names.values()))
    videos, lost = find_videos(asked, settings.videos, names=names) if settings.videos else ({}, {})
    transcripts = find_transcripts(settings, asked, known=asked, names=names)
    found = []
    for row in rows:
        if row.status == "ok":
            bare = names[row.video_id]
            text, origin = spoken(bare, transcripts, written_by=settings.transcripts_by)
            reason = lost.get(bare, "")
            path = videos[bare].as_posix() if bare in videos else ""
            row = _changed(row, path=path, text=text, origin=origin, reason=reason)
        found.append(row)
    return add_entities(found, settings.entities)


def get_file(settings: VideoXumDataset, name: str) -> Path:
    """An annotation file, from the folder or from the hub, at the commit and with the sha256 that the study says."""
    path = Path(settings.folder) / name
    if name not in settings.sha256:
        raise ValueError(f"dataset.sha256: {name} is missing; it may be empty: then the file is taken as it is, with a warning")
    url = hub_address(settings.repository, name, revision=settings.revision)
    try:
        fetch_pinned(
            url, path, title=name, max_bytes=_MOST_BYTES, sha256=settings.sha256[name], key=f"dataset.sha256.{name}",
        )  # fmt: skip
    except FetchError as error:
        raise RuntimeError(
            f"VideoXum: {error}. Get {name} of the hub's dataset {settings.repository} and put it into {path.parent}/"
        ) from error
    return path


def read_split(path: Path, split: str) -> Iterator[tuple[Video, str]]:
    """The entries of a file, each with the place where it stands."""
    content = parse_json(read_text(path), where=str(path))
    if not isinstance(content, list):
        raise ValueError(f"{path}: expected a list of videos, found {type(content).__name__}; delete it to have it fetched again")
    for number, entry in enumerate(content):
        where = f"{path.name}[{number}]"
        try:
            yield _read_entry(entry, split, where=where), where
        except ValueError as error:
            given = entry.get("video_id") if isinstance(entry, dict) else None
            video_id = _with_prefix(printable(given[:200])) if isinstance(given, str) and given.strip() else where
            yield Video(video_id, split, "", status="failed", reason=printable(str(error))), where


def _read_entry(entry: Any, split: str, *, where: str) -> Video:
    video_id = field(entry, "video_id", str, where=where)
    check_video_id(video_id, where=where)
    sentences = field(entry, "tsum", list, where=where)
    stamps = field(entry, "timestamps", list, where=where)
    if len(sentences) != len(stamps):
        raise ValueError(f"{where}: {len(sentences)} sentences in tsum, {len(stamps)} parts in timestamps")
    steps = tuple(sentence(text, where=f"{where}.tsum[{place}]") for place, text in enumerate(sentences))
    segments = tuple(segment(pair, where=f"{where}.timestamps[{place}]") for place, pair in enumerate(stamps))
    worded = [place for place, text in enumerate(steps) if text]
    if not worded:
        raise ValueError(f"{where}.tsum: no sentence: {shown(sentences)}")
    steps = tuple(steps[place] for place in worded)
    return Video(
        video_id=_with_prefix(video_id),
        split=split,
        video_path="",
        duration_seconds=seconds(field(entry, "duration", object, where=where), where=f"{where}.duration"),
        steps=steps,
        segments=tuple(segments[place] for place in worded),
        summary=join_steps(steps),
    )


def _with_prefix(video_id: str) -> str:
    """The id as ActivityNet has it: with and without `v_` it is one video."""
    name = _NAME.fullmatch(video_id)
    return f"{_PREFIX}{name[1]}" if name else video_id


def _changed(row: Video, *, path: str, text: str, origin: str, reason: str) -> Video:
    return replace(
        row, video_path=path, transcript=text, transcript_origin=origin, status="failed" if reason else "ok", reason=reason
    )
