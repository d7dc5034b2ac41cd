"""Transfer: which cells there are, what their experiments change, and what their records say beside which table they stand."""

import json
from pathlib import Path

import pytest

from pipeline.base.params import Study, load_params, load_study
from pipeline.base.row_names import declared_names
from pipeline.evaluation import experiments
from pipeline.evaluation.experiments import Experiment
from pipeline.evaluation.planned import PLANS, transfer_experiments
from pipeline.evaluation.transfers import CELLS, DOMAINS, ROWS, Cell, cells_of, is_kept_by_a_cell
from pipeline.scoring.record import write_record
from tests.records import record

ROOT = Path(__file__).parents[2]
STUDY = load_study("kitchen", ROOT)
MADE_FROM = {"code": "a", "corpus": "b", "text_model": "c", "encoder": "d", "seen": "e"}


def test_every_row_is_trained_on_either_and_tested_on_either() -> None:
    assert {(cell.row, cell.trained_on, cell.tested_on) for cell in cells_of(STUDY)} == {
        (row, one, other) for row in ROWS for one in DOMAINS for other in DOMAINS
    }
    kept = [place for cell in CELLS for place in cell.keeps.values()]
    assert len(set(kept)) == len(kept) and not set(kept) & {f"{row}_swapped" for row in declared_names(ROOT / "dvc.yaml")}
    assert all(is_kept_by_a_cell(place) for place in kept) and not is_kept_by_a_cell("clipsum_swapped")


def test_a_study_with_one_kind_of_videos_has_none() -> None:
    with pytest.raises(ValueError, match="youcook2 has no short and long videos"):
        cells_of(load_study("youcook2", ROOT))


def test_all_cells_have_the_same_settings_which_long_videos_need() -> None:
    overrides = [cell.overrides(STUDY) for cell in CELLS]
    assert {(each.pop("dataset.trained_on"), each.pop("dataset.tested_on")) for each in overrides} == {
        (one, other) for one in DOMAINS for other in DOMAINS
    }
    assert all(each == overrides[0] for each in overrides)
    assert overrides[0]["frames.count"] == 3 * STUDY.frames.count
    assert overrides[0]["train.epochs"] == 2 * STUDY.train.epochs
    assert overrides[0]["generate.max_tokens"] >= overrides[0]["text.max_target_tokens"] == 3 * STUDY.text.max_target_tokens


def test_every_override_is_a_legal_value() -> None:
    for cell in CELLS:
        blocks = STUDY.model_dump()
        for key, value in cell.overrides(STUDY).items():
            block, name = key.split(".")
            blocks[block][name] = value
        assert Study.model_validate(blocks) != STUDY


def test_nothing_of_a_long_video_is_cut() -> None:
    """Not even where the narration names everything."""
    from transformers import AutoTokenizer

    from pipeline.kitchen.plots import draw_plots, narration, summary

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "foundation" / "bart", local_files_only=True)
    limits = Cell("bart", "long", "long").overrides(STUDY)
    plots = draw_plots(60, seed=STUDY.dataset.seed, bucket="test", domain="long")  # type: ignore[union-attr]
    spoken = tokenizer([" ".join(narration(plot, seed=23, deictic_share=0.0)) for plot in plots])["input_ids"]
    said = tokenizer([summary(plot) for plot in plots])["input_ids"]
    assert max(map(len, spoken)) < limits["text.max_source_tokens"] and max(map(len, said)) < limits["text.max_target_tokens"]
    assert max(map(len, spoken)) > STUDY.text.max_source_tokens, "the study's own limit would cut them"
    positions = json.loads((ROOT / "foundation" / "bart" / "config.json").read_text())["max_position_embeddings"]
    assert all(tokens <= positions for key, tokens in limits.items() if key.endswith("tokens"))


def test_experiments_are_of_the_rows_stages_and_cell_by_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params(ROOT)
    monkeypatch.chdir(tmp_path)
    for row in ROWS:
        write_record(Path(f"metrics/{row}.json"), record(row, made_from=MADE_FROM))
    found = transfer_experiments(params)
    assert found == PLANS["transfer"](params)
    assert len({each.name for each in found}) == len(found) == len(CELLS)
    assert {each.target for each in found} == {f"evaluate@{row}" for row in ROWS if row != "bart"} | {"evaluate_text@bart"}
    cells = [(each.overrides["dataset.trained_on"], each.overrides["dataset.tested_on"]) for each in found]
    assert cells == sorted(cells)
    one = next(each for each in found if each.keeps == {"bart": "transfer/bart_short_long"})
    assert (one.overrides["dataset.trained_on"], one.overrides["dataset.tested_on"]) == ("short", "long")
    assert all(each.adds == {"made_from": {"beside": "b"}} for each in found)
    write_record(Path("metrics/clipsum.json"), record("clipsum", made_from=MADE_FROM | {"corpus": "another"}))
    assert sum(each.name not in {other.name for other in found} for each in transfer_experiments(params)) == len(DOMAINS) ** 2


def test_what_is_collected_keeps_what_it_was_made_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = {
        "metrics/clipsum.json": {"row": "clipsum", "control_of": None, "made_from": {"corpus": "b"}},
        "metrics/clipsum_swapped.json": {"row": "clipsum_swapped", "control_of": "clipsum", "made_from": {"corpus": "b"}},
    }
    monkeypatch.setattr(experiments, "_run", lambda *command: json.dumps(shown.get(command[-1].partition(":")[2], {})))
    cell = Cell("clipsum", "long", "short")
    keeps = {row: f"transfer/{kept}" for row, kept in cell.keeps.items()}
    experiments._collect("commit", Experiment("name", cell.target, {}, keeps, {"made_from": {"beside": "a"}}))
    kept = json.loads((tmp_path / "metrics" / "transfer" / "clipsum_long_short_swapped.json").read_text())
    assert kept == {
        "row": "clipsum_long_short_swapped", "control_of": "clipsum_long_short", "made_from": {"corpus": "b", "beside": "a"},
    }  # fmt: skip
