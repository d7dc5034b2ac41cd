"""The store of sampled frames, and its one reader: JPEG pictures in Parquet shards, with `summary.json` next to them.

Each video is decoded once, by `pipeline.frames.sampling`; every encoder reads the same pictures. A shard holds a few videos, one
row group each, so that reading one video touches little of the file. `summary.json`, written last, has a row for every video
asked for and the sha256 of every shard, so that nobody opens or hashes them all to begin.

Shapes: N frames.
"""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from pipeline.base.files import listed, read_json, readable

SCHEMA = pa.schema(
    [("video_id", pa.string()), ("frame_index", pa.int32()), ("pts_seconds", pa.float64()), ("image", pa.binary())]
)
SUMMARY = "summary.json"
_STAGE = "sample_frames"
_RUN_AGAIN = f"run `dvc repro --force {_STAGE}`"


def frame_shards(folder: Path) -> list[Path]:
    """The Parquet files of a store. Raises `FileNotFoundError` naming the stage to run when there are none."""
    shards = listed(folder, "*.parquet")
    if not shards and (folder / SUMMARY).exists():
        read_summary(folder)  # it may say why there are none
    if not shards:
        raise FileNotFoundError(f"{folder} holds no frames; run `dvc repro sample_frames` first")
    return shards


def frames_per_video(folder: Path) -> int:
    """The number of frames asked for per video: no video has more."""
    return int(read_summary(folder)["count"])


def is_kept(folder: Path) -> bool:
    """Whether the frames were stored, or are decoded anew where they are embedded (`pipeline.frames.unkept`)."""
    with readable(folder / SUMMARY, stage=_STAGE):
        return bool(read_json(folder / SUMMARY, {"keep": bool})["keep"])


def read_summary(folder: Path) -> dict[str, Any]:
    """`summary.json` of a store. Missing or damaged is an error that names the stage; frames not kept, one that says so."""
    with readable(folder / SUMMARY, stage=_STAGE):
        summary: dict[str, Any] = read_json(folder / SUMMARY, {"keep": bool, "count": int, "short_side": int, "videos": list})
        if summary["keep"] and not isinstance(summary.get("sha256"), dict):
            raise ValueError("not as it was written (sha256)")
    if not summary["keep"]:
        raise ValueError(
            f"{folder}: frames were not kept (`frames.keep: false` of study {summary.get('study')}). "
            "This row (or tool) needs them: set it to true, or leave the row out"
        )
    return summary


def frame_digests(folder: Path) -> list[str]:
    """sha256 of every shard of a store, as its summary has it, in the order of `frame_shards`. No shard is read."""
    digests, names = read_summary(folder)["sha256"], [shard.name for shard in frame_shards(folder)]
    if names != sorted(digests):
        raise ValueError(f"{folder} has other shards than {SUMMARY} says; {_RUN_AGAIN}")
    return [digests[name] for name in names]


def read_batches(shard: Path, *, batch_size: int) -> Iterator[pa.RecordBatch]:
    """Rows of a shard, columns as in `SCHEMA`, without reading it whole."""
    batches = _open_shard(shard).iter_batches(batch_size)
    while True:
        with readable(shard, stage=_STAGE):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def read_columns(shard: Path, columns: Sequence[str]) -> pa.Table:
    """Columns of a shard, without its pictures if they are not among them."""
    file = _open_shard(shard)
    with readable(shard, stage=_STAGE):
        return file.read(list(columns))


class FrameStore:
    """Frames by video, of a folder that `sample_corpus` wrote. Holds no open files, so it may be sent to other processes.

    Opening reads the summary alone, whatever the number of shards; a shard is compared with it when a video is read.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `FileNotFoundError` or `ValueError` naming the file and the stage to run when the store is incomplete."""
        self.folder = folder
        self.summary = read_summary(folder)
        groups: Counter[str] = Counter()
        self._places: dict[str, tuple[Path, int]] = {}  # shard and row group of each video
        with readable(folder / SUMMARY, stage=_STAGE):
            for video in self.summary["videos"]:
                if video["status"] == "ok":
                    self._places[video["video_id"]] = (folder / video["shard"], groups[video["shard"]])
                    groups[video["shard"]] += 1
        self.video_ids = list(self._places)
        if groups.keys() - {path.name for path in self.shards()}:
            raise ValueError(f"{folder} has other shards than {SUMMARY} says; {_RUN_AGAIN}")

    def shards(self) -> list[Path]:
        return listed(self.folder, "*.parquet")

    def images(self, video_id: str) -> list[Image.Image]:
        """The sampled frames as RGB pictures, in presentation order."""
        jpegs = self._read(video_id, "image").to_pylist()
        return [read_picture(jpeg, where=f"{self.folder}, video {video_id}, picture {n}") for n, jpeg in enumerate(jpegs)]

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
        file = _open_shard(shard)
        if file.num_row_groups <= group:
            raise ValueError(f"{shard} holds other videos than {SUMMARY} says; {_RUN_AGAIN}")
        with readable(shard, stage=_STAGE):
            found = file.read_row_group(group, columns=["video_id", column])
        if set(found.column("video_id").to_pylist()) != {video_id}:
            raise ValueError(f"{shard}: row group {group} is not video {video_id!r}, as {SUMMARY} says; {_RUN_AGAIN}")
        return found.column(column)


def jpeg_bytes(image: Image.Image, *, quality: int) -> bytes:
    """The picture as JPEG, colour at full resolution (4:4:4)."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def read_picture(jpeg: bytes, *, where: str) -> Image.Image:
    """A stored picture as RGB. One that is damaged is no fault of its video: a `ValueError` says how to make the store anew."""
    try:
        return Image.open(io.BytesIO(jpeg)).convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:  # Pillow raises all of them for damaged files
        raise ValueError(f"{where}: not a readable picture ({error}); {_RUN_AGAIN}") from error


def _open_shard(path: Path) -> Any:
    with readable(path, stage=_STAGE):
        file = pq.ParquetFile(path, memory_map=True)
        if not file.schema_arrow.equals(SCHEMA):
            raise ValueError("its columns are not those of a frame store")
    return file
