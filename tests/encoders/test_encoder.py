"""Encoders: preprocessing against real tensors, checkpoints that rebuild themselves, partial training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from pipeline.base.encoder_names import ENCODERS, MINI_ENCODERS, check_encoder_name
from pipeline.base.pins import LOCAL
from pipeline.encoders.encoder import (
    MINI,
    Encoder,
    EncoderSpec,
    build_module,
    load_encoder,
    normalise,
    preprocess,
    read_parameters,
    save_encoder,
)
from pipeline.encoders.pretrained_specs import pretrained_spec
from pipeline.encoders.pretrained_weights import load_pretrained
from tests import toys

GOLDEN = Path("../shared/data/clip_golden")


@pytest.mark.skipif(not GOLDEN.exists(), reason="the real photos are not beside the project")
def test_clip_preprocessing_equals_the_real_tensors_exactly() -> None:
    golden = np.load(GOLDEN / "golden.npz", allow_pickle=False)
    (expected,) = [golden[name] for name in golden.files if golden[name].ndim == 4]
    spec = pretrained_spec("clip_vit_b32")
    photos = [Image.open(path) for path in sorted(GOLDEN.glob("*.jpg"))]
    tensors = normalise(spec, torch.from_numpy(preprocess(spec, photos))).numpy()
    assert tensors.shape == expected.shape == (7, 3, 224, 224)
    order = [int(np.abs(expected - tensor).max(axis=(1, 2, 3)).argmin()) for tensor in tensors]
    assert sorted(order) == list(range(7)), "each photo is nearest to another tensor"
    assert expected.dtype == np.float16
    np.testing.assert_array_equal(tensors.astype(np.float16), expected[order])


def published_clip() -> Path | None:
    """The file of the published weights, if it lies in the local folder or in the hub client's cache."""
    from huggingface_hub import try_to_load_from_cache

    spec = pretrained_spec("clip_vit_b32")
    local = LOCAL / spec.repository / spec.file
    cached = try_to_load_from_cache(spec.repository, spec.file)
    return local if local.exists() else Path(cached) if isinstance(cached, str) else None


@pytest.mark.skipif(not GOLDEN.exists(), reason="the real photos are not beside the project")
def test_the_published_encoder_gives_the_real_embeddings() -> None:
    path = published_clip()
    if path is None:
        pytest.skip("the published weights of clip_vit_b32 are neither in data/inputs/weights nor in the hub client's cache")
    golden = np.load(GOLDEN / "golden.npz", allow_pickle=False)
    (expected,) = [golden[name] for name in golden.files if golden[name].ndim == 2]
    spec = pretrained_spec("clip_vit_b32")
    encoder = Encoder(spec, load_pretrained(spec, path).eval())
    photos = [Image.open(photo) for photo in sorted(GOLDEN.glob("*.jpg"))]
    with torch.inference_mode():
        vectors = torch.nn.functional.normalize(encoder.encode(torch.from_numpy(encoder.preprocess(photos))), dim=-1).numpy()
    cosines = vectors @ expected.astype(np.float32).T
    assert sorted(cosines.argmax(axis=1)) == list(range(7))
    assert cosines.max(axis=1).min() > 0.999


def test_an_encoder_is_rebuilt_from_its_folder_alone(tmp_path: Path) -> None:
    encoder = toys.encoder()
    save_encoder(toys.ENCODER, encoder.module, tmp_path / "clip_vit_b32", source={"source": "test"})
    again = load_encoder(tmp_path / "clip_vit_b32")
    assert again.spec == toys.ENCODER
    pixels = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(again.encode(pixels), encoder.encode(pixels), rtol=0, atol=0)


def test_a_tensor_that_is_missing_is_an_error(tmp_path: Path) -> None:
    save_encoder(toys.ENCODER, toys.encoder().module, tmp_path / "clip_vit_b32", source={"source": "test"})
    state = load_file(tmp_path / "clip_vit_b32" / "encoder.safetensors")
    state.pop("proj")
    save_file(state, tmp_path / "clip_vit_b32" / "encoder.safetensors")
    with pytest.raises(ValueError, match=r"encoder\.safetensors: .*Missing key.*\"proj\""):
        load_encoder(tmp_path / "clip_vit_b32")
    with pytest.raises(FileNotFoundError, match="run `dvc repro weights@resnet152` first"):
        load_encoder(tmp_path / "resnet152")


@pytest.mark.parametrize("name", sorted(MINI))
def test_every_mini_encoder_gives_the_width_it_declares(name: str) -> None:
    assert_width(MINI[name])


# Not clip_vit_l14, 1.7 GB of random weights: another size of what clip_vit_b16 tests.
@pytest.mark.parametrize("name", [*sorted(set(ENCODERS) - {"clip_vit_l14"}), "timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k"])
def test_every_published_encoder_gives_the_width_it_declares_and_can_be_fine_tuned(name: str) -> None:
    spec = pretrained_spec(name)
    encoder = assert_width(spec)
    trained = encoder.train_last_blocks(1)
    frozen = [parameter for parameter in encoder.module.parameters() if not parameter.requires_grad]
    assert trained and frozen
    assert sum(parameter.numel() for parameter in frozen) > 0.3 * sum(
        parameter.numel() for parameter in encoder.module.parameters()
    )


def assert_width(spec: EncoderSpec) -> Encoder:
    encoder = Encoder(spec, build_module(spec).eval())
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8))
    pixels = torch.from_numpy(encoder.preprocess([photo]))
    assert pixels.shape == (1, 3, spec.image_size, spec.image_size)
    with torch.inference_mode():
        assert encoder.encode(pixels).shape == (1, spec.dim)
    return encoder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clip_vit_b32", (512, 224, 224, False)),
        ("clip_vit_l14", (768, 224, 224, False)),
        ("siglip_b16", (768, 224, 224, True)),
        ("siglip2_b16", (768, 224, 224, True)),
        ("dinov3_b16", (768, 224, 224, False)),
        ("pe_core_b16", (1024, 224, 224, True)),
        ("blip_b16", (768, 384, 384, True)),
        ("dinov2_b14", (768, 224, 224, False)),
        ("vit_b32_labels", (768, 224, 248, False)),
        ("resnet152", (2048, 224, 256, False)),
    ],
)
def test_pretrained_specifications(name: str, expected: tuple[int, int, int, bool]) -> None:
    spec = pretrained_spec(name)
    assert (spec.dim, spec.image_size, spec.resize_to, spec.squash) == expected


def test_every_short_name_is_in_the_registry_of_its_library() -> None:
    clips = {f"open_clip:{model}/{tag}" for model, tag in open_clip.list_pretrained()}
    others = {f"timm:{model}" for model in timm.list_pretrained()}
    blip = {"transformers:Salesforce/blip-image-captioning-base"}  # transformers has no list of weights
    assert set(ENCODERS.values()) <= clips | others | blip


@pytest.mark.parametrize(
    ("name", "mean", "interpolation", "grid", "after_the_blocks"),
    [
        ("siglip2_b16", 0.5, "bicubic", 196, ["trunk.norm", "trunk.attn_pool"]),
        ("dinov3_b16", 0.485, "bicubic", None, ["norm"]),
        ("pe_core_b16", 0.5, "bilinear", 197, ["trunk.norm", "trunk.attn_pool", "trunk.head"]),
    ],
)
def test_encoders_side_by_side_are_of_one_size(
    name: str, mean: float, interpolation: str, grid: int | None, after_the_blocks: list[str]
) -> None:
    spec = pretrained_spec(name)
    assert (spec.image_size, spec.mean[0], spec.interpolation) == (224, mean, interpolation)
    encoder = Encoder(spec, build_module(spec))
    trunk = getattr(encoder.module, "trunk", encoder.module)
    assert (len(trunk.blocks), trunk.embed_dim, trunk.patch_embed.grid_size) == (12, 768, (14, 14))
    assert (None if grid is None else trunk.pos_embed.shape[1]) == grid
    encoder.train_last_blocks(1)
    assert encoder.trained_blocks() == [f"{'trunk.' if trunk is not encoder.module else ''}blocks.11", *after_the_blocks]


def test_dinov3_gives_the_class_token_and_has_no_positions_to_interpolate() -> None:
    spec = pretrained_spec("dinov3_b16")
    assert spec.arguments == {"img_size": 224, "global_pool": "token"}
    module = build_module(spec).eval()
    assert module.pos_embed is None and module.rope is not None
    pixels = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(module(pixels), module.forward_features(pixels)[:, 0])


def test_open_clip_warns_of_random_weights_unless_others_follow(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spec = replace(pretrained_spec("clip_vit_b32"), architecture="ViT-S-32-alt", dim=256)
    module = build_module(spec)
    assert "No pretrained weights loaded" in caplog.text
    save_encoder(spec, module, tmp_path, source={"source": "test"})
    caplog.clear()
    load_encoder(tmp_path)
    assert "No pretrained weights loaded" not in caplog.text
    build_module(spec)
    assert "No pretrained weights loaded" in caplog.text


def test_openai_weights_get_the_activation_they_were_trained_with() -> None:
    for name in ("clip_vit_b32", "clip_vit_b16", "clip_vit_l14", "random_vit_b32"):
        assert pretrained_spec(name).architecture.endswith("-quickgelu")


def test_siglip_squashes_and_clip_cuts_the_centre_out() -> None:
    left, right = np.zeros((40, 60, 3), np.uint8), np.full((40, 60, 3), 255, np.uint8)
    photo = Image.fromarray(np.concatenate([left, right], axis=1))
    squashed, cut = (preprocess(pretrained_spec(name), [photo])[0, 0, 100] for name in ("siglip_b16", "clip_vit_b32"))
    for row in (squashed, cut):
        assert (row[:100] < 20).all() and (row[-100:] > 235).all()
    edged = Image.fromarray(np.concatenate([right[:, :10], left, left, right[:, :10]], axis=1))
    squashed, cut = (preprocess(pretrained_spec(name), [edged])[0, 0, 100] for name in ("siglip_b16", "clip_vit_b32"))
    assert squashed[0] > 235 and cut[0] < 20


def test_names_that_no_library_knows_are_refused() -> None:
    for name in ("vit", "open_clip", "timm:../x", "hub:x", "open_clip:a/b/c"):
        with pytest.raises(ValueError, match="encoder: "):
            check_encoder_name(name, where="encoder")
    with pytest.raises(ValueError, match="scale mini has clip_vit_b32, random_vit_b32, resnet152"):
        check_encoder_name("siglip_b16", where="encoder", scale="mini")
    with pytest.raises(ValueError, match="openai"):
        pretrained_spec("open_clip:ViT-B-32-quickgelu/laion")
    with pytest.raises(ValueError, match="resnet50"):
        pretrained_spec("timm:resnet50.nothing")


def test_fine_tuning_reaches_the_last_blocks_and_the_head_only() -> None:
    encoder = toys.encoder()
    names = encoder.train_last_blocks(1)
    assert names
    assert all(name.startswith(("transformer.resblocks.1.", "ln_post.")) or name == "proj" for name in names)
    assert {name for name, parameter in encoder.module.named_parameters() if parameter.requires_grad} == set(names)
    assert encoder.trained_blocks() == ["transformer.resblocks.1", "ln_post", "proj"]
    with pytest.raises(ValueError, match=r"finetune\.trainable_blocks: clip_vit_b32 has 2 blocks, not 3"):
        encoder.train_last_blocks(3)


def test_the_names_of_mini_encoders_are_those_there_are() -> None:
    assert set(MINI_ENCODERS) == set(MINI)


def test_the_number_of_parameters_lies_beside_the_weights(tmp_path: Path) -> None:
    module = toys.encoder().module
    save_encoder(toys.ENCODER, module, tmp_path, source={"source": "test"})
    assert read_parameters(tmp_path) == sum(parameter.numel() for parameter in module.parameters())
