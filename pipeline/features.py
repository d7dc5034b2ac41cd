"""Parquet store of frame embeddings, written shard by shard from the frame store.

Columns `video_id, frame_index, pts_seconds, embedding fixed_size_list<float16>[D]`, one file per shard of frames; the
footer names encoder, sha256 of its weights, and normalisation. Embeddings are stored as the tower gives them; models
normalise, so that switching it re-extracts nothing.

Shapes: N frames, D feature width, H and W pixels.
"""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from pipeline.atomic import read_json
from pipeline.device import mixed_precision
from pipeline.encoders import Encoder, EncoderSpec, preprocess
from pipeline.shards import Shard, code_digest, file_sha256, fingerprint, publish, run_shards, scratch_folder

NORMALISATION = "none"  # as the tower gives them; the model brings them to unit length


def extract_features(
    frames: Path, out: Path, *, encoder: Encoder, weights: Path, device: torch.device, batch_size: int
) -> dict[str, Any]:
    """Embed every frame of the store `frames` into `out`, one Parquet file per shard; returns the totals.

    Memory is bounded by one shard, whatever the number of videos. Killed anywhere, the next call goes on after the last
    finished shard. Shards are kept, as in `pipeline.frames`.
    """
    sources = frame_shards(frames)
    sha256 = file_sha256(weights / "tower.safetensors")
    precision = "bfloat16" if device.type == "cuda" else "float32"
    key = fingerprint(
        asdict(encoder.spec), sha256, precision, frames_per_video(frames), [file_sha256(source) for source in sources],
        code_digest("features", "encoders", "device"),
    )  # fmt: skip
    footer = {"encoder": encoder.spec.name, "scale": encoder.spec.scale, "weights_sha256": sha256}
    footer |= {"normalisation": NORMALISATION, "precision": precision, "frames_per_video": str(frames_per_video(frames))}
    encoder.module.to(device).eval()
    work = partial(_extract_shard, encoder=encoder, device=device, batch_size=batch_size, footer=footer)
    shards = [Shard(name=source.name, items=[source]) for source in sources]
    with scratch_folder(f"extract_features.{encoder.spec.name}", key) as folder:
        counts = run_shards(work, shards, folder=folder, workers=1, unit="shard", title=f"embed with {encoder.spec.name}")
        publish(folder, [shard.name for shard in shards], out, keep=True)
    return footer | {"frames": sum(count["frames"] for count in counts), "dim": encoder.dim}


def frame_shards(frames: Path) -> list[Path]:
    """The Parquet files of a frame store; none is a `FileNotFoundError` that says which stage to run."""
    shards = sorted(frames.glob("*.parquet"))
    if not shards:
        raise FileNotFoundError(f"{frames} holds no frames; run `dvc repro sample_frames` first")
    return shards


def frames_per_video(frames: Path) -> int:
    """The number of frames asked for per video: no video has more."""
    return int(read_json(frames / "summary.json")["count"])


def pixel_batches(shard: Path, spec: EncoderSpec, *, batch_size: int) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Rows of a frame shard with their pixels, uint8 [batch, 3, H, W], decoded by threads (Pillow releases the lock)."""
    with ThreadPoolExecutor() as pool:
        for rows in pq.ParquetFile(shard, memory_map=True).iter_batches(batch_size):
            images = rows.column("image").to_pylist()
            yield rows, np.concatenate(list(pool.map(partial(_decode, spec), _chunks(images, 32))))


def feature_schema(dim: int, footer: dict[str, str]) -> pa.Schema:
    """Columns of a feature file whose vectors have `dim` values, with its footer metadata."""
    embedding = pa.list_(pa.float16(), dim)
    columns = [("video_id", pa.string()), ("frame_index", pa.int32()), ("pts_seconds", pa.float64()), ("embedding", embedding)]
    return pa.schema(columns, metadata=footer)


def read_footer(shard: Path) -> dict[str, str]:
    """The footer metadata of a feature file."""
    metadata = pq.read_metadata(shard).metadata or {}
    return {key.decode(): value.decode() for key, value in metadata.items() if key != b"ARROW:schema"}


def _extract_shard(
    items: Sequence[Path], path: Path, *, encoder: Encoder, device: torch.device, batch_size: int, footer: dict[str, str]
) -> dict[str, Any]:
    (source,) = items
    frames = 0
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


@torch.inference_mode()
def _embed(encoder: Encoder, pixels_B3HW: torch.Tensor) -> np.ndarray:
    with mixed_precision(pixels_B3HW.device):
        features_BD = encoder.encode(pixels_B3HW)
    values: np.ndarray = features_BD.float().cpu().numpy().astype(np.float16)
    return values


def _decode(spec: EncoderSpec, images: Sequence[bytes]) -> np.ndarray:
    return preprocess(spec, [Image.open(io.BytesIO(image)) for image in images])


def _chunks(values: Sequence[bytes], size: int) -> list[Sequence[bytes]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
