"""Transcripts: plain text files or subtitles, one file per video and language, in a folder or an archive."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from pipeline.base.files import listed
from pipeline.corpus.archives import naming_damage, open_members
from pipeline.corpus.subtitles import clean_subtitles
from pipeline.corpus.table import LONGEST_TEXT

_LARGEST_ARCHIVE = 1 << 34  # bytes unpacked: a thousand times the transcripts of YouCook2
FILES, CAPTIONS = "files", "subtitles"  # the two kinds, as a study names them
TEXT, SUBTITLES = ".txt", (".vtt", ".srt")
_LANGUAGE = re.compile(r"\.([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]+)*)$")
_FOR_THE_DEAF = re.compile(r"\.(?:sdh|cc|hi|forced)$", re.IGNORECASE)  # comes after the language, and hides it
# As yt-dlp names what a program heard or translated: en-orig, en-de. Other parts, en-GB or a track's name, are people's.
_AUTOMATIC = re.compile(r"-(?:orig|[a-z]{2,3}(?:-.*)?)")
_PEOPLES, _PLAIN, _MACHINES, _UNNAMED, _FOREIGN = range(1, 6)  # the order in which subtitles of one video are preferred


@dataclass(frozen=True)
class Transcripts:
    """A text per video id, and a reason for each id whose file gives none. Those in `captions` are subtitles.

    `notes` say which of several files was read, and of a video in `foreign` that its only text is in another language.
    """

    texts: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    foreign: frozenset[str] = frozenset()
    captions: frozenset[str] = frozenset()

    def over(self, other: "Transcripts") -> "Transcripts":
        """Both together. Of a video that both have this one's text counts, unless it is foreign and the other's is not."""
        mine = {key for key in self.texts if key not in self.foreign or key not in other.texts or key in other.foreign}
        return Transcripts(
            other.texts | {key: self.texts[key] for key in mine},
            other.problems | self.problems,
            {key: note for key, note in other.notes.items() if key not in mine}
            | {key: note for key, note in self.notes.items() if key in mine},
            (other.foreign - mine) | (self.foreign & mine),
            (other.captions - mine) | (self.captions & mine),
        )


class _UnreadableError(ValueError):
    """Why one file gives no text, in words that go after its name."""


def read_transcripts(
    source: Path, kinds: Collection[str] = (FILES, CAPTIONS), *, names: Mapping[str, str] | None = None
) -> Transcripts:
    """Read `<id>.txt` (one sentence per line) and `<id>.vtt` or `.srt`, or `<id>.<language>.vtt` or `.srt`, of any case.

    Text wins over subtitles, and of several subtitles English ones: those with a country before plain `en`, which may be
    automatic, and that before what is named as automatic. Another language is read when there is nothing else. Of `kinds` it
    may be texts alone (`files`), or `subtitles`. A file may be called by one of `names` in place of the id that this one has.

    `source` is a folder, or a tar or zip archive. Raises `ValueError` naming it if it is missing, `FetchError` if it is
    damaged, encrypted, or unpacks to more than any transcripts have.
    """
    texts: dict[str, str] = {}
    problems: dict[str, str] = {}
    found: dict[str, list[tuple[int, str]]] = {}  # rank and name of what gives a text, for each id
    if not source.exists():
        raise ValueError(f"{source} is missing; give a folder or an archive of <video_id>.txt or <video_id>.en.vtt")
    with naming_damage(source):
        for name, read in _files(source):
            called, rank = _meaning(PurePosixPath(name))
            video_id = (names or {}).get(called, called)
            if (CAPTIONS if rank else FILES) not in kinds:
                continue
            try:
                text = _text(read(), is_subtitle=rank > 0)
            except _UnreadableError as error:
                problems.setdefault(video_id, f"{name} {error}")
                continue
            known = found.setdefault(video_id, [])
            if not known or (rank, name) < min(known):
                texts[video_id] = text
            known.append((rank, name))
    notes = {video_id: note for video_id, files in found.items() if (note := _note(sorted(files)))}
    foreign = frozenset(video_id for video_id, files in found.items() if min(files)[0] == _FOREIGN)
    captions = frozenset(video_id for video_id, files in found.items() if min(files)[0])
    return Transcripts(texts, {key: problem for key, problem in problems.items() if key not in texts}, notes, foreign, captions)


def _meaning(path: PurePosixPath) -> tuple[str, int]:
    """The id of the video, and 0 for a text or the rank of its language for subtitles."""
    if path.suffix.lower() == TEXT:
        return path.stem, 0
    stem = _FOR_THE_DEAF.sub("", path.stem)
    match = _LANGUAGE.search(stem)
    if match is None:
        return stem, _UNNAMED
    language, dash, part = match[1].replace("_", "-").partition("-")
    if language.lower() not in ("en", "eng"):
        rank = _FOREIGN
    elif not dash:
        rank = _PLAIN
    else:
        rank = _MACHINES if _AUTOMATIC.fullmatch(dash + part) else _PEOPLES
    return stem[: match.start()], rank


def _text(content: bytes, *, is_subtitle: bool) -> str:
    """The text of a file. Raises `_UnreadableError` with a reason that goes after its name."""
    if len(content) > LONGEST_TEXT:
        raise _UnreadableError(f"is larger than {LONGEST_TEXT >> 20} MB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _UnreadableError(f"is not UTF-8 (byte {error.start})") from error
    cleaned = clean_subtitles(text) if is_subtitle else " ".join(text.split())
    if not cleaned:
        raise _UnreadableError("is empty")
    return cleaned


def _note(files: list[tuple[int, str]]) -> str:
    """What to say of the files that give one video a text, best first; nothing if one file is all, or a text among subtitles."""
    best, name = files[0]
    rivals = [other for rank, other in files[1:] if best or not rank]
    if rivals:
        return f"{name} is read, not {', '.join(rivals)}"
    return f"{name} is read; there are no English subtitles" if best == _FOREIGN else ""


def _files(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and reader of each text and subtitle file; no reader takes in more than one byte beyond `LONGEST_TEXT`."""
    if source.is_dir():
        for path in listed(source, "**/*"):
            if _is_wanted(path.name):
                yield _shown(path.relative_to(source).as_posix()), partial(_read_file, path)
        return
    for name, open_member in open_members(source, _LARGEST_ARCHIVE):
        if _is_wanted(name):
            yield _shown(name), partial(_read_member, open_member)


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in (TEXT, *SUBTITLES) and not path.name.startswith(".")


def _shown(name: str) -> str:
    """A file's name as it can be printed: it need not be UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise _UnreadableError("is no file")
    try:
        with path.open("rb") as stream:
            return stream.read(LONGEST_TEXT + 1)
    except OSError as error:
        raise _UnreadableError(f"cannot be read ({error.strerror})") from error


def _read_member(open_member: Callable[[], IO[bytes]]) -> bytes:
    with open_member() as stream:
        return stream.read(LONGEST_TEXT + 1)
