"""A few small frames of a video, for a page: of the stored frames, or of a video whose frames are not kept."""

import base64
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import PIL
from PIL import Image

from pipeline.base.code import code_digest
from pipeline.base.engines.engine import Engine
from pipeline.base.files import read_json
from pipeline.base.items import ItemErrors
from pipeline.base.params import Frames
from pipeline.base.resumable import run_shards, split_into_shards
from pipeline.base.scratch import fingerprint, keep_only, scratch_folder
from pipeline.frames.at_work import AtWork, naming_videos
from pipeline.frames.decoding import sample_positions, sample_video
from pipeline.frames.sampling import decoder, identities, lost_video
from pipeline.frames.store import FrameStore, jpeg_bytes

Boards = dict[str, list[str]]


def storyboards(store: FrameStore, video_ids: Sequence[str], *, frames: int, width: int) -> Boards:
    """For each video `frames` evenly chosen frames, `width` pixels wide, as base64 JPEG strings for a page."""
    return {video_id: _board(store.images(video_id), frames=frames, width=width) for video_id in video_ids}


def decoded_storyboards(
    rows: Sequence[Mapping[str, str]], *, settings: Frames, frames: int, width: int, workers: int, engine: Engine | None = None
) -> Boards:
    """The same of videos (`video_id`, `video_path`) whose frames are not kept: they are decoded for this alone.

    A video that gives no frames has none; its reason is told where its frames are embedded. Shards are kept in scratch.
    """
    work = partial(_decode_boards, count=settings.count, short_side=settings.short_side, frames=frames, width=width)
    key = fingerprint(
        work.keywords,
        decoder(),
        PIL.__version__,
        code_digest("pipeline.frames.storyboards"),
        settings.videos_per_shard,
        identities(rows),
    )
    shards = split_into_shards(rows, size=settings.videos_per_shard, suffix=".json")
    boards: Boards = {}
    with scratch_folder("storyboards", key) as folder:
        with naming_videos(folder, doing="decoded"):
            run_shards(work, shards, folder=folder, workers=workers, unit="video", title="decode storyboards", engine=engine)
        for shard in shards:
            boards |= read_json(folder / shard.name)
        keep_only(folder)
    return boards


def _decode_boards(
    rows: Sequence[Mapping[str, str]], path: Path, *, count: int, short_side: int, frames: int, width: int
) -> dict[str, Any]:
    boards: Boards = {}
    at_work, errors = AtWork(path), ItemErrors()
    for row in rows:
        with at_work.at(row["video_id"]):
            try:
                sampled = sample_video(Path(row["video_path"]), count=count, short_side=short_side)
                images = [Image.fromarray(frame.image) for frame in sampled.frames]
                boards[row["video_id"]] = _board(images, frames=frames, width=width)
                errors.passed()
            except Exception as error:  # noqa: BLE001 - the same file is tried again where frames are embedded, and told there
                lost_video(row["video_id"], error, errors)
    path.write_text(json.dumps(boards), encoding="utf-8")
    at_work.done()
    return {"videos": len(boards)}


def _board(images: Sequence[Image.Image], *, frames: int, width: int) -> list[str]:
    chosen = [images[position] for position in sample_positions(len(images), count=frames)]
    small = [image.resize((width, max(1, round(image.height * width / image.width)))) for image in chosen]
    return [base64.b64encode(jpeg_bytes(image, quality=80)).decode("ascii") for image in small]
