"""Earlier systems against their equations, by small cases worked out by hand: gate, order of reading, number of fused layers."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pipeline.models.mffg import GatedReading, SharedMap
from pipeline.models.mffg import Model as MFFG
from pipeline.models.parts.fusion import FusionEncoderLayer, LateFusionEncoderLayer, Video
from pipeline.models.parts.hierarchical import HierarchicalAttention
from pipeline.models.parts.summarizer import create
from pipeline.models.vg_bart import DotProductFusion
from tests import toys


def fill(layer: nn.Module, weight: list[list[float]], bias: list[float] | None = None) -> None:
    with torch.no_grad():
        assert isinstance(layer, nn.Linear) and list(layer.weight.shape) == [len(weight), len(weight[0])]
        layer.weight.copy_(torch.tensor(weight))
        assert (layer.bias is None) == (bias is None)
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_vg_bart_gates_the_attended_frames_before_they_meet_the_text() -> None:
    """One token t = (1, 2), frames 3 and 5 of width 1. W_1 is zero, so attention is uniform and Z = 4.

    G = sigmoid(0.5 * 4 - 1 + 0.25 * 2) = sigmoid(1.5), of the frames' width 1. The update is [t; G Z] W_2 with rows
    (1, 0, 2) and (0, 1, -1): (1 + 8 G, 2 - 4 G). A gate over the whole update would scale the 1 and the 2 too.
    """
    fusion = DotProductFusion(feature_width=1, text_width=2, dropout=0.0)
    fill(fusion.key, [[0.0], [0.0]], [0.0, 0.0])
    fill(fusion.gate, [[0.5, -1.0, 0.25]], [0.0])
    fill(fusion.output, [[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]], [0.0, 0.0])
    text, frames, mask = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0], [5.0]]]), torch.ones(1, 2, dtype=torch.bool)
    gate = sigmoid(1.5)
    first, second = 1 + 8 * gate, 2 - 4 * gate
    attended = fusion.attention(text, frames, mask) @ frames
    torch.testing.assert_close(fusion.update(text, attended), torch.tensor([[[first, second]]]))
    sums = torch.tensor([[[1 + first, 2 + second]]])
    torch.testing.assert_close(fusion(text, Video(frames, mask)), nn.functional.layer_norm(sums, (2,)))


def test_vg_bart_s_parts_have_the_shapes_of_the_released_code(tmp_path: Path) -> None:
    system = toys.system("vg_bart", tmp_path)
    layers = list(system.text.model.encoder.layers)
    assert [isinstance(layer, LateFusionEncoderLayer) for layer in layers] == [False] * 5 + [True]
    fusion = layers[-1].fusion
    assert (fusion.gate.in_features, fusion.gate.out_features) == (toys.WIDTH + 32, toys.WIDTH)
    assert (fusion.output.in_features, fusion.output.out_features) == (32 + toys.WIDTH, 32)
    temporal = system.get_submodule("temporal")
    assert isinstance(temporal, nn.TransformerEncoder) and len(temporal.layers) == 4
    layer = temporal.layers[0]
    assert isinstance(layer, nn.TransformerEncoderLayer)
    assert layer.self_attn.num_heads == 8 and layer.linear1.out_features == toys.WIDTH
    assert layer.activation is nn.functional.relu


def test_mffg_reads_through_a_gate_and_ends_in_a_rectifier() -> None:
    """X = 2 of width 1 reads Y = (8, 0) and (0, 4) of width 2, by scores 2 * (1, 0) Y^T / 8 = (2, 0).

    a = sigmoid(2), Z = (8 a, 4 - 4 a). G = sigmoid(0.5 Z_1), sigmoid(-0.5 X). Memory is Z + (1, 0).
    X' = ReLU(X + 0.5 X + 0.25 G_1 (Z_1 + 1) - G_2 Z_2), and with an output bias of -9 it is zero.
    """
    reading = GatedReading(1, 2)
    assert reading.gate.bias is None and reading.query.bias is None
    fill(reading.query, [[1.0], [0.0]])
    fill(reading.memory, [[1.0, 0.0], [0.0, 1.0]], [1.0, 0.0])
    fill(reading.gate, [[0.0, 0.5, 0.0], [-0.5, 0.0, 0.0]])
    fill(reading.output, [[0.5, 0.25, -1.0]], [0.0])
    reader, read = torch.tensor([[[2.0]]]), torch.tensor([[[8.0, 0.0], [0.0, 4.0]]])
    mask = torch.ones(1, 2, dtype=torch.bool)
    a = sigmoid(2.0)
    first, second = 8 * a, 4 - 4 * a
    torch.testing.assert_close(reading.attention(reader, read, mask), torch.tensor([[[a, 1 - a]]]))
    expected = 2 + 1 + 0.25 * sigmoid(0.5 * first) * (first + 1) - sigmoid(-1.0) * second
    torch.testing.assert_close(reading(reader, read, mask), torch.tensor([[[expected]]]))
    with torch.no_grad():
        reading.output.bias.fill_(-9.0)
    assert reading(reader, read, mask).item() == 0.0


def test_mffg_fuses_once_after_the_encoder_and_frames_read_the_fused_text(tmp_path: Path) -> None:
    system = toys.enliven(toys.system("mffg", tmp_path)).eval()
    assert isinstance(system, MFFG)
    assert not any(isinstance(layer, FusionEncoderLayer | LateFusionEncoderLayer) for layer in system.text.model.encoder.layers)
    plain = system.encode_text(toys.batch()).states_BSH
    calls: list[tuple[str, Tensor, Tensor, Tensor]] = []
    for name in ("to_text", "to_frames"):
        system.get_submodule(name).register_forward_hook(
            lambda _, inputs, output, name=name: calls.append((name, inputs[0], inputs[1], output))
        )
    system.encode(toys.batch())
    (first, text, frames, fused), (second, reader, read, _) = calls
    assert (first, second) == ("to_text", "to_frames")
    torch.testing.assert_close(text, plain)
    assert reader is frames and read is fused
    batch = toys.batch()
    assert batch.frames is not None
    torch.testing.assert_close(frames, nn.functional.normalize(batch.frames, dim=-1) + system.positions)


def test_mffg_weighs_sources_in_the_first_decoder_layer_over_one_map(tmp_path: Path) -> None:
    """Two equal contexts have equal energies, whatever the map; contexts are normalised alike before they are mixed."""
    decoder = toys.enliven(toys.system("mffg", tmp_path)).eval().text.model.decoder
    assert [isinstance(layer.encoder_attn, HierarchicalAttention) for layer in decoder.layers] == [True, False]
    fusion = decoder.layers[0].encoder_attn.fusion
    assert isinstance(fusion, SharedMap)
    with torch.no_grad():
        fusion.text_bias.zero_()
    state, context = torch.randn(1, 2, 32), torch.randn(1, 2, 32)
    beta = fusion.weights(state, (context, context), torch.tensor([True]))
    torch.testing.assert_close(beta, torch.full((1, 2, 2), 0.5))
    torch.testing.assert_close(
        fusion(state, (context, 3 * context + 1), torch.tensor([True])), fusion.norm(context), atol=1e-4, rtol=1e-3
    )


def test_heads_that_do_not_divide_the_width_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"8 heads .* do not divide the feature width 12"):
        create("vg_bart", text_folder=toys.text_model(tmp_path), settings=toys.model_settings(), feature_width=12, max_frames=6)
