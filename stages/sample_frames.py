"""Stage `sample_frames`: evenly spaced frames of every video of the corpus. `python -m stages.sample_frames`"""

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.atomic import write_json
from pipeline.corpus import SPLITS, check_losses, read_corpus
from pipeline.frames import FrameStore, sample_corpus, storyboards
from pipeline.params import load_params

CORPUS = Path("data/corpus/corpus.parquet")
FRAMES = Path("data/frames")
METRICS = Path("metrics/frames.json")
STORYBOARDS = Path("metrics/storyboards.json")


def main() -> None:
    params = load_params()
    settings = params.current.frames
    corpus = read_corpus(CORPUS)
    metrics = summarise(sample_corpus(corpus, FRAMES, settings=settings, workers=params.runtime.processes), corpus)
    write_json(METRICS, metrics)
    store = FrameStore(FRAMES)
    tested = set(corpus.loc[corpus["split"] == "test", "video_id"])
    shown = [video_id for video_id in store.video_ids if video_id in tested]
    write_json(STORYBOARDS, storyboards(store, shown, frames=4, width=120))

    for split, counts in metrics["per_split"].items():
        print(f"{split}: frames of {counts['ok']} of {counts['asked']} videos, {counts['failed']} lost")
    examples = "; ".join(f"{video['video_id']}: {video['reason']}" for video in metrics["lost"][:5])
    check_losses(
        failed=metrics["failed"],
        asked=metrics["asked"],
        limit=settings.max_failed_share,
        what="sample_frames",
        remedy=f"Lost: {examples}. {METRICS} lists all; mend the files or raise studies.{params.study}.frames.max_failed_share.",
    )


def summarise(summary: dict[str, Any], corpus: pd.DataFrame) -> dict[str, Any]:
    """Totals, counts per split, and the videos that were lost or of which there is something to note."""
    splits = dict(zip(corpus["video_id"], corpus["split"], strict=True))
    videos = summary["videos"]
    per_split = {}
    for split in SPLITS:
        statuses = [video["status"] for video in videos if splits[video["video_id"]] == split]
        per_split[split] = {"asked": len(statuses), "ok": statuses.count("ok"), "failed": statuses.count("failed")}
    lost = [
        {"video_id": video["video_id"], "split": splits[video["video_id"]], "reason": video["reason"]}
        for video in videos
        if video["status"] == "failed"
    ]
    notes = [{"video_id": video["video_id"], "note": video["note"]} for video in videos if video["note"]]
    totals = {key: summary[key] for key in ("asked", "ok", "failed", "frames", "count", "decoder")}
    return totals | {"per_split": per_split, "lost": lost, "notes": notes}


if __name__ == "__main__":
    main()
