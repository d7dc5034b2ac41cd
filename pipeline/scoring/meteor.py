"""METEOR by `nltk`, without WordNet: exact matches, then Porter stems. Scale 0 to 100.

Source: A. Lavie and A. Agarwal, METEOR: An Automatic Metric for MT Evaluation with High Levels of Correlation with Human
Judgments, 2007.
"""

import re
from collections.abc import Sequence
from typing import Any

from pipeline.scoring.rouge import porter_stemmer

_WORD = re.compile(r"[a-z0-9]+")


def meteor(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """One figure for each pair."""
    return [_meteor(prediction, reference) for prediction, reference in zip(predictions, references, strict=True)]


def _meteor(prediction: str, reference: str) -> float:
    from nltk.translate.meteor_score import single_meteor_score

    words, wanted = _WORD.findall(prediction.lower()), _WORD.findall(reference.lower())
    return 100 * float(single_meteor_score(wanted, words, stemmer=porter_stemmer(), wordnet=_NoSynonyms()))


class _NoSynonyms:
    """What nltk is given in place of WordNet, whose data no package carries: no word has a synonym."""

    def synsets(self, word: str) -> list[Any]:
        return []
