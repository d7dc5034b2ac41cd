"""Mini text models: one vocabulary, one objective, two architectures; a killed run goes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer

from pipeline.base.files import read_json, write_json
from pipeline.foundation import fit
from pipeline.foundation.settings import Settings
from pipeline.foundation.texts import infill, mini_bart, mini_t5, passages, pretrain_text_model
from pipeline.models.parts.summarizer import create
from tests import toys

SETTINGS = Settings(
    seed=3, pictures=1, epochs=1, batch_size=8, recipes=12, text_epochs=2, text_batch_size=16, vocabulary=320
)  # fmt: skip
CPU = torch.device("cpu")


def pretrain(name: str, out: Path, *, work: Path) -> dict[str, Any]:
    model, tokenizer, card = pretrain_text_model(name, settings=SETTINGS, work=work, device=CPU)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_json(out / "card.json", card)
    return card


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    top = tmp_path_factory.mktemp("weights")
    for name in ("bart", "t5"):
        pretrain(name, top / name, work=top / f"work-{name}")
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
    card = read_json(folders[name] / "card.json")
    assert card["loss"][1] < card["loss"][0]
    assert card["held_out"] >= 1 and card["scores"]["infilling_loss"] > 0
    assert card["steps"] == len(card["loss"]) * -(-int(card["data"].split()[0]) // card["batch_size"])


def test_its_weights_are_those_that_float16_holds(folders: dict[str, Path]) -> None:
    for tensor in load_file(folders["bart"] / "model.safetensors").values():
        assert torch.equal(tensor, tensor.half().float())


def test_every_text_is_there_whole_and_in_passages() -> None:
    cut = passages(["one two. three four. five.", "six."], seed=0)
    assert cut[:2] == ["one two. three four. five.", "six."]
    assert " ".join(cut[2:]) == "one two. three four. five. six."


def test_infilling_hides_a_share_of_the_words() -> None:
    generator = np.random.default_rng(0)
    text = " ".join(str(number) for number in range(40))
    hidden = [40 - sum(word != "<mask>" for word in infill(text, generator).split()) for _ in range(50)]
    assert 4 <= np.mean(hidden) <= 6


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_its_row_starts_from_it(folders: dict[str, Path], name: str) -> None:
    system = create(name, text_folder=folders[name], settings=toys.model_settings())
    stored = load_file(folders[name] / "model.safetensors")
    assert stored and all(torch.equal(system.text.state_dict()[key], tensor) for key, tensor in stored.items())


def test_a_killed_run_ends_with_the_same_weights(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = fit.save_checkpoint

    def save_and_die(path: Path, state: dict[str, object]) -> None:
        save(path, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fit, "save_checkpoint", save_and_die)
        pretrain("t5", tmp_path / "out", work=tmp_path / "work")
    assert not (tmp_path / "out").exists()
    pretrain("t5", tmp_path / "out", work=tmp_path / "work")
    whole, resumed = (load_file(folder / "model.safetensors") for folder in (folders["t5"], tmp_path / "out"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
