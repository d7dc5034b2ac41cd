"""Have the reference summaries of a study written by its chat endpoint. `make summaries`

python -m stages.summaries --study youcook2

Not a stage of `dvc.yaml`: it costs money, so nothing runs it but you. Its result is an input of `download`, which a person may
correct by hand; `review.html` beside it shows steps and summaries side by side.
"""

import argparse
from pathlib import Path

from pipeline.base.dataset_params import YouCook2Dataset
from pipeline.base.params import load_study
from pipeline.corpus.annotations import Annotation, read_annotations
from pipeline.corpus.chat import generate_summaries
from pipeline.corpus.coverage import check_losses
from pipeline.corpus.summaries import write_review
from pipeline.corpus.youcook2 import get_annotations
from stages import run

CACHE = Path(".scratch/summaries")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True)
    study = parser.parse_args().study
    dataset = load_study(study).dataset
    if not isinstance(dataset, YouCook2Dataset) or dataset.chat is None:
        raise ValueError(f"studies/{study}.yaml: dataset: no summaries to write; choose a study with `summaries: chat`")
    annotations = read_annotations(get_annotations(dataset), recipes=None)
    steps = {entry.video_id: entry.steps for entry in annotations if isinstance(entry, Annotation) and entry.steps}
    path = Path(dataset.folder) / "summaries.jsonl"
    failed = generate_summaries(steps, path, settings=dataset.chat, cache=CACHE)
    write_review(path, steps, path.with_name("review.html"))
    print(f"{path}: {len(steps) - len(failed)} summaries; review and correct them in {path.with_name('review.html')}")
    for video_id, reason in sorted(failed.items())[:10]:
        print(f"  no summary of {video_id}: {reason}")
    check_losses(
        failed=len(failed),
        asked=len(steps),
        limit=dataset.max_failed_share,
        what="summaries",
        remedy="Run it again: answers are kept.",
    )


if __name__ == "__main__":
    run(main)
