"""The mini models that are shipped: whole, small, good at their own task, disjoint from the videos; and how they are made
anew.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM

from pipeline.base.files import read_json, write_json
from pipeline.base.params import load_study
from pipeline.base.scratch import file_sha256
from pipeline.encoders.encoder import MINI, load_encoder
from pipeline.encoders.mini_weights import CARD, take_mini_model, weights_file
from pipeline.foundation import make
from pipeline.foundation.make import NAMES, differences, make_foundation
from pipeline.foundation.settings import Settings, read_settings
from pipeline.kitchen.grammar import draw_recipes, scene_half

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "foundation"
ENCODERS = ("clip_vit_b32", "vit_b32_labels", "resnet152")
TINY = Settings(seed=3, pictures=48, epochs=1, batch_size=16, recipes=8, text_epochs=1, text_batch_size=16, vocabulary=320)


def test_every_model_has_a_card_that_fits_its_weights_and_all_are_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 8_000_000
    for name in NAMES:
        card = read_json(SHIPPED / name / CARD)
        assert card["sha256"] == file_sha256(weights_file(SHIPPED / name))
        assert {"name", "seed", "command", "sha256", "data", "steps", "batch_size", "rate", "scores"} <= card.keys()
        kinds = {tensor.dtype for tensor in load_file(weights_file(SHIPPED / name)).values() if tensor.is_floating_point()}
        assert kinds == {torch.float16}


def test_encoders_saw_the_same_pictures_in_as_many_updates_and_know_what_they_saw() -> None:
    cards = [read_json(SHIPPED / name / CARD) for name in ENCODERS]
    assert len({card["steps"] for card in cards}) == len({card["batch_size"] for card in cards}) == 1
    assert len({card["data"].split()[0] for card in cards}) == len({card["seed"] for card in cards}) == 1
    assert all(card["scores"]["linear_probe"] > 0.9 for card in cards)


def test_nothing_they_saw_is_in_a_video() -> None:
    settings, dataset = read_settings(SHIPPED / "settings.yaml"), load_study("kitchen", ROOT).dataset
    assert dataset.name == "kitchen"
    read = draw_recipes(settings.recipes, seed=settings.seed, bucket="pretraining")
    shown = [
        recipe
        for split in ("train", "validation", "test")
        for recipe in draw_recipes(getattr(dataset, split), seed=dataset.seed, bucket=split)
    ]
    assert not {(recipe.dish, frozenset(recipe.ingredients)) for recipe in read} & {
        (recipe.dish, frozenset(recipe.ingredients)) for recipe in shown
    }
    scenes = {(step.ingredient, step.action, step.vessel, recipe.style) for recipe in shown for step in recipe.steps}
    assert {scene_half(*scene) for scene in scenes} == {"summarisation"}


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_a_text_model_is_taken_as_float32(name: str, tmp_path: Path) -> None:
    scores = take_mini_model(name, tmp_path / name, foundation=SHIPPED)
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / name)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert scores["infilling_loss"] < 0.3


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_is_taken_as_float32_and_runs(name: str, tmp_path: Path) -> None:
    take_mini_model(name, tmp_path / name, foundation=SHIPPED)
    encoder = load_encoder(tmp_path / name)
    assert {parameter.dtype for parameter in encoder.module.parameters()} == {torch.float32}
    with torch.inference_mode():
        assert encoder.encode(torch.zeros((2, 3, 64, 64), dtype=torch.uint8)).shape == (2, encoder.dim)


def test_random_weights_are_the_same_every_time(tmp_path: Path) -> None:
    for place in ("a", "b"):
        take_mini_model("random_vit_b32", tmp_path / place, foundation=SHIPPED)
    a, b = (load_file(tmp_path / place / "encoder.safetensors") for place in ("a", "b"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert MINI["random_vit_b32"].arguments == MINI["clip_vit_b32"].arguments == MINI["vit_b32_labels"].arguments


def test_weights_that_are_not_those_of_the_card_are_refused(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "foundation")
    weights = weights_file(tmp_path / "foundation" / "bart")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"bart/model.safetensors is not the file of its card.json"):
        take_mini_model("bart", tmp_path / "out", foundation=tmp_path / "foundation")
    assert not (tmp_path / "out").exists()
    (tmp_path / "foundation" / "t5" / CARD).unlink()
    with pytest.raises(ValueError, match=r"t5/card.json is missing; bring it back with `git restore"):
        take_mini_model("t5", tmp_path / "out", foundation=tmp_path / "foundation")


def test_made_anew_they_are_the_same_and_a_difference_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "NAMES", ("vit_b32_labels", "bart"))
    folders = []
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        folders.append(make_foundation(TINY, workers=1).resolve())
    monkeypatch.chdir(tmp_path)
    lines = list(differences(*folders))
    assert [line["name"] for line in lines] == ["vit_b32_labels", "bart"]
    assert all(line["distance"] == 0 and line["made"] == line["shipped"] for line in lines)
    card = folders[1] / "bart" / CARD
    write_json(card, json.loads(card.read_text()) | {"scores": {"infilling_loss": 9.0}})
    path = weights_file(folders[1] / "bart")
    from safetensors.numpy import load_file as load
    from safetensors.numpy import save_file

    save_file({key: (values * 1.5).astype(np.float16) for key, values in load(path).items()}, path)
    changed = list(differences(folders[1], folders[0]))[1]
    assert changed["distance"] == pytest.approx(0.5, abs=0.01) and changed["made"] == {"infilling_loss": 9.0}
