"""Stage `transcribe`: texts for videos that have none, from their own sound, if the study asks for it; the finished corpus.

python -m stages.transcribe
"""

from typing import Any

from pipeline.base.files import write_json
from pipeline.base.params import Params, load_params
from pipeline.base.paths import CORPUS, DOWNLOADED, METRICS, SPEECH
from pipeline.corpus.coverage import check_losses, count_origins, missing_for_training
from pipeline.corpus.table import write_with_transcripts
from pipeline.speech.heard import describe_heard, nothing_to_hear, videos_to_hear
from stages import run

ABOUT = METRICS / "speech.json"


def main() -> None:
    params = load_params()
    about = hear(params)
    write_json(ABOUT, about | {"origins": count_origins(CORPUS)})
    if params.current.speech is None:
        return
    print(f"heard: {about['ok']} of {about['asked']} videos without a text; {about['failed']} lost")
    if lacking := missing_for_training(CORPUS, source=params.current.text.source):
        print(f"warning: nothing can be trained: {lacking}")
    examples = "; ".join(f"{video['video_id']}: {video['reason']}" for video in about["lost"][:5])
    check_losses(
        failed=about["failed"],
        asked=about["asked"],
        limit=params.current.speech.max_failed_share,
        what="transcribe",
        remedy=f"Lost: {examples}. {ABOUT} lists all; supply texts or raise speech.max_failed_share of study {params.study}.",
    )


def hear(params: Params) -> dict[str, Any]:
    """Write the corpus with what was heard in it; returns what is known of that."""
    settings = params.current.speech
    if settings is None:
        nothing_to_hear(SPEECH)
        write_with_transcripts(DOWNLOADED, CORPUS, {}, origin="")
        return describe_heard("", {}, [])
    from pipeline.base.device import device_of_tasks
    from pipeline.base.engines.engine import choose_engine
    from pipeline.speech.store import read_texts
    from pipeline.speech.transcribe import hear_videos

    splits, videos = videos_to_hear(DOWNLOADED)
    device = device_of_tasks(params.runtime)
    engine, workers = choose_engine(params.runtime), params.runtime.processes
    origin, heard = hear_videos(videos, SPEECH, settings=settings, device=device, workers=workers, engine=engine)
    write_with_transcripts(DOWNLOADED, CORPUS, read_texts(SPEECH), origin=origin)
    return describe_heard(origin, splits, heard)


if __name__ == "__main__":
    run(main)
