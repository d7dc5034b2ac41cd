"""Summary metrics of one row of the table, with intervals. `docs/metrics.md` is the metric card.

All figures are on a scale of 0 to 100. A row has one summary per video and training seed. ROUGE and METEOR are means over
videos, BLEU is computed on the corpus; each is then averaged over seeds.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from pipeline.statistics import (
    Estimate,
    Floats,
    Resampled,
    bootstrap_interval,
    mean_over_seeds,
    percentile_interval,
    resample_counts,
)

ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
WHITESPACE = ("rouge1_ws", "rouge2_ws", "rougeL_ws")  # the other convention: words are what white space separates
BLEU_ORDERS = (1, 2, 3, 4)
METRICS = (
    *(f"{name}{suffix}" for names in (ROUGE, WHITESPACE) for suffix in ("", "_stem") for name in names),
    *(f"bleu{order}" for order in BLEU_ORDERS),
    "meteor",
)
TITLES = {
    **{f"{name}{suffix}": f"ROUGE-{name[5:]}{title}" for suffix, title in (("", ""), ("_stem", ", stemmed")) for name in ROUGE},
    **{
        f"{name}{suffix}": f"ROUGE-{name[5:-3]}, white-space words{title}"
        for suffix, title in (("", ""), ("_stem", ", stemmed"))
        for name in WHITESPACE
    },
    **{f"bleu{order}": f"BLEU-{order}" for order in BLEU_ORDERS},
    "meteor": "METEOR (nltk, no WordNet)",
}
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class Summaries:
    """The summaries of one row, aligned: `predictions[seed][video]` and `references[video]`, seeds and videos sorted."""

    seeds: tuple[int, ...]
    videos: tuple[str, ...]
    predictions: tuple[tuple[str, ...], ...]
    references: tuple[str, ...]


def align(predictions: pd.DataFrame) -> Summaries:
    """Sort `video_id, seed, prediction, reference` into seeds and videos.

    Raises `ValueError`, naming the row of the data frame and the video, for a video that occurs twice or not at all under
    a seed, for a reference that changes, and for a text that is not a string.
    """
    if predictions.empty:
        raise ValueError("predictions: no rows; there is nothing to score")
    texts: dict[int, dict[str, str]] = {}
    references: dict[str, str] = {}
    columns = predictions[["video_id", "seed", "prediction", "reference"]]
    for number, video, seed, prediction, reference in columns.itertuples(name=None):
        where = f"predictions: row {number}, video {video!r}, seed {seed}"
        if not isinstance(prediction, str) or not isinstance(reference, str):
            raise ValueError(f"{where}: prediction and reference must be text")
        if video in texts.setdefault(int(seed), {}):
            raise ValueError(f"{where}: this video already has a prediction of this seed")
        if references.setdefault(video, reference) != reference:
            raise ValueError(f"{where}: the reference differs from an earlier row of the same video")
        texts[int(seed)][video] = prediction
    videos, seeds = tuple(sorted(references)), tuple(sorted(texts))
    for seed in seeds:
        if lost := sorted(references.keys() - texts[seed].keys()):
            raise ValueError(
                f"predictions: video {lost[0]!r} has no row for seed {seed} ({len(lost)} such videos); other seeds have it"
            )
    ordered = tuple(tuple(texts[seed][video] for video in videos) for seed in seeds)
    return Summaries(seeds, videos, ordered, tuple(references[video] for video in videos))


def score_row(predictions: pd.DataFrame, *, resamples: int, seed: int) -> dict[str, Any]:
    """Score one row: for each of `METRICS`, `mean, std, ci95_low, ci95_high`, and `per_seed` the mean and its interval.

    `predictions` has `video_id, seed, prediction, reference`; see `align` for what is refused. Intervals are percentile
    bootstraps with `resamples` resamples of videos and training seeds; BLEU is recomputed on every resample. `std` is the
    standard deviation of the seeds' means, None for one seed.
    """
    summaries = align(predictions)
    values = {
        name: [_pairs(name, row, summaries.references) for row in summaries.predictions] for name in METRICS if name[:4] != "bleu"
    }
    scores: dict[str, Any] = {}
    for name, per_video in values.items():
        estimates = [bootstrap_interval(row, resamples=resamples, seed=seed) for row in per_video]
        scores[name] = _with_seeds(bootstrap_interval(per_video, resamples=resamples, seed=seed), summaries.seeds, estimates)
    counts = resample_counts(len(summaries.videos), resamples=resamples, seed=seed)
    for order in BLEU_ORDERS:
        statistics = [bleu_statistics(row, summaries.references, order=order) for row in summaries.predictions]
        points = [float(corpus_bleu(row.sum(axis=0))) for row in statistics]
        samples = [corpus_bleu(counts @ row) for row in statistics]
        estimates = [percentile_interval(point, Resampled(sample)) for point, sample in zip(points, samples, strict=True)]
        over_seeds = mean_over_seeds(np.stack(samples, axis=1), seed=seed)
        scores[f"bleu{order}"] = _with_seeds(percentile_interval(float(np.mean(points)), over_seeds), summaries.seeds, estimates)
    return {name: scores[name] for name in METRICS}


def rouge_per_video(summaries: Summaries, name: str) -> Floats:
    """One ROUGE metric for every summary, `[seeds, videos]`."""
    return np.array([_pairs(name, row, summaries.references) for row in summaries.predictions])


def rouge2_f1(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Mean ROUGE-2 F1 without stemming, 0 to 100: what validation selects by."""
    if not predictions or len(predictions) != len(references):
        raise ValueError(f"ROUGE-2 needs as many predictions as references, not {len(predictions)} and {len(references)}")
    return float(np.mean(_pairs("rouge2", predictions, references)))


def split_sentences(text: str) -> str:
    """The newline rule of ROUGE-Lsum: a line ends where white space follows '.', '!' or '?', and at every line break."""
    return "\n".join(_SENTENCE_END.split(text.strip()))


def bleu_statistics(predictions: Sequence[str], references: Sequence[str], *, order: int) -> Floats:
    """What corpus BLEU sums up, per video: `[videos, 2 + 2 * order]` with both lengths, matches and totals per n-gram order."""
    # The public corpus_score gives sums only; a one-sentence corpus is its own sum.
    scorer = _bleu(order)
    rows = []
    for prediction, reference in zip(predictions, references, strict=True):
        score = scorer.corpus_score([prediction], [[reference]])
        rows.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
    return np.array(rows, dtype=np.float64)


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


def signature() -> dict[str, str]:
    """Package, version and flags of every metric, as one line each."""
    lines = " | a line ends where white space follows . ! ? and at line breaks"
    signatures = {}
    for name in METRICS:
        if name.startswith("rouge"):
            words = "words as white space separates them, case kept" if "_ws" in name else "lower case, runs of a-z and 0-9"
            stem = "Porter stemmer, words over 3 letters" if name.endswith("_stem") else "no stemmer"
            flags = f"{words} | mean over videos | {stem}{lines if 'Lsum' in name else ''}"
            signatures[name] = f"rouge-score {version('rouge-score')} | F1 | {flags}"
    for order in BLEU_ORDERS:
        flags = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"
        signatures[f"bleu{order}"] = f"sacrebleu {version('sacrebleu')} | corpus | {flags} | max_ngram_order:{order}"
    signatures["meteor"] = (
        f"meteor_nltk_nosyn | nltk {version('nltk')} | exact and Porter stem matches, no synonyms | "
        "alpha 0.9, beta 3, gamma 0.5 | lower case, runs of a-z and 0-9 | mean over videos"
    )
    return signatures


def _with_seeds(estimate: Estimate, seeds: Sequence[int], per_seed: Sequence[Estimate]) -> dict[str, Any]:
    """What is written of a metric. Two seeds far apart stretch an interval beyond the scale; it is cut there."""
    std = round(float(np.std([each.mean for each in per_seed], ddof=1)), 6) if len(per_seed) > 1 else None
    return {
        "mean": estimate.mean,
        "ci95_low": max(0.0, estimate.ci95_low),
        "ci95_high": min(100.0, estimate.ci95_high),
        "std": std,
        "per_seed": {str(seed): asdict(each) for seed, each in zip(seeds, per_seed, strict=True)},
    }


def _pairs(name: str, predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    if name == "meteor":
        return [_meteor(prediction, reference) for prediction, reference in zip(predictions, references, strict=True)]
    stem, whitespace = name.endswith("_stem"), "_ws" in name
    kind = name.split("_")[0]
    scorer = _rouge(kind, stem, whitespace)
    if kind == "rougeLsum":
        predictions, references = [split_sentences(text) for text in predictions], [split_sentences(text) for text in references]
    pairs = zip(references, predictions, strict=True)
    return [100 * float(scorer.score(reference, prediction)[kind].fmeasure) for reference, prediction in pairs]


def _meteor(prediction: str, reference: str) -> float:
    from nltk.translate.meteor_score import single_meteor_score

    words, wanted = _WORD.findall(prediction.lower()), _WORD.findall(reference.lower())
    return 100 * float(single_meteor_score(wanted, words, stemmer=_stemmer(), wordnet=_NoSynonyms()))


class _NoSynonyms:
    """Stands where nltk wants WordNet, whose data no package carries: no word has a synonym."""

    def synsets(self, word: str) -> list[Any]:
        return []


class _Tokenizer:
    """rouge-score's own tokenizer, around a stemmer that remembers words."""

    def __init__(self, stemmer: Any) -> None:
        self._stemmer = stemmer

    def tokenize(self, text: str) -> list[str]:
        from rouge_score.tokenize import tokenize

        return list(tokenize(text, self._stemmer))


class _WhitespaceTokenizer(_Tokenizer):
    """What scorers take that do not tokenise: punctuation sticks to its word, and case counts (a stemmer lowers it)."""

    def tokenize(self, text: str) -> list[str]:
        words = text.split()
        return words if self._stemmer is None else [self._stemmer.stem(word) if len(word) > 3 else word for word in words]


@lru_cache
def _rouge(kind: str, stem: bool, whitespace: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], tokenizer=(_WhitespaceTokenizer if whitespace else _Tokenizer)(_stemmer() if stem else None))


@lru_cache
def _bleu(order: int) -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize="13a", smooth_method="exp", max_ngram_order=order, effective_order=False)


@lru_cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    class RememberingStemmer(PorterStemmer):  # type: ignore[misc]
        """A Porter stemmer that stems each word once: nine tenths of the time of stemmed ROUGE goes there."""

        @lru_cache(maxsize=100_000)  # noqa: B019
        def stem(self, word: str) -> str:
            return str(super().stem(word))

    return RememberingStemmer()
