"""Stage `sample_frames`: evenly spaced frames of every video of the corpus. `python -m stages.sample_frames`"""

from pipeline.base.engines.engine import choose_engine
from pipeline.base.files import write_json
from pipeline.base.params import load_params
from pipeline.base.paths import DOWNLOADED, FRAMES, METRICS, STORYBOARDS
from pipeline.corpus.coverage import check_losses
from pipeline.corpus.table import read_corpus
from pipeline.frames.sampling import describe_frames, sample_corpus, storyboards
from pipeline.frames.shown import shown_places
from pipeline.frames.store import FrameStore
from stages import run

ABOUT = METRICS / "frames.json"


def main() -> None:
    params = load_params()
    settings = params.current.frames
    corpus = read_corpus(DOWNLOADED, ("video_id", "split", "video_path", "status"))
    splits = dict(zip(corpus["video_id"], corpus["split"], strict=True))
    engine = choose_engine(params.runtime)
    summary = sample_corpus(corpus, FRAMES, settings=settings, workers=params.runtime.processes, engine=engine)
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
