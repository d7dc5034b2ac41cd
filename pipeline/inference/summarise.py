"""One video: decoded, sampled, embedded and summarised by the functions that the stages use.

A test shows that for every test video it gives the summary that `evaluate` has written.

Shapes: N frames, D feature width.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from pipeline.base.device import mixed_precision
from pipeline.base.params import Params
from pipeline.corpus.table import with_texts
from pipeline.features.extraction import pixel_batches
from pipeline.features.frame_inputs import FrameInputs
from pipeline.frames.sampling import sample_shard
from pipeline.frames.store import read_batches, read_picture
from pipeline.inference.files import Source, as_corpus
from pipeline.inference.trained import TrainedRow
from pipeline.models.parts.vision import VisionSummarizer
from pipeline.training.batches import Examples, read_examples
from pipeline.training.generation import summarise

_ID = "video"
_COMPARED_FRAMES = 250  # decoded both ways: of each film, while a stage does that with a thousand of the first in a shard


@dataclass(frozen=True)
class Seen:
    """What a row was given of a video: the tokens, the frames, if it sees any, and the pictures with their times in seconds."""

    examples: Examples
    frame_inputs: FrameInputs | None
    pictures: Sequence[Image.Image]
    seconds: Sequence[float]


@dataclass(frozen=True)
class Summary:
    """`text` is empty where `reason` says why there is none. `note` tells what was amiss and did not hinder."""

    text: str
    frames: int
    reason: str
    note: str
    parts: dict[str, float]
    seen: Seen | None = None


def summarise_video(trained: TrainedRow, path: Path, source: Source, params: Params, *, keep_pictures: bool = False) -> Summary:
    """The summary of the video at `path`. `parts` are the seconds of decoding, embedding and generation.

    A file that gives no frames and a video without a text end in a `reason`.
    """
    text = source.video
    clock = _Clock()
    if not path.exists():
        return Summary("", 0, "file is missing", "", clock.parts)
    if not any(value.strip() for value in (*text.steps, text.transcript)):
        beside = f"{path.stem}.txt, .vtt or .srt"
        return Summary("", 0, f"no text: put {beside} beside the video, or give --transcript or --listen", "", clock.parts)
    frame_inputs, note = None, source.note
    pictures: Sequence[Image.Image] = ()
    seconds: Sequence[float] = ()
    if trained.row.sees is not None:
        with TemporaryDirectory(prefix="summarise-") as folder:
            shard = Path(folder) / "0.parquet"
            frames = trained.study.frames
            (row,) = sample_shard(
                [{"video_id": _ID, "video_path": str(path)}], shard, count=frames.count, short_side=frames.short_side,
                jpeg_quality=frames.jpeg_quality, threads=len(os.sched_getaffinity(0)), compared_frames=_COMPARED_FRAMES,
            )["videos"]  # fmt: skip
            clock.lap("decode")
            if row["status"] != "ok":
                return Summary("", 0, row["reason"], "", clock.parts)
            note = "; ".join(filter(None, (note, row["note"])))
            frame_inputs = _see(trained, shard, params)
            clock.lap("embed")
            if keep_pictures:
                pictures, seconds = _pictures(shard)
    reads = trained.row.source(trained.study)
    if not source.from_corpus and reads != "transcript":
        # The one text there is stands for whatever the row has learned to read.
        told = f"the row has learned to read {reads} of its corpus; what it was given is another kind of text"
        reads, note = "transcript", "; ".join(filter(None, (note, told)))
    usable = with_texts(as_corpus(text), source=reads)
    examples = read_examples([usable], text=trained.study.text, tokenizer=trained.tokenizer)
    if examples.truncated["sources"]:
        cut = f"the text is longer than {trained.study.text.max_source_tokens} tokens and is cut"
        note = f"{note}; {cut}" if note else cut
    (said,) = summarise(
        trained.system, examples, frame_inputs, tokenizer=trained.tokenizer, settings=trained.study.generate,
        device=trained.device, batch_size=1, progress=False,
    )  # fmt: skip
    clock.lap("generate")
    count = 0 if frame_inputs is None else len(frame_inputs.values)
    return Summary(said, count, "", note, clock.parts, Seen(examples, frame_inputs, pictures, seconds))


def _see(trained: TrainedRow, shard: Path, params: Params) -> FrameInputs:
    """The frames as the row sees them: features [N, D], of the encoder in front of it or inside it."""
    assert trained.spec is not None
    size = params.runtime.extraction_batch_size
    pixels = [pixels for _, pixels in pixel_batches(shard, trained.spec, batch_size=size)]
    if trained.encoder is None:
        values = np.concatenate(pixels)
    else:
        with torch.inference_mode(), mixed_precision(trained.device):
            features = [trained.encoder.encode(torch.from_numpy(batch).to(trained.device)).float().cpu() for batch in pixels]
        values = np.concatenate([batch.numpy().astype(np.float16) for batch in features])  # as they are stored
    seen = FrameInputs(values, {_ID: 0}, {_ID: len(values)}, max_frames=trained.study.frames.count, footer={})
    assert isinstance(trained.system, VisionSummarizer)
    with mixed_precision(trained.device):
        return trained.system.embedded(seen, [_ID])


def _pictures(shard: Path) -> tuple[list[Image.Image], list[float]]:
    pictures: list[Image.Image] = []
    seconds: list[float] = []
    for batch in read_batches(shard, batch_size=64):
        pictures += [read_picture(jpeg, where=str(shard)) for jpeg in batch.column("image").to_pylist()]
        seconds += batch.column("pts_seconds").to_pylist()
    return pictures, seconds


class _Clock:
    def __init__(self) -> None:
        self.parts: dict[str, Any] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.parts[name] = round(now - self._last, 3)
        self._last = now
