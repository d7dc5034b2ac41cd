"""Controls: what each leaves of a video's frames, on features and on pixels."""

from itertools import combinations

import numpy as np
import pytest

from pipeline.evaluation import controls
from pipeline.evaluation.controls import CONTROLS, controlled, swap_videos
from pipeline.features.frame_inputs import FrameInputs

LENGTHS = {"a": 3, "b": 1, "c": 4, "other split": 2}
SPLIT = ["c", "a", "b", "no frames"]


def store(shape: tuple[int, ...] = (2,), dtype: type = np.float16) -> FrameInputs:
    """Row r of the store holds r + 1 everywhere."""
    rows = sum(LENGTHS.values())
    values = (np.arange(rows).reshape(-1, *(1 for _ in shape)) + np.ones((1, *shape))).astype(dtype)
    starts = dict(zip(LENGTHS, [0, *np.cumsum(list(LENGTHS.values()))[:-1].tolist()], strict=True))
    return FrameInputs(values=values, starts=starts, lengths=dict(LENGTHS), max_frames=4, footer={})


def seen(control: str, *, seed: int = 0, shape: tuple[int, ...] = (2,), dtype: type = np.float16) -> dict[str, list[int]]:
    shown = controlled(store(shape, dtype), SPLIT, control=control, entities={}, draw=seed)
    frames, mask = shown.gather(SPLIT)
    assert frames.shape[2:] == shape
    return {
        video: [int(frame.flatten()[0]) for frame, real in zip(row, kept, strict=True) if real]
        for video, row, kept in zip(SPLIT, frames, mask, strict=True)
    }


OWN = {"c": [5, 6, 7, 8], "a": [1, 2, 3], "b": [4], "no frames": []}


@pytest.mark.parametrize(("shape", "dtype"), [((2,), np.float16), ((3, 4, 4), np.uint8)])
def test_what_is_left_of_the_frames(shape: tuple[int, ...], dtype: type) -> None:
    swapped = seen("swapped", shape=shape, dtype=dtype)
    assert sorted(swapped.values()) == sorted(OWN.values())
    assert all(swapped[video] != OWN[video] for video in OWN)
    shuffled = seen("shuffled", shape=shape, dtype=dtype)
    assert {video: sorted(rows) for video, rows in shuffled.items()} == OWN
    assert seen("first", shape=shape, dtype=dtype) == {"c": [5], "a": [1], "b": [4], "no frames": []}
    assert seen("zeros", shape=shape, dtype=dtype) == {"c": [0] * 4, "a": [0] * 3, "b": [0], "no frames": []}


def test_order_is_lost_under_some_seed_and_the_same_under_the_same() -> None:
    assert any(seen("shuffled", seed=seed) != OWN for seed in range(3))
    for control in CONTROLS:
        assert seen(control, seed=4) == seen(control, seed=4)


def test_every_video_is_shown_once_and_never_its_own() -> None:
    ids = [f"v{number}" for number in range(30)]
    shown = swap_videos(ids, {}, seed=3)
    assert sorted(shown) == sorted(ids)
    assert all(own != other for own, other in zip(ids, shown, strict=True))
    assert shown == swap_videos(ids, {}, seed=3)
    draws = [swap_videos(ids, {}, seed=seed) for seed in range(5)]
    assert all(sum(a == b for a, b in zip(one, other, strict=True)) < 10 for one, other in combinations(draws, 2))


def test_partners_share_no_entity_where_that_can_be_had() -> None:
    names = ("egg", "fish", "leek", "corn", "kale")
    entities = {f"v{number}": {names[number % 5], names[(number + 1) % 5]} for number in range(30)}
    for seed in range(5):
        shown = swap_videos(list(entities), entities, seed=seed)
        assert all(not entities[own] & entities[other] for own, other in zip(entities, shown, strict=True))
    crowded = {"a": {"egg"}, "b": {"egg"}, "c": {"fish"}}
    assert sorted(swap_videos(list(crowded), crowded, seed=0)) == ["a", "b", "c"]
    assert all(own != other for own, other in zip(crowded, swap_videos(list(crowded), crowded, seed=0), strict=True))


def test_many_videos_find_their_partners_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "_BLOCK", 10)
    names = ("egg", "fish", "leek", "corn", "kale")
    entities = {f"v{number:02d}": {names[number % 5]} for number in range(35)}
    shown = swap_videos(list(entities), entities, seed=1)
    assert sorted(shown) == sorted(entities) and shown == swap_videos(list(entities), entities, seed=1)
    assert all(own != other for own, other in zip(entities, shown, strict=True))
    shared = sum(bool(entities[own] & entities[other]) for own, other in zip(entities, shown, strict=True))
    assert shared <= 3, "few of a part have no partner that differs"
    # Chance decides who is in a part: neighbours by id are not partners of each other alone.
    far = [abs(int(own[1:]) - int(other[1:])) > 10 for own, other in zip(entities, shown, strict=True)]
    assert sum(far) > 5


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two"):
        swap_videos(["v0"], {}, seed=3)
    with pytest.raises(ValueError, match="'mirrored' is none of swapped, shuffled, first, zeros"):
        controlled(store(), SPLIT, control="mirrored", entities={})
