"""Where a text names an entity, for marking it: the places of what `pipeline.corpus.entities` finds."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from pipeline.corpus.entities import entities_in

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Mention:
    """`text[start:end]` names the entity `name`."""

    start: int
    end: int
    name: str


def mentions(text: str, names: Collection[str]) -> list[Mention]:
    """Every mention, in the order of the text. No two overlap: the longest name goes first, as when entities are counted."""
    words = [(word.start(), word.end()) for word in _WORD.finditer(text)]
    found: list[Mention] = []
    taken: set[int] = set()
    for name in sorted(entities_in(text, names), key=lambda name: (-len(name), name)):
        length = len(_WORD.findall(name))
        for first in range(len(words) - length + 1):
            places = range(first, first + length)
            start, end = words[first][0], words[places[-1]][1]
            if taken.isdisjoint(places) and entities_in(text[start:end], [name]):
                taken.update(places)
                found.append(Mention(start, end, name))
    return sorted(found, key=lambda mention: mention.start)
