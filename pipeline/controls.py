"""Controls without training: a trained system is shown other frames than the video's own, and should notice.

- `swapped`: all frames of another video of the split, every video used once.
- `shuffled`: the own frames in random order: what is left when time is lost.
- `first`: the first frame alone: what is left when only one moment is seen.
- `zeros`: as many frames as before, all zero: what the mere presence of frames does.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.visual import VisualStore

CONTROLS = ("swapped", "shuffled", "first", "zeros")


def controlled(store: VisualStore, video_ids: Sequence[str], control: str, *, seed: int) -> VisualStore:
    """The store as the videos `video_ids` of one split see it under `control`; other videos are left out.

    `seed` decides partners and orders. An unknown control, or `swapped` with fewer than two videos, is a `ValueError`.
    """
    if control not in CONTROLS:
        raise ValueError(f"dvc.yaml: control {control!r} is none of {', '.join(CONTROLS)}")
    seen = [video_id for video_id in video_ids if video_id in store.starts]
    if control == "swapped":
        shown = dict(zip(video_ids, swap_videos(video_ids, seed=seed), strict=True))
        return replace(
            store,
            starts={video_id: store.starts[other] for video_id, other in shown.items() if other in store.starts},
            lengths={video_id: store.lengths[other] for video_id, other in shown.items() if other in store.starts},
        )
    lengths = {video_id: store.lengths[video_id] for video_id in seen}
    if control == "first":
        starts = {video_id: store.starts[video_id] for video_id in seen}
        return replace(store, starts=starts, lengths=dict.fromkeys(seen, 1))
    if control == "zeros":
        longest = max(lengths.values(), default=0)
        values = np.zeros((longest, *store.values.shape[1:]), dtype=store.values.dtype)
        return replace(store, values=values, starts=dict.fromkeys(seen, 0), lengths=lengths)
    generator = np.random.default_rng(seed)
    orders = [store.starts[video_id] + generator.permutation(lengths[video_id]) for video_id in seen]
    ends = np.cumsum([len(order) for order in orders]).tolist()
    values = store.values[np.concatenate(orders)] if orders else store.values[:0]
    return replace(store, values=values, starts=dict(zip(seen, [0, *ends[:-1]], strict=True)), lengths=lengths)


def swap_videos(video_ids: Sequence[str], *, seed: int) -> list[str]:
    """For each video another one, every one used once."""
    if len(video_ids) < 2:
        raise ValueError("the control `swapped` needs at least two test videos")
    order = np.random.default_rng(seed).permutation(len(video_ids))
    partner = dict(zip(order, np.roll(order, 1), strict=True))
    return [video_ids[partner[position]] for position in range(len(video_ids))]
