"""Parquet store of sampled frames: each video is decoded once, here, and every encoder reads the same JPEG pictures.

A shard holds a few videos, one row group each, so that reading one video touches little of the file.
`summary.json` beside the shards has a row for every video asked for: asked = ok + failed.
"""

import base64
import io
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import PIL
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from pipeline.atomic import read_json, write_json
from pipeline.params import Frames
from pipeline.shards import code_digest, fingerprint, publish, run_shards, scratch_folder, split_into_shards
from pipeline.video import VideoError, sample_positions, sample_video

if TYPE_CHECKING:
    import pandas as pd  # worker processes import this module and need no pandas

VIDEOS_PER_SHARD = 16
SCHEMA = pa.schema(
    [("video_id", pa.string()), ("frame_index", pa.int32()), ("pts_seconds", pa.float64()), ("image", pa.binary())]
)
SUMMARY = "summary.json"
_RUN_AGAIN = "delete .scratch/sample_frames and run `dvc repro --force sample_frames`"


def sample_corpus(corpus: "pd.DataFrame", out: Path, *, settings: Frames, workers: int) -> dict[str, Any]:
    """Sample every video of the corpus with status "ok" into the store `out`; returns what `summary.json` says.

    A video that gives no frames is a row with a reason. Killed anywhere, the next call goes on after the last finished
    shard. Shards are kept (as hard links), so that another text or limit in the study decodes nothing again. Raises
    `RuntimeError` naming the videos at work when a worker process dies.
    """
    asked = corpus[(corpus["status"] == "ok") & (corpus["video_path"] != "")]  # a study may do without videos
    columns = zip(asked["video_id"], asked["video_path"], strict=True)
    rows: list[dict[str, str]] = [{"video_id": video_id, "video_path": path} for video_id, path in columns]
    work = partial(sample_shard, count=settings.count, short_side=settings.short_side, jpeg_quality=settings.jpeg_quality)
    decoder = f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}"
    key = fingerprint(
        work.keywords,
        decoder,
        PIL.__version__,
        code_digest("frames", "video"),
        VIDEOS_PER_SHARD,
        [[*row.values(), *_identity(row)] for row in rows],
    )
    shards = split_into_shards(rows, size=VIDEOS_PER_SHARD)
    with scratch_folder("sample_frames", key) as folder:
        for stale in folder.glob(".*.current"):
            stale.unlink()
        try:
            parts = run_shards(work, shards, folder=folder, workers=workers, unit="video", title="sample frames")
        except BrokenProcessPool as error:
            markers = [marker.read_text(encoding="utf-8").split() for marker in folder.glob(".*.current")]
            at_work = sorted(video_ids[-1] for video_ids in markers if video_ids)
            raise RuntimeError(
                f"a worker process died while it sampled one of these videos: {', '.join(at_work) or 'unknown'}. "
                "Either the file crashes the decoder (repair it or take it out of the dataset) or memory ran out "
                "(lower runtime.workers). "
                "Finished shards are kept: the next run goes on from there."
            ) from error
        videos = [video for part in parts for video in part["videos"]]
        ok = [video for video in videos if video["status"] == "ok"]
        summary = {
            "count": settings.count,
            "short_side": settings.short_side,
            "decoder": decoder,
            "asked": len(rows),
            "ok": len(ok),
            "failed": sum(video["status"] == "failed" for video in videos),
            "frames": sum(video["frames"] for video in videos),
            "videos": videos,
        }
        assert summary["asked"] == summary["ok"] + summary["failed"], "every video asked for is either ok or failed"
        write_json(folder / SUMMARY, summary)
        publish(folder, [*(shard.name for shard in shards), SUMMARY], out, keep=True)
    return summary


def sample_shard(rows: Sequence[dict[str, str]], path: Path, *, count: int, short_side: int, jpeg_quality: int) -> dict[str, Any]:
    """Write the frames of `rows` (`video_id`, `video_path`) as one Parquet file; returns `{"videos": [a row each]}`."""
    current = path.with_suffix(".current")  # its last line tells which video was at work, should this process die
    videos = []
    with pq.ParquetWriter(path, SCHEMA, compression="none") as writer:  # JPEG does not compress again
        for row in rows:
            with current.open("a", encoding="utf-8") as marker:
                marker.write(f"{row['video_id']}\n")
            video = {"video_id": row["video_id"], "status": "ok", "reason": "", "note": ""}
            try:
                sampled = sample_video(Path(row["video_path"]), count=count, short_side=short_side)
            except VideoError as error:
                failed = {"status": "failed", "reason": str(error), "frames": 0, "source_frames": 0, "width": 0, "height": 0}
                videos.append(video | failed)
                continue
            columns = [
                [row["video_id"]] * len(sampled.frames),
                [frame.frame_index for frame in sampled.frames],
                [frame.pts_seconds for frame in sampled.frames],
                [_jpeg(Image.fromarray(frame.image), quality=jpeg_quality) for frame in sampled.frames],
            ]
            arrays = [pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
            size = {"source_frames": sampled.source_frames, "width": sampled.width, "height": sampled.height}
            videos.append(video | {"note": sampled.note, "frames": len(sampled.frames)} | size)
    current.unlink()
    return {"videos": videos}


class FrameStore:
    """Read access to a folder written by `sample_corpus`. Holds no open files, so it may be sent to other processes."""

    def __init__(self, folder: Path) -> None:
        """Raises `FileNotFoundError` or `ValueError` naming the file and the stage to run when the store is not whole."""
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


def storyboards(store: FrameStore, video_ids: Sequence[str], *, frames: int, width: int) -> dict[str, list[str]]:
    """For each video `frames` evenly chosen frames, `width` pixels wide, as base64 JPEG strings for a page."""
    boards = {}
    for video_id in video_ids:
        images = store.images(video_id)
        chosen = [images[position] for position in sample_positions(len(images), count=frames)]
        small = [image.resize((width, max(1, round(image.height * width / image.width)))) for image in chosen]
        boards[video_id] = [base64.b64encode(_jpeg(image, quality=80)).decode("ascii") for image in small]
    return boards


def _open_shard(path: Path) -> Any:
    try:
        file = pq.ParquetFile(path, memory_map=True)
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path}: not a readable Parquet file ({error}); {_RUN_AGAIN}") from error
    if not file.schema_arrow.equals(SCHEMA):
        raise ValueError(f"{path}: its columns are not those of a frame store; {_RUN_AGAIN}")
    return file


def _jpeg(image: Image.Image, *, quality: int) -> bytes:
    """The picture as JPEG, colour at full resolution (4:4:4)."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _identity(row: dict[str, str]) -> list[int]:
    """Size in bytes and time of change: enough to tell that a file is another one; contents are not read twice."""
    try:
        status = Path(row["video_path"]).stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
