"""Parquet store of frame embeddings, written shard by shard from the frame store.

Columns `video_id, frame_index, pts_seconds, embedding fixed_size_list<float16>[D]`, one file per shard of frames; the
footer names encoder, sha256 of its weights, and normalisation. Embeddings are stored as the encoder gives them. Models
normalise them, so changing that setting re-extracts nothing.

Shapes: N frames, D feature width, H and W pixels.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pipeline.base.code import code_digest
from pipeline.base.device import choose_device, mixed_precision
from pipeline.base.engines.engine import choose_engine
from pipeline.base.resumable import Shard, run_shards
from pipeline.base.scratch import file_sha256, fingerprint, publish, scratch_folder
from pipeline.encoders.encoder import Encoder, EncoderSpec, load_encoder, preprocess, read_spec
from pipeline.features.schema import NORMALISATION, feature_schema
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
    if stored < spec.resize_to:
        print(f"warning: {spec.name} wants pictures of {spec.resize_to} pixels, frames have {stored}: raise frames.short_side")
    sha256 = file_sha256(weights / "encoder.safetensors")
    device = choose_device(runtime.device)
    precision = "bfloat16" if device.type == "cuda" else "float32"
    key = fingerprint(
        asdict(spec), sha256, precision, per_video, frame_digests(frames),
        code_digest("pipeline.features.extraction"),
    )  # fmt: skip
    footer = {"encoder": spec.name, "scale": spec.scale, "weights_sha256": sha256}
    footer |= {"normalisation": NORMALISATION, "precision": precision, "frames_per_video": str(per_video)}
    shards = [Shard(name=source.name, items=[source]) for source in sources]

    work = partial(
        _extract_shard,
        weights=weights,
        sha256=sha256,
        device=device.type,
        footer=footer,
        batch_size=runtime.extraction_batch_size,
    )
    engine = choose_engine(runtime)
    gpus = 1 if device.type == "cuda" else 0
    with scratch_folder(f"extract_features.{spec.name}", key) as folder:
        counts = run_shards(
            work, shards, folder=folder, workers=1, unit="shard", title=f"embed with {spec.name}", engine=engine, gpus=gpus
        )
        publish(folder, [shard.name for shard in shards], out)
    return footer | {"frames": sum(count["frames"] for count in counts), "dim": spec.dim}


def pixel_batches(shard: Path, spec: EncoderSpec, *, batch_size: int) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Rows of a frame shard with their pixels, uint8 [batch, 3, H, W], decoded in threads (Pillow releases the GIL)."""
    with ThreadPoolExecutor() as pool:
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
    footer: dict[str, str],
) -> dict[str, Any]:
    (source,), encoder, frames = items, _loaded(weights, sha256, device), 0
    with pq.ParquetWriter(path, feature_schema(encoder.dim, footer)) as writer:
        for rows, pixels in pixel_batches(source, encoder.spec, batch_size=batch_size):
            values = _embed(encoder, torch.from_numpy(pixels).to(device))
            if not np.isfinite(values).all():
                raise ValueError(f"{source}: {encoder.spec.name} gives values that float16 cannot hold; check its weights")
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), encoder.dim)
            writer.write_batch(
                pa.record_batch([*(rows.column(name) for name in writer.schema.names[:3]), vectors], schema=writer.schema)
            )
            frames += len(values)
    return {"frames": frames}


@cache  # once a process, and only if there is something to embed
def _loaded(weights: Path, sha256: str, device: str) -> Encoder:
    """The encoder of the folder, whose weights have this digest."""
    encoder = load_encoder(weights)
    encoder.module.to(device).eval()
    return encoder


@torch.inference_mode()
def _embed(encoder: Encoder, pixels_B3HW: torch.Tensor) -> np.ndarray:
    with mixed_precision(pixels_B3HW.device):
        features_BD = encoder.encode(pixels_B3HW)
    values: np.ndarray = features_BD.float().cpu().numpy().astype(np.float16)
    return values


def _decode(spec: EncoderSpec, images: Sequence[tuple[bytes, str]]) -> np.ndarray:
    return preprocess(spec, [read_picture(image, where=place) for image, place in images])


def _names(rows: pa.RecordBatch) -> Iterator[tuple[str, int]]:
    return zip(rows.column("video_id").to_pylist(), rows.column("frame_index").to_pylist(), strict=True)


def _chunks(values: Sequence[tuple[bytes, str]], size: int) -> list[Sequence[tuple[bytes, str]]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
