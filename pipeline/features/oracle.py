"""Features of an encoder that cannot err: which entities each frame shows, taken from the annotated steps.

The positive control of a study. A frame shows the entities that are named in the sentence of the step it falls into; its vector
has a one for each of them. A frame outside every step, and every frame of a dataset without steps or entities, is a vector of
zeros.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.code import code_digest
from pipeline.base.encoder_names import ORACLE
from pipeline.base.paths import DOWNLOADED
from pipeline.base.resumable import Shard, run_shards
from pipeline.base.scratch import file_sha256, fingerprint, publish, scratch_folder
from pipeline.corpus.entities import entities_in
from pipeline.corpus.table import read_corpus
from pipeline.features.schema import NORMALISATION, feature_schema
from pipeline.frames.store import frame_shards, frames_per_video, read_columns

_MULTIPLE = 8  # widths are filled up to one, so that attention heads divide them


def write_oracle_features(frames: Path, out: Path) -> dict[str, Any]:
    """A feature file for every shard of the frame store; returns totals."""
    corpus = read_corpus(DOWNLOADED, ("video_id", "steps", "segments", "entities"))
    names = sorted({name for entities in corpus["entities"] for name in entities})
    sources, per_video = frame_shards(frames), frames_per_video(frames)
    sha256 = file_sha256(DOWNLOADED)
    footer = {"encoder": ORACLE, "weights_sha256": sha256, "normalisation": NORMALISATION}
    footer |= {"precision": "float16", "frames_per_video": str(per_video), "entities": ", ".join(names)}
    key = fingerprint(footer, [file_sha256(source) for source in sources], code_digest("pipeline.features.oracle"))
    videos = {row["video_id"]: row for row in corpus[["video_id", "steps", "segments"]].to_dict("records")}
    shards = [Shard(name=source.name, items=[source]) for source in sources]

    def write_shard(items: Sequence[Path], path: Path) -> dict[str, Any]:
        times = read_columns(items[0], ["video_id", "frame_index", "pts_seconds"])
        values = _vectors(times, videos, names)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
        schema = feature_schema(values.shape[1], footer)
        pq.write_table(pa.table([*times.columns, vectors], schema=schema), path)
        return {"frames": len(values), "shown": int(values.any(axis=1).sum())}

    with scratch_folder(f"extract_features.{ORACLE}", key) as folder:
        counts = run_shards(write_shard, shards, folder=folder, workers=1, unit="shard", title="look up the truth")
        publish(folder, [shard.name for shard in shards], out)
    return {name: sum(count[name] for count in counts) for name in ("frames", "shown")} | {"dim": len(names)}


def _vectors(times: pa.Table, videos: Mapping[str, Any], names: Sequence[str]) -> np.ndarray:
    """[N, D] float16."""
    width = max(_MULTIPLE, -(-len(names) // _MULTIPLE) * _MULTIPLE)
    values = np.zeros((len(times), width), dtype=np.float16)
    steps: dict[str, list[list[int]]] = {}
    for row, (video, seconds) in enumerate(
        zip(*(times.column(name).to_pylist() for name in ("video_id", "pts_seconds")), strict=True)
    ):
        if video not in steps:
            steps[video] = [
                [place for place, name in enumerate(names) if name in entities_in(sentence, names)]
                for sentence in videos[video]["steps"]
            ]
        for shown in _steps_at(seconds, videos[video]["segments"], steps[video]):
            values[row, shown] = 1
    return values


def _steps_at(seconds: float, segments: Sequence[Sequence[float]], steps: Sequence[list[int]]) -> list[list[int]]:
    """What the step at that time shows. Steps are closed on the left; the end of the last one belongs to it."""
    last = max((end for _, end in segments), default=0.0)
    return [
        shown
        for (start, end), shown in zip(segments, steps, strict=False)
        if start <= seconds < end or (end == last and seconds >= end and seconds <= last + 1)
    ]
