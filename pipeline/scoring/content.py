"""Content F1: do the content words of a summary and of its reference agree? Scale 0 to 100.

Source: S. Palaskar et al., Multimodal Abstractive Summarization for How2 Videos, 2019 (arXiv 1906.07901), section 4: words are
aligned one to one as METEOR does, function words and the phrases with which such summaries begin do not count, and neither does
word order. Here words are aligned if they are equal or have the same Porter stem; the lists of words are this project's own.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from pipeline.scoring.rouge import porter_stemmer

_WORD = re.compile(r"[a-z0-9]+")
# fmt: off
FUNCTION_WORDS = frozenset((
    "a", "about", "above", "after", "again", "against", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be",
    "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "could", "did", "do", "does", "doing",
    "done", "down", "during", "each", "either", "else", "enough", "every", "few", "for", "from", "further", "had", "has",
    "have", "having", "he", "her", "here", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just", "let",
    "like", "me", "more", "most", "much", "must", "my", "neither", "no", "nor", "not", "now", "of", "off", "on", "once", "one",
    "only", "onto", "or", "other", "our", "out", "over", "own", "per", "quite", "rather", "same", "shall", "she", "should",
    "since", "so", "some", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those",
    "though", "through", "thus", "till", "to", "too", "toward", "towards", "under", "until", "up", "upon", "us", "very", "was",
    "we", "well", "were", "what", "when", "where", "whether", "which", "while", "who", "whom", "whose", "why", "will", "with",
    "within", "without", "would", "yet", "you", "your",
))
CATCHPHRASES = frozenset((
    "clip", "cook", "demonstrate", "expert", "explain", "free", "guide", "learn", "make", "made", "show", "step", "tip",
    "tutorial", "video",
))
# fmt: on


def content_f1(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """One figure for each pair; 0 if either has no content word."""
    return [_f1(content_words(text), content_words(wanted)) for text, wanted in zip(predictions, references, strict=True)]


def content_words(text: str) -> Counter[str]:
    """Stems of the words that count, with how often they occur."""
    stem = porter_stemmer().stem
    words = (word for word in _WORD.findall(text.lower()) if word not in FUNCTION_WORDS)
    return Counter(stem(word) for word in words if stem(word) not in _catchphrase_stems())


@lru_cache
def _catchphrase_stems() -> frozenset[str]:
    return frozenset(porter_stemmer().stem(word) for word in CATCHPHRASES)


def _f1(found: Counter[str], wanted: Counter[str]) -> float:
    total = found.total() + wanted.total()
    return 200 * (found & wanted).total() / total if total else 0.0
