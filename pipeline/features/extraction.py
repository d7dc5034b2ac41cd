"""Parquet store of frame embeddings, written shard by shard from the frame store.

Columns `video_id, frame_index, pts_seconds, embedding fixed_size_list<float16>[D]`, one file per shard of frames; the
footer names encoder, sha256 of its weights, and normalisation. Embeddings are stored as the encoder gives them. Models
normalise them, so changing that setting re-extracts nothing. Frames that are not kept are embedded by `pipeline.features.fused`.

Shapes: N frames, D feature width, H and W pixels.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pipeline.base.code import code_digest
from pipeline.base.device import device_of_tasks, mixed_precision, visible_devices
from pipeline.base.engines.engine import choose_engine
from pipeline.base.files import write_json
from pipeline.base.resumable import Shard, run_shards, shard_digests
from pipeline.base.scratch import file_sha256, fingerprint, publish, scratch_folder
from pipeline.encoders.encoder import Encoder, EncoderSpec, load_encoder, preprocess, read_spec
from pipeline.features.ahead import Stopwatch, ahead, busy_share
from pipeline.features.schema import DIGESTS, NORMALISATION, feature_schema
from pipeline.frames.store import frame_digests, frame_shards, read_batches, read_picture, read_summary

if TYPE_CHECKING:
    from pipeline.base.params import Runtime


def extract_features(frames: Path, out: Path, *, weights: Path, runtime: "Runtime") -> dict[str, Any]:
    """Embed every frame of the store `frames` into `out`, one Parquet file per shard; returns the totals.

    The encoder is the one in the folder `weights`. Memory is bounded by one shard, whatever the number of videos. Finished
    shards are kept in scratch: wherever a call is killed, the next one resumes after the last of them.
    """
    summary, spec = read_summary(frames), read_spec(weights)
    sources, per_video, stored = frame_shards(frames), summary["count"], summary["short_side"]
    warn_of_small_frames(spec, stored)
    sha256 = file_sha256(weights / "encoder.safetensors")
    device = device_of_tasks(runtime)
    footer = feature_footer(spec, sha256, device=device, per_video=per_video)
    key = fingerprint(
        asdict(spec), footer, frame_digests(frames), runtime.extraction_batch_size,
        code_digest("pipeline.features.extraction"),
    )  # fmt: skip
    shards = [Shard(name=source.name, items=[source]) for source in sources]
    threads = decoding_threads(runtime, device)
    work = partial(
        _extract_shard,
        weights=weights,
        sha256=sha256,
        device=device,
        footer=footer,
        batch_size=runtime.extraction_batch_size,
        threads=threads,
    )
    engine = choose_engine(runtime)
    gpus = 1 if device == "cuda" else 0
    with scratch_folder(f"extract_features.{spec.name}", key) as folder:
        counts = run_shards(
            work, shards, folder=folder, workers=1, unit="shard", title=f"embed with {spec.name}", engine=engine, gpus=gpus,
            cores=threads,
        )  # fmt: skip
        write_json(folder / DIGESTS, shard_digests(shards, folder))
        publish(folder, [*(shard.name for shard in shards), DIGESTS], out)
    return footer | {"frames": sum(count["frames"] for count in counts), "dim": spec.dim, "busy": busy_share(counts)}


def warn_of_small_frames(spec: EncoderSpec, short_side: int) -> None:
    """Frames whose short side is shorter than what the encoder wants are enlarged."""
    if short_side < spec.resize_to:
        print(
            f"warning: {spec.name} wants pictures of {spec.resize_to} pixels, frames have {short_side}: raise frames.short_side"
        )


def feature_footer(spec: EncoderSpec, sha256: str, *, device: str, per_video: int) -> dict[str, str]:
    """What the footer says of features by these weights, with this `sha256`, of at most `per_video` frames a video."""
    footer = {"encoder": spec.name, "scale": spec.scale, "weights_sha256": sha256, "normalisation": NORMALISATION}
    return footer | {"precision": "bfloat16" if device == "cuda" else "float32", "frames_per_video": str(per_video)}


def decoding_threads(runtime: "Runtime", device: str) -> int:
    """How many threads decode for one encoder: on a machine with several GPUs its share of `runtime.workers`, elsewhere as many
    cores as a task asks for.
    """
    if runtime.engine != "local":
        return runtime.cores_per_gpu if device == "cuda" else 1
    return max(1, runtime.processes // max(1, len(visible_devices()))) if device == "cuda" else runtime.processes


def pixel_batches(
    shard: Path, spec: EncoderSpec, *, batch_size: int, threads: int | None = None
) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Rows of a frame shard with their pixels, uint8 [batch, 3, H, W], decoded in threads (Pillow releases the GIL)."""
    with ThreadPoolExecutor(threads) as pool:
        for rows in read_batches(shard, batch_size=batch_size):
            places = [f"{shard}, video {video_id}, frame {frame}" for video_id, frame in _names(rows)]
            images = list(zip(rows.column("image").to_pylist(), places, strict=True))
            yield rows, np.concatenate(list(pool.map(partial(_decode, spec), _chunks(images, 32))))


def _extract_shard(
    items: Sequence[Path],
    path: Path,
    *,
    weights: Path,
    sha256: str,
    device: str,
    batch_size: int,
    threads: int,
    footer: dict[str, str],
) -> dict[str, Any]:
    (source,), encoder, frames, watch = items, loaded(weights, sha256, device), 0, Stopwatch()
    batches = pixel_batches(source, encoder.spec, batch_size=batch_size, threads=threads)
    with pq.ParquetWriter(path, feature_schema(encoder.dim, footer)) as writer, closing(ahead(batches)) as decoded:
        for rows, pixels in decoded:
            with watch.at_work():
                vectors = embed(encoder, torch.from_numpy(pixels).to(device), where=str(source))
            writer.write_batch(
                pa.record_batch([*(rows.column(name) for name in writer.schema.names[:3]), vectors], schema=writer.schema)
            )
            frames += len(vectors)
    return {"frames": frames} | watch.read()


@cache  # once a process, and only if there is something to embed
def loaded(weights: Path, sha256: str, device: str) -> Encoder:
    """The encoder of the folder, whose weights have this digest."""
    encoder = load_encoder(weights)
    encoder.module.to(device).eval()
    return encoder


@torch.inference_mode()
def embed(encoder: Encoder, pixels_B3HW: torch.Tensor, *, where: str) -> pa.FixedSizeListArray:
    """float16 [B, D]. A value that float16 cannot hold is a `ValueError` that says `where`."""
    with mixed_precision(pixels_B3HW.device):
        features_BD = encoder.encode(pixels_B3HW)
    values: np.ndarray = features_BD.float().cpu().numpy().astype(np.float16)
    if not np.isfinite(values).all():
        raise ValueError(f"{where}: {encoder.spec.name} gives values that float16 cannot hold; check its weights")
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), encoder.dim)


def _decode(spec: EncoderSpec, images: Sequence[tuple[bytes, str]]) -> np.ndarray:
    return preprocess(spec, [read_picture(image, where=place) for image, place in images])


def _names(rows: pa.RecordBatch) -> Iterator[tuple[str, int]]:
    return zip(rows.column("video_id").to_pylist(), rows.column("frame_index").to_pylist(), strict=True)


def _chunks(values: Sequence[tuple[bytes, str]], size: int) -> list[Sequence[tuple[bytes, str]]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
