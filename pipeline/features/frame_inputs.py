"""What a model sees: a run of frames per video, as stored features or as pixels, gathered into padded batches.

Pixels are memory-mapped, features are in memory once, and no loop of Python goes over rows. A video without frames is fully
masked; its text still counts.

Shapes: N frames of all videos, B videos of a batch, M frames of its longest video, D feature width, H and W pixels.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from tqdm import tqdm

from pipeline.base.code import code_digest
from pipeline.base.files import listed
from pipeline.base.resumable import kept_file
from pipeline.base.scratch import fingerprint, scratch_root
from pipeline.encoders.encoder import EncoderSpec
from pipeline.features.extraction import pixel_batches
from pipeline.features.schema import footer_of, read_parts
from pipeline.frames.store import frame_digests, frame_shards, read_summary

_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class FrameInputs:
    """`values` [N, ...] of all videos one after another; video `v` owns rows `starts[v]` to `starts[v] + lengths[v]`."""

    values: np.ndarray
    starts: dict[str, int]
    lengths: dict[str, int]
    max_frames: int
    footer: dict[str, str]

    @property
    def width(self) -> int:
        """D for features, 3 for pixels."""
        return int(self.values.shape[1])

    def gather(self, video_ids: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Padded values [B, M, ...] (features as float32, pixels as uint8) and a mask [B, M], true for real frames."""
        lengths_B = np.array([self.lengths.get(video_id, 0) for video_id in video_ids])
        starts_B = np.array([self.starts.get(video_id, 0) for video_id in video_ids])
        positions_M = np.arange(max(1, int(lengths_B.max())))
        mask_BM = positions_M < lengths_B[:, None]
        rows_BM = np.where(mask_BM, starts_B[:, None] + positions_M, 0)
        values = self.values[rows_BM]
        values[~mask_BM] = 0
        tensor = torch.from_numpy(values)
        return (tensor if tensor.dtype == torch.uint8 else tensor.float()), torch.from_numpy(mask_BM)


def open_features(folder: Path) -> FrameInputs:
    """The embeddings of one encoder, in memory once. Files of different encoders or weights, or a non-finite value, are a
    `ValueError`.
    """
    parts, names, footer = list[np.ndarray](), list[np.ndarray](), dict[str, str]()
    for part in read_parts(folder, ("video_id", "embedding")):
        footer = footer_of(part.schema)
        if not len(part):
            continue
        embedding = part.column("embedding").combine_chunks()
        parts.append(embedding.flatten().to_numpy(zero_copy_only=False).reshape(len(part), -1))
        names.append(part.column("video_id").to_numpy())
        if not (finite := np.isfinite(parts[-1]).all(axis=1)).all():
            bad = names[-1][int(np.argmin(finite))]
            raise ValueError(f"{folder}: video {bad} has a feature that is not a finite number; extract again")
    if not parts:
        raise ValueError(f"{folder} holds features of no video; run `dvc repro --force extract_features@{folder.name}`")
    owners, lengths = _runs(np.concatenate(names))
    return _store(_joined(parts), owners, lengths, max_frames=int(footer["frames_per_video"]), footer=footer)


def open_pixels(frames: Path, spec: EncoderSpec) -> FrameInputs:
    """The frames as `spec`'s encoder expects them, decoded once into a memory-mapped scratch file shared by all seeds.

    Files of other frames or other preprocessing are removed when nobody has opened them for a day.
    """
    shards, summary = frame_shards(frames), read_summary(frames)
    fitted = (spec.image_size, spec.resize_to, spec.interpolation, spec.squash)
    key = fingerprint(fitted, frame_digests(frames), code_digest("pipeline.features.frame_inputs"))
    path = scratch_root() / "pixels" / f"{key}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = [video for video in summary["videos"] if video["status"] == "ok"]
    lengths = np.array([video["frames"] for video in stored], dtype=np.int64)
    with FileLock(path.with_suffix(".lock")):
        # Experiments side by side have one file each. A process that has mapped a file keeps it after removal.
        for other in listed(path.parent, "*.npy"):
            with suppress(FileNotFoundError):
                if other != path and time.time() - other.stat().st_mtime > _STALE_SECONDS:
                    other.unlink()
        kept_file(path.parent, path.name, partial(_write_pixels, shards=shards, spec=spec, rows=int(lengths.sum())))
        path.touch()
        values = np.load(path, mmap_mode="r")
    return _store(values, [video["video_id"] for video in stored], lengths, max_frames=summary["count"], footer={})


def _write_pixels(path: Path, *, shards: Sequence[Path], spec: EncoderSpec, rows: int) -> None:
    target = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(rows, 3, spec.image_size, spec.image_size))
    start = 0
    with tqdm(total=rows, unit="frame", desc="decode frames", disable=None) as bar:
        for shard in shards:
            for _, pixels in pixel_batches(shard, spec, batch_size=512):
                target[start : start + len(pixels)] = pixels
                start += len(pixels)
                bar.update(len(pixels))
    if start != rows:
        raise ValueError(f"{shards[0].parent} has {start} frames, its summary says {rows}; sample the frames again")
    target.flush()


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """The parts one after another. Each is let go when it has been copied, so that they are not in memory twice."""
    joined = np.empty((sum(map(len, parts)), parts[0].shape[1]), dtype=parts[0].dtype)
    parts.reverse()
    start = 0
    while parts:
        part = parts.pop()
        joined[start : start + len(part)] = part
        start += len(part)
    return joined


def _runs(names: np.ndarray) -> tuple[Sequence[str], np.ndarray]:
    """Whose rows follow one another, and how many they are."""
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    return names[starts].tolist(), np.diff(np.r_[starts, len(names)])


def _store(
    values: np.ndarray, owners: Sequence[str], lengths: np.ndarray, *, max_frames: int, footer: dict[str, str]
) -> FrameInputs:
    starts = np.cumsum(lengths) - lengths
    if len(set(owners)) != len(owners):
        raise ValueError("frames of a video are not stored together; sample the frames again")
    if len(lengths) and lengths.max() > max_frames:
        longest = owners[int(lengths.argmax())]
        raise ValueError(
            f"video {longest} has {lengths.max()} frames, more than frames.count {max_frames}; sample the frames again"
        )
    return FrameInputs(
        values=values,
        starts=dict(zip(owners, starts.tolist(), strict=True)),
        lengths=dict(zip(owners, lengths.tolist(), strict=True)),
        max_frames=max_frames,
        footer=footer,
    )
