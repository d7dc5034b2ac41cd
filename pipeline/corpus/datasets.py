"""A dataset by its name: `dataset.name` in a study is a file of this folder with a function `read_videos`."""

from importlib import import_module

from pipeline.base.dataset_params import Dataset
from pipeline.base.files import write_text
from pipeline.base.paths import RAW
from pipeline.corpus.table import Video


def get_videos(dataset: Dataset, *, workers: int) -> list[Video]:
    """The rows of the corpus; afterwards `data/raw` exists, whether or not anything was drawn into it."""
    # Drawn videos replace the folder as a whole, and this note with it.
    write_text(RAW / "README.txt", "This study reads its videos where they are; nothing is copied here.\n")
    videos: list[Video] = import_module(f"pipeline.corpus.{dataset.name}").read_videos(dataset, workers=workers)
    return videos
