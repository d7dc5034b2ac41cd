"""Somebody else's outputs among our rows: in the table, tested, shown, and marked as what they are wherever they stand."""

import csv
from pathlib import Path

import pytest

from pipeline.report import tables
from pipeline.report.evidence import gather_evidence
from pipeline.report.families import correct, correct_within, family_of
from pipeline.report.load import undeclared
from pipeline.report.palette import OF_ROLE, role_of
from pipeline.report.results import remedy
from tests.report_inputs import SYSTEMS, add_external, change_lines, load, remake, rescore, write


@pytest.fixture
def inputs(inputs: Path) -> Path:
    """The usual rows, with two seeds, and one of others' outputs, of which there is one set."""
    add_external(inputs)
    return inputs


def test_it_stands_after_the_systems_and_before_the_controls(inputs: Path) -> None:
    results = load(inputs)
    kinds = [row.record.kind for row in results.rows]
    assert kinds == ["system"] * 5 + ["external", "control"]
    assert [row.name for row in results.external] == ["theirs"]
    assert not results.is_released and "theirs" not in {row.name for row in results.trained}
    assert remedy(results.external[0].record) == "run `dvc repro external@theirs`"


def test_it_is_tested_against_clipsum_and_changes_no_other_p_value(inputs: Path) -> None:
    with_it = gather_evidence(load(inputs), resamples=200)
    for kind, suffix in (("metrics", "json"), ("predictions", "jsonl")):
        (inputs / kind / f"theirs.{suffix}").unlink()
    without = gather_evidence(load(inputs), resamples=200)
    tested = with_it.of("clipsum", "theirs")
    assert tested is not None and tested.found.mean > 0
    assert family_of(("clipsum", "theirs")) == "clipsum minus theirs"
    same = {pair: each.p for pair, each in with_it.tested["rouge1"].items() if "theirs" not in pair}
    assert same == {pair: each.p for pair, each in without.tested["rouge1"].items()}


def test_tables_mark_it_and_say_whose_it_is(inputs: Path, tmp_path: Path) -> None:
    out = write(inputs, tmp_path / "reports")
    for name in ("table.md", "summary.md"):
        text = (out / name).read_text()
        assert "Their system †" in text, name
        assert "† Somebody else's outputs, scored here as they are; nothing was trained. Of one set of outputs" in text, name
        assert "Their system: A. Body" in text, name
    latex = (out / "table.tex").read_text()
    assert r"Their system \textdagger{}" in latex and "†" not in latex
    line = next(row for row in csv.DictReader((out / "table.csv").read_text().splitlines()) if row["row"] == "theirs")
    assert line["kind"] == "external" and line["parameters_total"] == "" and line["seeds"] == "0"
    assert "theirs" not in (out / "curves.csv").read_text()


def test_the_page_shows_it_in_its_own_colour_with_its_own_filter(inputs: Path, original: Path, tmp_path: Path) -> None:
    page = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    assert '<tr data-kind="external"' in page and '<i class="chip external"></i>Their system †' in page
    assert '<span><i class="chip external"></i>somebody else\'s outputs</span>' in page.replace("&#39;", "'")
    assert '<input type="checkbox" value="external" checked>' in page
    assert "A. Body, theirs.example, CC BY 4.0" in page
    assert role_of(load(inputs).external[0]) == "external" and len(set(OF_ROLE.values())) == len(OF_ROLE)
    without = (write(original, tmp_path / "without") / "index.html").read_text()
    assert 'value="external"' not in without and 'chip external"' not in without, "nothing is said of what is not there"


def test_other_references_and_missing_videos_are_refused(inputs: Path) -> None:
    change_lines(inputs, "theirs", lambda lines: lines[0].update(reference="another text"))
    remake(inputs, "theirs")
    with pytest.raises(ValueError, match=r"row 'theirs': the reference of video 'kitchen_test_0000' differs"):
        load(inputs)
    add_external(inputs)
    change_lines(inputs, "theirs", lambda lines: lines.pop())
    rescore(inputs, "theirs")
    with pytest.raises(ValueError, match=r"row 'theirs': no prediction of video 'kitchen_test_0011'"):
        load(inputs)


def test_without_an_entry_it_is_left_out(inputs: Path) -> None:
    assert undeclared(inputs / "metrics", [name for name in SYSTEMS if name != "clipsum_swapped"]) == ["theirs"]
    assert undeclared(inputs / "metrics", [*SYSTEMS, "theirs"]) == []


def test_a_table_of_others_outputs_alone_has_no_row_that_was_not_run(tmp_path: Path) -> None:
    for name, wrong in (("one", 0.2), ("two", 0.4)):
        add_external(tmp_path, name=name, title=f"System {name}", wrong=wrong)
    results = load(tmp_path)
    assert results.is_released and results.not_run == () and results.in_order == list(results.rows)
    table = tables.main_table(results)
    assert list(table.columns) == ["System", "n", "Split", "R-1", "Entity F1", "R-2", "R-L", "BLEU-4", "METEOR"]
    caption = tables.caption(results)
    assert "one set of outputs" in caption and "seed" not in caption and "Not run" not in caption and "arXiv" not in caption
    assert caption.count("A. Body") == 1, "one origin is told once"
    assert "parameters_total" not in tables.comma_separated(results) and "paper_" not in tables.comma_separated(results)


def test_families_of_a_study_are_corrected_like_those_of_the_report(inputs: Path) -> None:
    evidence = gather_evidence(load(inputs), resamples=200)
    found = {pair: each.found for pair, each in evidence.tested["rouge1"].items()}
    assert correct_within({}, found, margin=1.0)["clipsum", "theirs"] == correct(found, margin=1.0)["clipsum", "theirs"]
    pairs = list(found)[:4]
    alone, together = (correct_within(listed, found, margin=1.0) for listed in ({}, {"four": pairs}))
    worst = min(pairs, key=lambda pair: found[pair].p)
    assert together[worst].p == pytest.approx(min(1.0, 4 * alone[worst].p))
