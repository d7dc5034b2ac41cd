"""Stage `download`: get or draw the videos of the study and write the corpus table. `python -m stages.download`"""

from pathlib import Path

from pipeline.atomic import write_json, write_text
from pipeline.corpus import Video, check_losses, coverage, read_corpus, text_counts, write_corpus
from pipeline.datasets import folder, kitchen, youcook2_corpus
from pipeline.params import FolderDataset, KitchenDataset, YouCook2Dataset, load_params

RAW = Path("data/raw")
CORPUS = Path("data/corpus/corpus.parquet")
METRICS = Path("metrics/corpus.json")


def main() -> None:
    params = load_params()
    dataset = params.current.dataset
    write_corpus(get_videos(dataset, workers=params.runtime.processes), CORPUS)
    frame = read_corpus(CORPUS)
    counts = coverage(frame)
    lost = frame[frame["status"] == "failed"]
    texts = text_counts(frame)
    write_json(
        METRICS,
        {
            "study": params.study,
            "dataset": dataset.name,
            "splits": dataset.splits if isinstance(dataset, YouCook2Dataset) else "",
            "coverage": counts,
            "texts": texts,
            "lost": lost[["video_id", "split", "reason"]].to_dict("records"),
        },
    )
    for split, count in counts.items():
        having = ", ".join(f"{number} with {name}" for name, number in texts[split].items())
        print(f"{split}: {count['ok']} of {count['asked']} videos, {count['failed']} lost; {having}")
    check_losses(
        failed=len(lost),
        asked=len(frame),
        limit=dataset.max_failed_share,
        what=f"dataset {dataset.name}",
        remedy=f"{METRICS} gives a reason for each; mend them or raise studies.{params.study}.dataset.max_failed_share.",
    )


def get_videos(dataset: KitchenDataset | FolderDataset | YouCook2Dataset, *, workers: int) -> list[Video]:
    """The rows of the corpus; afterwards `data/raw` exists, whatever the dataset."""
    if isinstance(dataset, KitchenDataset):
        return kitchen.build(dataset, RAW, workers=workers)
    write_text(RAW / "README.txt", "This study reads its videos where they are; nothing is copied here.\n")
    return youcook2_corpus.read_youcook2(dataset) if isinstance(dataset, YouCook2Dataset) else folder.read_folder(dataset)


if __name__ == "__main__":
    main()
