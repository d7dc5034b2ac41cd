"""Corpus BLEU by `sacrebleu`, and as nlg-eval counts it. Scale 0 to 100.

Either is made of counts per video, so that it can be recomputed on every resample.

Source: K. Papineni et al., BLEU: a Method for Automatic Evaluation of Machine Translation, 2002; M. Post, A Call for Clarity in
Reporting BLEU Scores, 2018. nlg-eval (S. Sharma et al., Relevance of Unsupervised Metrics in Task-Oriented Dialogue for
Evaluating Natural Language Generation, 2017) hands lines as they are to the scorer of MS COCO captions: words are what white
space separates, case counts, nothing is smoothed.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from pipeline.scoring.statistics import Floats

HIGHEST = 4  # order
_TINY, _SMALL = 1e-15, 1e-9  # what the scorer of MS COCO adds to matches and to totals; they stand for no smoothing


def bleu_statistics(predictions: Sequence[str], references: Sequence[str], *, order: int) -> Floats:
    """What corpus BLEU sums up, per video: `[videos, 2 + 2 * order]` with both lengths, matches and totals per n-gram order."""
    rows = [_counts(prediction, reference) for prediction, reference in zip(predictions, references, strict=True)]
    counts = np.array(rows, dtype=np.float64).reshape(len(rows), 2 + 2 * HIGHEST)
    return np.hstack([counts[:, : 2 + order], counts[:, 2 + HIGHEST : 2 + HIGHEST + order]])


@lru_cache(maxsize=20_000)
def _counts(prediction: str, reference: str) -> tuple[float, ...]:
    """Of one pair up to the highest order, from which every lower one is read."""
    # The public corpus_score gives sums only; a one-sentence corpus is its own sum.
    score = _bleu(HIGHEST).corpus_score([prediction], [[reference]])
    return (score.sys_len, score.ref_len, *score.counts, *score.totals)


def corpus_bleu(statistics: Floats) -> Floats:
    """Corpus BLEU, 0 to 100, of summed statistics `[..., 2 + 2 * order]`; equals sacrebleu with "exp" smoothing.

    The k-th n-gram order without a match counts as 1 / 2**k matches; no match at all, or no n-gram of some order, gives 0.
    """
    order = (statistics.shape[-1] - 2) // 2
    length, reference_length = statistics[..., 0], statistics[..., 1]
    matches, totals = statistics[..., 2 : 2 + order], statistics[..., 2 + order :]
    missing = matches == 0
    smoothed = np.where(missing, 0.5 ** np.cumsum(missing, axis=-1), matches)
    precision = smoothed / np.maximum(totals, 1)
    brevity = np.exp(np.minimum(0.0, 1 - reference_length / np.maximum(length, 1)))
    score = 100 * brevity * np.exp(np.log(precision).mean(axis=-1))
    scored: Floats = np.where(missing.all(axis=-1) | (totals == 0).any(axis=-1), 0.0, score)
    return scored


def nlgeval_statistics(predictions: Sequence[str], references: Sequence[str]) -> Floats:
    """What `nlgeval_bleu` sums up, in the layout of `bleu_statistics`, of words as white space separates them."""
    rows = [_plain_counts(prediction, reference) for prediction, reference in zip(predictions, references, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2 + 2 * HIGHEST)


def nlgeval_bleu(statistics: Floats) -> Floats:
    """BLEU-4, 0 to 100, of summed statistics `[..., 2 + 2 * 4]`: without a match of some order it is next to 0."""
    length, reference_length = statistics[..., 0] + _TINY, statistics[..., 1] + _SMALL
    precision = (statistics[..., 2 : 2 + HIGHEST] + _TINY) / (statistics[..., 2 + HIGHEST :] + _SMALL)
    brevity = np.exp(np.minimum(0.0, 1 - reference_length / length))
    score: Floats = 100 * brevity * np.prod(precision, axis=-1) ** (1 / HIGHEST)
    return score


@lru_cache(maxsize=20_000)
def _plain_counts(prediction: str, reference: str) -> tuple[float, ...]:
    words, wanted = prediction.split(), reference.split()
    orders = range(1, HIGHEST + 1)
    matches = [(_grams(words, order) & _grams(wanted, order)).total() for order in orders]
    return (len(words), len(wanted), *matches, *(max(0, len(words) - order + 1) for order in orders))


def _grams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))


@lru_cache
def _bleu(order: int) -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize="13a", smooth_method="exp", max_ngram_order=order, effective_order=False)
