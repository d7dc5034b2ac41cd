"""ROUGE F1 by `rouge-score`, with its own way of splitting words or at white space, stemmed or not. Scale 0 to 100.

Source: C.-Y. Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def rouge(
    kind: str, predictions: Sequence[str], references: Sequence[str], *, stem: bool = False, whitespace: bool = False
) -> list[float]:
    """One figure for each pair. `kind` is rouge1, rouge2, rougeL or rougeLsum."""
    scorer = _scorer(kind, stem, whitespace)
    if kind == "rougeLsum":
        predictions, references = [split_sentences(text) for text in predictions], [split_sentences(text) for text in references]
    pairs = zip(references, predictions, strict=True)
    return [100 * float(scorer.score(reference, prediction)[kind].fmeasure) for reference, prediction in pairs]


def split_sentences(text: str) -> str:
    """The newline rule of ROUGE-Lsum: a line ends where white space follows '.', '!' or '?', and at every line break."""
    return "\n".join(_SENTENCE_END.split(text.strip()))


class _Tokenizer:
    """rouge-score's own tokenizer, around a stemmer that remembers words."""

    def __init__(self, stemmer: Any) -> None:
        self._stemmer = stemmer

    def tokenize(self, text: str) -> list[str]:
        from rouge_score.tokenize import tokenize

        return list(tokenize(text, self._stemmer))


class _WhitespaceTokenizer(_Tokenizer):
    """The words of scorers that do not tokenise: punctuation sticks to its word, and case counts (but a stemmer lowers it)."""

    def tokenize(self, text: str) -> list[str]:
        words = text.split()
        return words if self._stemmer is None else [self._stemmer.stem(word) if len(word) > 3 else word for word in words]


@lru_cache
def _scorer(kind: str, stem: bool, whitespace: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], tokenizer=(_WhitespaceTokenizer if whitespace else _Tokenizer)(porter_stemmer() if stem else None))


@lru_cache
def porter_stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    class RememberingStemmer(PorterStemmer):  # type: ignore[misc]
        """A Porter stemmer that stems each word only once: stemming takes nine tenths of the time of stemmed ROUGE."""

        @lru_cache(maxsize=100_000)  # noqa: B019
        def stem(self, word: str) -> str:
            return str(super().stem(word))

    return RememberingStemmer()
