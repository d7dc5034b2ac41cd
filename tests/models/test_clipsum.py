"""Parts of systems, fine-tuned encoders, checkpoints and full-size shapes; tests/models/test_rows.py has what all rows share."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BartConfig, GenerationConfig, T5Config

from pipeline.base.params import Generate
from pipeline.encoders.encoder import Encoder
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts import vision
from pipeline.models.parts.fusion import CrossModalFusion, Video
from pipeline.models.parts.summarizer import Architecture, Batch, Summarizer, build, create, group_of, load, save
from pipeline.models.parts.temporal import TemporalEncoder
from pipeline.training.loop import build_optimiser
from tests import toys

GENERATE = Generate(beams=3, max_tokens=12, no_repeat_ngram=3)
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


def states(system: Summarizer, batch: Batch) -> torch.Tensor:
    return system.encode(batch).states_BSH


def test_fusion_alone_ignores_the_order_of_frames() -> None:
    torch.manual_seed(0)
    fusion = CrossModalFusion(32, dropout=0.0)
    text, frames, mask = torch.randn(2, 5, 32), torch.randn(2, 6, 32), torch.ones(2, 6, dtype=torch.bool)
    torch.testing.assert_close(fusion(text, Video(frames.flip(1), mask)), fusion(text, Video(frames, mask)), **CLOSE)


def test_length_of_features_is_ignored_only_when_normalised(tmp_path: Path) -> None:
    batch = toys.batch()
    assert batch.frames is not None
    longer = replace(batch, frames=batch.frames * 7)
    normalised = toys.clipsum(tmp_path, l2_normalise=True).eval()
    raw = toys.clipsum(tmp_path, l2_normalise=False).eval()
    torch.testing.assert_close(states(normalised, longer), states(normalised, batch), **CLOSE)
    assert (states(raw, longer) - states(raw, batch)).abs().max() > 1e-3


@pytest.mark.parametrize("finetuned", [False, True])
def test_every_trainable_parameter_is_in_one_group_with_its_rate(tmp_path: Path, finetuned: bool) -> None:
    system = toys.clipsum(tmp_path, finetuned=finetuned)
    settings = toys.train_settings()
    optimiser = build_optimiser(system, settings, toys.finetune_settings())
    grouped = [id(parameter) for group in optimiser.param_groups for parameter in group["params"]]
    trainable = [id(parameter) for parameter in system.parameters() if parameter.requires_grad]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == set(trainable)
    rates = {group["name"]: group["lr"] for group in optimiser.param_groups}
    expected = {"pretrained": settings.lr_pretrained, "new": settings.lr_new} | ({"image_encoder": 7e-5} if finetuned else {})
    assert rates == expected


def test_groups_follow_names() -> None:
    assert group_of("text.model.encoder.layers.4.fc1.weight") == "pretrained"
    assert group_of("text.model.encoder.layers.4.fusion.query.weight") == "new"
    assert group_of("text.model.decoder.layers.1.encoder_attn.k_proj.weight") == "pretrained"
    assert group_of("text.model.decoder.layers.1.encoder_attn.fusion.key.weight") == "new"
    assert group_of("text.encoder.block.0.layer.0.SelfAttention.q.weight") == "pretrained"
    assert group_of("temporal.positions") == "new"
    assert group_of("image_module.proj") == "image_encoder"


@pytest.mark.parametrize("finetuned", [False, True])
def test_gradient_reaches_every_trainable_parameter(tmp_path: Path, finetuned: bool) -> None:
    system = toys.clipsum(tmp_path, finetuned=finetuned).train()
    system(toys.batch(pixels=finetuned)).backward()
    without = [name for name, parameter in system.named_parameters() if parameter.requires_grad and not _has_gradient(parameter)]
    # Keys have no bias that matters: adding a constant to all keys changes no softmax.
    assert [name for name in without if not name.endswith(("key.bias", "k_proj.bias"))] == []


def test_dropout_is_the_study_s_in_every_text_model(tmp_path: Path) -> None:
    for model, name in (("bart", "dropout"), ("t5", "dropout_rate")):
        system = toys.system(model, tmp_path / model, dropout=0.35)
        assert getattr(system.config, name) == getattr(system.text.config, name) == 0.35
        rates = {module.p for module in system.modules() if isinstance(module, torch.nn.Dropout)}
        assert rates == ({0.35} if model == "t5" else set())


def test_only_the_last_blocks_of_an_encoder_are_trained(tmp_path: Path) -> None:
    system = toys.clipsum(tmp_path, finetuned=True)
    trained = {
        name for name, parameter in system.named_parameters() if name.startswith("image_module.") and parameter.requires_grad
    }
    assert trained
    assert all(
        name.startswith(("image_module.transformer.resblocks.1.", "image_module.ln_post.", "image_module.proj"))
        for name in trained
    )


def test_a_fine_tuned_encoder_computes_what_the_frozen_one_stores(tmp_path: Path) -> None:
    tuned = toys.clipsum(tmp_path, finetuned=True).eval()
    frozen = toys.clipsum(tmp_path).eval()
    frozen.load_state_dict({name: tensor for name, tensor in tuned.state_dict().items() if not name.startswith("image_module.")})
    batch = toys.batch(pixels=True)
    assert batch.frames is not None
    encoder = toys.encoder()
    encoder.module.load_state_dict(tuned.get_submodule("image_module").state_dict())
    stored = encoder.encode(batch.frames.flatten(0, 1)).unflatten(0, (3, toys.FRAMES))
    torch.testing.assert_close(states(tuned, batch), states(frozen, replace(batch, frames=stored)), **CLOSE)


@pytest.mark.parametrize("finetuned", [False, True])
def test_a_checkpoint_rebuilds_the_system_alone(tmp_path: Path, finetuned: bool) -> None:
    system = toys.clipsum(tmp_path / "bart", finetuned=finetuned).eval()
    save(system, tmp_path / "checkpoint")
    again = load(tmp_path / "checkpoint")
    batch = toys.batch(pixels=finetuned)
    torch.testing.assert_close(again(batch), system(batch))
    assert again.generate(batch, GENERATE).tolist() == system.generate(batch, GENERATE).tolist()
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in system.parameters()]


@pytest.mark.parametrize("model", ["bart", "t5"])
def test_text_only_is_the_plain_text_model(tmp_path: Path, model: str) -> None:
    system = toys.system(model, tmp_path, dropout=0.0)
    batch = toys.batch()
    direct = system.text(input_ids=batch.tokens_BT, attention_mask=batch.token_mask_BT, labels=batch.labels_BL).loss
    torch.testing.assert_close(system(batch), direct)


@pytest.mark.parametrize("layer", [0, 7])
def test_a_fusion_layer_out_of_range_names_the_parameter(tmp_path: Path, layer: int) -> None:
    with pytest.raises(ValueError, match="fusion_layer: " if layer else "fusion_layer"):
        toys.clipsum(tmp_path, fusion_layer=layer)


def test_an_unknown_model_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pipeline/models/nonesuch\.py"):
        create("nonesuch", text_folder=toys.text_model(tmp_path), settings=toys.model_settings())


def test_heads_must_divide_the_feature_width() -> None:
    with pytest.raises(ValueError, match="temporal_heads"):
        TemporalEncoder(feature_width=30, text_width=8, max_frames=4, layers=1, heads=4, feedforward=8, dropout=0.0)


BART_BASE = BartConfig().to_diff_dict() | {
    "vocab_size": 50265, "d_model": 768, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 12,
    "decoder_attention_heads": 12, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072, "max_position_embeddings": 1024,
}  # fmt: skip
T5_BASE = T5Config().to_diff_dict() | {
    "vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_decoder_layers": 12, "num_heads": 12,
    "decoder_start_token_id": 0,
}  # fmt: skip


def linear(inputs: int, outputs: int, *, bias: bool = True) -> int:
    return inputs * outputs + bias * outputs


def full_size(model: str, width: int, **changes: object) -> Summarizer:
    """Without memory for weights."""
    settings = toys.model_settings(temporal_feedforward=1024, **changes).model_dump()
    with torch.device("meta"):
        return build(Architecture(model, T5_BASE if model == "t5" else BART_BASE, settings, width, 50, None, 0, 0))


def counted(model: str, width: int, **changes: object) -> int:
    """New parameters by the equations: text width 768, 50 frames, two temporal layers with 1024 inside."""
    square, norm = linear(768, 768), 2 * 768
    transformer = 2 * (4 * linear(width, width) + linear(width, 1024) + linear(1024, width) + 2 * 2 * width)
    fusion = 3 * square + linear(1536, 768) + norm
    if model == "ha":
        layer = 4 * square + square + 2 * 768 * 768 + 768 + 1 + 2 * 768 * 768  # state, two energies, score, bias, two mixes
        return linear(width, 768) + 50 * 768 + 6 * layer
    if model == "mffg":
        text = 768 * width + linear(width, width) + (768 + width) * width + linear(768 + width, 768)
        frames = width * 768 + linear(768, 768) + (width + 768) * 768 + linear(width + 768, width)
        return 50 * width + text + frames + norm + linear(width, 768) + 4 * square + 2 * 768 * 768 + 768 + 1 + norm
    if model == "vg_bart":
        image_transformer = 4 * (4 * linear(width, width) + 2 * linear(width, width) + 2 * 2 * width)
        return image_transformer + linear(width, 768) + linear(width + 768, 768) + linear(width + 768, width) + norm
    ordered = changes.get("temporal", True) and changes.get("pooling", "none") == "none"
    temporal = linear(width, 768) + (transformer + 50 * width if ordered else 0)
    return temporal + (fusion if changes.get("fusion", "attention") == "attention" else 0)


@pytest.mark.parametrize("width", [512, 2048])
@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("ha", {}), ("mffg", {}), ("vg_bart", {}), ("clipsum", {}), ("clipsum", {"temporal": False}),
        ("clipsum", {"pooling": "mean"}), ("clipsum", {"fusion": "prefix"}),
    ],
)  # fmt: skip
def test_full_size_has_as_many_parameters_as_the_equations(model: str, changes: dict[str, object], width: int) -> None:
    parts = full_size(model, width, **changes).trained_parts()
    assert parts["pretrained"]["parameters"] == 139_420_416  # BART-base
    assert parts["new"]["parameters"] == counted(model, width, **changes)


def test_text_only_rows_at_full_size_have_the_published_sizes() -> None:
    assert full_size("bart", 512).trained_parts()["pretrained"]["parameters"] == 139_420_416
    assert full_size("t5", 512).trained_parts()["pretrained"]["parameters"] == 222_903_552


@pytest.mark.parametrize(("model", "width", "places"), [("clipsum", 512, 20), ("mffg", 2048, 70)])
def test_full_size_has_the_paper_s_shapes(model: str, width: int, places: int) -> None:
    system = full_size(model, width).to_empty(device="cpu").eval()
    for tensor in (*system.parameters(), *system.buffers()):
        torch.nn.init.constant_(tensor, 0.01)
    batch = Batch(
        tokens_BT=torch.randint(5, 50265, (2, 20)),
        token_mask_BT=torch.ones(2, 20, dtype=torch.long),
        labels_BL=torch.randint(5, 50265, (2, 4)),
        frames=torch.randn(2, 50, width),
        frame_mask_BM=torch.ones(2, 50, dtype=torch.bool),
    )
    with torch.inference_mode():
        assert system.encode(batch).states_BSH.shape == (2, places, 768)
        assert system(batch).isfinite()


def _has_gradient(parameter: torch.nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.abs().max() > 1e-12)


def test_toy_encoder_is_a_real_open_clip_encoder() -> None:
    assert isinstance(toys.encoder(), Encoder)
    assert type(toys.encoder().module).__module__.startswith("open_clip")


def with_lora(folder: Path, **changes: object) -> Summarizer:
    text_folder = toys.text_model(folder)
    torch.manual_seed(2)
    return create(
        "clipsum",
        text_folder=text_folder,
        settings=toys.model_settings(**changes),
        feature_width=toys.WIDTH,
        max_frames=toys.FRAMES,
        image_encoder=toys.encoder(),
        trainable_blocks=1,
        lora_rank=3,
    )


def test_low_rank_adapters_train_alone_in_the_tower_and_start_by_changing_nothing(tmp_path: Path) -> None:
    system, batch = with_lora(tmp_path / "a").eval(), toys.batch(pixels=True)
    plain = toys.clipsum(tmp_path / "b", finetuned=True).eval()
    torch.testing.assert_close(states(system, batch), states(plain, batch), **CLOSE)
    trained = {name for name, parameter in system.named_parameters() if parameter.requires_grad and "image_module" in name}
    assert trained and all(".lora_" in name and ".resblocks.1." in name for name in trained)
    assert {name.split(".lora_")[0].rpartition(".")[2] for name in trained} == {"attn", "out_proj", "c_fc", "c_proj"}
    assert {group_of(name) for name in trained} == {"image_encoder"}
    assert system.trained_parts()["image_encoder"]["blocks"] == ["transformer.resblocks.1"]
    system.train()
    system(batch).backward()
    reached = {name for name, parameter in system.named_parameters() if name in trained and _has_gradient(parameter)}
    assert reached == {name for name in trained if ".lora_B." in name}, "A has a gradient once B is no longer zero"


def test_a_checkpoint_with_adapters_rebuilds_the_system_alone(tmp_path: Path) -> None:
    system, batch = with_lora(tmp_path / "text"), toys.batch(pixels=True)
    optimiser = torch.optim.SGD([parameter for parameter in system.parameters() if parameter.requires_grad], lr=0.5)
    before = states(system.eval(), batch)
    for _ in range(2):
        optimiser.zero_grad()
        system(batch).backward()
        optimiser.step()
    assert (states(system, batch) - before).abs().max() > 1e-3
    save(system, tmp_path / "saved")
    torch.testing.assert_close(states(load(tmp_path / "saved"), batch), states(system, batch), rtol=0, atol=0)


def test_published_generation_settings_are_kept_bart_s_forced_first_token_among_them(tmp_path: Path) -> None:
    """Published BART has them in a file of its own: a configuration alone no longer carries them."""
    folder = toys.text_model(tmp_path / "text")
    settings = GenerationConfig.from_pretrained(folder)
    settings.forced_bos_token_id, settings.num_beams, settings.length_penalty = 0, 4, 2.0
    settings.save_pretrained(folder)
    system = create("bart", text_folder=folder, settings=toys.model_settings())
    save(system, tmp_path / "saved")
    for each in (system, load(tmp_path / "saved")):
        assert each.text.generation_config.length_penalty == 2.0
        assert set(each.generate(toys.batch(), GENERATE)[:, 1].tolist()) == {0}
    without = toys.system("bart", tmp_path / "plain")
    assert set(without.generate(toys.batch(), GENERATE)[:, 1].tolist()) != {0}


def test_pixels_are_embedded_once_a_bounded_number_at_a_time_and_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = toys.clipsum(tmp_path, finetuned=True).eval()
    shapes: list[int] = []
    encode = Encoder.encode
    monkeypatch.setattr(Encoder, "encode", lambda self, pixels: shapes.append(len(pixels)) or encode(self, pixels))
    monkeypatch.setattr(vision, "AT_ONCE", 4)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 3, 16, 16), dtype=np.uint8)
    shown = FrameInputs(
        pixels, starts={"a": 0, "b": 2, "c": 5}, lengths={"a": 2, "b": 3, "c": 4}, max_frames=toys.FRAMES, footer={}
    )
    seen = system.embedded(shown, ["c", "a", "lost"])  # type: ignore[operator]
    assert shapes == [4, 2] and seen.values.shape == (6, toys.WIDTH)
    frames, mask = shown.gather(["a", "c"])
    features, same_mask = seen.gather(["a", "c"])
    assert torch.equal(mask, same_mask)
    batch = replace(toys.batch(size=2), frames=frames, frame_mask_BM=mask)
    torch.testing.assert_close(states(system, replace(batch, frames=features)), states(system, batch), **CLOSE)
    frozen = toys.clipsum(tmp_path / "frozen")
    assert frozen.embedded(shown, ["a"]) is shown  # type: ignore[operator]
