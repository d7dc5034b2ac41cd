"""The name of an experiment says for which parameters it holds: with those that it does not read it stays the same."""

from pathlib import Path

from pipeline.base.params import Study, load_study
from pipeline.evaluation.experiments import experiment_name

ROOT = Path(__file__).parents[2]


def name(study: Study) -> str:
    return experiment_name("evidence", "ten_seeds", study_name="kitchen", study=study, decided_by=["abc"])


def test_extra_metrics_run_no_experiment_again_and_what_trains_does() -> None:
    study = load_study("kitchen", ROOT)
    assert name(study).startswith("evidence-kitchen-ten-seeds-")
    assert name(study.model_copy(update={"extra_metrics": ["bertscore"]})) == name(study)
    assert name(study.changed({"train": {"epochs": 9}}, where="here")) != name(study)
