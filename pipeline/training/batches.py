"""Videos of one split as padded batches of text and frames.

Shapes: B batch, T source tokens, L target tokens, M frames.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from pipeline.base.files import readable
from pipeline.base.params import Text
from pipeline.base.paths import WEIGHTS
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import IGNORED, Batch
from pipeline.scoring.entity import Entities

Tokens = NDArray[np.int32]
_AT_A_TIME = 256  # texts: a tokenizer's own result is a hundred times as large as the tokens


@dataclass(frozen=True)
class Examples:
    """One split, tokenised once: int32 [T] and [L] of each video. `truncated` counts texts longer than the parameters allow."""

    video_ids: list[str]
    sources: list[Tokens]
    targets: list[Tokens]
    references: list[str]
    truncated: dict[str, int]
    pad: int
    entities: Entities | None = None

    def __len__(self) -> int:
        return len(self.video_ids)

    def batch(self, rows: Sequence[int], frame_inputs: FrameInputs | None) -> Batch:
        """The videos at `rows`."""
        frames, mask = None, None
        if frame_inputs is not None:
            frames, mask = frame_inputs.gather([self.video_ids[row] for row in rows])
        tokens = _pad([self.sources[row] for row in rows], self.pad)
        return Batch(
            tokens_BT=tokens,
            token_mask_BT=_pad([[1] * len(self.sources[row]) for row in rows], 0),
            labels_BL=_pad([self.targets[row] for row in rows], IGNORED),
            frames=frames,
            frame_mask_BM=mask,
        )

    def target_tokens(self, rows: Sequence[int]) -> int:
        """Over how many tokens the loss of `rows` is a mean."""
        return sum(len(self.targets[row]) for row in rows)

    def by_length(self, batch_size: int) -> Iterator[list[int]]:
        """Rows in batches of similar source length, longest first: least padding, and memory peaks at once."""
        order = sorted(range(len(self)), key=lambda row: (-len(self.sources[row]), row))
        return (order[start : start + batch_size] for start in range(0, len(order), batch_size))

    def shuffled(self, batch_size: int, *, seed: int) -> list[list[int]]:
        """Rows in random batches. Within pools of eight batches rows are sorted by length, to pad less."""
        generator = np.random.default_rng(seed)
        order = generator.permutation(len(self))
        batches: list[list[int]] = []
        for start in range(0, len(order), 8 * batch_size):
            pool = sorted(order[start : start + 8 * batch_size].tolist(), key=lambda row: len(self.sources[row]))
            batches += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
        return [batches[position] for position in generator.permutation(len(batches))]


def loaded(
    examples: Examples, seen: FrameInputs | None, batches: Sequence[Sequence[int]], device: torch.device
) -> Iterator[Batch]:
    """Batches on the device; the next one is read by a thread while this one is computed."""
    if not batches:
        return
    with ThreadPoolExecutor(max_workers=1) as reader:
        pending = reader.submit(examples.batch, batches[0], seen)
        for following in [*batches[1:], None]:
            batch = pending.result()
            if following is not None:
                pending = reader.submit(examples.batch, following, seen)
            yield (batch.pin_memory() if device.type == "cuda" else batch).to(device)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer beside the text model's weights, from local files only."""
    stage = f"weights@{folder.name}" if folder.parent == WEIGHTS else f"--glob 'train*@{folder.parent.name}'"
    with readable(folder, stage=stage):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def read_examples(
    parts: Iterable[pd.DataFrame], *, text: Text, tokenizer: PreTrainedTokenizerBase, entities: Entities | None = None
) -> Examples:
    """Videos as `pipeline.corpus.table.usable_parts` gives them (`video_id`, `source`, `summary`), tokenised part by part.

    `entities` are those of their split. No video at all is a `ValueError`.
    """
    found = Examples([], [], [], [], {"sources": 0, "targets": 0}, pad=int(tokenizer.pad_token_id), entities=entities)
    limits = {"sources": text.max_source_tokens, "targets": text.max_target_tokens}
    few = (part.iloc[start : start + _AT_A_TIME] for part in parts for start in range(0, len(part), _AT_A_TIME))
    for part in few:
        found.video_ids.extend(part["video_id"])
        found.references.extend(part["summary"])
        for name, column, rows in (("sources", "source", found.sources), ("targets", "summary", found.targets)):
            every = tokenizer(list(part[column]))["input_ids"]
            found.truncated[name] += sum(len(ids) > limits[name] for ids in every)
            rows.extend(np.array(_truncate(ids, limits[name]), dtype=np.int32) for ids in every)
    if not found.video_ids:
        raise ValueError("no video has both a text and a summary")
    return found


def _truncate(ids: list[int], limit: int) -> list[int]:
    return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]  # keeps the end mark


def _pad(rows: Sequence[Sequence[int] | Tokens], value: int) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(
        [torch.as_tensor(row, dtype=torch.int64) for row in rows], batch_first=True, padding_value=value
    )
