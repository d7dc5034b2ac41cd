"""METEOR by `nltk`: exact matches, then Porter stems, and then, if asked, synonyms by WordNet. Scale 0 to 100.

Source: A. Lavie and A. Agarwal, METEOR: An Automatic Metric for MT Evaluation with High Levels of Correlation with Human
Judgments, 2007.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.scoring.rouge import porter_stemmer
from pipeline.scoring.wordnet import open_wordnet

_WORD = re.compile(r"[a-z0-9]+")


def meteor(predictions: Sequence[str], references: Sequence[str], *, synonyms: bool = False) -> list[float]:
    """One figure for each pair."""
    wordnet = _WordNet() if synonyms else _NoSynonyms()
    return [_meteor(prediction, reference, wordnet) for prediction, reference in zip(predictions, references, strict=True)]


def _meteor(prediction: str, reference: str, wordnet: Any) -> float:
    from nltk.translate.meteor_score import single_meteor_score

    words, wanted = _WORD.findall(prediction.lower()), _WORD.findall(reference.lower())
    return 100 * float(single_meteor_score(wanted, words, stemmer=porter_stemmer(), wordnet=wordnet))


class _NoSynonyms:
    """What nltk is given in place of WordNet: no word has a synonym."""

    def synsets(self, word: str) -> list[Any]:
        return []


class _WordNet:
    """WordNet as far as nltk's METEOR asks it."""

    def synsets(self, word: str) -> list["_Synset"]:
        return [_Synset(words) for words in open_wordnet().senses(word)]


@dataclass(frozen=True)
class _Synset:
    words: Collection[str]

    def lemmas(self) -> list["_Lemma"]:
        return [_Lemma(word) for word in self.words]


@dataclass(frozen=True)
class _Lemma:
    word: str

    def name(self) -> str:
        return self.word
