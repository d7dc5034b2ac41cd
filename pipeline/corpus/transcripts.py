"""Transcripts: plain text files or subtitles, one file per video, in a folder or an archive."""

import html
import re
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.corpus.downloads import FetchError

_TIME = re.compile(r"(?:(\d+):)?(\d\d):(\d\d)\.(\d{3})\s+-->\s+(?:(\d+):)?(\d\d):(\d\d)\.(\d{3})")
_SOUND = re.compile(r"\[[^\]]*\]|\([^)]*\)")
_TAG = re.compile(r"<[^>]*>")
_LANGUAGE = re.compile(r"\.[a-zA-Z]{2,3}(-[A-Za-z0-9]+)*$")
ROLLING_SECONDS = 0.05  # a cue that begins this soon after another one continues it


@dataclass(frozen=True)
class Transcripts:
    """A text per video id, and a reason for each id whose file gives none."""

    texts: dict[str, str]
    problems: dict[str, str]


def read_transcripts(source: Path) -> Transcripts:
    """Read `<id>.txt` (one sentence per line) and `<id>.vtt` or `<id>.<language>.vtt`; text wins over subtitles.

    `source` is a folder, or a tar or zip archive. Raises `ValueError` naming it if it is missing, `FetchError` if it is damaged.
    """
    texts: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, content in sorted(_files(source), key=lambda item: item[0].endswith(".txt")):
        stem = PurePosixPath(name).name.rsplit(".", 1)[0]
        is_subtitle = name.endswith(".vtt")
        video_id = _LANGUAGE.sub("", stem) if is_subtitle else stem
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problems[video_id] = f"{name} is not UTF-8 (byte {error.start})"
            continue
        cleaned = clean_subtitles(text) if is_subtitle else " ".join(text.split())
        if cleaned:
            texts[video_id] = cleaned
        else:
            problems[video_id] = f"{name} is empty"
    return Transcripts(texts, {video_id: problem for video_id, problem in problems.items() if video_id not in texts})


def clean_subtitles(vtt: str) -> str:
    """WebVTT as plain text, without tags, sounds in brackets, and the repeats of rolling captions.

    Automatic captions roll: each cue repeats the previous line above the new one, with cues of a few milliseconds in between.
    A line is therefore dropped when the previous cue ended with it, no more than `ROLLING_SECONDS` ago. A sentence said twice
    with a pause in between is kept twice.
    """
    kept: list[str] = []
    previous: list[str] = []
    previous_end = -1.0
    for start, end, lines in _cues(vtt):
        fresh = lines
        if start - previous_end <= ROLLING_SECONDS:
            overlap = max(
                (
                    length
                    for length in range(min(len(lines), len(previous)) + 1)
                    if previous[len(previous) - length :] == lines[:length]
                ),
                default=0,
            )
            fresh = lines[overlap:]
        kept += fresh
        previous, previous_end = lines or previous, end
    return " ".join(" ".join(kept).split())


def _cues(vtt: str) -> Iterator[tuple[float, float, list[str]]]:
    """Start and end in seconds and the cleaned lines of each cue."""
    for block in re.split(r"\n\s*\n", vtt.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.split("\n")
        place = next((number for number, line in enumerate(lines) if _TIME.search(line)), None)
        if place is None or lines[0].startswith(("NOTE", "STYLE", "REGION")):
            continue
        match = _TIME.search(lines[place])
        assert match is not None
        values = [int(part or 0) for part in match.groups()]
        start, end = (
            hours * 3600 + minutes * 60 + seconds + milli / 1000 for hours, minutes, seconds, milli in (values[:4], values[4:])
        )
        cleaned = (_clean_line(line) for line in lines[place + 1 :])
        yield start, end, [line for line in cleaned if line]


def _clean_line(line: str) -> str:
    text = html.unescape(_TAG.sub("", line))
    return " ".join(_SOUND.sub(" ", text).split())


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix in (".txt", ".vtt"):
                yield path.name, path.read_bytes()
        return
    if not source.exists():
        raise ValueError(f"{source} is missing; give a folder or an archive of <video_id>.txt or <video_id>.en.vtt")
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as zipped:
                yield from ((name, zipped.read(name)) for name in zipped.namelist() if name.endswith((".txt", ".vtt")))
            return
        with tarfile.open(source) as tarred:
            for member in tarred:
                if member.isreg() and member.name.endswith((".txt", ".vtt")):
                    stream = tarred.extractfile(member)
                    assert stream is not None
                    yield member.name, stream.read()
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise FetchError(f"{source}: damaged or cut short ({error}); get it again") from error
