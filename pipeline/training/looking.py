"""Could a system look at its frames? Measured while it computes the loss of the validation split, before training and after.

- `entropy`: of the attention weights over a video's frames, divided by log M, the entropy of uniform weights. At 1 every frame
  counts alike, so attention is no more than a mean.
- `update`: the length of what fusion adds to a text state (before dropout, residual and normalisation) over that of the state.

For attention in the decoder (`pipeline.models.parts.hierarchical`), the update is the frames' share of the context beside the
text's.

Shapes: B batch, Q queries, M frames, H text width.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pipeline.models.parts.hierarchical import HierarchicalAttention
from pipeline.models.parts.summarizer import Summarizer

_OTHER_WAY = "to_frames"  # of MFFG: frames that read text


class Watched:
    """What was seen while a system ran: one mean a call, weighted by the number of queries."""

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = {"entropy": [0.0, 0.0], "update": [0.0, 0.0]}

    def add(self, name: str, values: Tensor) -> None:
        total = self._sums[name]
        total[0] += float(values.double().sum())
        total[1] += values.numel()

    @property
    def means(self) -> dict[str, float | None]:
        """`entropy` and `update`; None for a system without attention over frames."""
        return {name: round(total / count, 6) if count else None for name, (total, count) in self._sums.items()}


@contextmanager
def watching(system: Summarizer) -> Iterator[Watched]:
    """While the block runs, note what every attention over frames of `system` does."""
    watched = Watched()
    wrapped: list[tuple[Any, str]] = []

    def wrap(module: Any, name: str, note: Callable[..., None]) -> None:
        original = getattr(module, name)

        def call(*arguments: Any) -> Any:
            result = original(*arguments)
            note(result, *arguments)
            return result

        object.__setattr__(module, name, call)
        wrapped.append((module, name))

    for name, module in system.named_modules():
        if isinstance(module, HierarchicalAttention):
            wrap(module, "attend_frames", lambda _, query, keys, values, mask: _note_heads(watched, query, keys, mask))
            wrap(module.fusion, "shares", lambda shares, *_: watched.add("update", _ratio(shares[1], shares[0])))
        elif hasattr(module, "attention") and hasattr(module, "update") and not name.endswith(_OTHER_WAY):
            wrap(module, "attention", lambda weights, text, frames, mask: _note_weights(watched, weights, mask))
            wrap(module, "update", lambda update, text, attended: watched.add("update", _ratio(update, text)))
    try:
        yield watched
    finally:
        for module, name in wrapped:
            object.__delattr__(module, name)


def _note_heads(watched: Watched, query_BNLh: Tensor, keys_BNMh: Tensor, mask_B11M: Tensor) -> None:
    scores = query_BNLh @ keys_BNMh.transpose(-1, -2) / query_BNLh.shape[-1] ** 0.5
    weights = scores.masked_fill(~mask_B11M, torch.finfo(scores.dtype).min).softmax(dim=-1)
    _note_weights(watched, weights.mean(dim=1), mask_B11M[:, 0, 0])


def _note_weights(watched: Watched, weights_BQM: Tensor, mask_BM: Tensor) -> None:
    entropy_BQ = torch.special.entr(weights_BQM.float()).sum(dim=-1)
    frames_B = mask_BM.sum(dim=-1)
    several_B = frames_B > 1  # one frame has no entropy
    watched.add("entropy", (entropy_BQ / frames_B.clamp(min=2).log()[:, None])[several_B])


def _ratio(update_BQH: Tensor, state_BQH: Tensor) -> Tensor:
    ratio_BQ: Tensor = update_BQH.float().norm(dim=-1) / state_BQH.float().norm(dim=-1).clamp(min=1e-9)
    return ratio_BQ
