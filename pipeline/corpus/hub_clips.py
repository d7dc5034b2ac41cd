"""Videos that an archive has in clips, one for each annotated step, `<id>_<number of the step>.mp4`.

Joined, they stand for the video. What was shown between the steps is missing then, so the joined file has a note beside it,
`<id>.clips.json`, that says where its steps lie. The note goes with the file of that size; it is ignored once another one stands
in its place.
"""

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pipeline.base.containers import VIDEO_SUFFIXES
from pipeline.base.files import read_json, write_json
from pipeline.corpus.archives import extract_members
from pipeline.corpus.clips import Segments, join_clips
from pipeline.corpus.fields import segment

_UNPACKED = ".clips"  # hidden, so that no clip passes for a video
_CLIP = re.compile(r"(.+)_([0-9]{1,4})")


def join_all(archive: Path, folder: Path, *, steps: Mapping[str, int], max_bytes: float) -> dict[str, str]:
    """Join the clips in `archive` of the videos in `steps`, by id the number of their steps; returns why one was not joined.

    A video is joined only if it has one clip for each of its steps, numbered from 0.
    """

    def accept(name: str) -> str | None:
        member = PurePosixPath(name)
        clip = _CLIP.fullmatch(member.stem)
        return member.name if member.suffix.lower() in VIDEO_SUFFIXES and clip and clip[1] in steps else None

    unpacked = folder / _UNPACKED
    if unpacked.exists():
        shutil.rmtree(unpacked)  # of a run that was killed, and perhaps of another archive
    reasons: dict[str, str] = {}
    joined = 0
    try:
        clips: defaultdict[str, dict[int, Path]] = defaultdict(dict)
        for path in extract_members(archive, unpacked, accept=accept, max_bytes=max_bytes):
            clip = _CLIP.fullmatch(path.stem)
            assert clip is not None, "accepted by the same pattern"
            if int(clip[2]) in clips[clip[1]]:
                reasons[clip[1]] = f"{archive.name} has several clips of it with the number {int(clip[2])}"
            clips[clip[1]][int(clip[2])] = path
        for video_id in sorted(clips.keys() - reasons.keys()):
            have, count = clips[video_id], steps[video_id]
            if sorted(have) != list(range(count)):
                reasons[video_id] = f"{archive.name} has {len(have)} clips of it, not one for each of its {count} steps"
                continue
            try:
                _write_joined([have[number] for number in range(count)], folder / f"{video_id}{have[0].suffix.lower()}")
            except ValueError as error:
                reasons[video_id] = f"{archive.name}: {error}"
                continue
            joined += 1
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    if joined:
        print(f"warning: {joined} videos are joined from clips in {archive.name}: what they show between their steps is missing")
    return reasons


def _write_joined(clips: list[Path], out: Path) -> None:
    """The note comes first: without it the file would pass for the whole video."""
    aside = clips[0].with_name(f"joined{out.suffix}")
    segments = join_clips(clips, aside)
    write_json(_note(out), {"bytes": aside.stat().st_size, "segments": [list(segment) for segment in segments]})
    os.replace(aside, out)


def joined_segments(path: Path) -> Segments | None:
    """Where the steps lie in a file that was joined from clips; None of any other file.

    A note that cannot be read, or is none, is a `ValueError`: without it nobody knows where they lie.
    """
    where = _note(path)
    if not where.exists():
        return None
    try:
        note = read_json(where, {"bytes": int, "segments": list})
        segments = [segment(pair, where=f"segments[{place}]") for place, pair in enumerate(note["segments"])]
    except (ValueError, OSError) as error:
        raise ValueError(f"{where}: says nothing of where the steps lie ({error}); delete it and {path.name}") from error
    return segments if note["bytes"] == path.stat().st_size else None


def _note(path: Path) -> Path:
    return path.with_name(f"{path.stem}.clips.json")
