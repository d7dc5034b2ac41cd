"""Stage `download`: get or draw the videos of the study and write the corpus table. `python -m stages.download`"""

from pipeline.base.files import write_json
from pipeline.base.params import load_params
from pipeline.base.paths import DOWNLOADED, METRICS
from pipeline.corpus.coverage import check_losses, describe_corpus, missing_for_training
from pipeline.corpus.datasets import get_videos
from pipeline.corpus.table import write_corpus
from stages import run

ABOUT = METRICS / "corpus.json"


def main() -> None:
    params = load_params()
    dataset = params.current.dataset
    write_corpus(get_videos(dataset, workers=params.runtime.processes), DOWNLOADED)
    about = describe_corpus(DOWNLOADED)
    origin = {"study": params.study, "dataset": dataset.name, "splits": getattr(dataset, "splits", "")}
    write_json(ABOUT, origin | about)
    for split, count in about["coverage"].items():
        having = ", ".join(f"{number} with {name}" for name, number in about["texts"][split].items())
        print(f"{split}: {count['ok']} of {count['asked']} videos, {count['failed']} lost; {having}")
    heard = params.current.speech is not None  # then texts are missing until stage `transcribe` has ended
    if not heard and (lacking := missing_for_training(DOWNLOADED, source=params.current.text.source)):
        print(f"warning: nothing can be trained: {lacking}. Frames and features need no texts:")
        print(f"  dvc exp run -S study={params.study} extract_features@{params.encoder}")
    check_losses(
        failed=len(about["lost"]),
        asked=sum(count["asked"] for count in about["coverage"].values()),
        limit=dataset.max_failed_share,
        what=f"dataset {dataset.name}",
        remedy=f"{ABOUT} gives a reason for each; mend them or raise dataset.max_failed_share of study {params.study}.",
    )


if __name__ == "__main__":
    run(main)
