"""Longer videos and transfer: what the table and the words say follows from records, and what is missing or outdated is named."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from pipeline.base.files import read_json
from pipeline.evaluation.transfers import CELLS, ROWS, Cell, stretched
from pipeline.report.released import VERDICTS
from pipeline.report.results import Results
from pipeline.report.transfer import (
    Transfer,
    families,
    gather_transfer,
    transfer_csv,
    transfer_markdown,
    transfer_words,
    wanted,
)
from tests.report_inputs import MADE_FROM, SETTINGS, SYSTEMS, change_metrics, load, make_inputs, training, write, write_row

RUN = [cell for cell in CELLS if cell.row in ("bart", "clipsum")]


def add_cell(folder: Path, cell: Cell, wrong: float, **changes: Any) -> None:
    """A row in a cell as `make transfer` keeps it, and its control."""
    title, encoder, tuning, frames, _, width, _ = SYSTEMS[cell.row]
    values = {
        "training": training(tuning, (0, 1), wrong) | {"settings": SETTINGS | stretched(SETTINGS)},
        "made_from": MADE_FROM | {"corpus": cell.tested_on, "seen": "more", "beside": MADE_FROM["corpus"]},
    } | changes
    write_row(folder, cell.row, (title, encoder, tuning, frames, None, width, wrong), name=f"transfer/{cell.name}", **values)
    change_metrics(folder, f"transfer/{cell.name}", lambda record: record.update(row=cell.name))
    if len(cell.keeps) > 1:
        control = f"{cell.name}_swapped"
        described = (title, encoder, tuning, "swapped", cell.name, width, 0.6)
        write_row(folder, f"{cell.row}_swapped", described, name=f"transfer/{control}", **values)
        change_metrics(folder, f"transfer/{control}", lambda record: record.update(row=control))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transfer")
    make_inputs(folder)
    for cell in RUN:
        home = cell.trained_on == cell.tested_on
        add_cell(folder, cell, 0.9 if cell.row == "bart" else 0.05 if home else 0.6)
    return folder


@pytest.fixture
def complete(made: Path, tmp_path: Path) -> Path:
    """Two rows in every cell. ClipSum loses by transfer, text alone does not."""
    return shutil.copytree(made, tmp_path / "complete")


@pytest.fixture
def inputs(complete: Path) -> Path:
    """The study's own rows and no cell."""
    for folder in ("metrics", "predictions"):
        shutil.rmtree(complete / folder / "transfer")
    return complete


def gathered(inputs: Path, *, resamples: int = 200) -> tuple[Results, Transfer]:
    """More resamples for what is to be significant among so many comparisons."""
    results = load(inputs)
    return results, gather_transfer(results, resamples=resamples)


def test_before_any_experiment_the_report_says_how_to_get_it(inputs: Path) -> None:
    results, transfer = gathered(inputs)
    text = transfer_markdown(results, transfer)
    assert text.count("not run") == len(CELLS) + 1 and 'The command make transfer runs what is marked "not run".' in text
    assert {line.state for line in transfer.lines} == {"not run"} and not transfer.tested


def test_a_dataset_with_one_kind_of_videos_has_no_section(inputs: Path, tmp_path: Path) -> None:
    change_metrics(inputs, "corpus", lambda summary: summary.update(dataset="youcook2"))
    out = write(inputs, tmp_path / "out")
    assert 'id="transfer"' not in (out / "index.html").read_text()
    assert "those of the study kitchen are short or long" in (out / "transfer.md").read_text()
    assert (out / "transfer.csv").read_text().strip() == ""


def test_comparisons_are_on_the_same_test_videos_and_in_families_of_their_own() -> None:
    cells = {cell.name: cell for cell in CELLS} | {f"{cell.name}_swapped": cell for cell in CELLS}
    assert all(cells[a].tested_on == cells[b].tested_on for a, b in wanted())
    assert [len(pairs) for pairs in families().values()] == [4 + 4 + 2 * len(ROWS), 4 * (len(ROWS) - 1)]
    assert sorted(pair for pairs in families().values() for pair in pairs) == sorted(wanted())


def test_the_table_has_every_cell_and_the_words_follow_from_the_verdicts(complete: Path, tmp_path: Path) -> None:
    results, transfer = gathered(complete, resamples=5000)
    names = {kept for cell in RUN for kept in cell.keeps.values()}
    assert set(transfer.tested) == {pair for pair in wanted() if set(pair) <= names} and len(transfer.tested) == 12
    found = {pair: tested.outcome for pair, tested in transfer.tested.items()}
    assert found["clipsum_long_long", "bart_long_long"] == found["clipsum_long_long", "clipsum_short_long"] == "a"
    assert found["clipsum_long_short", "clipsum_short_short"] == "b"
    words = transfer_words(results, transfer)
    assert "ClipSum against text alone: better in all 4." in words
    moved = words.partition("Trained on long videos instead of short ones: ")[2].partition(".")[0]
    assert {"worse for ClipSum long → short", "better for ClipSum long → long"} < set(moved.split("; "))
    mean = read_json(complete / "metrics/transfer/clipsum_long_long.json")["metrics"]["rouge1"]["mean"]
    assert f"{mean:.1f} on long ones." in words
    results, transfer = gathered(complete)
    words = transfer_words(results, transfer)
    out = write(complete, tmp_path / "out")
    page = (out / "index.html").read_text()
    assert str(escape(words)) in page and '<section id="transfer">' in page and '<a href="#transfer">' in page
    lines = list(csv.DictReader((out / "transfer.csv").read_text().splitlines()))
    assert [(line["row"], line["trained_on"], line["tested_on"]) for line in lines] == [
        (cell.row, cell.trained_on, cell.tested_on) for cell in CELLS
    ]
    moved = next(line for line in lines if (line["row"], line["trained_on"], line["tested_on"]) == ("clipsum", "long", "short"))
    tested = transfer.tested["clipsum_long_short", "clipsum_short_short"]
    assert moved["moved_verdict"] == VERDICTS[tested.outcome] and float(moved["moved_low"]) == tested.found.ci95_low
    assert lines[0]["swapped_rouge1"] == "" and float(moved["swapped_rouge1"]) > 0
    assert {line["state"] for line in lines if line["row"] in ("oracle", "resnet152")} == {"not run"}
    assert (out / "transfer.md").read_text() == transfer_markdown(results, transfer)


def test_another_verdict_gives_other_words(complete: Path) -> None:
    results, transfer = gathered(complete)
    unsure = Transfer(
        transfer.lines,
        {pair: replace(each, p=0.5, p_equal=0.5) for pair, each in transfer.tested.items()},
    )
    words = transfer_words(results, unsure)
    assert "ClipSum against text alone: open in all 4." in words and not any(
        word in words for word in ("better", "worse", "equal")
    )


@pytest.mark.parametrize(
    "changes",
    [{"code": "another"}, {"beside": "another corpus"}, {"text_model": "another"}],
)
def test_what_was_made_otherwise_is_outdated_and_compared_with_nothing(complete: Path, changes: dict[str, str]) -> None:
    change_metrics(complete, "transfer/clipsum_long_long", lambda record: record["made_from"].update(changes))
    results, transfer = gathered(complete)
    states = {line.cell.name: line.state for line in transfer.lines}
    assert [name for name, state in states.items() if state == "outdated"] == ["clipsum_long_long"]
    assert sum(state == "run" for state in states.values()) == len(RUN) - 1
    assert not any("clipsum_long_long" in pair for pair in transfer.tested)
    assert "make transfer runs it again" in transfer_markdown(results, transfer)
    assert "outdated" in transfer_csv(results, transfer)


def test_other_settings_or_seeds_are_outdated_and_another_encoder_is_not_run(complete: Path) -> None:
    change_metrics(complete, "transfer/bart_long_long", lambda record: record["training"]["settings"].update({"train.epochs": 3}))
    change_metrics(complete, "transfer/clipsum_long_long", lambda record: record.update(encoder="dinov3_b16"))
    _, transfer = gathered(complete)
    states = {line.cell.name: line.state for line in transfer.lines if line.cell in RUN and line.state != "run"}
    assert states == {"bart_long_long": "outdated", "clipsum_long_long": "not run"}


def test_rows_with_other_test_videos_and_damaged_files_are_refused(complete: Path) -> None:
    add_cell(complete, Cell("bart", "short", "long"), 0.4, videos=8)
    with pytest.raises(ValueError, match="tested on different long videos; run `make transfer`"):
        gathered(complete)
    (complete / "predictions/transfer/bart_short_long.jsonl").write_text("")
    with pytest.raises(ValueError, match="bart_short_long"):
        load(complete)
    add_cell(complete, Cell("bart", "short", "long"), 0.4)
    change_metrics(complete, "transfer/bart_short_long", lambda record: record["metrics"].pop("rouge2"))
    with pytest.raises(ValueError, match=r"lacks rouge2; run `python -m stages.experiments rescore`"):
        load(complete)
