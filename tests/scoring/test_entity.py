"""What a summary names, against what the video shows, and content words against the reference: cases by hand."""

from pathlib import Path

import pytest

from pipeline.corpus.entities import add_entities, entities_in, read_word_list
from pipeline.corpus.table import Video, write_corpus
from pipeline.scoring.content import content_f1, content_words
from pipeline.scoring.entity import Entities, entity_f1, f1, known_entities
from pipeline.scoring.predictions import align
from pipeline.scoring.score import score_row

NAMES = ("pepper", "red pepper", "egg", "eggplant", "tomato", "cherry", "cherry tomato", "fish", "bay leaf", "chicken leg")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("slice the red pepper", {"red pepper"}),
        ("slice the red pepper and the pepper", {"red pepper", "pepper"}),
        ("Two EGGS, please.", {"egg"}),
        ("fry the eggplant", {"eggplant"}),
        ("tomatoes; cherries", {"tomato", "cherry"}),
        ("cherry tomatoes", {"cherry tomato"}),
        ("fishes and a fishing rod", {"fish"}),
        ("add a bay  leaf", {"bay leaf"}),
        ("chicken legs", {"chicken leg"}),
        ("a chicken with one leg", set()),
        ("peppery, eggy, tomatoless", set()),
        ("", set()),
    ],
)
def test_whole_words_longest_first_plural_tolerated(text: str, found: set[str]) -> None:
    assert entities_in(text, NAMES) == found


def test_f1_of_sets_by_hand() -> None:
    assert f1({"egg", "fish"}, {"egg", "tomato", "cherry"}) == pytest.approx(100 * 2 * 1 / (2 + 3))
    assert f1({"egg"}, {"egg"}) == 100
    assert f1(set(), {"egg"}) == 0
    assert f1({"egg"}, {"fish"}) == 0
    assert f1(set(), set()) == 100


def test_a_wrong_name_costs_precision_and_naming_twice_gains_nothing() -> None:
    entities = Entities({"a": {"egg", "fish"}, "b": {"tomato"}}, frozenset(NAMES))
    scores = entity_f1(["fry the egg and the fish", "egg, egg and cherry", "no food at all"], ["a", "a", "b"], entities)
    assert scores == [100, 50, 0]


def test_entities_are_known_if_any_video_has_some(tmp_path: Path) -> None:
    shown = {"a": ("test", ["egg"]), "b": ("train", ["fish", "egg"]), "c": ("test", [])}
    path = tmp_path / "corpus.parquet"
    write_corpus([Video(name, split, "", entities=entities) for name, (split, entities) in shown.items()], path)
    found = known_entities(path, "test")
    assert found is not None and found.of == {"a": {"egg"}, "c": frozenset()} and found.names == {"egg", "fish"}
    assert entity_f1(["an egg", "an egg"], ["a", "c"], found) == [100, 0]
    assert entity_f1(["rice", "rice"], ["a", "c"], found) == [0, 100], "nothing to name, and nothing named"
    write_corpus([Video("c", "test", "")], path)
    assert known_entities(path, "test") is None


def test_a_word_list_and_a_file_say_what_a_video_shows(tmp_path) -> None:  # type: ignore[no-untyped-def]
    videos = [Video("a", "train", "", steps=("cut the tomatoes",), summary="salad with egg"), Video("b", "train", "")]
    words = tmp_path / "words.txt"
    words.write_text("# foods\nEgg\ntomato  # red\n\nfish\n")
    assert read_word_list(words) == ["egg", "tomato", "fish"]
    assert [video.entities for video in add_entities(videos, str(words))] == [("egg", "tomato"), ()]
    listed = tmp_path / "listed.jsonl"
    listed.write_text('{"video_id": "b", "entities": ["Fish", "fish"]}\n')
    with pytest.raises(ValueError, match="no line for 1 videos, such as a; a video that shows none has"):
        add_entities(videos, str(listed))
    listed.write_text('{"video_id": "b", "entities": ["Fish", "fish"]}\n{"video_id": "a", "entities": []}\n')
    assert [video.entities for video in add_entities(videos, str(listed))] == [(), ("fish",)]
    assert add_entities(videos, "") == videos
    listed.write_text('{"video_id": "b", "entities": "fish"}\n')
    with pytest.raises(ValueError, match=r"listed\.jsonl, line 1: expected"):
        add_entities(videos, str(listed))
    with pytest.raises(ValueError, match=r"dataset\.entities: .*nowhere\.txt is no file"):
        add_entities(videos, str(tmp_path / "nowhere.txt"))
    words.write_text("# nothing\n")
    with pytest.raises(ValueError, match="no words in it"):
        read_word_list(words)


def test_content_words_have_no_function_words_and_no_catchphrases() -> None:
    assert content_words("Learn how to make the best soups in this free video!") == {"best": 1, "soup": 1}


def test_content_f1_by_hand() -> None:
    # content: slice carrot fry egg | slice carrots boil (3 in common? slice, carrot), order does not count
    assert content_f1(["slice the carrot and fry the egg"], ["the carrots are sliced, then boiled"]) == [
        pytest.approx(100 * 2 * 2 / (4 + 3))
    ]
    assert content_f1(["the"], ["an egg"]) == [0]
    assert content_f1(["egg egg"], ["egg"]) == [pytest.approx(100 * 2 * 1 / 3)], "one to one"


def test_draws_are_averaged_video_by_video() -> None:
    def line(draw: int, video: str, text: str) -> dict[str, object]:
        return {"video_id": video, "seed": 0, "draw": draw, "prediction": text, "reference": "egg"}

    lines = [line(0, "a", "egg"), line(0, "b", "fish"), line(1, "a", "fish"), line(1, "b", "fish")]
    entities = Entities({"a": {"egg"}, "b": {"egg"}}, frozenset({"egg", "fish"}))
    scores, per_video = score_row(align(lines), resamples=50, seed=0, entities=entities)
    assert per_video.scores["entity_f1"] == [[50.0, 0.0]]
    assert scores["rouge1"].mean == 25
    with pytest.raises(ValueError, match="'b' has no row for seed 0, draw 1"):
        align(lines[:-1])
