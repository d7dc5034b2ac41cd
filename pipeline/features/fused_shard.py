"""One shard of the pass that decodes videos and embeds their frames without storing them: what a worker does.

Threads decode, in the order of the videos, and bring frames to the sizes that the encoders want; so many videos are in memory as
there are threads, and two. Rows are embedded in batches that go on from one video to the next. The pixels are those of
`pipeline.frames.decoding`; nothing makes JPEG pictures of them.

Shapes: N frames of a batch, H and W pixels.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from pipeline.base.items import ItemErrors
from pipeline.encoders.encoder import EncoderSpec, preprocess
from pipeline.features.ahead import Stopwatch, in_order
from pipeline.features.extraction import embed, loaded
from pipeline.features.schema import feature_schema
from pipeline.frames.at_work import AtWork
from pipeline.frames.decoding import SampledVideo, sample_video
from pipeline.frames.sampling import Comparison, found_video, lost_video

TIMES = "times.parquet"
TIMES_SCHEMA = pa.schema([("video_id", pa.string()), ("frame_index", pa.int32()), ("pts_seconds", pa.float64())])
Fitted = tuple[int, int, str, bool]  # what decides the pixels that an encoder gets


@dataclass(frozen=True)
class Embedder:
    """An encoder in the folder `weights`. Its vectors go to the file `<digest>.parquet` of a shard, with this `footer`."""

    name: str
    weights: Path
    spec: EncoderSpec
    footer: dict[str, str]
    digest: str

    @property
    def file(self) -> str:
        return f"{self.digest}.parquet"


@dataclass(frozen=True, eq=False)
class _Rows:
    """Frames with their pixels uint8 [N, 3, H, W], for each way in which encoders want them."""

    times: pa.RecordBatch
    pixels: dict[Fitted, np.ndarray]

    def part(self, start: int, stop: int | None = None) -> "_Rows":
        length = None if stop is None else stop - start
        return _Rows(self.times.slice(start, length), {fit: values[start:stop] for fit, values in self.pixels.items()})

    def and_then(self, more: "_Rows") -> "_Rows":
        joined = {fit: np.concatenate([values, more.pixels[fit]]) for fit, values in self.pixels.items()}
        return _Rows(pa.concat_batches([self.times, more.times]), joined)


def embed_shard(
    items: Sequence[Mapping[str, str]],
    path: Path,
    *,
    embedders: Sequence[Embedder],
    count: int,
    short_side: int,
    device: str,
    batch_size: int,
    threads: int,
) -> dict[str, Any]:
    """Decode the videos `items` (`video_id`, `video_path`) once, into a folder of one Parquet file per encoder, and one of times.

    Returns a row for each of the `videos`, the number of `frames`, and how long the encoders were busy.
    """
    path.mkdir()
    watch, videos, frames = Stopwatch(), list[dict[str, Any]](), 0
    encoders = [loaded(each.weights, each.footer["weights_sha256"], device) for each in embedders]
    at_work = AtWork(path)
    with ExitStack() as stack:
        times = stack.enter_context(pq.ParquetWriter(path / TIMES, TIMES_SCHEMA))
        schemas = [feature_schema(each.spec.dim, each.footer) for each in embedders]
        writers = [
            stack.enter_context(pq.ParquetWriter(path / each.file, schema))
            for each, schema in zip(embedders, schemas, strict=True)
        ]
        decode = partial(
            _decode, turns=_Turns(len(items)), at_work=at_work, specs=[each.spec for each in embedders],
            count=count, short_side=short_side, threads=max(1, threads // len(items)),
        )  # fmt: skip
        decoded = stack.enter_context(closing(in_order(decode, list(enumerate(items)), threads=threads, depth=threads + 1)))
        for rows in _batches(_found(items, decoded, videos), batch_size):
            times.write_batch(rows.times)
            where = f"videos {rows.times[0][0]} to {rows.times[0][-1]}"
            for encoder, writer in zip(encoders, writers, strict=True):
                with watch.at_work():
                    pixels = torch.from_numpy(rows.pixels[_fitted(encoder.spec)])
                    vectors = embed(encoder, pixels.to(device), where=where)
                writer.write_batch(pa.record_batch([*rows.times.columns, vectors], schema=writer.schema))
            frames += len(rows.times)
    at_work.done()
    return {"videos": videos, "frames": frames} | watch.read()


class _Turns:
    """Has threads ask `Comparison` in the order of the videos, so that the answers hang on nothing else."""

    def __init__(self, videos: int) -> None:
        self._comparison = Comparison()
        self._passed = [Event() for _ in range(videos)]

    def asking(self, number: int, video_id: str) -> Callable[[str], int]:
        def ask(kind: str) -> int:
            for earlier in self._passed[:number]:
                earlier.wait()
            return self._comparison.frames(video_id, kind)

        return ask

    def passed(self, number: int) -> None:
        """The video has asked, or never will."""
        self._passed[number].set()


def _decode(
    item: tuple[int, Mapping[str, str]],
    *,
    turns: _Turns,
    at_work: AtWork,
    specs: Sequence[EncoderSpec],
    count: int,
    short_side: int,
    threads: int,
) -> tuple[SampledVideo, _Rows]:
    """In a thread of its own. The film's frames are let go where they are fitted."""
    number, row = item
    ask = turns.asking(number, row["video_id"])

    def compared(kind: str) -> int:
        answer = ask(kind)
        turns.passed(number)
        return answer

    try:  # around the marker, too: who does not pass lets all later videos wait for ever
        with at_work.at(row["video_id"]):
            sampled = sample_video(
                Path(row["video_path"]), count=count, short_side=short_side, compared=compared, threads=threads
            )
            rows = _rows(row["video_id"], sampled, specs)
    finally:
        turns.passed(number)
    sampled.frames.clear()
    return sampled, rows


def _rows(video_id: str, sampled: SampledVideo, specs: Sequence[EncoderSpec]) -> _Rows:
    ids = [video_id] * len(sampled.frames)
    columns = [ids, [frame.frame_index for frame in sampled.frames], [frame.pts_seconds for frame in sampled.frames]]
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, TIMES_SCHEMA, strict=True)]
    images = [Image.fromarray(frame.image) for frame in sampled.frames]
    fitted = {_fitted(spec): spec for spec in specs}
    pixels = {fit: preprocess(spec, images) for fit, spec in fitted.items()}
    return _Rows(pa.RecordBatch.from_arrays(arrays, schema=TIMES_SCHEMA), pixels)


def _fitted(spec: EncoderSpec) -> Fitted:
    return spec.image_size, spec.resize_to, spec.interpolation, spec.squash


def _found(
    items: Sequence[Mapping[str, str]], decoded: Iterator["Future[tuple[SampledVideo, _Rows]]"], videos: list[dict[str, Any]]
) -> Iterator[_Rows]:
    """The frames of the videos that give some. Every video becomes a row of `videos`."""
    errors = ItemErrors()
    for item, done in zip(items, decoded, strict=True):
        try:
            sampled, rows = done.result()
        except Exception as error:  # noqa: BLE001 - whatever one file provokes is its reason
            videos.append(lost_video(item["video_id"], error, errors))
            continue
        errors.passed()
        videos.append(found_video(item["video_id"], sampled, frames=len(rows.times)))
        yield rows


def _batches(parts: Iterator[_Rows], size: int) -> Iterator[_Rows]:
    """The same rows, `size` at a time; the last are what is left."""
    held: _Rows | None = None
    for part in parts:
        held = part if held is None else held.and_then(part)
        while len(held.times) >= size:
            yield held.part(0, size)
            held = held.part(size)
    if held is not None and len(held.times):
        yield held
