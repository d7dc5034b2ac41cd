"""Marks in texts, the corpus behind them, and how often the most attended frame shows what is named."""

from pathlib import Path

import pytest

from pipeline.base.files import read_json, write_json
from pipeline.corpus.table import Video, write_corpus
from pipeline.report import attention, highlights
from pipeline.report.example import _wrapped
from pipeline.report.marks import Known, Part, marked_source, marked_summary, names_exactly, plain
from tests.report_inputs import FOODS, add_attended, add_corpus, change_lines, load, names, rescore, write, write_row

POINTING = "first chop this one right here, then fry that. that is it."
NAMED = "first chop the egg on a plate, then fry the pepper. that is it."
KNOWN = Known(
    frozenset({"egg", "red pepper", "pepper"}), {"v": frozenset({"egg", "pepper"})}, {"v": (POINTING, NAMED)}, {"v": "drawn"}
)


def test_entities_are_right_or_wrong_and_the_text_stays_as_it_is() -> None:
    text = "Fry two eggs, <the> red pepper and Pepper."
    parts = marked_summary(text, KNOWN, "v")
    assert parts == ["Fry two ", ("eggs", "right"), ", <the> ", ("red pepper", "wrong"), " and ", ("Pepper", "right"), "."]
    assert plain(parts) == text
    assert marked_summary(text, None, "v") == [text] and marked_summary("", KNOWN, "v") == [""]
    assert names_exactly("pepper, egg", KNOWN, "v")
    assert not names_exactly("pepper", KNOWN, "v") and not names_exactly(text, KNOWN, "v")
    assert not names_exactly("pepper, egg", None, "v")


def test_what_points_is_what_the_other_version_names() -> None:
    parts = marked_source(POINTING, KNOWN, "v")
    assert [part for part in parts if not isinstance(part, str)] == [
        ("this one right here", "points", "the egg on a plate"),
        ("that", "points", "the pepper"),
    ], "the last `that` points to nothing"
    assert plain(parts) == POINTING


def test_pointing_words_are_marked_where_nothing_else_is_known() -> None:
    parts = marked_source("Take these, and this one; thistle stays.", None, "v")
    assert [part for part in parts if not isinstance(part, str)] == [("these", "points"), ("this one", "points")]


def test_the_corpus_is_left_alone_if_it_is_another_ones(inputs: Path) -> None:
    assert load(inputs).known is None, "there is none"
    add_corpus(inputs)
    known = load(inputs).known
    assert known is not None and known.names == set(FOODS) & known.names and set(known.of) == set(names(12))
    write_corpus([Video(video, "test", "a.mp4", summary="another") for video in names(12)], inputs / "data/corpus/corpus.parquet")
    assert load(inputs).known is None


def test_the_most_attended_frame_is_compared_with_one_at_random(inputs: Path) -> None:
    add_attended(inputs)
    attended = load(inputs).attended
    assert attended is not None
    found = attention.agreement(attended, resamples=200)
    assert found is not None and found.videos == 12 and found.entities == 36
    assert found.hits == pytest.approx(100 * 11 / 12), "in one of twelve videos, no frame that was attended to shows it"
    assert found.chance == pytest.approx(25)
    assert found.gain.mean == pytest.approx(found.hits - found.chance, abs=0.01) and found.gain.ci95_low < found.gain.mean
    path = inputs / "metrics" / "clipsum_attended.json"
    content = read_json(path)
    for looks in content["videos"].values():
        for named in looks["named"].values():
            named["shown"] = None
    write_json(path, content)
    unknown = load(inputs).attended
    assert unknown is not None and attention.agreement(unknown, resamples=200) is None


def test_attention_of_other_summaries_is_not_shown(inputs: Path) -> None:
    add_attended(inputs)
    change_lines(inputs, "clipsum", lambda lines: lines[0].update(prediction="fry the leek"))
    rescore(inputs, "clipsum")
    assert load(inputs).attended is None


def test_picked_videos_are_those_with_the_largest_gain_and_not_twice_the_same(inputs: Path) -> None:
    add_corpus(inputs)
    results = load(inputs)
    picked = highlights.highlights(results)
    clipsum, bart = results.find("clipsum"), results.find("bart")
    assert clipsum is not None and bart is not None
    gains = clipsum.scores("rouge1")[0] - bart.scores("rouge1")[0]
    assert picked[0].gain == gains.max() and len(picked) == 3
    assert [each.gain for each in picked] == sorted((each.gain for each in picked), reverse=True)
    said = {title for each in picked[0].said for title, _ in each.systems}
    assert said == {row.title for row in results.trained}, "every system, and no control"
    assert all(each.shots == [] and each.looks is None for each in picked), "no frames, nothing known of attention"


def test_no_video_is_picked_where_nothing_is_gained(inputs: Path) -> None:
    write_row(inputs, "bart", ("BART (text only)", None, "none", "none", None, None, 0.0))
    assert highlights.highlights(load(inputs)) == []


def test_the_page_says_how_often_attention_meets_what_is_shown(inputs: Path, tmp_path: Path) -> None:
    add_corpus(inputs)
    without = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    assert "Where vision decides" in without and "Attention says where the model looked" not in without
    add_attended(inputs)
    page = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    assert "shows the entity in 92 % of cases, one at random would in 25 %" in page
    assert "Attention says where the model looked, not why it said what it said." in page
    assert '<mark class="points" title="the ' in page and '<mark class="right">' in page and '<mark class="wrong">' in page


def test_lines_of_the_picture_keep_words_marks_and_stops_together() -> None:
    parts: list[Part] = ["now add ", ("this one here", "points"), ". then stir it ", ("well", "right"), "."]
    lines = _wrapped(parts, 12)
    assert [plain(line) for line in lines] == ["now add this ", "one here. ", "then stir it ", "well."]
    assert [part for line in lines for part in line if not isinstance(part, str)] == [
        ("this ", "points"), ("one ", "points"), ("here", "points"), ("well", "right"),
    ]  # fmt: skip
