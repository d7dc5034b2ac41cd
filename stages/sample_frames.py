"""Stage `sample_frames`: evenly spaced frames of every video of the corpus. `python -m stages.sample_frames`

With `frames.keep: false` it stores none: `extract_features` decodes the videos.
"""

from pipeline.base.engines.engine import choose_engine
from pipeline.base.files import write_json
from pipeline.base.params import load_params
from pipeline.base.paths import DOWNLOADED, FRAMES, METRICS, STORYBOARDS
from pipeline.corpus.coverage import check_losses
from pipeline.corpus.table import read_corpus
from pipeline.frames.sampling import describe_frames, sample_corpus
from pipeline.frames.shown import shown_places
from pipeline.frames.store import FrameStore
from pipeline.frames.storyboards import decoded_storyboards, storyboards
from pipeline.frames.unkept import describe_unkept, leave_frames
from stages import run

ABOUT = METRICS / "frames.json"


def main() -> None:
    params = load_params()
    settings, workers, engine = params.current.frames, params.runtime.processes, choose_engine(params.runtime)
    corpus = read_corpus(DOWNLOADED, ("video_id", "split", "video_path", "status"))
    splits = dict(zip(corpus["video_id"], corpus["split"], strict=True))
    if not settings.keep:
        summary = leave_frames(corpus, FRAMES, settings=settings, study=params.study)
        rows = {row["video_id"]: row for row in summary["videos"] if splits[row["video_id"]] == "test"}
        shown = [list(rows.values())[place] for place in shown_places(list(rows), params.current.page_videos)]
        boards = decoded_storyboards(shown, settings=settings, frames=4, width=120, workers=workers, engine=engine)
        write_json(STORYBOARDS, boards)
        write_json(ABOUT, describe_unkept(summary, splits))
        print(f"frames of {summary['asked']} videos are not kept: extract_features decodes them, and tells which give none")
        return
    summary = sample_corpus(corpus, FRAMES, settings=settings, workers=workers, engine=engine)
    about = describe_frames(summary, splits)
    write_json(ABOUT, about)
    store = FrameStore(FRAMES)
    tested = [video_id for video_id in store.video_ids if splits[video_id] == "test"]
    shown = [tested[place] for place in shown_places(tested, params.current.page_videos)]
    write_json(STORYBOARDS, storyboards(store, shown, frames=4, width=120))
    for split, counts in about["per_split"].items():
        print(f"{split}: frames of {counts['ok']} of {counts['asked']} videos, {counts['failed']} lost")
    examples = "; ".join(f"{video['video_id']}: {video['reason']}" for video in about["lost"][:5])
    check_losses(
        failed=about["failed"],
        asked=about["asked"],
        limit=settings.max_failed_share,
        what="sample_frames",
        remedy=f"Lost: {examples}. {ABOUT} lists all; mend the files or raise frames.max_failed_share of study {params.study}.",
    )


if __name__ == "__main__":
    run(main)
