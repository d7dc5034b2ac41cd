"""Kept records after the registry has changed: scored from their summaries, and refused if these do not give what they say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.files import read_json
from pipeline.evaluation.rescoring import rescore_kept
from pipeline.report.checks import check_alone
from pipeline.report.results import Row
from pipeline.scoring import metrics
from pipeline.scoring.predictions import read_predictions
from pipeline.scoring.record import read_record
from tests.report_inputs import SYSTEMS, change_lines, change_metrics, write_row

NAME = "evidence/clipsum"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A record that was made before CIDEr was in the registry, and when METEOR was computed in another way."""
    write_row(tmp_path, "clipsum", SYSTEMS["clipsum"], name=NAME)
    write_row(tmp_path, "bart", SYSTEMS["bart"], name="ablations/up-to-date")

    def before(value: dict[str, Any]) -> None:
        for part in ("metrics", "signatures"):
            del value[part]["cider"]
        value["signatures"]["meteor"] = "another | version"
        value["metrics"]["meteor"]["mean"] = 1.0

    change_metrics(tmp_path, NAME, before)
    return tmp_path


def rescore(root: Path) -> list[str]:
    return rescore_kept(resamples=100, root=root)


def test_what_is_new_or_changed_is_scored_and_all_else_stays(kept: Path) -> None:
    before = read_json(kept / "metrics" / f"{NAME}.json")
    assert rescore(kept) == [NAME]
    record = read_record(kept / "metrics" / f"{NAME}.json")
    after = record.model_dump(mode="json")
    assert record.signatures == metrics.signatures() and record.metrics["cider"].mean > 0 and record.metrics["meteor"].mean > 1
    same = before["metrics"].keys() - {"meteor"}
    assert {key: after["metrics"][key] for key in same} == {key: before["metrics"][key] for key in same}
    assert list(after["metrics"]) == [metric.key for metric in metrics.METRICS]
    assert after["per_video"] == before["per_video"] and after["made_from"] == before["made_from"]
    assert rescore(kept) == []


def test_a_record_that_lacks_a_metric_says_how_it_gets_it(kept: Path) -> None:
    predictions = kept / "predictions" / f"{NAME}.jsonl"
    row = Row(read_record(kept / "metrics" / f"{NAME}.json"), read_predictions(predictions))
    with pytest.raises(ValueError, match=r"its record lacks cider; run `python -m stages\.experiments rescore`"):
        check_alone(row, predictions)
    rescore(kept)
    check_alone(Row(read_record(kept / "metrics" / f"{NAME}.json"), row.summaries), predictions)


def test_figures_that_the_summaries_do_not_give_are_refused(kept: Path) -> None:
    change_metrics(kept, NAME, lambda value: value["metrics"]["rouge1"]["per_seed"]["1"].update(ci95_low=0.5))
    with pytest.raises(
        ValueError, match=r"evidence/clipsum\.json: rouge1 is .*, its summaries give .*; was bootstrap_resamples changed"
    ):
        rescore(kept)


def test_other_summaries_are_refused(kept: Path) -> None:
    change_lines(kept, NAME, lambda lines: lines[0].update(prediction="Something else."))
    with pytest.raises(ValueError, match=r"evidence/clipsum\.json: was not made from .*clipsum\.jsonl as it is.*`make evidence`"):
        rescore(kept)


def test_what_needs_the_corpus_of_that_run_cannot_be_scored_anew(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tuple(replace(each, flags="version 2") if each.key == "entity_f1" else each for each in metrics.METRICS)
    monkeypatch.setattr(metrics, "METRICS", changed)
    with pytest.raises(ValueError, match="entity_f1 is computed in another way now, from a corpus that is not kept"):
        rescore(kept)
