"""What stage `transcribe` begins with and what it says of itself, without the packages that hear."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.base.files import replacing, write_text
from pipeline.corpus.table import read_batches

_COLUMNS = ("video_id", "split", "video_path", "status", "transcript")


def videos_to_hear(downloaded: Path) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Split by id, and id and path, of the videos of the table `downloaded` that are there and have no transcript."""
    splits: dict[str, str] = {}
    videos: list[tuple[str, str]] = []
    for batch in read_batches(downloaded, _COLUMNS):
        for row in batch.to_pylist():
            if row["status"] == "ok" and row["video_path"] and not row["transcript"]:
                splits[row["video_id"]] = row["split"]
                videos.append((row["video_id"], row["video_path"]))
    return splits, videos


def nothing_to_hear(out: Path) -> None:
    """Make `out` a folder that says why nothing is in it."""
    with replacing(out) as temporary:
        temporary.mkdir()
        write_text(temporary / "README.txt", "The study's `speech` is null: no video was listened to.\n")


def describe_heard(origin: str, splits: Mapping[str, str], heard: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `metrics/speech.json` says of the videos that were listened to: how many, and those that are lost or have a note."""
    lost = [
        {"video_id": video["video_id"], "split": splits[video["video_id"]], "reason": video["reason"]}
        for video in heard
        if video["status"] == "failed"
    ]
    notes = [{"video_id": video["video_id"], "note": video["note"]} for video in heard if video["note"]]
    return {
        "origin": origin,
        "asked": len(heard),
        "ok": len(heard) - len(lost),
        "failed": len(lost),
        "lost": lost,
        "notes": notes,
    }
