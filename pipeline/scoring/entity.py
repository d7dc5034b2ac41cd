"""Does a summary name what the video shows? F1 of the set of entities named, against the video's own. Scale 0 to 100.

`pipeline.corpus.entities` says how a name is found in a text. Every name of the dataset is looked for, so a wrong one costs
precision.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.corpus.entities import entities_in
from pipeline.corpus.table import read_batches


@dataclass(frozen=True)
class Entities:
    """`of` has each video's entities, `names` those of the whole dataset."""

    of: Mapping[str, Collection[str]]
    names: frozenset[str]


def known_entities(corpus: Path, split: str) -> Entities | None:
    """Those of the videos of a split, and the names of the whole corpus; None if no video of it has any, where nobody knows them.

    In a corpus that has some, a video without any has none to name: a summary that names none is right.
    """
    of: dict[str, frozenset[str]] = {}
    names: set[str] = set()
    for batch in read_batches(corpus, ("video_id", "split", "entities")):
        for video, place, entities in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            names.update(entities)
            if place == split:
                of[video] = frozenset(entities)
    return Entities(of, frozenset(names)) if names else None


def entity_f1(predictions: Sequence[str], videos: Sequence[str], entities: Entities) -> list[float]:
    """One figure for each prediction; one that names nothing scores 0."""
    return [f1(entities_in(text, entities.names), entities.of[video]) for text, video in zip(predictions, videos, strict=True)]


def f1(found: Collection[str], true: Collection[str]) -> float:
    """Harmonic mean of precision and recall of two sets, 0 to 100; of two empty ones 100."""
    return 200 * len(set(found) & set(true)) / (len(found) + len(true)) if found or true else 100.0
