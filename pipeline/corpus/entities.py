"""Entities: what a video shows that a summary should name, such as ingredients. Found in a text by whole words.

Names are looked for longest first, and what one has matched is taken away: "red pepper" is no "pepper". Case does not count,
and a plural counts as its singular ("tomatoes", "cherries", "eggs"). So "eggplant" is no "egg".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from pipeline.base.files import read_json_lines
from pipeline.base.text_files import text_lines
from pipeline.corpus.table import Video, join_steps, shown


def entities_in(text: str, names: Iterable[str]) -> set[str]:
    """Those of `names` that `text` mentions."""
    found = set()
    left = text.lower()
    for name, pattern in _patterns(frozenset(names)):
        left, count = pattern.subn(" | ", left)
        if count:
            found.add(name)
    return found


def add_entities(videos: Sequence[Video], path: str) -> list[Video]:
    """The same videos with their entities, from a file. An empty `path` leaves them as they are: unknown.

    - a `.txt` is a list of words or phrases, one a line, `#` begins a comment: a video has those that its steps and its summary
      mention;
    - a `.jsonl` has lines of `{"video_id": ..., "entities": [...]}`: a video has exactly these.

    A file that is missing or of another kind is a `ValueError` that names it, and so is a `.jsonl` that leaves out a usable
    video.
    """
    if not path:
        return list(videos)
    file = Path(path)
    if not file.is_file() or file.suffix.lower() not in (".txt", ".jsonl"):
        raise ValueError(f"dataset.entities: {file} is no file that ends in .txt or .jsonl; leave it empty if nobody knows them")
    if file.suffix.lower() == ".txt":
        names = read_word_list(file)
        return [replace(video, entities=_mentioned(video, names)) for video in videos]
    listed = _read_listed(file)
    lacking = [video.video_id for video in videos if video.status == "ok" and video.video_id not in listed]
    if lacking:
        raise ValueError(
            f"{file}: no line for {len(lacking)} videos, such as {', '.join(lacking[:3])}; a video that shows none has []"
        )
    return [replace(video, entities=listed.get(video.video_id, ())) for video in videos]


def read_word_list(path: Path) -> list[str]:
    """Words and phrases in lower case, each once."""
    lines = (line.partition("#")[0].strip().lower() for _, line in text_lines(path))
    names = list(dict.fromkeys(line for line in lines if line))
    if not names:
        raise ValueError(f"{path}: no words in it; write one a line")
    return names


def _mentioned(video: Video, names: Sequence[str]) -> tuple[str, ...]:
    found = entities_in(f"{join_steps(video.steps)} {video.summary}", names)
    return tuple(name for name in names if name in found)


def _read_listed(path: Path) -> Mapping[str, tuple[str, ...]]:
    listed: dict[str, tuple[str, ...]] = {}
    for line, row in read_json_lines(path):
        video, names = row.get("video_id"), row.get("entities")
        if not isinstance(video, str) or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f'{path}, line {line}: expected {{"video_id": "...", "entities": ["...", ...]}}')
        if video in listed:
            raise ValueError(f"{path}, line {line}: video id {shown(video)} occurs twice; keep one line")
        listed[video] = tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip()))
    return listed


@lru_cache(maxsize=64)
def _patterns(names: frozenset[str]) -> list[tuple[str, re.Pattern[str]]]:
    """Longest first; equals in alphabetical order."""
    ordered = sorted(names, key=lambda name: (-len(name), name))
    return [(name, re.compile(rf"(?<!\w){_with_plural(name)}(?!\w)")) for name in ordered]


def _with_plural(name: str) -> str:
    words = r"\s+".join(re.escape(word) for word in name.lower().split())
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return rf"(?:{words}|{words[:-1]}ies)"
    return rf"{words}(?:s|es)?"
