"""Mini text models: one vocabulary, one objective, two architectures; a killed run goes on."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer

from pipeline.base.files import read_json
from pipeline.base.params import Pretrain
from pipeline.encoders import mini_encoders as pretraining
from pipeline.encoders.mini_text_models import mini_bart, mini_t5, pretrain_text_model
from pipeline.models.parts.summarizer import create
from tests import toys

SETTINGS = Pretrain(
    seed=3, pictures=1, clip_epochs=1, resnet_epochs=1, recipes=12, bart_epochs=2, t5_epochs=2, vocabulary=320
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    top = tmp_path_factory.mktemp("weights")
    for name in ("bart", "t5"):
        pretrain_text_model(name, top / name, settings=SETTINGS, work=top / f"work-{name}", device=CPU)  # type: ignore[arg-type]
    return {name: top / name for name in ("bart", "t5")}


def test_both_have_the_same_vocabulary_and_special_tokens(folders: dict[str, Path]) -> None:
    bart, t5 = (AutoTokenizer.from_pretrained(folder) for folder in folders.values())
    text = "Peel the carrots. Serve with crème fraîche."
    assert bart(text)["input_ids"] == t5(text)["input_ids"]
    assert t5.decode(t5(text)["input_ids"], skip_special_tokens=True).strip() == text
    configs = [AutoConfig.from_pretrained(folder) for folder in folders.values()]
    for name in ("vocab_size", "pad_token_id", "eos_token_id", "d_model"):
        assert getattr(configs[0], name) == getattr(configs[1], name)


def test_both_are_of_one_size() -> None:
    bart, t5 = (sum(parameter.numel() for parameter in mini(800).parameters()) for mini in (mini_bart, mini_t5))
    positions = 2 * 514 * 64  # which T5 does without
    assert abs(t5 - (bart - positions)) < 0.03 * bart


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_it_learns_and_says_how_well(folders: dict[str, Path], name: str) -> None:
    score = read_json(folders[name] / "pretraining.json")
    assert score["loss"][1] < score["loss"][0]
    assert score["held_out"] >= 1 and score["infilling_loss"] > 0


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_its_row_starts_from_it(folders: dict[str, Path], name: str) -> None:
    system = create(name, text_folder=folders[name], settings=toys.model_settings())
    stored = load_file(folders[name] / "model.safetensors")
    assert stored and all(torch.equal(system.text.state_dict()[key], tensor) for key, tensor in stored.items())


def test_a_killed_run_ends_with_the_same_weights(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = pretraining.save_checkpoint

    def save_and_die(path: Path, state: dict[str, object]) -> None:
        save(path, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pretraining, "save_checkpoint", save_and_die)
        pretrain_text_model("t5", tmp_path / "out", settings=SETTINGS, work=tmp_path / "work", device=CPU)
    assert not (tmp_path / "out").exists()
    pretrain_text_model("t5", tmp_path / "out", settings=SETTINGS, work=tmp_path / "work", device=CPU)
    whole, resumed = (load_file(folder / "model.safetensors") for folder in (folders["t5"], tmp_path / "out"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
