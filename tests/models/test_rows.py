"""Behaviour that every row of the table must have, whatever its weights: the released code of the paper fails most of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from pipeline.base.params import Generate
from pipeline.models.mffg import GatedReading
from pipeline.models.parts.fusion import CrossModalFusion
from pipeline.models.parts.summarizer import Batch, Memory, Summarizer, create, group_of, load, save
from pipeline.models.vg_bart import DotProductFusion
from tests import toys

GENERATE = Generate(beams=3, max_tokens=12, no_repeat_ngram=3)
CLOSE = {"atol": 3e-5, "rtol": 1e-4}
ROWS: dict[str, tuple[str, dict[str, object]]] = {
    "bart": ("bart", {}),
    "t5": ("t5", {}),
    "ha": ("ha", {}),
    "mffg": ("mffg", {}),
    "vg_bart": ("vg_bart", {}),
    "clipsum": ("clipsum", {}),
    "clipsum, no temporal module": ("clipsum", {"temporal": False}),
    "clipsum, mean": ("clipsum", {"pooling": "mean"}),
    "clipsum, prefix": ("clipsum", {"fusion": "prefix"}),
    "clipsum, mean as prefix": ("clipsum", {"pooling": "mean", "fusion": "prefix"}),
}
BLIND = ("bart", "t5")
UNORDERED = ("clipsum, no temporal module", "clipsum, mean", "clipsum, mean as prefix")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Summarizer]:
    """A row's system in evaluation mode, made once. Weights are large enough for every part to matter."""
    systems: dict[str, Summarizer] = {}

    def make(row: str) -> Summarizer:
        if row not in systems:
            model, changes = ROWS[row]
            systems[row] = toys.enliven(toys.system(model, tmp_path_factory.mktemp("text"), **changes)).eval()
        return systems[row]

    return make


@pytest.fixture(params=ROWS)
def row(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def system(row: str, made: Callable[[str], Summarizer]) -> Summarizer:
    return made(row)


def alone(batch: Batch, video: int) -> Batch:
    """One video of a batch, its text cut to its own length and its frames to their number, but one place at least."""
    assert batch.frames is not None and batch.frame_mask_BM is not None
    one = Batch(**{name: value[video : video + 1] for name, value in vars(batch).items()})
    tokens, frames = int(batch.token_mask_BT[video].sum()), max(1, int(batch.frame_mask_BM[video].sum()))
    return replace(
        one,
        tokens_BT=one.tokens_BT[:, :tokens],
        token_mask_BT=one.token_mask_BT[:, :tokens],
        frames=batch.frames[video : video + 1, :frames],
        frame_mask_BM=batch.frame_mask_BM[video : video + 1, :frames],
    )


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


def real(memory: Memory, video: int) -> Tensor:
    return memory.states_BSH[video][memory.mask_BS[video].bool()]


def test_output_does_not_depend_on_padding_or_masked_frames(system: Summarizer) -> None:
    batch = toys.batch(tokens=9, frames=4)
    padded = with_padding(batch, tokens=5, frames=2)
    torch.testing.assert_close(real(system.encode(padded), 1), real(system.encode(batch), 1), **CLOSE)
    torch.testing.assert_close(toys.logits(system, padded), toys.logits(system, batch), **CLOSE)
    torch.testing.assert_close(system(padded), system(batch), **CLOSE)


def test_output_and_generation_do_not_depend_on_batch_mates(system: Summarizer) -> None:
    batch = toys.mixed_batch()
    together, generated = toys.logits(system, batch), system.generate(batch, GENERATE)
    texts = set()
    for video in range(4):
        single = alone(batch, video)
        torch.testing.assert_close(toys.logits(system, single)[0], together[video], **CLOSE)
        ids, own = generated[video].tolist(), system.generate(single, GENERATE)[0].tolist()
        length = max(len(ids), len(own))
        padded = [row + [1] * (length - len(row)) for row in (ids, own)]
        assert padded[0] == padded[1]
        texts.add(tuple(own))
    assert len(texts) > 1, "every video gets the same text, so this test sees nothing"


def test_generation_with_and_without_the_cache_is_the_same(system: Summarizer) -> None:
    batch = toys.mixed_batch()
    memory = system.encode(batch)
    for beams in (1, 3):
        cached, uncached = (
            system.text.generate(
                attention_mask=memory.mask_BS, encoder_outputs=BaseModelOutput(last_hidden_state=memory.states_BSH),
                num_beams=beams, max_length=12, do_sample=False, use_cache=use_cache,
            ).tolist()
            for use_cache in (True, False)
        )  # fmt: skip
        assert cached == uncached


def test_frames_matter_and_their_order_matters_where_the_system_has_order(row: str, system: Summarizer) -> None:
    batch = toys.batch()
    assert batch.frames is not None
    shown = toys.logits(system, batch)
    others = (toys.logits(system, replace(batch, frames=batch.frames.flip(0))) - shown).abs().max()
    reordered = (toys.logits(system, replace(batch, frames=batch.frames.flip(1))) - shown).abs().max()
    assert others == 0 if row in BLIND else others > 1e-2
    assert reordered < 3e-5 if row in (*BLIND, *UNORDERED) else reordered > 1e-3


def test_a_video_without_frames_is_finite_and_ignores_what_is_masked(system: Summarizer) -> None:
    batch = toys.batch()
    assert batch.frames is not None and batch.frame_mask_BM is not None
    blind = replace(batch, frame_mask_BM=torch.zeros_like(batch.frame_mask_BM))
    output = toys.logits(system, blind)
    assert output.isfinite().all()
    torch.testing.assert_close(toys.logits(system, replace(blind, frames=batch.frames * 3 + 1)), output, **CLOSE)
    system.zero_grad()
    system(blind).backward()
    assert all(parameter.grad.isfinite().all() for parameter in system.parameters() if parameter.grad is not None)
    system.zero_grad()


def test_gradient_reaches_every_trainable_parameter(row: str, system: Summarizer) -> None:
    system.zero_grad()
    system(toys.batch()).backward()
    # Keys have no bias that matters: adding a constant to all keys changes no softmax.
    ineffective = ["key.bias", "k_proj.bias"]
    if row == "clipsum, mean":  # attention over one vector is 1 whatever the query
        ineffective += ["fusion.query.weight", "fusion.query.bias", "fusion.key.weight"]
    without = [
        name
        for name, parameter in system.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.abs().max() > 1e-12)
    ]
    assert [name for name in without if not name.endswith(tuple(ineffective))] == []
    system.zero_grad()


def test_groups_split_the_system_into_what_was_pretrained_and_what_is_new(row: str, system: Summarizer, tmp_path: Path) -> None:
    plain = toys.system("t5" if row == "t5" else "bart", tmp_path)
    pretrained = {name for name, _ in plain.named_parameters()}
    groups = {name: group_of(name) for name, _ in system.named_parameters()}
    assert {name for name, group in groups.items() if group == "pretrained"} == pretrained
    parts = system.trained_parts()
    sizes = {name: parameter.numel() for name, parameter in system.named_parameters()}
    assert parts == {
        "pretrained": {"parameters": sum(sizes[name] for name in pretrained)},
        "new": {"parameters": sum(sizes.values()) - sum(sizes[name] for name in pretrained)},
        "image_encoder": {"parameters": 0, "blocks": []},
    }
    assert bool(parts["new"]["parameters"]) == (row not in BLIND)


def test_pretrained_weights_are_kept(row: str, tmp_path: Path) -> None:
    model, changes = ROWS[row]
    fused = toys.system(model, tmp_path / "row", **changes).state_dict()
    for name, tensor in toys.system("t5" if model == "t5" else "bart", tmp_path / "plain").state_dict().items():
        torch.testing.assert_close(fused[name], tensor, rtol=0, atol=0)


def test_a_checkpoint_rebuilds_the_system_alone(system: Summarizer, tmp_path: Path) -> None:
    save(system, tmp_path)
    again, batch = load(tmp_path), toys.mixed_batch()
    torch.testing.assert_close(again(batch), system(batch), rtol=0, atol=0)
    assert again.generate(batch, GENERATE).tolist() == system.generate(batch, GENERATE).tolist()
    assert again.text.lm_head.weight is again.text.get_input_embeddings().weight


def test_mixed_precision_stays_near(system: Summarizer) -> None:
    batch = toys.mixed_batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = system(batch)
        assert system.generate(batch, GENERATE).shape[0] == 4
    torch.testing.assert_close(rounded.float(), system(batch), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    "fusion",
    [CrossModalFusion(32, 0.0), DotProductFusion(feature_width=32, text_width=32, dropout=0.0), GatedReading(32, 32)],
    ids=["clipsum", "vg_bart", "mffg"],
)
def test_attention_sums_to_one_over_real_frames(fusion: Any) -> None:
    torch.manual_seed(0)
    mask = torch.tensor([[True] * 6, [True, True, False, False, False, False], [False] * 6])
    weights = fusion.attention(torch.randn(3, 5, 32), torch.randn(3, 6, 32), mask)
    torch.testing.assert_close(weights.sum(dim=-1)[:2], torch.ones(2, 5))
    assert not weights[1, :, 2:].any()
    assert not weights[2].any()


@pytest.mark.parametrize("row", ["ha", "mffg", "vg_bart"])
def test_other_rows_can_be_fine_tuned_too(row: str, tmp_path: Path) -> None:
    system = toys.system(row, tmp_path, finetuned=True).train()
    system(toys.batch(pixels=True)).backward()
    encoder = system.trained_parts()["image_encoder"]
    assert encoder["parameters"] > 0
    assert encoder["blocks"] == ["transformer.resblocks.1", "ln_post", "proj"]


def test_a_text_model_of_another_kind_names_dvc_yaml(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dvc\.yaml: model 'ha' needs `text: bart`, not 't5'"):
        create("ha", text_folder=toys.t5(tmp_path), settings=toys.model_settings(), feature_width=8, max_frames=2)


def test_a_prefix_without_room_names_the_parameter(made: Callable[[str], Summarizer]) -> None:
    system = made("clipsum, prefix")
    assert system.encode(toys.batch(tokens=64 - toys.FRAMES)).states_BSH.shape == (3, 64, 32)
    with pytest.raises(ValueError, match=r"text\.max_source_tokens.*lower it to 58"):
        system.encode(toys.batch(tokens=65 - toys.FRAMES))


@pytest.mark.parametrize("row", ["ha", "mffg", "clipsum"])
def test_more_frames_than_positions_is_an_error(row: str, made: Callable[[str], Summarizer]) -> None:
    with pytest.raises(ValueError, match="positions"):
        made(row).encode(toys.batch(frames=toys.FRAMES + 1))
