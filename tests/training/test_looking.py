"""Could it look? Entropy and update by hand, for every system that sees frames, without changing what it computes."""

import math
from pathlib import Path

import pytest
import torch

from pipeline.models.parts.fusion import CrossModalFusion
from pipeline.training.looking import watching
from tests import toys

SIGHTED = ("clipsum", "vg_bart", "mffg", "ha")


@pytest.mark.parametrize("model", SIGHTED)
def test_every_system_with_attention_over_frames_is_watched(model: str, tmp_path: Path) -> None:
    system, batch = toys.system(model, tmp_path).eval(), toys.mixed_batch()
    before = toys.logits(system, batch)
    with watching(system) as watched:
        seen = toys.logits(system, batch)
    assert torch.equal(before, seen) and torch.equal(before, toys.logits(system, batch))
    means = watched.means
    assert means["entropy"] is not None and 0 < means["entropy"] <= 1 + 1e-6
    assert means["update"] is not None and means["update"] > 0
    assert not any("attention" in vars(module) or "update" in vars(module) for module in system.modules()), "all put back"


def test_a_system_without_frames_has_nothing_to_watch(tmp_path: Path) -> None:
    system = toys.system("bart", tmp_path).eval()
    with watching(system) as watched, torch.no_grad():
        system(toys.batch())
    assert watched.means == {"entropy": None, "update": None}


def test_uniform_attention_has_entropy_one_and_attention_to_one_frame_none(tmp_path: Path) -> None:
    system, batch = toys.clipsum(tmp_path).eval(), toys.mixed_batch()
    (fusion,) = (module for module in system.modules() if isinstance(module, CrossModalFusion))
    with torch.no_grad():
        for layer in (fusion.query, fusion.key):
            layer.weight.zero_()
            layer.bias.zero_()
    with watching(system) as watched, torch.no_grad():
        system(batch)
    assert watched.means["entropy"] == pytest.approx(1.0, abs=1e-5)
    with torch.no_grad():
        fusion.query.bias.fill_(1.0)
        fusion.key.weight.copy_(1000 * torch.randn(fusion.key.weight.shape, generator=torch.Generator().manual_seed(0)))
    with watching(system) as watched, torch.no_grad():
        system(batch)
    entropy = watched.means["entropy"]
    assert entropy is not None and entropy < 0.1


def test_the_update_is_measured_beside_the_state(tmp_path: Path) -> None:
    system, batch = toys.clipsum(tmp_path).eval(), toys.batch()
    (fusion,) = (module for module in system.modules() if isinstance(module, CrossModalFusion))
    with torch.no_grad():
        fusion.output.weight.zero_()
        fusion.output.bias.fill_(2.0)
    lengths = []
    handle = fusion.register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].norm(dim=-1)))
    with watching(system) as watched, torch.no_grad():
        system(batch)
    handle.remove()
    update = 2.0 * math.sqrt(fusion.output.out_features)
    assert watched.means["update"] == pytest.approx(float((update / lengths[0]).mean()), rel=1e-4)
