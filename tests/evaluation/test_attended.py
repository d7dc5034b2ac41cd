"""Frames attended to while a word is said: weights by hand, what has no such path, and what the stage writes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.evaluation import attended
from pipeline.features.schema import feature_schema
from pipeline.models.parts.summarizer import Batch, Summarizer
from tests import toys


def frames_of_tokens(system: Summarizer, batch: Batch) -> torch.Tensor:
    _, weights = attended.attention_of_tokens(system, batch)
    assert weights is not None
    return weights


def test_weights_are_the_product_of_two_attentions_and_sum_to_one(tmp_path: Path) -> None:
    system, batch = toys.clipsum(tmp_path).eval(), toys.batch(size=2)
    fusion = next(module for name, module in system.named_modules() if name.endswith("fusion"))
    with torch.no_grad():
        weights = frames_of_tokens(system, batch)
        alone = frames_of_tokens(system, toys.batch(size=2, tokens=1))
    assert weights.shape == (2, 7, toys.FRAMES)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 7), atol=1e-5)
    assert torch.allclose(alone, alone[:, :1].expand_as(alone), atol=1e-6), "one place of text has one attention over frames"
    assert "attention" not in vars(fusion), "put back"
    with torch.no_grad():
        for layer in (fusion.query, fusion.key):  # type: ignore[union-attr]
            layer.weight.zero_()  # type: ignore[union-attr, operator]
            layer.bias.zero_()  # type: ignore[union-attr, operator]
        uniform = frames_of_tokens(system, batch)
    assert torch.allclose(uniform, torch.full_like(uniform, 1 / toys.FRAMES), atol=1e-6)


def test_padding_and_batch_mates_change_no_weight(tmp_path: Path) -> None:
    system, batch = toys.clipsum(tmp_path).eval(), toys.mixed_batch()
    with torch.no_grad():
        together = frames_of_tokens(system, batch)
        assert batch.frame_mask_BM is not None
        for row, (tokens, frames) in enumerate(((9, 6), (5, 2), (7, 0), (9, 4))):
            alone = replace(
                batch,
                tokens_BT=batch.tokens_BT[row : row + 1, :tokens],
                token_mask_BT=batch.token_mask_BT[row : row + 1, :tokens],
                labels_BL=batch.labels_BL[row : row + 1],  # type: ignore[index]
                frames=batch.frames[row : row + 1],  # type: ignore[index]
                frame_mask_BM=batch.frame_mask_BM[row : row + 1],
            )
            assert torch.allclose(frames_of_tokens(system, alone), together[row : row + 1], atol=1e-5)
            assert together[row, :, frames:].abs().max() == 0 if frames < toys.FRAMES else True


@pytest.mark.parametrize(
    ("model", "changes", "expected"),
    [
        ("clipsum", {}, True),
        ("clipsum", {"fusion": "prefix"}, False),
        ("clipsum", {"pooling": "mean"}, False),
        ("ha", {}, False),
        ("mffg", {}, False),
    ],
)
def test_systems_without_such_a_path_are_told(model: str, changes: dict[str, str], expected: bool, tmp_path: Path) -> None:
    assert attended.has_path(toys.system(model, tmp_path, **changes)) is expected


def test_an_entity_has_the_mean_over_its_tokens_wherever_it_is_named() -> None:
    text = "Fry egg and red pepper, egg"
    offsets = [(0, 0), (0, 3), (3, 7), (7, 11), (11, 15), (15, 18), (18, 22), (22, 23), (23, 27), (0, 0)]
    weights = torch.eye(10)
    found = attended._by_entity(text, offsets, weights, frozenset({"egg", "red pepper", "leek"}))
    assert list(found) == ["egg", "red pepper"]
    assert found["egg"] == [0, 0, 0.5, 0, 0, 0, 0, 0, 0.5, 0]
    assert found["red pepper"][4:7] == pytest.approx([1 / 3] * 3, abs=1e-4)


def test_what_frames_show_is_read_from_features_that_cannot_err(tmp_path: Path) -> None:
    schema = feature_schema(2, {"entities": "egg, red pepper"})
    values = pa.array(np.array([0, 1, 0, 0, 1, 1], dtype=np.float16))
    columns = [pa.array(["a", "a", "b"]), pa.array([0, 7, 0], pa.int32()), pa.array([0.0, 1.5, 0.0])]
    table = pa.table([*columns, pa.FixedSizeListArray.from_arrays(values, 2)], schema=schema)
    pq.write_table(table, tmp_path / "00000.parquet")
    assert attended._shown(tmp_path) == {("a", 0): {"red pepper"}, ("a", 7): set(), ("b", 0): {"egg", "red pepper"}}
    assert attended._seconds(tmp_path) == {"a": {("a", 0): 0.0, ("a", 7): 1.5}, "b": {("b", 0): 0.0}}
    assert attended._shown(tmp_path / "nothing") == {}
