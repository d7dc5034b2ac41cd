"""Evenly spaced frames of every video, decoded once into the store that `pipeline.frames.store` reads."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import PIL
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.base.code import code_digest
from pipeline.base.engines.engine import Engine
from pipeline.base.files import write_json
from pipeline.base.items import ItemErrors
from pipeline.base.params import Frames
from pipeline.base.resumable import run_shards, shard_digests, shard_seconds, split_into_shards
from pipeline.base.scratch import file_identity, fingerprint, publish, scratch_folder
from pipeline.frames.at_work import AtWork, naming_videos
from pipeline.frames.decoding import SampledVideo, sample_video
from pipeline.frames.opening import VideoError
from pipeline.frames.store import SCHEMA, SUMMARY, jpeg_bytes

if TYPE_CHECKING:
    import pandas as pd  # worker processes import this module and need no pandas

# How much is decoded both ways: the start of the first video of each kind in a shard, and the whole of one video in so many.
COMPARED_FRAMES = 1000
COMPARED_VIDEOS = 64


def sample_corpus(
    corpus: "pd.DataFrame", out: Path, *, settings: Frames, workers: int, engine: Engine | None = None
) -> dict[str, Any]:
    """Sample every video of the corpus with status "ok" into the store `out`; returns what `summary.json` says.

    A video that gives no frames is a row with a reason. Wherever a call is killed, the next one resumes after the last
    finished shard. Shards are kept (as hard links), so that another text or limit in the study decodes nothing again. When a
    worker process dies, raises `RuntimeError` naming the videos that were being sampled.
    """
    rows = videos_asked_for(corpus)
    work = partial(sample_shard, count=settings.count, short_side=settings.short_side, jpeg_quality=settings.jpeg_quality)
    key = fingerprint(
        work.keywords,
        decoder(),
        PIL.__version__,
        code_digest("pipeline.frames.sampling"),
        settings.videos_per_shard,
        identities(rows),
    )
    shards = split_into_shards(rows, size=settings.videos_per_shard)
    with scratch_folder("sample_frames", key) as folder:
        with naming_videos(folder, doing="sampled"):
            parts = run_shards(work, shards, folder=folder, workers=workers, unit="video", title="sample frames", engine=engine)
        videos = [video | {"shard": shard.name} for shard, part in zip(shards, parts, strict=True) for video in part["videos"]]
        ok = [video for video in videos if video["status"] == "ok"]
        summary = {
            "keep": True,
            "count": settings.count,
            "short_side": settings.short_side,
            "decoder": decoder(),
            "asked": len(rows),
            "ok": len(ok),
            "failed": sum(video["status"] == "failed" for video in videos),
            "frames": sum(video["frames"] for video in videos),
            "videos": videos,
            "sha256": shard_digests(shards, folder),
        }
        assert summary["asked"] == summary["ok"] + summary["failed"], "every video asked for is either ok or failed"
        print(f"sample_frames: {shard_seconds(shards, folder):.0f} s of work, one shard after another", flush=True)
        write_json(folder / SUMMARY, summary)
        publish(folder, [*(shard.name for shard in shards), SUMMARY], out)
    return summary


def sample_shard(
    rows: Sequence[dict[str, str]],
    path: Path,
    *,
    count: int,
    short_side: int,
    jpeg_quality: int,
    threads: int = 1,
    compared_frames: int = COMPARED_FRAMES,
) -> dict[str, Any]:
    """Write the frames of `rows` (`video_id`, `video_path`) as one Parquet file; returns `{"videos": [a row each]}`.

    One process may give a video several `threads`; of the first of its kind so many frames are decoded both ways.
    """
    videos: list[dict[str, Any]] = []
    at_work, errors, comparison = AtWork(path), ItemErrors(), Comparison(compared_frames)
    with pq.ParquetWriter(path, SCHEMA, compression="none") as writer:  # JPEG does not compress further
        for row in rows:
            video_id = row["video_id"]
            with at_work.at(video_id):
                try:
                    compared = partial(comparison.frames, video_id)
                    film = Path(row["video_path"])
                    sampled = sample_video(film, count=count, short_side=short_side, compared=compared, threads=threads)
                    table = _table(video_id, sampled, jpeg_quality=jpeg_quality)
                except Exception as error:  # noqa: BLE001 - whatever one file provokes is its reason
                    videos.append(lost_video(video_id, error, errors))
                    continue
                errors.passed()
                writer.write_table(table)
                videos.append(found_video(video_id, sampled, frames=len(sampled.frames)))
    at_work.done()
    return {"videos": videos}


def found_video(video_id: str, sampled: SampledVideo, *, frames: int) -> dict[str, Any]:
    """The row of a video that gave frames."""
    found = {"video_id": video_id, "status": "ok", "reason": "", "note": sampled.note, "frames": frames}
    return found | {"source_frames": sampled.source_frames, "width": sampled.width, "height": sampled.height}


def lost_video(video_id: str, error: Exception, errors: ItemErrors) -> dict[str, Any]:
    """The row of a video that gave none. Raises what is no fault of its own, by `errors`."""
    if isinstance(error, VideoError):
        errors.passed()
        reason = str(error)
    else:
        reason = errors.reason(error)
    lost = {"video_id": video_id, "status": "failed", "reason": reason, "note": ""}
    return lost | {"frames": 0, "source_frames": 0, "width": 0, "height": 0}


def videos_asked_for(corpus: "pd.DataFrame") -> list[dict[str, str]]:
    """`video_id` and `video_path` of what is to be decoded: status "ok" and a file; a study may do without videos."""
    asked = corpus[(corpus["status"] == "ok") & (corpus["video_path"] != "")]
    columns = zip(asked["video_id"], asked["video_path"], strict=True)
    return [{"video_id": video_id, "video_path": path} for video_id, path in columns]


def identities(rows: Sequence[Mapping[str, str]]) -> list[list[int | str]]:
    """What tells that one of these videos is another one."""
    return [[*row.values(), *file_identity(Path(row["video_path"]))] for row in rows]


def decoder() -> str:
    return f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}"


class Comparison:
    """Which videos of a shard are decoded both ways where the short cut is taken, and how much of them.

    It hangs on the shard and on ids alone: how many processes work, in which order, and whether one was killed changes nothing.
    """

    def __init__(self, first_frames: int = COMPARED_FRAMES) -> None:
        self._first_frames = first_frames
        self._kinds: set[str] = set()

    def frames(self, video_id: str, kind: str) -> int:
        """How many frames from the start; 0 for none. `kind` is container and codec."""
        if int.from_bytes(hashlib.sha256(video_id.encode()).digest()[:8], "big") % COMPARED_VIDEOS == 0:
            return sys.maxsize
        first = kind not in self._kinds
        self._kinds.add(kind)
        return self._first_frames if first else 0


def describe_frames(summary: dict[str, Any], splits: Mapping[str, str]) -> dict[str, Any]:
    """What `metrics/frames.json` says: totals, counts per split, and videos that were lost or that have a note.

    `summary` is that of the store; `splits` gives the split of every video.
    """
    videos = summary["videos"]
    per_split = {}
    for split in dict.fromkeys(splits.values()):
        statuses = [video["status"] for video in videos if splits[video["video_id"]] == split]
        per_split[split] = {"asked": len(statuses), "ok": statuses.count("ok"), "failed": statuses.count("failed")}
    lost = [
        {"video_id": video["video_id"], "split": splits[video["video_id"]], "reason": video["reason"]}
        for video in videos
        if video["status"] == "failed"
    ]
    notes = [{"video_id": video["video_id"], "note": video["note"]} for video in videos if video["note"]]
    totals = {key: summary[key] for key in ("keep", "asked", "ok", "failed", "frames", "count", "decoder")}
    return totals | {"per_split": per_split, "lost": lost, "notes": notes}


def _table(video_id: str, sampled: SampledVideo, *, jpeg_quality: int) -> pa.Table:
    columns = [
        [video_id] * len(sampled.frames),
        [frame.frame_index for frame in sampled.frames],
        [frame.pts_seconds for frame in sampled.frames],
        [jpeg_bytes(Image.fromarray(frame.image), quality=jpeg_quality) for frame in sampled.frames],
    ]
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)
