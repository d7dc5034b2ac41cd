"""Texts with marks: what a narration points to, and the entities that a summary names rightly and wrongly.

A marked text is a list of parts: plain strings, and pairs of a string and its mark (`points`, `right`, `wrong`). A third place
says what it points to, where that is known. Joined, the strings are the text. So data for the page's script and templates hold
the same, and neither looks for a word itself.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal

import pyarrow.compute as pc

from pipeline.corpus.table import read_batches
from pipeline.evaluation.mentions import mentions
from pipeline.scoring.predictions import Summaries

Mark = Literal["points", "right", "wrong"]
Part = str | tuple[str, Mark] | tuple[str, Mark, str]
_COLUMNS = ("video_id", "summary", "transcript", "transcript_origin", "transcript_named", "entities")
_POINTING = re.compile(r"\b(?:this|that|these|those)(?: (?:ones?|here|guy))?\b", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_STOPS = ".,;:!?"


@dataclass(frozen=True)
class Known:
    """`names` are the entities of the whole corpus, `of` those of each video; `narrations` has the transcript of a video and what
    it would be if it named everything, where that is known. `origins` say who wrote the transcript of a video.
    """

    names: frozenset[str]
    of: Mapping[str, frozenset[str]]
    narrations: Mapping[str, tuple[str, str]]
    origins: Mapping[str, str]


def read_known(corpus: Path, summaries: Summaries) -> Known | None:
    """What the corpus knows of the videos that are summarised; None if there is no such file, or if it is another corpus'."""
    if not corpus.exists():
        return None
    wanted = dict(zip(summaries.videos, summaries.references, strict=True))
    names: set[str] = set()
    rows: dict[str, dict[str, Any]] = {}
    for batch in read_batches(corpus, ("video_id", "entities")):
        names.update(pc.list_flatten(batch.column("entities")).to_pylist())
    for batch in read_batches(corpus, _COLUMNS, split="test"):
        rows |= {row["video_id"]: row for row in batch.to_pylist() if row["video_id"] in wanted}
    if rows.keys() != wanted.keys() or any(rows[video]["summary"] != reference for video, reference in wanted.items()):
        return None
    narrations = {video: (row["transcript"], row["transcript_named"]) for video, row in rows.items() if row["transcript_named"]}
    origins = {video: row["transcript_origin"] for video, row in rows.items()}
    return Known(frozenset(names), {video: frozenset(row["entities"]) for video, row in rows.items()}, narrations, origins)


def plain(parts: Iterable[Part]) -> str:
    """The text itself."""
    return "".join(part if isinstance(part, str) else part[0] for part in parts)


def marked_summary(text: str, known: Known | None, video: str) -> list[Part]:
    """Entities that the video has are right, others wrong."""
    if known is None:
        return [text]
    marks: list[tuple[int, int, Mark, str]] = [
        (each.start, each.end, "right" if each.name in known.of[video] else "wrong", "") for each in mentions(text, known.names)
    ]
    return _parts(text, marks)


def names_exactly(text: str, known: Known | None, video: str) -> bool:
    """Whether a summary names every entity of the video and no other."""
    return known is not None and {each.name for each in mentions(text, known.names)} == known.of[video]


def marked_source(text: str, known: Known | None, video: str) -> list[Part]:
    """What the text points to instead of naming it, word by word, where its other version is known; else its pointing words."""
    transcript, named = ("", "") if known is None else known.narrations.get(video, ("", ""))
    if text != transcript.strip():
        return _parts(text, [(found.start(), found.end(), "points", "") for found in _POINTING.finditer(text)])
    return _parts(text, _hidden(text, named.strip()))


def _hidden(text: str, named: str) -> list[tuple[int, int, Mark, str]]:
    """The runs of words in which `text` differs from `named`, and what stands there, without the full stop or comma after it."""
    mine, other = list(_WORD.finditer(text)), named.split()
    changes = SequenceMatcher(None, [word[0] for word in mine], other, autojunk=False).get_opcodes()
    marks: list[tuple[int, int, Mark, str]] = []
    for kind, first, last, begin, end in changes:
        if kind == "replace":
            start = mine[first].start()
            words = text[start : mine[last - 1].end()].rstrip(_STOPS)
            marks.append((start, start + len(words), "points", " ".join(other[begin:end]).rstrip(_STOPS)))
    return marks


def _parts(text: str, marks: Collection[tuple[int, int, Mark, str]]) -> list[Part]:
    parts: list[Part] = []
    at = 0
    for start, end, mark, means in marks:
        parts += [text[at:start]] if start > at else []
        parts.append((text[start:end], mark, means) if means else (text[start:end], mark))
        at = end
    return parts + ([text[at:]] if at < len(text) or not parts else [])
