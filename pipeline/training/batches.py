"""Videos of one split as padded batches of text and frames.

Shapes: B batch, T source tokens, L target tokens, M frames.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from pipeline.base.files import readable
from pipeline.base.params import Text
from pipeline.base.paths import WEIGHTS
from pipeline.corpus.table import usable_videos
from pipeline.features.frame_inputs import FrameInputs
from pipeline.models.parts.summarizer import IGNORED, Batch
from pipeline.scoring.entity import Entities, known_entities


@dataclass(frozen=True)
class Examples:
    """One split, tokenised once. `truncated` counts sources and targets longer than the parameters allow."""

    video_ids: list[str]
    sources: list[list[int]]
    targets: list[list[int]]
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


def read_examples(corpus: pd.DataFrame, split: str, *, text: Text, source: str, tokenizer: PreTrainedTokenizerBase) -> Examples:
    """Usable videos of a split (`pipeline.corpus.table.usable_videos`, where `source` is explained), tokenised.

    None at all is a `ValueError`.
    """
    part = usable_videos(corpus, split, source=source)
    inputs = tokenizer(list(part["source"]))["input_ids"]
    targets = tokenizer(list(part["summary"]))["input_ids"]
    truncated = {
        "sources": sum(len(ids) > text.max_source_tokens for ids in inputs),
        "targets": sum(len(ids) > text.max_target_tokens for ids in targets),
    }
    return Examples(
        video_ids=list(part["video_id"]),
        sources=[_truncate(ids, text.max_source_tokens) for ids in inputs],
        targets=[_truncate(ids, text.max_target_tokens) for ids in targets],
        references=list(part["summary"]),
        truncated=truncated,
        pad=int(tokenizer.pad_token_id),
        entities=known_entities(corpus, list(part["video_id"])),
    )


def _truncate(ids: list[int], limit: int) -> list[int]:
    return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]  # keeps the end mark


def _pad(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)
