"""Published image encoders from a local folder: the right part of the file, in the right architecture."""

import json
from pathlib import Path

import pytest
import timm
import torch

from pipeline.encoders import pretrained_weights as weights
from pipeline.encoders.encoder import MINI, build_clip, build_module, load_encoder
from pipeline.encoders.pretrained_specs import pretrained_spec
from tests import toys
from tests.encoders.local_weights import TINY, digest, pin, put, same


def test_clip_from_a_local_folder_is_its_image_encoder(small: Path) -> None:
    spec = pretrained_spec("clip_vit_b32")
    torch.manual_seed(3)
    state = build_clip(spec).state_dict()
    path = put(small, spec, state)
    pin(small, spec.repository, {spec.file: digest(path)})
    source = weights.fetch_encoder("clip_vit_b32", small / "weights" / "clip_vit_b32")
    assert source == {
        "source": f"{spec.repository}/{spec.file}",
        "revision": "local",
        "sha256": digest(path),
        "as_pinned": "yes",
    }
    assert same(load_encoder(small / "weights" / "clip_vit_b32").module, state, prefix="visual.")


def test_a_classifier_is_taken_without_its_head(small: Path) -> None:
    spec = pretrained_spec(TINY)
    torch.manual_seed(3)
    state = timm.create_model(spec.architecture, pretrained=False).state_dict()
    assert "fc.weight" in state
    put(small, spec, state)
    weights.fetch_encoder(TINY, small / "out")
    encoder = load_encoder(small / "out").module
    assert same(encoder, state)
    assert "fc.weight" not in encoder.state_dict()


def test_dinov3_is_taken_at_224_pixels_although_its_file_is_of_256(small: Path) -> None:
    spec = pretrained_spec("dinov3_b16")
    torch.manual_seed(3)
    state = timm.create_model(spec.architecture, pretrained=False).state_dict()
    pin(small, spec.repository, {spec.file: digest(put(small, spec, state))})
    weights.fetch_encoder("dinov3_b16", small / "out")
    assert same(load_encoder(small / "out").module, state)


def test_blip_is_taken_without_its_text_model(small: Path) -> None:
    spec = pretrained_spec("blip_b16")
    torch.manual_seed(3)
    state = {f"vision_model.{name}": tensor for name, tensor in build_module(spec).state_dict().items()}
    put(small, spec, state | {"text_decoder.bias": torch.zeros(3)})
    weights.fetch_encoder("blip_b16", small / "out")
    assert same(load_encoder(small / "out").module, state, prefix="vision_model.")


def test_random_encoders_need_no_file_and_are_the_same_everywhere(small: Path) -> None:
    for out in ("a", "b"):
        weights.fetch_encoder("random_vit_b32", small / out)
    first, second = ((small / out / "encoder.safetensors").read_bytes() for out in ("a", "b"))
    assert first == second
    assert "never trained" in json.loads((small / "a" / "encoder.json").read_text())["source"]["source"]


def test_the_random_mini_encoder_has_the_mini_clip_encoder_s_shape(tmp_path: Path) -> None:
    for out in ("a", "b"):
        source = weights.write_random_encoder(MINI["random_vit_b32"], tmp_path / out)
    assert source == {"source": "random weights, seed 0: the architecture of clip_vit_b32 at scale mini, never trained"}
    assert (tmp_path / "a" / "encoder.safetensors").read_bytes() == (tmp_path / "b" / "encoder.safetensors").read_bytes()
    encoder = load_encoder(tmp_path / "a")
    assert {name: tensor.shape for name, tensor in encoder.module.state_dict().items()} == {
        name: tensor.shape for name, tensor in build_module(MINI["clip_vit_b32"]).state_dict().items()
    }


def test_weights_of_another_model_are_refused(small: Path) -> None:
    put(small, pretrained_spec(TINY), build_module(toys.ENCODER).state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        weights.fetch_encoder(TINY, small / "out")
    assert not (small / "out").exists()
