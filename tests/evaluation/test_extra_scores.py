"""Scores by models: of every row and its swapped frames, kept until something changes, and shown like other metrics."""

import csv
import io
from pathlib import Path
from typing import Any, get_args

import pytest

from pipeline.base.dataset_params import ExtraMetric
from pipeline.base.files import read_json, write_json
from pipeline.base.params import load_params
from pipeline.base.scratch import file_sha256
from pipeline.evaluation import extra_scores as module
from pipeline.evaluation.extra_scores import Scorer, extra_scores
from pipeline.report.ranks import ranked, ranks_caption, ranks_markdown
from pipeline.scoring.metrics import EXTRA, METRICS, Metric
from pipeline.scoring.record import EXTRA_SCORES
from pipeline.scoring.score import mean_over_draws
from stages import extra_scores as stage
from tests.parameters import write_parameters
from tests.report_inputs import SYSTEMS, change_lines, load, remake, write, write_row


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A row with a control, a study that wants BERTScore, and in place of its model the number of characters."""

    def change(study: Any) -> None:
        study["extra_metrics"], study["bootstrap_resamples"] = ["bertscore"], 100

    write_parameters(tmp_path, change)
    for row in ("clipsum", "clipsum_swapped"):
        write_row(tmp_path, row, SYSTEMS[row])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    calls = []

    def opened(metric: Metric, params: Any, device: Any) -> Scorer:
        def of(summaries: Any) -> Any:
            calls.append(len(summaries.videos))
            return mean_over_draws(lambda texts: [float(len(text) % 100) for text in texts], summaries), len(summaries.videos)

        return Scorer(metric, "characters | 1", (), of)

    monkeypatch.setitem(module._OPEN, "bertscore", opened)
    monkeypatch.setattr(module, "calls", calls, raising=False)
    return tmp_path


def test_every_row_is_scored_and_kept_until_its_summaries_change(project: Path) -> None:
    found = extra_scores(load_params())
    assert list(found.rows) == ["clipsum", "clipsum_swapped"] and found.videos == {"bertscore": 12}
    lines = [line for line in (project / "predictions" / "clipsum.jsonl").read_text().splitlines() if line]
    assert found.rows["clipsum"].predictions == file_sha256(project / "predictions" / "clipsum.jsonl") and len(lines) == 24
    score = found.rows["clipsum"].metrics["bertscore"]
    assert score.ci95_low < score.mean < score.ci95_high and set(score.per_seed) == {"0", "1"}
    calls = module.calls  # type: ignore[attr-defined]
    assert calls == [12, 12]
    assert extra_scores(load_params()) == found and calls == [12, 12]
    change_lines(project, "clipsum", lambda lines: lines[0].update(prediction="Other."))
    assert extra_scores(load_params()).rows["clipsum_swapped"] == found.rows["clipsum_swapped"] and calls == [12, 12, 12]


def test_without_a_name_nothing_is_opened_and_the_report_is_as_before(project: Path, inputs: Path, tmp_path: Path) -> None:
    write_parameters(project, lambda study: study.update(extra_metrics=[]))
    stage.main()
    path = project / "metrics" / EXTRA_SCORES
    assert read_json(path) == {"signatures": {}, "videos": {}, "rows": {}}
    assert not module.calls  # type: ignore[attr-defined]
    write_json(inputs / "metrics" / EXTRA_SCORES, read_json(path))
    assert {metric.key for metric in load(inputs).scored} == {metric.key for metric in METRICS}


def given(inputs: Path, **means: float) -> None:
    """Scores of every row, by two models."""
    rows = {}
    for path in sorted((inputs / "predictions").glob("*.jsonl")):
        mean = means.get(path.stem, 50.0)
        score = {"mean": mean, "ci95_low": mean - 1, "ci95_high": mean + 1, "std": 0.5, "per_seed": {}}
        rows[path.stem] = {"predictions": file_sha256(path), "metrics": {"bertscore": score, "clipscore": score}}
    signatures = {"bertscore": "FacebookAI/roberta-large@abc_L17", "clipscore": "own code | toy"}
    write_json(inputs / "metrics" / EXTRA_SCORES, {"signatures": signatures, "videos": {}, "rows": rows})


def test_the_report_shows_them_like_other_metrics(inputs: Path, tmp_path: Path) -> None:
    given(inputs, clipsum=61.25, clipsum_swapped=42.5)
    out = write(inputs, tmp_path / "reports")
    lines = {line["row"]: line for line in csv.DictReader(io.StringIO((out / "table.csv").read_text()))}
    assert [lines["clipsum"][f"bertscore{part}"] for part in ("", "_std", "_low", "_high")] == ["61.25", "0.5", "60.25", "62.25"]
    page = (out / "index.html").read_text()
    assert 'data-key="bertscore" data-group="metric" hidden><span>BERTScore</span>' in page
    assert "FacebookAI/roberta-large@abc_L17" in page and "61.2" in (out / "conventions.md").read_text()
    ranks = ranked(load(inputs))
    assert {"bertscore", "clipscore"} <= {metric.key for metric in ranks.metrics}
    assert 'id="ranks"' in page and ranks_caption(ranks).split(":")[0] in page
    assert (out / "ranks.md").read_text() == ranks_markdown(ranks) and "tau_clipscore" in (out / "ranks.csv").read_text()
    assert "ClipSum</th><td>61.2 [60.2, 62.2]</td><td>42.5 [41.5, 43.5]" in page, "the check by swapped frames"
    assert "bertscore" not in (out / "table.md").read_text(), "the main table stays as it is"


def test_scores_of_other_summaries_are_refused(inputs: Path) -> None:
    given(inputs)
    change_lines(inputs, "clipsum", lambda lines: lines[0].update(prediction=lines[0]["prediction"][::-1]))
    remake(inputs, "clipsum")
    with pytest.raises(
        ValueError, match=r"extra_scores\.json has scores of other summaries of row 'clipsum'; run `dvc repro extra_scores`"
    ):
        load(inputs)
    (inputs / "metrics" / EXTRA_SCORES).unlink()
    load(inputs)


def test_a_study_can_name_what_the_registry_has() -> None:
    assert set(get_args(ExtraMetric)) == {metric.key for metric in EXTRA} == set(module._OPEN)
