"""Random models: the published sizes, file layouts and tokenizers, as the libraries load them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, BartConfig, BartModel, T5Config, T5ForConditionalGeneration

from pipeline.encoders.pretrained_specs import pretrained_spec
from pipeline.encoders.pretrained_weights import load_pretrained
from pipeline.rehearsal.architectures import BART, T5, T5_UNASKED, Shapes, build_models
from tests.rehearsal.small_project import ENCODER, SHAPES

BART_REPOSITORY, T5_REPOSITORY = "facebook/bart-base", "google-t5/t5-base"
SENTENCE = "slice the cheese thinly on the plate. fry the onion in the pan."


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_models(["bart", "t5", ENCODER, "random_vit_b32", "oracle"], SHAPES, tmp_path_factory.mktemp("models"))


def test_full_shapes_have_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        bart, t5 = BartModel(BartConfig(**BART)), T5ForConditionalGeneration(T5Config(**T5))
    assert sum(parameter.numel() for parameter in bart.parameters()) == 139_420_416
    assert sum(parameter.numel() for parameter in t5.parameters()) == 222_903_552


def test_only_what_is_published_has_a_repository(hub: Path) -> None:
    found = {path.parent.relative_to(hub).as_posix() for path in hub.rglob("model.safetensors")}
    assert found == {BART_REPOSITORY, T5_REPOSITORY, pretrained_spec(ENCODER).repository}


def test_bart_is_published_without_a_head_and_with_its_generation_settings_in_config(hub: Path) -> None:
    folder = hub / BART_REPOSITORY
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "merges.txt", "model.safetensors", "tokenizer.json", "vocab.json"
    }  # fmt: skip
    names = load_file(folder / "model.safetensors")
    assert "encoder.layers.0.fc1.weight" in names and not any(name.startswith(("model.", "lm_head")) for name in names)
    model, loaded = AutoModelForSeq2SeqLM.from_pretrained(folder, output_loading_info=True)
    assert not any(loaded.values()), "nothing is missing, unexpected or of another size"
    assert model.generation_config.forced_bos_token_id == 0 and model.generation_config.num_beams == 4


def test_t5_has_the_tensor_that_no_model_asks_for(hub: Path) -> None:
    folder = hub / T5_REPOSITORY
    assert T5_UNASKED in load_file(folder / "model.safetensors")
    _, loaded = AutoModelForSeq2SeqLM.from_pretrained(folder, output_loading_info=True)
    assert not loaded["missing_keys"] and not loaded["mismatched_keys"]


@pytest.mark.parametrize(
    ("repository", "entries", "marks"),
    [(BART_REPOSITORY, SHAPES.bart["vocab_size"], (0, 2)), (T5_REPOSITORY, SHAPES.t5["vocab_size"] - 28, (None, 1))],
)
def test_a_tokenizer_gives_back_what_it_read(hub: Path, repository: str, entries: int, marks: tuple[int | None, int]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(hub / repository)
    assert len(tokenizer) == entries
    ids = tokenizer(SENTENCE)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == SENTENCE
    begin, end = marks
    assert ids[-1] == end and begin in (None, ids[0])
    assert len(ids) < 2 * len(SENTENCE.split()), "words are not spelled out"


def test_any_token_that_random_weights_choose_can_be_written(hub: Path) -> None:
    for repository in (BART_REPOSITORY, T5_REPOSITORY):
        tokenizer = AutoTokenizer.from_pretrained(hub / repository)
        assert tokenizer.decode([900, 1000], skip_special_tokens=True).split() != []


def test_an_encoder_is_loaded_by_its_library(hub: Path) -> None:
    spec = pretrained_spec(ENCODER)
    encoder = load_pretrained(spec, hub / spec.repository / spec.file)
    assert sum(parameter.numel() for parameter in encoder.parameters()) > 100_000


def test_what_is_there_is_not_built_again(hub: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in hub.rglob("*")}
    assert build_models(["t5", "bart", ENCODER], SHAPES, hub.parent) == hub
    assert {path: path.stat().st_mtime_ns for path in hub.rglob("*")} == before
    assert list(hub.parent.glob("hub-*")) == [hub]


def test_an_encoder_of_another_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"blip_b16.*open_clip and timm, not transformers"):
        build_models(["blip_b16"], Shapes(), tmp_path)
