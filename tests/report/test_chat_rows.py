"""Rows of a chat model among ours: in the table, tested in a family of their own, and marked as what they are."""

import csv
import json
from pathlib import Path

import pytest

from pipeline.report.evidence import gather_evidence
from pipeline.report.families import family_of
from pipeline.report.load import undeclared
from pipeline.report.palette import role_of
from pipeline.report.results import remedy
from tests.report_inputs import SYSTEMS, add_chat, add_external, load, write


@pytest.fixture
def inputs(inputs: Path) -> Path:
    """The usual rows, with two seeds, and three of a chat model that was asked once."""
    add_chat(inputs, name="llm_text", wrong=0.6)
    add_chat(inputs, failed={"kitchen_test_0000, seed 0": "the answer is empty", "kitchen_test_0001, seed 0": "cut"})
    add_chat(inputs, name="vlm_swapped", wrong=0.9)
    return inputs


def test_they_stand_after_the_systems_and_before_others_outputs(inputs: Path) -> None:
    add_external(inputs)
    results = load(inputs)
    assert [row.record.kind for row in results.rows] == ["system"] * 5 + ["chat"] * 3 + ["external", "control"]
    by_name = {row.name: row for row in results.chat}
    assert {name: role_of(row) for name, row in by_name.items()} == {"llm_text": "chat", "vlm": "chat", "vlm_swapped": "control"}
    assert remedy(by_name["vlm"].record) == "run `dvc repro chat@vlm`"
    assert not {"vlm", "llm_text"} & {row.name for row in results.trained}


def test_their_comparisons_are_a_family_of_their_own_and_change_no_other_p_value(inputs: Path) -> None:
    with_them = gather_evidence(load(inputs), resamples=200)
    for name in ("llm_text", "vlm", "vlm_swapped"):
        (inputs / "metrics" / f"{name}.json").unlink()
        (inputs / "predictions" / f"{name}.jsonl").unlink()
    without = gather_evidence(load(inputs), resamples=200)
    pairs = [("vlm", "vlm_swapped"), ("vlm", "llm_text"), ("clipsum", "vlm"), ("llm_text", "bart")]
    assert {family_of(pair) for pair in pairs} == {"a chat model"}
    assert all(with_them.of(*pair) is not None for pair in pairs)
    found = with_them.of("vlm", "vlm_swapped")
    assert found is not None and found.found.mean > 0
    same = {
        pair: each.p for pair, each in with_them.tested["rouge1"].items() if not {"vlm", "llm_text", "vlm_swapped"} & set(pair)
    }
    assert same == {pair: each.p for pair, each in without.tested["rouge1"].items()}


def test_tables_mark_them_and_warn_of_what_they_may_have_seen(inputs: Path, tmp_path: Path) -> None:
    out = write(inputs, tmp_path / "reports")
    for name in ("table.md", "summary.md"):
        text = (out / name).read_text()
        assert "toy (text and frames) ‡" in text and "toy (text alone) ‡" in text, name
        assert "‡ Written by a chat model behind an endpoint, which was given one prompt and no training." in text, name
        assert text.count("org/toy may have seen the test videos, or texts about them: nobody here can tell.") == 1, name
        assert "an interval is over videos alone" in text and "Repeated draws" not in text, name
        assert "toy (text and frames): 2 of 12 summaries never came; they count as empty and score 0." in text, name
        fewer = "toy (text and frames); toy (text and another video's frames)"
        assert (
            f"{fewer}: at most 6 frames of a video were sent, all that there are; more were allowed." in text
            and "toy (text alone): " not in text
        ), name
    systems = [line.split("|")[1].strip() for line in (out / "summary.md").read_text().splitlines() if line.startswith("| toy")]
    assert systems == ["toy (text alone) ‡", "toy (text and frames) ‡"], "its control is a column"
    latex = (out / "table.tex").read_text()
    assert r"\textdaggerdbl{}" in latex and "‡" not in latex
    line = next(row for row in csv.DictReader((out / "table.csv").read_text().splitlines()) if row["row"] == "vlm")
    assert line["kind"] == "chat" and line["parameters_total"] == ""


def test_the_page_shows_them_in_their_own_colour_with_their_own_filter(inputs: Path, original: Path, tmp_path: Path) -> None:
    page = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    assert '<tr data-kind="chat"' in page and '<i class="chip chat"></i>toy (text and frames) ‡' in page
    assert '<span><i class="chip chat"></i>a chat model</span>' in page
    assert '<input type="checkbox" value="chat" checked>' in page
    assert "may have seen the test videos" in page and "--chat:" in page
    without = (write(original, tmp_path / "without") / "index.html").read_text()
    assert 'value="chat"' not in without and 'chip chat"' not in without and "chat model" not in without


def test_draws_above_temperature_0_stand_in_the_place_of_seeds(inputs: Path, tmp_path: Path) -> None:
    for name in ("llm_text", "vlm", "vlm_swapped"):
        add_chat(inputs, name=name, temperature=0.7)
    text = (write(inputs, tmp_path / "reports") / "summary.md").read_text()
    assert "Repeated draws stand in the place of training seeds." in text


def test_what_params_yaml_no_longer_names_is_left_out(inputs: Path) -> None:
    declared = [name for name in SYSTEMS if name != "clipsum_swapped"]
    assert sorted(undeclared(inputs / "metrics", declared)) == ["llm_text", "vlm", "vlm_swapped"]
    assert undeclared(inputs / "metrics", [*declared, "vlm", "llm_text"]) == []


@pytest.mark.parametrize(
    "changed", [{"model": "org/other"}, {"prompt": "Say: {video}"}, {"temperature": 0.3}, {"endpoint": "http://b"}]
)
def test_rows_that_were_asked_in_other_ways_are_no_rows_of_one_table(inputs: Path, changed: dict[str, object]) -> None:
    add_chat(inputs, **changed)
    with pytest.raises(ValueError, match=r"row 'vlm': \w+ is .*, row 'llm_text' has .*; ask both in the same way: run"):
        load(inputs)


def test_the_first_screen_says_how_a_chat_model_compares(inputs: Path, tmp_path: Path) -> None:
    page = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    assert "A chat model, which was not trained here: org/toy" in page and "text and frames minus text alone" in page
    assert "of the systems trained here that see no truth" in page and "(of a chat model: of one)" in page
    scores = json.loads((tmp_path / "reports" / "scores.json").read_text())
    assert {"vlm", "llm_text", "clipsum"} <= set(scores)


def test_videos_without_frames_are_counted(inputs: Path, tmp_path: Path) -> None:
    add_chat(inputs, without_frames=3)
    text = (write(inputs, tmp_path / "reports") / "table.md").read_text()
    assert "toy (text and frames): 3 videos have no frames, and were asked about without any." in text
