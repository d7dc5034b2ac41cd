"""The whole rehearsal in small: the real pipeline on random weights from the stand-in, measured row by row."""

import re
from pathlib import Path

import pytest

from pipeline.rehearsal.document import as_document
from pipeline.rehearsal.rehearse import Rehearsal, rehearse
from tests.rehearsal.small_project import HANDFUL, ROWS, SHAPES, TEXT_ROWS, small_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def run(project: Path, work: Path) -> Rehearsal:
    return rehearse(project, work, handful=HANDFUL, shapes=SHAPES, workers=1)


def files(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_every_row_runs_and_is_measured_and_a_second_run_makes_nothing_again(tmp_path: Path) -> None:
    project = small_project(tmp_path / "project")
    before = files(project)
    done = run(project, tmp_path / "work")
    assert files(project) == before, "the project itself is only read"

    assert [cost.name for cost in done.costs] == [*TEXT_ROWS, *ROWS]
    for cost in done.costs:
        assert 0 < cost.trainable <= cost.total and cost.step > 0 and cost.summarise > 0
        assert cost.step_teraflop > 2 * HANDFUL.train * cost.forward_teraflop > 0, "backward costs more than forward"
    text, seeing = done.costs
    assert text.from_file is None and text.encoder_teraflop is None
    assert seeing.from_file == pytest.approx((seeing.decode or 0) + (seeing.embed or 0) + seeing.summarise)
    assert seeing.total > seeing.trainable, "the frozen encoder counts"
    for name in (*(f"train_text@{row}" for row in TEXT_ROWS), *(f"evaluate@{row}" for row in ROWS), "costs", "report"):
        assert done.uses[name].seconds > 0 and 0.1 < done.uses[name].memory_gb < 10, name
    assert done.disk["weights"] > 0 and done.disk["models"] > 0 and done.disk[".dvc/cache"] > 0
    source = (tmp_path / "work" / "project" / "weights" / "t5" / "source.json").read_text()
    assert "google-t5/t5-base" in source and '"revision": "local"' not in source, "it came through the hub's client"

    log = tmp_path / "work" / "pipeline.log"
    ran, kept = log.read_text().count("Running stage"), files(tmp_path / "work" / "rows")
    again = run(project, tmp_path / "work")
    assert log.read_text().count("Running stage") == ran
    assert files(tmp_path / "work" / "rows") == kept and again.costs == done.costs and again.uses == done.uses

    text_of_page = as_document(done)
    assert "Weights are random" in text_of_page
    for title in ("T5 (text only)", "ClipSum"):
        assert len(re.findall(rf"(?m)^\| {re.escape(title)} ", text_of_page)) >= 3
    assert not re.search(r"(?i)rouge|bleu|meteor|entity f1", text_of_page), "no score is shown"


def test_a_pipeline_that_fails_says_where_its_log_is(tmp_path: Path) -> None:
    project = small_project(tmp_path / "project")
    stage = project / "stages" / "download.py"
    stage.write_text('raise SystemExit("no videos today")\n')
    with pytest.raises(RuntimeError, match=r"(?s)dvc repro failed in .*pipeline\.log.*no videos today"):
        run(project, tmp_path / "work")
