"""The card of every study's rows has no gaps: at full size, on videos of a user's own, with controls run and without."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.base.files import write_json
from pipeline.base.params import Study, load_study, study_names
from pipeline.encoders.encoder import MINI
from pipeline.inference.card import write_card
from pipeline.inference.chosen import Chosen
from pipeline.inference.export import without_places
from pipeline.report.calibration import Calibration, Gain
from pipeline.scoring.record import RowRecord
from pipeline.training.table_row import Row
from tests.inference.trained_project import ROOT, ROWS
from tests.records import record

CLIPSUM, BART = ROWS
NOT_RUN = Calibration(None, None, (), None, 1.0)
HALF_RUN = Calibration(None, None, (Gain("none", 0.1, -0.5, 0.6), Gain("full", 89.0, 86.3, 91.6)), None, 1.0)


@dataclass
class Case:
    study: str
    row: Row
    calibration: Calibration | None


CASES = [
    *(Case(study, row, None) for study in study_names(ROOT) for row in (CLIPSUM, BART)),
    Case("youcook2", replace(CLIPSUM, tuning="finetuned"), NOT_RUN),
    Case("kitchen", replace(CLIPSUM, title="A: title # with {marks}"), HALF_RUN),
]


def chosen_of(study: Study, name: str, row: Row) -> Chosen:
    spec = MINI["clip_vit_b32"] if row.encoder else None
    return Chosen(row, seed=0, validation=50.0, study_name=name, study=study, fingerprint="f", spec=spec)


def record_of(case: Case, study: Study) -> RowRecord:
    row = case.row
    changes = {"study": case.study, "scale": study.scale, "model": row.model, "encoder": row.encoder, "tuning": row.tuning}
    return record(row.name, **changes, made_from={"checkpoints": "c"}).model_copy(update={"title": row.title})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.study}-{case.row.name}-{case.row.tuning}")
def test_every_card_is_whole(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(Path("weights/clip_vit_b32/encoder.json"), {"source": {"source": "hub/repository/file", "revision": "abc"}})
    study = load_study(case.study, ROOT)
    write_card(Path("README.md"), chosen_of(study, case.study, case.row), record_of(case, study), calibration=case.calibration)
    _, front, text = Path("README.md").read_text().split("---\n", 2)
    facts = YAML(typ="safe").load(front)
    assert facts["license"] == ("mit" if study.scale == "mini" else "other")
    assert ("A mini model" in text) == (study.scale == "mini")
    assert case.row.title in text and ("encoder/" in text) == (case.row.tuning == "frozen")
    for gap in ("None", "nan", "{{", "{%", "undefined", "()", "[]"):
        assert gap not in text, gap
    if case.calibration is not None:
        assert "Calibrated: **no**" in text and "without these controls the scores give no verdict" in text.lower()


@pytest.mark.parametrize(
    ("name", "data", "terms"),
    [
        ("youcook2", "YouCook2: annotated cooking videos", "for non-commercial research"),
        ("wikihow", "the headlines of the steps of the wikiHow article", "The texts are wikiHow's"),
        ("videoxum", "videos of everyday life from ActivityNet", "Apache-2.0 by the card of the hub's dataset jylins/videoxum"),
        ("how2", "the description that its author gave each video", "CC BY-SA 4.0"),
        ("my_videos", "A collection of videos of whoever trained it", ""),
    ],
)
def test_a_card_says_whose_data_it_learned_from_and_on_what_terms(
    name: str, data: str, terms: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = without_places(load_study(name, ROOT))  # as an export has it
    write_card(Path("README.md"), chosen_of(study, name, BART), record_of(Case(name, BART, None), study), calibration=None)
    text = Path("README.md").read_text()
    told, licence = text.split("## Data\n")[1].split("## Licence\n")
    assert data in told and terms in licence
    assert ("whoever trained it" in told) == (name == "my_videos")


@pytest.mark.parametrize("name", study_names(ROOT))
def test_what_is_handed_on_of_a_study_reads_back_and_names_no_place(name: str) -> None:
    study = load_study(name, ROOT)
    handed = without_places(study)
    again = Study.model_validate(handed.model_dump(mode="json"))
    assert again == handed and (again.text, again.frames, again.generate) == (study.text, study.frames, study.generate)
    assert "data/inputs" not in handed.model_dump_json()
