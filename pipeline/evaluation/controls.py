"""Controls without training: a trained system is shown other frames than the video's own, and should notice.

One entry each, read by stage `control` and by the report. A control of a row is one more entry in `dvc.yaml`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.features.frame_inputs import FrameInputs

CONTROL_SEED = 20  # which other video's frames are shown, and in which order


@dataclass(frozen=True)
class Control:
    """`show` gives the frames as the videos of one split see them; its last argument is the seed of partners and orders.

    For the report: `action` is what is done to the system named after it, `tests_use_of` what the summaries do without if
    that does no harm.
    """

    name: str
    action: str
    tests_use_of: str
    show: Callable[["FrameInputs", Sequence[str], int], "FrameInputs"]


def controlled(frames: "FrameInputs", video_ids: Sequence[str], control: str, *, seed: int) -> "FrameInputs":
    """The frames as the videos `video_ids` of one split see them under `control`; other videos are left out.

    `seed` decides partners and orders. An unknown control, or `swapped` with fewer than two videos, is a `ValueError`.
    """
    if control not in CONTROLS:
        raise ValueError(f"dvc.yaml: control {control!r} is none of {', '.join(CONTROLS)}")
    return CONTROLS[control].show(frames, video_ids, seed)


def swap_videos(video_ids: Sequence[str], *, seed: int) -> list[str]:
    """For each video another one, every one used once."""
    if len(video_ids) < 2:
        raise ValueError("the control `swapped` needs at least two test videos")
    order = np.random.default_rng(seed).permutation(len(video_ids))
    partner = dict(zip(order, np.roll(order, 1), strict=True))
    return [video_ids[partner[position]] for position in range(len(video_ids))]


def _swapped(frames: "FrameInputs", video_ids: Sequence[str], seed: int) -> "FrameInputs":
    """All frames of another video of the split, every video used once."""
    shown = dict(zip(video_ids, swap_videos(video_ids, seed=seed), strict=True))
    return replace(
        frames,
        starts={video_id: frames.starts[other] for video_id, other in shown.items() if other in frames.starts},
        lengths={video_id: frames.lengths[other] for video_id, other in shown.items() if other in frames.starts},
    )


def _shuffled(frames: "FrameInputs", video_ids: Sequence[str], seed: int) -> "FrameInputs":
    """The own frames in random order: what is left when time is lost."""
    lengths = _lengths(frames, video_ids)
    generator = np.random.default_rng(seed)
    orders = [frames.starts[video_id] + generator.permutation(length) for video_id, length in lengths.items()]
    ends = np.cumsum([len(order) for order in orders]).tolist()
    values = frames.values[np.concatenate(orders)] if orders else frames.values[:0]
    return replace(frames, values=values, starts=dict(zip(lengths, [0, *ends[:-1]], strict=True)), lengths=lengths)


def _first(frames: "FrameInputs", video_ids: Sequence[str], seed: int) -> "FrameInputs":
    """The first frame alone: what is left when only one moment is seen."""
    seen = _lengths(frames, video_ids)
    return replace(frames, starts={video_id: frames.starts[video_id] for video_id in seen}, lengths=dict.fromkeys(seen, 1))


def _zeros(frames: "FrameInputs", video_ids: Sequence[str], seed: int) -> "FrameInputs":
    """As many frames as before, all zero: what the mere presence of frames does."""
    lengths = _lengths(frames, video_ids)
    longest = max(lengths.values(), default=0)
    values = np.zeros((longest, *frames.values.shape[1:]), dtype=frames.values.dtype)
    return replace(frames, values=values, starts=dict.fromkeys(lengths, 0), lengths=lengths)


def _lengths(frames: "FrameInputs", video_ids: Sequence[str]) -> dict[str, int]:
    return {video_id: frames.lengths[video_id] for video_id in video_ids if video_id in frames.starts}


CONTROLS = {
    control.name: control
    for control in (
        Control("swapped", "Showing another video's frames to", "what the frames show", _swapped),
        Control("shuffled", "Shuffling the frames of", "the order of the frames", _shuffled),
        Control("first", "Showing only the first frame to", "any frame but the first", _first),
        Control("zeros", "Putting zeros in place of the frames of", "the content of the frames", _zeros),
    )
}
