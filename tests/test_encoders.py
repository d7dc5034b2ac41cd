"""Towers: preprocessing against real tensors, checkpoints that rebuild themselves, partial training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.encoders import ENCODERS, build_tower, load_encoder, normalise, preprocess, save_encoder
from tests import toys

GOLDEN = Path("../shared/data/clip_golden")


@pytest.mark.skipif(not GOLDEN.exists(), reason="the real photos are not beside the project")
def test_clip_preprocessing_equals_the_real_tensors_exactly() -> None:
    golden = np.load(GOLDEN / "golden.npz", allow_pickle=False)
    (expected,) = [golden[name] for name in golden.files if golden[name].ndim == 4]
    spec = ENCODERS["clip_vit_b32", "full"]
    photos = [Image.open(path) for path in sorted(GOLDEN.glob("*.jpg"))]
    tensors = normalise(spec, torch.from_numpy(preprocess(spec, photos))).numpy()
    assert tensors.shape == expected.shape == (7, 3, 224, 224)
    order = [int(np.abs(expected - tensor).max(axis=(1, 2, 3)).argmin()) for tensor in tensors]
    assert sorted(order) == list(range(7)), "each photo is nearest to another tensor"
    assert expected.dtype == np.float16
    np.testing.assert_array_equal(tensors.astype(np.float16), expected[order])


def test_a_tower_is_rebuilt_from_its_folder_alone(tmp_path: Path) -> None:
    tower = toys.tower()
    save_encoder(toys.TOWER, tower.module.state_dict(), tmp_path / "clip_vit_b32", source="test")
    again = load_encoder(tmp_path / "clip_vit_b32")
    assert again.spec == toys.TOWER
    pixels = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(again.encode(pixels), tower.encode(pixels), rtol=0, atol=0)


def test_a_tensor_that_is_missing_is_an_error(tmp_path: Path) -> None:
    state = toys.tower().module.state_dict()
    state.pop("proj")
    save_encoder(toys.TOWER, state, tmp_path / "clip_vit_b32", source="test")
    with pytest.raises(RuntimeError, match="proj"):
        load_encoder(tmp_path / "clip_vit_b32")
    with pytest.raises(FileNotFoundError, match="run `dvc repro weights@resnet152` first"):
        load_encoder(tmp_path / "resnet152")


@pytest.mark.parametrize("key", sorted(ENCODERS), ids=str)
def test_every_tower_gives_the_width_it_declares(key: tuple[str, str]) -> None:
    spec = ENCODERS[key]
    module = build_tower(spec).eval()
    with torch.inference_mode():
        features = module(torch.zeros(1, 3, spec.image_size, spec.image_size))
    assert features.shape == (1, spec.dim)


def test_fine_tuning_reaches_the_last_blocks_and_the_head_only() -> None:
    tower = toys.tower()
    names = tower.train_last_blocks(1)
    assert names
    assert all(name.startswith(("transformer.resblocks.1.", "ln_post.")) or name == "proj" for name in names)
    assert {name for name, parameter in tower.module.named_parameters() if parameter.requires_grad} == set(names)
    with pytest.raises(ValueError, match=r"finetune\.trainable_blocks: clip_vit_b32 has 2 blocks, not 3"):
        tower.train_last_blocks(3)
