"""A table of outputs that others have released: its files had, its rows scored. `pipeline.report.released` writes the table."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from pipeline.base.files import listed
from pipeline.base.paths import INPUTS
from pipeline.base.released_params import Released
from pipeline.base.scratch import file_sha256, scratch_root
from pipeline.corpus.downloads import FetchError, fetch_file
from pipeline.evaluation.external import Scoring, score_external
from pipeline.evaluation.external_files import Texts, read_references
from pipeline.scoring.record import RowRecord

# Beside the metrics by which rows are compared: the other way to count ROUGE, by white-space words, of most papers on How2.
ALSO = ("rouge1_ws", "rouge2_ws", "rougeL_ws")


def released_root(study: str) -> Path:
    """Where metrics and predictions of such a table lie: they hold others' texts, so git never sees them."""
    return scratch_root() / "released" / study


def get_files(study: str, released: Released) -> Path:
    """The folder with every file of the study, each with its sha256. What is not there is fetched.

    A file that cannot be had, or is another one, is a `RuntimeError` that says where it may be put by hand.
    """
    folder = INPUTS / study
    for name, sha256 in released.sha256.items():
        path = folder / name
        if path.exists():
            if (found := file_sha256(path)) != sha256:
                raise RuntimeError(f"{path}: sha256 is {found}, expected {sha256}; delete it to have it fetched")
            continue
        url = f"{released.url}{name}"
        try:
            fetch_file(url, path, title=name, max_bytes=released.max_bytes, sha256=sha256)
        except FetchError as error:
            raise RuntimeError(f"{error}. The file may be put into {folder} by hand") from error
    return folder


def score_released(study: str, released: Released, folder: Path, *, processes: int) -> list[RowRecord]:
    """Write predictions and record of every row below `released_root`; rows are scored side by side."""
    references = read_references(folder / released.references)
    scoring = Scoring(study, "full", released.primary, released.bootstrap_resamples, root=released_root(study), also=ALSO)
    _remove_others(scoring.root, list(released.external))
    score = partial(_score, released=released, folder=folder, references=references, scoring=scoring)
    if processes == 1:
        return [score(name) for name in released.external]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(score, released.external))


def _score(name: str, *, released: Released, folder: Path, references: Texts, scoring: Scoring) -> RowRecord:
    return score_external(name, released.external[name], folder, references=references, scoring=scoring)


def _remove_others(root: Path, names: Sequence[str]) -> None:
    """Rows that the study no longer has are in no table."""
    for path in [*listed(root, "metrics/*.json"), *listed(root, "predictions/*.jsonl")]:
        if path.stem not in names:
            path.unlink()
