"""Which files to summarise, and the text that goes with each."""

import filecmp
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.base.containers import VIDEO_SUFFIXES
from pipeline.base.files import listed
from pipeline.base.paths import CORPUS
from pipeline.base.scratch import file_identity
from pipeline.base.text_files import read_text
from pipeline.corpus.subtitles import clean_subtitles
from pipeline.corpus.table import LONGEST_TEXT, SCHEMA, Video, read_corpus
from pipeline.corpus.transcripts import SUBTITLES, TEXT
from pipeline.inference.listening import Ear, SilentError
from pipeline.inference.names import on_one_line

GIVEN, KNOWN, NONE = "given", "corpus", "none"
_KNOWN = ("steps", "transcript", "transcript_origin", "transcript_named")
CHANGED = "the file has changed while it was read"
_LARGEST = 4 * LONGEST_TEXT  # bytes of a text file


class TextError(ValueError):
    """Why a text file gives no text, in words for a line."""


@dataclass(frozen=True)
class Source:
    """A video as the corpus would have it, and where its text comes from: `given`, `corpus` with the corpus's own word for it,
    the name of a file, `asr:<model>`, or `none`.

    `heard_by` is the key of the recogniser that is to make the text, or has made it; empty for any other text.
    """

    video: Video
    origin: str
    heard_by: str = ""
    note: str = ""

    @property
    def from_corpus(self) -> bool:
        """Whether it may have steps as well as a transcript."""
        return self.origin == KNOWN or self.origin.startswith(f"{KNOWN}: ")


def find_videos(places: Sequence[str]) -> list[Path]:
    """The files named, and the videos inside each folder named, at any depth, in the order of their paths.

    In a folder only what lies in it counts: a link to somewhere else is passed over, and told. A folder without a video is a
    `ValueError`.
    """
    found: list[Path] = []
    if not all(place.strip() for place in places):  # an empty path is the folder one is in
        raise ValueError("no video is named: give a file or a folder (VIDEO=film.mp4)")
    for place in map(Path, places):
        if not place.is_dir():
            found.append(place)
            continue
        root = place.resolve()
        named = [path for path in listed(place, "**/*") if path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()]
        inside = [path for path in named if _lies_in(path, root)]
        if left := sorted(path.name for path in set(named) - set(inside)):
            told = on_one_line(", ".join(left[:5]))
            print(f"{place}: links to somewhere else and what is no file are passed over: {len(left)} ({told})", file=sys.stderr)
        if not inside:
            raise ValueError(f"{place}: no file with a suffix of a video ({' '.join(VIDEO_SUFFIXES[:6])} ...) in this folder")
        found += inside
    return list(dict.fromkeys(found))


class Texts:
    """The text of a video: the one that is given for all, else the corpus's own, else that of a file beside the video, else
    what is heard in it.
    """

    def __init__(self, given: str | None, ear: Ear | None = None) -> None:
        """`given`: a text file, `-` for standard input, or None. It must be readable. Without an `ear` nobody listens."""
        self._ear = ear
        self._heard: dict[tuple[str, ...], tuple[str, str]] = {}
        self._given = None if given is None else sys.stdin.read(LONGEST_TEXT) if given == "-" else _read(Path(given))
        self._known: dict[tuple[int, int], dict[str, Any]] | None = None

    def of(self, path: Path) -> Source:
        """The video at `path` with its text, if it has one. A text file that cannot be read, and a video in which nothing is
        heard, is a `TextError`.
        """
        return self.heard(path, self.found(path))

    def heard(self, path: Path, source: Source) -> Source:
        """What `found` gave, with the text heard if it is to be heard; once, while the file stays the same."""
        if self._ear is None or not source.heard_by or source.video.transcript:
            return source
        key = (str(path), *map(str, file_identity(path)))
        if key not in self._heard:
            try:
                self._heard[key] = self._ear.hear(path)
            except SilentError as error:
                advice = f"put {path.stem}.txt, .vtt or .srt beside the video, or give --transcript"
                raise TextError(f"no text: {error}; {advice}") from error
        text, note = self._heard[key]
        return replace(source, video=replace(source.video, transcript=text), note=note)

    def found(self, path: Path) -> Source:
        """The same before anybody has listened: quick, and with an empty text where it is still to be heard."""
        video = Video(video_id="video", split="test", video_path="", summary="-")
        if self._given is not None:
            return Source(replace(video, transcript=self._given), GIVEN)
        if (row := self._corpus_row(path)) is not None:
            known = {name: row[name] for name in _KNOWN}
            if self._ear is None or any((known["transcript"], *known["steps"])):
                origin = known["transcript_origin"]
                return Source(replace(video, **known), f"{KNOWN}: {origin}" if origin else KNOWN)
        for beside in _beside(path):
            return Source(replace(video, transcript=_read(beside)), beside.name)
        return Source(video, NONE) if self._ear is None else Source(video, self._ear.origin, self._ear.key)

    def _corpus_row(self, path: Path) -> dict[str, Any] | None:
        if self._known is None:
            self._known = dict(_corpus_videos())
        try:
            status = path.stat()
        except OSError:
            return None
        return self._known.get((status.st_dev, status.st_ino))


def known_twin(path: Path) -> Path | None:
    """The corpus's own file with the very bytes of the one at `path`, if there is one."""
    size = path.stat().st_size
    for _, row in _corpus_videos():
        own = Path(row["video_path"])
        if own.stat().st_size == size and filecmp.cmp(own, path, shallow=False):
            return own
    return None


def as_corpus(video: Video) -> Any:
    """A corpus of one video, as a data frame."""
    import pandas as pd

    return pd.DataFrame([{name: getattr(video, name) for name in SCHEMA.names}])


def _corpus_videos() -> Iterator[tuple[tuple[int, int], dict[Any, Any]]]:
    if not CORPUS.exists():
        return
    for row in read_corpus(CORPUS, ("video_path", *_KNOWN)).to_dict("records"):
        path = Path(row["video_path"])
        if row["video_path"] and path.is_file():
            status = path.stat()
            yield (status.st_dev, status.st_ino), row


def _beside(path: Path) -> Iterator[Path]:
    """Text files of the video's own name in its folder: plain text first, then subtitles, of English first if a name says so."""
    for suffix in (TEXT, *(f"{language}{kind}" for language in ("", ".en") for kind in SUBTITLES)):
        beside = path.with_name(f"{path.stem}{suffix}")
        with suppress(OSError):  # a longer name than a file may have
            if not beside.is_file():
                continue
            if not _lies_in(beside, path.parent.resolve()):
                raise TextError(
                    f"{beside}: a link to somewhere else is not read; put the text itself there, or give --transcript"
                )
            yield beside


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise TextError(f"{path}: no such text file")
        if path.stat().st_size > _LARGEST:
            raise TextError(f"{path}: {path.stat().st_size >> 20} MB is no transcript")
        text = read_text(path)
    except OSError as error:
        raise TextError(f"{path}: cannot be read: {error.strerror}") from error
    except TextError:
        raise
    except ValueError as error:
        raise TextError(str(error)) from error
    text = clean_subtitles(text) if path.suffix.lower() in SUBTITLES else " ".join(text.split())
    if len(text) > LONGEST_TEXT:
        raise TextError(f"{path}: {len(text)} characters, more than {LONGEST_TEXT}")
    return text


def _lies_in(path: Path, root: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(root)  # a link that leads to itself is no file
