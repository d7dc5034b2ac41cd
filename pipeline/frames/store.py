"""The store of sampled frames, and its one reader: JPEG pictures in Parquet shards, with `summary.json` next to them.

Each video is decoded once, by `pipeline.frames.sampling`; every encoder reads the same pictures. A shard holds a few videos, one
row group each, so that reading one video touches little of the file. `summary.json` has a row for every video asked for.

Shapes: N frames.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from pipeline.base.files import read_json

SCHEMA = pa.schema(
    [("video_id", pa.string()), ("frame_index", pa.int32()), ("pts_seconds", pa.float64()), ("image", pa.binary())]
)
SUMMARY = "summary.json"
_RUN_AGAIN = "delete .scratch/sample_frames and run `dvc repro --force sample_frames`"


def frame_shards(folder: Path) -> list[Path]:
    """The Parquet files of a store. Raises `FileNotFoundError` naming the stage to run when there are none."""
    shards = sorted(folder.glob("*.parquet"))
    if not shards:
        raise FileNotFoundError(f"{folder} holds no frames; run `dvc repro sample_frames` first")
    return shards


def frames_per_video(folder: Path) -> int:
    """The number of frames asked for per video: no video has more."""
    return int(read_json(folder / SUMMARY)["count"])


def read_batches(shard: Path, *, batch_size: int) -> Iterator[pa.RecordBatch]:
    """Rows of a shard, columns as in `SCHEMA`, without reading it whole."""
    batches: Iterator[pa.RecordBatch] = _open_shard(shard).iter_batches(batch_size)
    return batches


class FrameStore:
    """Frames by video, of a folder that `sample_corpus` wrote. Holds no open files, so it may be sent to other processes."""

    def __init__(self, folder: Path) -> None:
        """Raises `FileNotFoundError` or `ValueError` naming the file and the stage to run when the store is incomplete."""
        if not (folder / SUMMARY).exists():
            raise FileNotFoundError(f"{folder / SUMMARY} is missing; run `dvc repro sample_frames` first")
        self.folder = folder
        self.summary: dict[str, Any] = read_json(folder / SUMMARY)
        self._places: dict[str, tuple[Path, int]] = {}
        for shard in self.shards():
            metadata = _open_shard(shard).metadata
            for group in range(metadata.num_row_groups):
                statistics = metadata.row_group(group).column(0).statistics
                if statistics is None or statistics.min != statistics.max:
                    raise ValueError(f"{shard}: row group {group} is not one video; {_RUN_AGAIN}")
                self._places[statistics.min] = (shard, group)
        self.video_ids = list(self._places)
        if self.video_ids != [video["video_id"] for video in self.summary["videos"] if video["status"] == "ok"]:
            raise ValueError(f"{folder}: the shards hold other videos than {SUMMARY} says; {_RUN_AGAIN}")

    def shards(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def images(self, video_id: str) -> list[Image.Image]:
        """The sampled frames as RGB pictures, in presentation order."""
        return [Image.open(io.BytesIO(jpeg)).convert("RGB") for jpeg in self._read(video_id, "image").to_pylist()]

    def frame_indices(self, video_id: str) -> NDArray[np.int32]:
        """int32 [N]: positions in the source video, counted from 0."""
        indices: NDArray[np.int32] = self._read(video_id, "frame_index").to_numpy()
        return indices

    def pts_seconds(self, video_id: str) -> NDArray[np.float64]:
        """float64 [N]: presentation times, as the container gives them."""
        seconds: NDArray[np.float64] = self._read(video_id, "pts_seconds").to_numpy()
        return seconds

    def _read(self, video_id: str, column: str) -> Any:
        if video_id not in self._places:
            raise ValueError(f"{self.folder}: no frames of video {video_id!r}; {SUMMARY} says why a video was lost")
        shard, group = self._places[video_id]
        return _open_shard(shard).read_row_group(group, columns=[column]).column(column)


def jpeg_bytes(image: Image.Image, *, quality: int) -> bytes:
    """The picture as JPEG, colour at full resolution (4:4:4)."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _open_shard(path: Path) -> Any:
    try:
        file = pq.ParquetFile(path, memory_map=True)
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path}: not a readable Parquet file ({error}); {_RUN_AGAIN}") from error
    if not file.schema_arrow.equals(SCHEMA):
        raise ValueError(f"{path}: its columns are not those of a frame store; {_RUN_AGAIN}")
    return file
