"""A row as a folder: loaded elsewhere it says the same, its card has no gaps, and what is not as it was written is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from pipeline.base.paths import metrics_file
from pipeline.base.scratch import link_or_copy
from pipeline.encoders.encoder import rebuilt, save_encoder
from pipeline.inference.chosen import choose_seed
from pipeline.inference.export import export, fill, scores_of
from pipeline.inference.exported import load_export, params_of
from pipeline.inference.files import Texts
from pipeline.inference.summarise import summarise_video
from pipeline.inference.trained import open_row
from tests.inference.trained_project import PARAMS, SAID, trained_project, video


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    return project


@pytest.mark.parametrize("row", ["clipsum", "bart"])
def test_an_export_says_elsewhere_what_the_row_says_here(
    row: str, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = choose_seed(row, PARAMS)
    out = tmp_path / "handed on"
    export(chosen, scores_of(chosen), out, calibration=None)
    film = video(tmp_path / "film $(x).mp4")
    source = Texts(None).of(film)
    expected = summarise_video(open_row(row, PARAMS), film, source, PARAMS)
    assert expected.text and not expected.reason
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded = load_export(out, device="cpu")
    found = summarise_video(loaded, film, source, params_of(loaded))
    assert (found.text, found.frames, loaded.seed) == (expected.text, expected.frames, 1)
    assert not list(Path().iterdir()), "nothing is written where it runs"
    assert (out / "encoder").exists() == (row == "clipsum")
    assert not [path for path in out.rglob("*") if path.suffix in (".pkl", ".bin", ".pt", ".py")]


def test_the_card_is_whole_and_its_scores_are_the_records(here: Path, tmp_path: Path) -> None:
    chosen = choose_seed("clipsum", PARAMS)
    record = scores_of(chosen)
    export(chosen, record, tmp_path / "out", calibration=None)
    card = (tmp_path / "out" / "README.md").read_text()
    _, front, text = card.split("---\n", 2)
    facts = YAML(typ="safe").load(front)
    assert facts["license"] == "mit" and facts["model-index"][0]["name"] == "clipsum-kitchen-clipsum"
    scores = {score["type"]: score["value"] for score in facts["model-index"][0]["results"][0]["metrics"]}
    assert scores == {name: round(score.per_seed["1"].mean, 2) for name, score in record.metrics.items()}
    primary = record.metrics[record.primary.metric]
    assert f"[{primary.ci95_low:.1f}, {primary.ci95_high:.1f}]" in text and SAID in text
    for heading in ("Intended use", "Scores", "Calibration", "Data", "Licence", "What it cannot do"):
        assert f"## {heading}\n" in text
    for gap in ("None", "nan", "{{", "TODO", str(here)):
        assert gap not in text, gap


def test_what_cannot_be_handed_on_is_refused_and_nothing_of_others_is_replaced(here: Path, tmp_path: Path) -> None:
    chosen = choose_seed("clipsum", PARAMS)
    record = scores_of(chosen)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("kept")
    with pytest.raises(ValueError, match="is there already and is no export"):
        export(chosen, record, mine, calibration=None)
    assert [path.name for path in mine.iterdir()] == ["letter.txt"]
    with pytest.raises(ValueError, match="'nothing' is none of"):
        choose_seed("nothing", PARAMS)
    with pytest.raises(FileNotFoundError, match="row t5 has never been trained here"):
        choose_seed("t5", PARAMS)
    raw = json.loads(metrics_file("clipsum").read_text())
    raw["made_from"]["checkpoints"] = "others"
    before = metrics_file("clipsum").read_text()
    metrics_file("clipsum").write_text(json.dumps(raw))
    try:
        with pytest.raises(ValueError, match=r"has the scores of other weights than models/clipsum; run `dvc repro"):
            scores_of(chosen)
    finally:
        metrics_file("clipsum").write_text(before)


def test_a_damaged_export_is_refused_by_the_name_of_the_file(here: Path, tmp_path: Path) -> None:
    chosen = choose_seed("clipsum", PARAMS)
    out = tmp_path / "out"
    export(chosen, scores_of(chosen), out, calibration=None)
    (out / "README.md").write_text("a card that somebody has edited")
    load_export(out, device="cpu")
    weights = bytearray((out / "encoder" / "encoder.safetensors").read_bytes())
    weights[-3] ^= 1
    (out / "encoder" / "encoder.safetensors").write_bytes(weights)
    with pytest.raises(ValueError, match=r"encoder/encoder\.safetensors: not as it was written, its sha256 does not fit"):
        load_export(out, device="cpu")
    (out / "encoder" / "encoder.safetensors").unlink()
    with pytest.raises(ValueError, match=r"encoder/encoder\.safetensors: missing"):
        load_export(out, device="cpu")
    (out / "summariser.json").unlink()
    with pytest.raises(ValueError, match="no exported model"):
        load_export(out, device="cpu")


def test_to_register_copies_no_weights(here: Path, tmp_path: Path) -> None:
    chosen = choose_seed("clipsum", PARAMS)
    folder = here / "linked"
    try:
        fill(folder, chosen, scores_of(chosen), calibration=None, place=link_or_copy)
        assert (folder / "model.safetensors").samefile(here / "models" / "clipsum" / "1" / "model.safetensors")
        shutil.copytree(folder, tmp_path / "copy")
        assert load_export(tmp_path / "copy", device="cpu").row == chosen.row
    finally:
        shutil.rmtree(folder)


def test_another_encoder_than_the_rows_own_is_refused(here: Path) -> None:
    folder = here / "weights" / "clip_vit_b32"
    spec = rebuilt(json.loads((folder / "encoder.json").read_text())["spec"])
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    from pipeline.encoders.encoder import build_module

    torch.manual_seed(9)
    try:
        save_encoder(spec, build_module(spec), folder, source={"source": "another"})
        with pytest.raises(ValueError, match="holds other weights than those that models/clipsum was trained with"):
            choose_seed("clipsum", PARAMS)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
