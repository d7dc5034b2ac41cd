"""Floors: summaries that need no training. A system that does not clearly beat them has learned little.

- `floor_lead`: the first k words of the source, k the mean number of words of the training references.
- `floor_random`: the reference of a random training video.
- `floor_recipe`: the reference of a random training video of the same recipe type; of any, where the type is new.

A seed decides the random choices; the first k words are the same for all.
"""

import numpy as np
import pandas as pd

FLOORS = {
    "floor_lead": "First words of the source",
    "floor_random": "Reference of a random training video",
    "floor_recipe": "Reference of a training video, same recipe",
}


def floor_summaries(name: str, train: pd.DataFrame, test: pd.DataFrame, *, seed: int) -> list[str]:
    """One summary for each row of `test`. Both frames are as `pipeline.corpus.usable_videos` gives them."""
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
