"""Controls without training: a trained system is shown other frames than the video's own, and should notice.

One entry each, read by stages `evaluate` and `control` and by the report. Every row that sees frames is shown those of another
video (`evaluate`); further controls of a row are an entry of `control` in `dvc.yaml`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.features.frame_inputs import FrameInputs

CONTROL_SEED = 20  # which other video's frames are shown, and in which order
_BLOCK = 1000  # videos at most among which a partner is sought

Entities = Mapping[str, Collection[str]]  # of each video


@dataclass(frozen=True)
class Shown:
    """The videos of one split, their entities, and the seed of partners and orders."""

    video_ids: Sequence[str]
    entities: Entities
    seed: int


@dataclass(frozen=True)
class Control:
    """`show` gives the frames as the videos of one split see them. Chance enters into some, so it is done `draws` times.

    For the report: `title` follows the system's, `action` is what is done to the system named after it, `tests_use_of` what the
    summaries do without if that does no harm.
    """

    name: str
    title: str
    action: str
    tests_use_of: str
    show: Callable[["FrameInputs", "Shown"], "FrameInputs"]
    draws: int = 1


def controlled(
    frames: "FrameInputs", video_ids: Sequence[str], *, control: str, entities: Entities, draw: int = 0
) -> "FrameInputs":
    """The frames as the videos `video_ids` of one split see them under `control`; other videos are left out.

    `draw` decides partners and orders. An unknown control, or `swapped` with fewer than two videos, is a `ValueError`.
    """
    if control not in CONTROLS:
        raise ValueError(f"control {control!r} is none of {', '.join(CONTROLS)}")
    return CONTROLS[control].show(frames, Shown(video_ids, entities, CONTROL_SEED + draw))


def swap_videos(video_ids: Sequence[str], entities: Entities, *, seed: int) -> list[str]:
    """For each video another one, every one used once; none that shares an entity with it, where that can be had.

    A partner that shows the same ingredient would be right by accident.
    """
    from scipy.optimize import linear_sum_assignment

    if len(video_ids) < 2:
        raise ValueError("the control `swapped` needs at least two test videos")
    own = [frozenset(entities.get(video, ())) for video in video_ids]
    generator = np.random.default_rng(seed)
    partners = np.arange(len(own))
    for block in _blocks(len(own), generator):
        sharing = np.array([[len(own[mine] & own[theirs]) for theirs in block] for mine in block], dtype=np.float64)
        np.fill_diagonal(sharing, len(block))  # never itself
        # A partner at random among the allowed: random costs decide, and a shared entity costs more than all of them together.
        costs = generator.random(sharing.shape) + len(block) * sharing
        _, places = linear_sum_assignment(costs)
        partners[block] = block[places]
    return [video_ids[partner] for partner in partners.tolist()]


def _blocks(videos: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Videos among which partners are sought: all, or, if they are many, parts of them by chance. The work grows with the square
    of a part.
    """
    parts = -(-videos // _BLOCK)
    return np.array_split(np.arange(videos) if parts == 1 else generator.permutation(videos), parts)


def _swapped(frames: "FrameInputs", shown_to: Shown) -> "FrameInputs":
    """All frames of another video of the split, every video used once."""
    partners = swap_videos(shown_to.video_ids, shown_to.entities, seed=shown_to.seed)
    shown = dict(zip(shown_to.video_ids, partners, strict=True))
    return replace(
        frames,
        starts={video_id: frames.starts[other] for video_id, other in shown.items() if other in frames.starts},
        lengths={video_id: frames.lengths[other] for video_id, other in shown.items() if other in frames.starts},
    )


def _shuffled(frames: "FrameInputs", shown: Shown) -> "FrameInputs":
    """The own frames in random order: what is left when time is lost."""
    lengths = _lengths(frames, shown.video_ids)
    generator = np.random.default_rng(shown.seed)
    orders = [frames.starts[video_id] + generator.permutation(length) for video_id, length in lengths.items()]
    ends = np.cumsum([len(order) for order in orders]).tolist()
    values = frames.values[np.concatenate(orders)] if orders else frames.values[:0]
    return replace(frames, values=values, starts=dict(zip(lengths, [0, *ends[:-1]], strict=True)), lengths=lengths)


def _first(frames: "FrameInputs", shown: Shown) -> "FrameInputs":
    """The first frame alone: what is left when only one moment is seen."""
    seen = _lengths(frames, shown.video_ids)
    return replace(frames, starts={video_id: frames.starts[video_id] for video_id in seen}, lengths=dict.fromkeys(seen, 1))


def _zeros(frames: "FrameInputs", shown: Shown) -> "FrameInputs":
    """As many frames as before, all zero: what the mere presence of frames does."""
    lengths = _lengths(frames, shown.video_ids)
    longest = max(lengths.values(), default=0)
    values = np.zeros((longest, *frames.values.shape[1:]), dtype=frames.values.dtype)
    return replace(frames, values=values, starts=dict.fromkeys(lengths, 0), lengths=lengths)


def _lengths(frames: "FrameInputs", video_ids: Sequence[str]) -> dict[str, int]:
    return {video_id: frames.lengths[video_id] for video_id in video_ids if video_id in frames.starts}


CONTROLS = {
    control.name: control
    for control in (
        Control(
            "swapped", "frames of another video", "Showing another video's frames to", "what the frames show", _swapped, draws=5
        ),
        Control("shuffled", "frames in random order", "Shuffling the frames of", "the order of the frames", _shuffled),
        Control("first", "first frame only", "Showing only the first frame to", "any frame but the first", _first),
        Control("zeros", "frames of zeros", "Putting zeros in place of the frames of", "the content of the frames", _zeros),
    )
}
