"""Frames that are not kept (`frames.keep: false`): in place of a store, a summary of which videos are to be decoded, and how.

`pipeline.features.fused` decodes them and embeds what it sees. Whether a video is lost is known only then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.files import read_json, readable, replacing, write_json
from pipeline.base.params import Frames
from pipeline.frames.sampling import decoder, videos_asked_for
from pipeline.frames.store import SUMMARY

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Unkept:
    """`videos` have `video_id` and `video_path`. They are cut into shards as those of a store are."""

    count: int
    short_side: int
    videos_per_shard: int
    videos: list[dict[str, str]]


def leave_frames(corpus: "pd.DataFrame", out: Path, *, settings: Frames, study: str) -> dict[str, Any]:
    """Make `out` a folder with a summary and no frames; returns the summary.

    Of which bytes a video consists is not said there: DVC compares the videos themselves, and extraction asks again.
    """
    rows = videos_asked_for(corpus)
    summary = {
        "keep": False,
        "study": study,
        "count": settings.count,
        "short_side": settings.short_side,
        "videos_per_shard": settings.videos_per_shard,
        "decoder": decoder(),
        "asked": len(rows),
        "videos": rows,
    }
    with replacing(out) as temporary:
        temporary.mkdir()
        write_json(temporary / SUMMARY, summary)
    return summary


def read_unkept(folder: Path) -> Unkept:
    """What is to be decoded. A summary that is missing or damaged is an error that names the stage to run."""
    keys = {"count": int, "short_side": int, "videos_per_shard": int, "videos": list}
    with readable(folder / SUMMARY, stage="sample_frames"):
        summary = read_json(folder / SUMMARY, keys)
    if not summary["videos"]:
        raise FileNotFoundError(f"{folder} asks for frames of no video: the corpus has none that can be used")
    return Unkept(**{name: summary[name] for name in keys})


def describe_unkept(summary: Mapping[str, Any], splits: Mapping[str, str]) -> dict[str, Any]:
    """What `metrics/frames.json` says: how many videos are to be decoded. How many give no frames nobody knows yet."""
    per_split = {split: {"asked": 0} for split in dict.fromkeys(splits.values())}
    for video in summary["videos"]:
        per_split[splits[video["video_id"]]]["asked"] += 1
    return {key: summary[key] for key in ("keep", "asked", "count", "decoder")} | {"per_split": per_split}
