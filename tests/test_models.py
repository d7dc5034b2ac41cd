"""Behaviour that a correct system must have, whatever its weights: the released code of the paper fails most of these."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import BartConfig

from pipeline.encoders import Encoder
from pipeline.models.fusion import CrossModalFusion
from pipeline.models.summarizer import Architecture, Batch, Summarizer, build, create, group_of, load, save
from pipeline.models.temporal import TemporalEncoder
from pipeline.params import Generate
from pipeline.training import build_optimiser
from tests import toys

GENERATE = Generate(beams=3, max_tokens=12, no_repeat_ngram=3)
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


@pytest.fixture
def system(tmp_path: Path) -> Summarizer:
    return toys.clipsum(tmp_path).eval()


def with_padding(batch: Batch, *, tokens: int, frames: int) -> Batch:
    """The same videos in a batch padded further, with rubbish in the masked places."""
    assert batch.frames is not None and batch.frame_mask_BM is not None
    size = len(batch.tokens_BT)
    rubbish = torch.randn(size, frames, batch.frames.shape[2]) * 50
    return replace(
        batch,
        tokens_BT=torch.cat([batch.tokens_BT, torch.full((size, tokens), 1)], dim=1),
        token_mask_BT=torch.cat([batch.token_mask_BT, torch.zeros(size, tokens, dtype=torch.long)], dim=1),
        frames=torch.cat([batch.frames, rubbish], dim=1),
        frame_mask_BM=torch.cat([batch.frame_mask_BM, torch.zeros(size, frames, dtype=torch.bool)], dim=1),
    )


def test_output_does_not_depend_on_padding_or_masked_frames(system: Summarizer) -> None:
    batch = toys.batch(tokens=9, frames=4)
    padded = with_padding(batch, tokens=5, frames=2)
    torch.testing.assert_close(system.encode(padded)[:, :9], system.encode(batch), **CLOSE)
    torch.testing.assert_close(system(padded), system(batch), **CLOSE)


def test_output_does_not_depend_on_batch_mates(system: Summarizer) -> None:
    batch = toys.batch(size=4)
    alone = Batch(**{name: value[1:2] for name, value in vars(batch).items()})
    torch.testing.assert_close(system.encode(batch)[1:2], system.encode(alone), **CLOSE)
    together = system.generate(batch, GENERATE)[1]
    single = system.generate(alone, GENERATE)[0]
    length = min(len(together), len(single))
    assert together[:length].tolist() == single[:length].tolist()
    assert all(token == 1 for token in together[length:].tolist() + single[length:].tolist())


def test_frames_matter_and_their_order_matters(system: Summarizer) -> None:
    batch = toys.batch()
    assert batch.frames is not None
    other = replace(batch, frames=batch.frames.flip(0))
    reordered = replace(batch, frames=batch.frames.flip(1))
    assert (system.encode(other) - system.encode(batch)).abs().max() > 1e-3
    assert (system.encode(reordered) - system.encode(batch)).abs().max() > 1e-4


def test_fusion_alone_ignores_the_order_of_frames() -> None:
    torch.manual_seed(0)
    fusion = CrossModalFusion(32, dropout=0.0)
    text, frames, mask = torch.randn(2, 5, 32), torch.randn(2, 6, 32), torch.ones(2, 6, dtype=torch.bool)
    torch.testing.assert_close(fusion(text, frames.flip(1), mask), fusion(text, frames, mask), **CLOSE)


def test_attention_sums_to_one_over_real_frames() -> None:
    torch.manual_seed(0)
    fusion = CrossModalFusion(32, dropout=0.0)
    mask = torch.tensor([[True] * 6, [True, True, False, False, False, False], [False] * 6])
    weights = fusion.attention(torch.randn(3, 5, 32), torch.randn(3, 6, 32), mask)
    torch.testing.assert_close(weights.sum(dim=-1)[:2], torch.ones(2, 5))
    assert not weights[1, :, 2:].any()
    assert not weights[2].any()


def test_a_video_without_frames_is_finite_and_ignores_what_is_masked(system: Summarizer) -> None:
    batch = toys.batch()
    assert batch.frames is not None and batch.frame_mask_BM is not None
    blind = replace(batch, frame_mask_BM=torch.zeros_like(batch.frame_mask_BM))
    output = system.encode(blind)
    assert output.isfinite().all()
    torch.testing.assert_close(system.encode(replace(blind, frames=batch.frames * 3 + 1)), output, **CLOSE)


def test_length_of_features_is_ignored_only_when_normalised(tmp_path: Path) -> None:
    batch = toys.batch()
    assert batch.frames is not None
    longer = replace(batch, frames=batch.frames * 7)
    normalised = toys.clipsum(tmp_path, l2_normalise=True).eval()
    raw = toys.clipsum(tmp_path, l2_normalise=False).eval()
    torch.testing.assert_close(normalised.encode(longer), normalised.encode(batch), **CLOSE)
    assert (raw.encode(longer) - raw.encode(batch)).abs().max() > 1e-3


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
    expected = {"pretrained": settings.lr_pretrained, "new": settings.lr_new} | ({"tower": 7e-5} if finetuned else {})
    assert rates == expected


def test_groups_follow_names() -> None:
    assert group_of("text.model.encoder.layers.4.fc1.weight") == "pretrained"
    assert group_of("text.model.encoder.layers.4.fusion.query.weight") == "new"
    assert group_of("temporal.positions") == "new"
    assert group_of("tower.proj") == "tower"


@pytest.mark.parametrize("finetuned", [False, True])
def test_gradient_reaches_every_trainable_parameter(tmp_path: Path, finetuned: bool) -> None:
    system = toys.clipsum(tmp_path, finetuned=finetuned).train()
    system(toys.batch(pixels=finetuned)).backward()
    without = [name for name, parameter in system.named_parameters() if parameter.requires_grad and not _has_gradient(parameter)]
    # Keys have no bias that matters: adding a constant to all keys changes no softmax.
    assert [name for name in without if not name.endswith(("key.bias", "k_proj.bias"))] == []


def test_only_the_last_blocks_of_a_tower_are_trained(tmp_path: Path) -> None:
    system = toys.clipsum(tmp_path, finetuned=True)
    trained = {name for name, parameter in system.named_parameters() if name.startswith("tower.") and parameter.requires_grad}
    assert trained
    assert all(name.startswith(("tower.transformer.resblocks.1.", "tower.ln_post.", "tower.proj")) for name in trained)


def test_a_fine_tuned_tower_computes_what_the_frozen_one_stores(tmp_path: Path) -> None:
    tuned = toys.clipsum(tmp_path, finetuned=True).eval()
    frozen = toys.clipsum(tmp_path).eval()
    frozen.load_state_dict({name: tensor for name, tensor in tuned.state_dict().items() if not name.startswith("tower.")})
    batch = toys.batch(pixels=True)
    assert batch.frames is not None
    encoder = toys.tower()
    encoder.module.load_state_dict(tuned.get_submodule("tower").state_dict())
    stored = encoder.encode(batch.frames.flatten(0, 1)).unflatten(0, (3, toys.FRAMES))
    torch.testing.assert_close(tuned.encode(batch), frozen.encode(replace(batch, frames=stored)), **CLOSE)


@pytest.mark.parametrize("finetuned", [False, True])
def test_a_checkpoint_rebuilds_the_system_alone(tmp_path: Path, finetuned: bool) -> None:
    system = toys.clipsum(tmp_path / "bart", finetuned=finetuned).eval()
    save(system, tmp_path / "checkpoint")
    again = load(tmp_path / "checkpoint")
    batch = toys.batch(pixels=finetuned)
    torch.testing.assert_close(again(batch), system(batch))
    assert again.generate(batch, GENERATE).tolist() == system.generate(batch, GENERATE).tolist()
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in system.parameters()]


def test_text_only_is_plain_bart(tmp_path: Path) -> None:
    system = create("bart", text_folder=toys.text_model(tmp_path), settings=toys.model_settings(dropout=0.0))
    batch = toys.batch()
    direct = system.text(input_ids=batch.tokens_BT, attention_mask=batch.token_mask_BT, labels=batch.labels_BL).loss
    torch.testing.assert_close(system(batch), direct)


def test_fusion_keeps_the_weights_of_the_layer_it_replaces(tmp_path: Path) -> None:
    fused = toys.clipsum(tmp_path)
    plain = create("bart", text_folder=tmp_path, settings=toys.model_settings())
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(fused.state_dict()[name], tensor)


@pytest.mark.parametrize("layer", [0, 7])
def test_a_fusion_layer_out_of_range_names_the_parameter(tmp_path: Path, layer: int) -> None:
    with pytest.raises(ValueError, match="fusion_layer: " if layer else "fusion_layer"):
        toys.clipsum(tmp_path, fusion_layer=layer)


def test_an_unknown_model_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pipeline/models/nonesuch\.py"):
        create("nonesuch", text_folder=toys.text_model(tmp_path), settings=toys.model_settings())


def test_more_frames_than_positions_is_an_error(system: Summarizer) -> None:
    with pytest.raises(ValueError, match="positions"):
        system.encode(toys.batch(frames=toys.FRAMES + 1))


def test_heads_must_divide_the_feature_width() -> None:
    with pytest.raises(ValueError, match="temporal_heads"):
        TemporalEncoder(feature_width=30, text_width=8, max_frames=4, layers=1, heads=4, feedforward=8, dropout=0.0)


def test_full_size_has_the_paper_s_shapes() -> None:
    """BART-base, 50 frames of width 512, 2 temporal layers of 4 heads and 1024: counted from the equations."""
    text = BartConfig().to_diff_dict() | {
        "vocab_size": 50265, "d_model": 768, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 12,
        "decoder_attention_heads": 12, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072, "max_position_embeddings": 1024,
    }  # fmt: skip
    settings = toys.model_settings(temporal_feedforward=1024).model_dump()
    with torch.device("meta"):
        system = build(Architecture("clipsum", text, settings, 512, 50, None, 0))
    bart = 139_420_416
    temporal = 50 * 512 + 2 * (4 * (512 * 512 + 512) + 2 * 512 * 1024 + 1024 + 512 + 4 * 512) + 512 * 768 + 768
    fusion = 3 * (768 * 768 + 768) + 2 * 768 * 768 + 768 + 2 * 768
    assert sum(parameter.numel() for parameter in system.parameters()) == bart + temporal + fusion
    system = system.to_empty(device="cpu")
    for parameter in system.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    batch = Batch(
        tokens_BT=torch.randint(5, 50265, (2, 20)),
        token_mask_BT=torch.ones(2, 20, dtype=torch.long),
        frames=torch.randn(2, 50, 512),
        frame_mask_BM=torch.ones(2, 50, dtype=torch.bool),
    )
    with torch.inference_mode():
        assert system.eval().encode(batch).shape == (2, 20, 768)


def _has_gradient(parameter: torch.nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.abs().max() > 1e-12)


def test_toy_tower_is_a_real_open_clip_tower() -> None:
    assert isinstance(toys.tower(), Encoder)
    assert type(toys.tower().module).__module__.startswith("open_clip")
