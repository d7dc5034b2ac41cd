"""What the report reads: every inconsistency is refused and named by row and video."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.report_inputs import add_more_rows, change_lines, change_metrics, load, remake, rescore, write


def drop_video(lines: list[dict[str, Any]]) -> None:
    lines[:] = [line for line in lines if line["video_id"] != "kitchen_test_0003"]


PREDICTION_FAULTS: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "missing for one seed": (lambda lines: lines.pop(2), "'resnet152'.*'kitchen_test_0002' has no row for seed 0"),
    "missing for all seeds": (drop_video, "'resnet152': no prediction of video 'kitchen_test_0003'"),
    "duplicated": (lambda lines: lines.append(lines[1]), "'resnet152'.*'kitchen_test_0001', seed 0: this video already"),
    "unknown video": (
        lambda lines: [line.update(video_id="other") for line in lines if line["video_id"] == "kitchen_test_0000"],
        "'resnet152': no prediction of video 'kitchen_test_0000'",
    ),
    "other reference": (
        lambda lines: [line.update(reference="x") for line in lines if line["video_id"] == "kitchen_test_0004"],
        "'resnet152': the reference of video 'kitchen_test_0004'",
    ),
    "other reference under one seed": (
        lambda lines: lines[5].update(reference="x"),
        "'resnet152'.*'kitchen_test_0005', seed 1: the ref",
    ),
    "extra seed": (lambda lines: lines.extend([{**line, "seed": 9} for line in lines[:12]]), r"'resnet152'.*seeds \[0, 1, 9\]"),
    "no key": (lambda lines: lines[6].pop("prediction"), "'resnet152'.*line 7: prediction is missing"),
    "other summaries": (
        lambda lines: [line.update(prediction="nothing") for line in lines[:12]],
        r"'resnet152'.*not the file that its scores were made from; run `dvc repro evaluate@resnet152`",
    ),
    "empty": (lambda lines: lines.clear(), "'resnet152'"),
}


@pytest.mark.parametrize("fault", PREDICTION_FAULTS)
def test_faulty_predictions_are_named_by_row_and_video(inputs: Path, fault: str) -> None:
    change, message = PREDICTION_FAULTS[fault]
    change_lines(inputs, "resnet152", change)
    with pytest.raises(ValueError, match=message):
        load(inputs)


METRIC_FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "split": (lambda value: value.update(split="validation"), "'clipsum': split is 'validation', row 'bart' has 'test'"),
    "study": (lambda value: value.update(study="youcook2"), "'clipsum': study"),
    "scale": (lambda value: value.update(scale="full"), "'clipsum': scale"),
    "n": (lambda value: value.update(n_videos=11), "'clipsum': predictions of 12 videos, its record of 11"),
    "seeds": (lambda value: value.update(seeds=[0, 1, 2]), "'clipsum': seeds"),
    "scorer": (lambda value: value["signatures"].update(rouge1="another"), "'clipsum': signatures"),
    "name": (lambda value: value.update(row="klipsum"), "clipsum.json: describes row 'klipsum'"),
    "no parameters": (lambda value: value.pop("parameters"), "clipsum.json: parameters"),
    "no metric": (lambda value: value["metrics"].pop("bleu3"), "'clipsum': its record lacks bleu3"),
    "seed of a metric": (lambda value: value["metrics"]["bleu3"]["per_seed"].pop("1"), "'clipsum': bleu3 has per_seed"),
    "control of nothing": (lambda value: value.update(control_of="ghost"), "'clipsum': control of 'ghost'"),
    "score": (lambda value: value["metrics"]["rouge1"].update(mean=99.0), "'clipsum': its record says ROUGE-1 99.000"),
    "score of a seed": (
        lambda value: value["metrics"]["rougeL"]["per_seed"]["1"].update(mean=1.0),
        "'clipsum': its record says ROUGE-L 1.000",
    ),
    "video of the scores": (lambda value: value["per_video"]["videos"].reverse(), "'clipsum': its scores per video are of other"),
    "no scores per video": (lambda value: value["per_video"]["scores"].pop("rouge2"), "'clipsum': .* scores per video in rouge2"),
    "digest": (lambda value: value["made_from"].update(predictions="x"), "'clipsum': .*run `dvc repro evaluate@clipsum`"),
}


@pytest.mark.parametrize("fault", METRIC_FAULTS)
def test_faulty_metrics_are_named_by_row(inputs: Path, fault: str) -> None:
    change, message = METRIC_FAULTS[fault]
    change_metrics(inputs, "clipsum", change)
    with pytest.raises(ValueError, match=message):
        load(inputs)


def test_a_row_in_one_folder_only_is_refused(inputs: Path) -> None:
    (inputs / "predictions" / "bart.jsonl").rename(inputs / "bart.jsonl")
    with pytest.raises(ValueError, match=r"'bart': .*bart.jsonl is missing; run `dvc repro evaluate_text@bart`"):
        load(inputs)
    (inputs / "bart.jsonl").rename(inputs / "predictions" / "bart.jsonl")
    (inputs / "metrics" / "zucchini.json").unlink()
    with pytest.raises(ValueError, match="'zucchini' has no"):
        load(inputs)


def test_no_rows_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run `dvc repro`"):
        load(tmp_path)


def test_a_control_says_which_stage_makes_it_anew(inputs: Path) -> None:
    change_metrics(inputs, "clipsum_swapped", lambda value: value["made_from"].update(predictions="x"))
    with pytest.raises(ValueError, match="dvc repro evaluate@clipsum"):
        load(inputs)


def test_a_control_of_older_checkpoints_is_refused(inputs: Path) -> None:
    change_metrics(inputs, "clipsum", lambda value: value["made_from"].update(checkpoints="newer"))
    message = "'clipsum_swapped' was made from other checkpoints than row 'clipsum', .*; run `dvc repro evaluate@clipsum`"
    with pytest.raises(ValueError, match=message):
        load(inputs)


def test_no_score_is_computed_again(inputs: Path) -> None:
    change_lines(inputs, "bart", lambda lines: [line.update(prediction="nothing") for line in lines])
    remake(inputs, "bart")
    kept = load(inputs).find("bart")
    assert kept is not None and kept.scores("rouge1").mean() == pytest.approx(kept.record.metrics["rouge1"].mean, abs=1e-5)
    rescore(inputs, "bart")
    scored = load(inputs).find("bart")
    assert scored is not None and scored.scores("rouge1").max() == 0.0


def test_a_failed_report_leaves_the_old_one(inputs: Path, tmp_path: Path) -> None:
    out = write(inputs, tmp_path / "reports")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    change_metrics(inputs, "clipsum", lambda value: value.update(split="train"))
    with pytest.raises(ValueError, match="split"):
        write(inputs, out)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_rows_come_in_table_order_with_controls_last(inputs: Path) -> None:
    order = ["bart", "resnet152", "clipsum", "clipsum_finetuned", "zucchini", "clipsum_swapped"]
    assert [row.name for row in load(inputs).rows] == order
    add_more_rows(inputs)
    results = load(inputs)
    assert [row.name for row in results.rows][:2] == ["bart", "random_visual"]
    assert results.not_run == ("t5", "ha", "mffg", "vg_bart")
