"""Does a summary name what the video shows? F1 of the set of entities named, against the video's own. Scale 0 to 100.

`pipeline.corpus.entities` says how a name is found in a text. Every name of the dataset is looked for, so a wrong one costs
precision.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.corpus.entities import entities_in


@dataclass(frozen=True)
class Entities:
    """`of` has each video's entities, `names` those of the whole dataset."""

    of: Mapping[str, Collection[str]]
    names: frozenset[str]


def known_entities(corpus: pd.DataFrame, video_ids: Collection[str]) -> Entities | None:
    """Those of the corpus; None if no video of it has any, where nobody knows them.

    In a corpus that has some, a video without any has none to name: a summary that names none is right.
    """
    of = {video: frozenset(values) for video, values in zip(corpus["video_id"], corpus["entities"], strict=True)}
    if not any(of.values()):
        return None
    return Entities({video: of[video] for video in video_ids}, frozenset().union(*of.values()))


def entity_f1(predictions: Sequence[str], videos: Sequence[str], entities: Entities) -> list[float]:
    """One figure for each prediction; one that names nothing scores 0."""
    return [f1(entities_in(text, entities.names), entities.of[video]) for text, video in zip(predictions, videos, strict=True)]


def f1(found: Collection[str], true: Collection[str]) -> float:
    """Harmonic mean of precision and recall of two sets, 0 to 100; of two empty ones 100."""
    return 200 * len(set(found) & set(true)) / (len(found) + len(true)) if found or true else 100.0
