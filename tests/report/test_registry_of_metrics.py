"""A metric added to its registry is in every table and figure, without an edit in the report."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.base.files import read_json
from pipeline.report.tables import conventions_markdown
from pipeline.scoring import metrics
from pipeline.scoring.metrics import METRICS
from tests.report_inputs import SYSTEMS, change_metrics, load, write


@pytest.fixture
def added(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results scored with one metric more, a column of the table that rows are compared in."""
    original = next(metric for metric in METRICS if metric.key == "rouge1_stem")
    metric = replace(original, key="clarity", title="Clarity of words", short="CLAR", headline=True, compared=True)
    monkeypatch.setattr(metrics, "METRICS", (*METRICS, metric))
    monkeypatch.setattr(metrics, "COMPARED", (*metrics.COMPARED, metric))

    def score(value: dict[str, dict[str, object]]) -> None:
        value["metrics"]["clarity"] = value["metrics"]["rouge1"]
        value["signatures"]["clarity"] = "clarity 1.0 | of words"
        scores = value["per_video"]["scores"]
        assert isinstance(scores, dict)
        scores["clarity"] = scores["rouge1"]

    for row in SYSTEMS:
        change_metrics(inputs, row, score)
    return inputs


def test_it_is_a_column_of_every_table(added: Path, tmp_path: Path) -> None:
    out = write(added, tmp_path / "reports")
    header, *lines = (out / "table.md").read_text().splitlines()
    assert [cell.strip() for cell in header.split("|")][-5:-2] == ["METEOR paper", "CLAR", "Parameters (M)"]
    assert "- CLAR: clarity 1.0 | of words." in lines
    assert "clarity,clarity_std,clarity_low,clarity_high" in (out / "table.csv").read_text()
    assert "METEOR paper & CLAR" in (out / "table.tex").read_text()
    assert "CLAR |" in conventions_markdown(load(added)).splitlines()[0]
    assert read_json(out / "scores.json")["bart"]["clarity"] > 0
    assert "clarity" in (out / "ablations.csv").read_text().splitlines()[0]


def test_the_page_has_its_column_its_signature_and_its_tests(added: Path, tmp_path: Path) -> None:
    page = (write(added, tmp_path / "reports") / "index.html").read_text()
    assert 'data-key="clarity" data-group="metric"><span>CLAR</span>' in page
    assert "paper_clarity" not in page, "the paper has no such column"
    assert '<th scope="row">Clarity of words</th><td class="wrap">clarity 1.0 | of words</td>' in page
    differences = page[page.index('<section id="differences">') : page.index('<section id="ablations">')]
    assert "<summary>Clarity of words</summary>" in differences


def test_a_record_without_it_is_refused(added: Path) -> None:
    change_metrics(added, "bart", lambda value: value["metrics"].pop("clarity"))
    with pytest.raises(ValueError, match="'bart': its record lacks clarity; run `dvc repro evaluate_text@bart`"):
        load(added)
