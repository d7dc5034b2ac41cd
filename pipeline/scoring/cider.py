"""CIDEr-D: cosine of n-gram vectors weighted by how rare an n-gram is among references. Scale times 100, as the field reports it.

Source: R. Vedantam, C. L. Zitnick, D. Parikh, CIDEr: Consensus-based Image Description Evaluation, 2015 (arXiv 1411.5726),
section 5, in the form of the authors' scorer: n from 1 to 4, clipped counts, a Gaussian penalty (sigma 6) on the difference in
length, times 10. Document frequencies come from the references that are scored, one document a video. The scorer on PyPI
(pycocoevalcap 1.2) brings a hundred megabytes of Java along, so these lines are our own.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0
SCALE = 100 * 10.0  # times ten in the paper; in percent as most tables have it
_WORD = re.compile(r"[a-z0-9]+")

Gram = tuple[str, ...]


@dataclass(frozen=True)
class _Vector:
    """Weights of the n-grams of a text and their norms, by order; `length` in words."""

    weights: tuple[dict[Gram, float], ...]
    norms: tuple[float, ...]
    length: int


def cider(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """One figure for each pair, 0 to 1000. The references are the documents, so a pair's figure depends on all others; of a
    single video nothing is rare, and it scores 0.
    """
    documents = _documents(tuple(references))
    return [
        SCALE * _similarity(documents.vector(prediction), wanted)
        for prediction, wanted in zip(predictions, documents.references, strict=True)
    ]


class _Documents:
    """The references, and in how many of them each n-gram occurs."""

    def __init__(self, references: Sequence[str]) -> None:
        self._frequency = Counter(gram for reference in references for gram in set(_grams(reference)))
        self._log_count = math.log(len(references)) if references else 0.0
        self.references = [self.vector(reference) for reference in references]

    def vector(self, text: str) -> _Vector:
        weights: tuple[dict[Gram, float], ...] = tuple({} for _ in ORDERS)
        for gram, count in _grams(text).items():
            weights[len(gram) - 1][gram] = count * (self._log_count - math.log(max(1, self._frequency[gram])))
        norms = tuple(math.sqrt(sum(value * value for value in each.values())) for each in weights)
        return _Vector(weights, norms, len(_words(text)))


@lru_cache(maxsize=2)
def _documents(references: tuple[str, ...]) -> _Documents:
    """Those of a row are those of every seed and draw of it."""
    return _Documents(references)


def _similarity(found: _Vector, wanted: _Vector) -> float:
    penalty = math.exp(-((found.length - wanted.length) ** 2) / (2 * SIGMA**2))
    total = 0.0
    for mine, theirs, norm, other in zip(found.weights, wanted.weights, found.norms, wanted.norms, strict=True):
        if norm and other:
            total += sum(min(mine[gram], theirs[gram]) * theirs[gram] for gram in mine if gram in theirs) / (norm * other)
    return penalty * total / len(ORDERS)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _grams(text: str) -> Counter[Gram]:
    words = _words(text)
    return Counter(tuple(words[start : start + order]) for order in ORDERS for start in range(len(words) - order + 1))
