"""Floors: summaries that need no training. A system that is not clearly above them has learned little.

- `floor_lead`: the first k words of the source, k the mean number of words of the training references.
- `floor_random`: the reference of a random training video.
- `floor_recipe`: the reference of a random training video of the same recipe type, or of any type if that one is new.

A seed decides the random choices; the first k words are the same for all seeds.
"""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.base.files import write_json_lines
from pipeline.base.params import Params
from pipeline.base.paths import metrics_file, predictions_file
from pipeline.base.scratch import file_sha256
from pipeline.scoring.entity import Entities
from pipeline.scoring.metrics import signatures
from pipeline.scoring.record import Judged, RowRecord, untrained_record, write_record
from pipeline.scoring.score import score_file

FLOORS = {
    "floor_lead": "First words of the source",
    "floor_random": "Reference of a random training video",
    "floor_recipe": "Reference of a training video, same recipe",
}


def score_floor(name: str, train: pd.DataFrame, test: pd.DataFrame, params: Params, *, entities: Entities | None) -> RowRecord:
    """Write predictions and record of one floor. Both frames are as `pipeline.corpus.table.usable_parts` gives them."""
    study = params.current
    lines: list[dict[str, Any]] = [
        {"video_id": video_id, "seed": seed, "prediction": prediction, "reference": reference}
        for seed in study.seeds
        for video_id, prediction, reference in zip(
            test["video_id"], floor_summaries(name, train, test, seed=seed), test["summary"], strict=True
        )
    ]
    path = predictions_file(name)
    write_json_lines(path, lines)
    scores, per_video = score_file(name, resamples=study.bootstrap_resamples, entities=entities)
    record = untrained_record(
        row=name,
        title=FLOORS[name],
        kind="floor",
        frames="none",
        study=params.study,
        scale=study.scale,
        n_videos=len(test),
        seeds=study.seeds,
        primary=Judged(**study.primary.model_dump()),
        metrics=scores,
        signatures=signatures(),
        per_video=per_video,
        made_from={"predictions": file_sha256(path)},
    )
    write_record(metrics_file(name), record)
    return record


def floor_summaries(name: str, train: pd.DataFrame, test: pd.DataFrame, *, seed: int) -> list[str]:
    """One summary for each row of `test`."""
    if name == "floor_lead":
        return _first_words(test["source"], mean_words(train["summary"]))
    generator = np.random.default_rng([seed, list(FLOORS).index(name)])
    references = train["summary"].to_numpy()
    if name == "floor_random":
        return [str(text) for text in generator.choice(references, size=len(test))]
    of_recipe = {recipe: group.to_numpy() for recipe, group in train.groupby("recipe")["summary"]}
    return [str(generator.choice(of_recipe.get(recipe, references))) for recipe in test["recipe"]]


def mean_words(texts: pd.Series) -> int:
    """Mean number of words, rounded, at least one."""
    return max(1, round(float(np.mean([len(text.split()) for text in texts]))))


def _first_words(texts: pd.Series, count: int) -> list[str]:
    return [" ".join(text.split()[:count]) for text in texts]
