"""What a corpus has and what it lacks: videos and texts per split, and every lost video with its reason.

Counted part by part, so that memory does not grow with the corpus.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpus.table import SPLITS, read_batches, with_texts

_TEXTS = ("steps", "transcript", "summary", "entities")


def describe_corpus(path: Path) -> dict[str, Any]:
    """What `metrics/corpus.json` says of the table at `path`.

    `coverage`: videos asked for, ok and failed, per split; asked = ok + failed. `texts`: how many of those that are ok have
    steps, a transcript, a summary and entities. `lost`: `video_id`, `split` and `reason` of each that failed.
    """
    statuses: Counter[tuple[str, str]] = Counter()
    texts: Counter[tuple[str, str]] = Counter()
    lost: list[dict[str, str]] = []
    for batch in read_batches(path, ("video_id", "split", "status", "reason", *_TEXTS)):
        statuses.update(zip(*(batch.column(name).to_pylist() for name in ("split", "status")), strict=True))
        failed = batch.filter(pc.equal(batch.column("status"), "failed")).select(["video_id", "split", "reason"])
        lost += failed.to_pylist()
        ok = batch.filter(pc.equal(batch.column("status"), "ok"))
        for name in _TEXTS:
            texts.update((split, name) for split in ok.column("split").filter(_has_any(ok.column(name))).to_pylist())
    coverage = {}
    for split in SPLITS:
        counts = {status: statuses[split, status] for status in ("ok", "failed")}
        coverage[split] = {"asked": sum(counts.values())} | counts
    assert sum(count["asked"] for count in coverage.values()) == statuses.total(), "a status is neither ok nor failed"
    return {
        "coverage": coverage,
        "texts": {split: {name: texts[split, name] for name in _TEXTS} for split in SPLITS},
        "lost": lost,
    }


def count_origins(path: Path) -> dict[str, dict[str, int]]:
    """By split, how many videos that are ok have a transcript of each origin, by name."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in read_batches(path, ("split", "status", "transcript_origin")):
        ok = batch.filter(pc.equal(batch.column("status"), "ok"))
        counts.update(zip(*(ok.column(name).to_pylist() for name in ("split", "transcript_origin")), strict=True))
    origins = sorted({origin for _, origin in counts if origin})
    return {split: {origin: counts[split, origin] for origin in origins} for split in SPLITS}


def missing_for_training(path: Path, *, source: str) -> str:
    """Which splits of the table at `path` have no video with both a text (`source`) and a summary, and why; empty if all have."""
    usable: Counter[str] = Counter()
    trainable: Counter[str] = Counter()
    for batch in read_batches(path, ("split", "status", "steps", "transcript", "transcript_named", "summary")):
        part = batch.filter(pc.equal(batch.column("status"), "ok")).to_pandas()
        usable.update(part["split"])
        trainable.update(with_texts(part, source=source)["split"])
    lacking = []
    for split in SPLITS:
        if not usable[split]:
            lacking.append(f"{split} has no usable video")
        elif not trainable[split]:
            lacking.append(f"of {usable[split]} videos of {split} none has both a summary and a text (text.source: {source})")
    return "; ".join(lacking)


def require_videos(path: Path, *, what: str, instead: str) -> None:
    """Raise `ValueError` where no row of the table at `path` has a video; `instead` is a key of the study."""
    if not any(pc.any(_has_any(batch.column("video_path"))).as_py() for batch in read_batches(path, ("video_path",))):
        raise ValueError(
            f"{what}: the study has no videos (dataset.videos: null), and no {instead} in their place, so the rows that need it "
            "cannot run. Name targets that can, or delete the others' entries in dvc.yaml: docs/youcook2.md says which"
        )


def check_losses(*, failed: int, asked: int, limit: float, what: str, remedy: str) -> None:
    """Raise `RuntimeError` when more than the share `limit` of `asked` items failed."""
    if asked and failed / asked > limit:
        raise RuntimeError(
            f"{what}: {failed} of {asked} failed ({failed / asked:.1%}), more than max_failed_share {limit:.1%}. {remedy}"
        )


def _has_any(column: pa.Array) -> pa.Array:
    """Which texts are not empty, and which lists have an element."""
    length = pc.list_value_length if pa.types.is_list(column.type) else pc.binary_length
    return pc.greater(length(column), 0)
