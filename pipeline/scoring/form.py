"""How long a summary is and how much it repeats itself, in percent: neither is better or worse when higher.

Source of `repetition`: seq-rep-n of S. Welleck et al., Neural Text Generation with Unlikelihood Training, 2020 (arXiv
1908.04319), section 6: the share of n-grams of a text that have occurred in it before. There n is 4, for pages of text. Here it
is 2: summaries have some twenty words, and `generate.no_repeat_ngram` may rule out that longer n-grams come twice.
"""

import re
from collections.abc import Sequence

import numpy as np

from pipeline.scoring.statistics import Floats

ORDER = 2
_WORD = re.compile(r"[a-z0-9]+")


def lengths(predictions: Sequence[str], references: Sequence[str]) -> Floats:
    """Words of each summary and of its reference, `[videos, 2]`."""
    counts = [[len(_words(text)) for text in pair] for pair in zip(predictions, references, strict=True)]
    return np.array(counts, dtype=np.float64).reshape(len(counts), 2)


def length_ratio(counts: Floats) -> Floats:
    """All words of the summaries in percent of all words of the references, from summed counts `[..., 2]`."""
    ratio: Floats = 100 * counts[..., 0] / np.maximum(counts[..., 1], 1)
    return ratio


def repetition(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """The share of bigrams of each summary, in percent, that it had before; a text without bigrams repeats none."""
    return [_repeated(prediction) for prediction, _ in zip(predictions, references, strict=True)]


def _repeated(text: str) -> float:
    words = _words(text)
    grams = [tuple(words[start : start + ORDER]) for start in range(len(words) - ORDER + 1)]
    return 100 * (1 - len(set(grams)) / len(grams)) if grams else 0.0


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
