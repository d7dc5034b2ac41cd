"""The score on the validation split by which training selects its epoch.

The metrics are those of the registry (`pipeline.scoring.metrics`) that have a figure for every video. They are named here once
more, so that what training depends on is these few functions, and a metric added to the registry trains nothing again. A test
compares both.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from pipeline.scoring.content import content_f1
from pipeline.scoring.entity import Entities, entity_f1
from pipeline.scoring.rouge import rouge

BY_REFERENCE: Mapping[str, Callable[[Sequence[str], Sequence[str]], list[float]]] = {
    "content_f1": content_f1,
    **{name: partial(rouge, name) for name in ("rouge1", "rouge2", "rougeL")},
}


def validation_score(
    metric: str, predictions: Sequence[str], references: Sequence[str], *, videos: Sequence[str], entities: Entities | None
) -> float:
    """The mean over videos. Raises `ValueError` if the metric needs entities that the dataset does not have."""
    if metric in BY_REFERENCE:
        return float(np.mean(BY_REFERENCE[metric](predictions, references)))
    assert metric == "entity_f1", metric
    if entities is None:
        raise ValueError(f"metric {metric!r}: nobody knows the entities of this dataset; see dataset.entities, or choose another")
    return float(np.mean(entity_f1(predictions, videos, entities)))
