"""Hierarchical attention in the decoder: two sources, their weights, and the key/value cache."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.base.params import Generate
from pipeline.models.parts.hierarchical import HierarchicalAttention, SourceFusion, SourceMaps, TextAttention
from pipeline.models.parts.summarizer import Summarizer
from tests import toys

CLOSE = {"atol": 3e-5, "rtol": 1e-4}


def lively(row: str, folder: Path) -> Summarizer:
    return toys.enliven(toys.system(row, folder)).eval()


def test_a_decoder_weighs_both_sources_and_never_missing_frames() -> None:
    torch.manual_seed(0)
    fusion = SourceMaps(32, text_bias=0.0)
    state, contexts = torch.randn(2, 4, 32), (torch.randn(2, 4, 32), torch.randn(2, 4, 32))
    beta = fusion.weights(state, contexts, torch.tensor([True, False]))
    torch.testing.assert_close(beta.sum(dim=-1), torch.ones(2, 4))
    assert (beta[0] > 0).all()
    assert beta[1].unique().tolist() == [0.0, 1.0] and not beta[1, :, 1].any()


def test_a_decoder_s_attention_over_frames_is_a_mean(tmp_path: Path) -> None:
    """Weights that sum to one give equal frames the same result, however many there are."""
    attention = lively("ha", tmp_path).text.model.decoder.layers[0].encoder_attn
    assert isinstance(attention, HierarchicalAttention)
    state, text, frame = torch.randn(1, 3, 32), torch.randn(1, 5, 32), torch.randn(1, 1, 32)
    memory = torch.cat([text, frame.expand(1, toys.FRAMES, 32)], dim=1)
    outputs = []
    for frames in (1, 3, toys.FRAMES):
        mask = torch.cat([torch.ones(5), torch.arange(toys.FRAMES) < frames]).bool()[None, None, None]
        outputs.append(attention(state, memory, attention_mask=mask.expand(1, 1, 3, -1))[0])
    torch.testing.assert_close(outputs[0], outputs[1], **CLOSE)
    torch.testing.assert_close(outputs[0], outputs[2], **CLOSE)
    everything = attention(state, memory)[0]  # no mask: every place is real
    torch.testing.assert_close(everything, outputs[2], **CLOSE)


def test_an_untrained_decoder_passes_the_pretrained_result_on(tmp_path: Path) -> None:
    """Without frames the text has all the weight, so HA starts as plain BART."""
    system, plain = toys.system("ha", tmp_path / "a").eval(), toys.system("bart", tmp_path / "b").eval()
    batch = toys.batch()
    assert batch.frame_mask_BM is not None
    blind = replace(batch, frame_mask_BM=torch.zeros_like(batch.frame_mask_BM))
    torch.testing.assert_close(toys.logits(system, blind), toys.logits(plain, batch), **CLOSE)


@pytest.mark.parametrize("row", ["ha", "mffg"])
def test_frames_are_projected_once_for_a_whole_summary(row: str, tmp_path: Path) -> None:
    system, calls = lively(row, tmp_path), []
    fusion = system.text.model.decoder.layers[0].encoder_attn.fusion
    hook = fusion.key.register_forward_hook(lambda *_: calls.append(1))
    ids = system.generate(toys.mixed_batch(), Generate(beams=2, max_tokens=8, no_repeat_ngram=0))
    hook.remove()
    assert ids.shape[1] > 3
    assert len(calls) == 1


@pytest.mark.parametrize("model", ["ha", "mffg"])
def test_attention_over_sources_starts_in_favour_of_text_by_the_bias(model: str, tmp_path: Path) -> None:
    """Energies are equal when what scores them is zero, so beta is the softmax of the bias and zero."""
    fusion = toys.system(model, tmp_path, text_bias=2.0).text.model.decoder.layers[0].encoder_attn.fusion
    assert isinstance(fusion, SourceFusion) and fusion.text_bias.requires_grad
    with torch.no_grad():
        fusion.score.weight.zero_()
    contexts = (torch.randn(1, 3, 32), torch.randn(1, 3, 32))
    beta = fusion.weights(torch.randn(1, 3, 32), contexts, torch.tensor([True]))
    torch.testing.assert_close(beta, torch.tensor([2.0, 0.0]).softmax(0).expand(1, 3, 2))


def test_only_the_first_layers_see_frames_and_the_others_the_text_alone(tmp_path: Path) -> None:
    attentions = [layer.encoder_attn for layer in lively("mffg", tmp_path).text.model.decoder.layers]
    assert [type(attention) for attention in attentions] == [HierarchicalAttention, TextAttention]
    assert [type(layer.encoder_attn) for layer in lively("ha", tmp_path).text.model.decoder.layers] == [HierarchicalAttention] * 2
    state, memory = torch.randn(1, 3, 32), torch.randn(1, 5 + toys.FRAMES, 32)
    other = memory.clone()
    other[:, 5:] = torch.randn(1, toys.FRAMES, 32)
    first, second = attentions
    assert (first(state, memory)[0] - first(state, other)[0]).abs().max() > 1e-3
    torch.testing.assert_close(
        second(state, key_value_states=memory)[0], second(state, key_value_states=other)[0], rtol=0, atol=0
    )
