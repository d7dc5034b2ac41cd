"""Features of an encoder that cannot err: which entities each frame shows, taken from the annotated steps.

The positive control of a study. A frame shows the entities that are named in the sentence of the step it falls into; its vector
has a one for each of them. A frame outside every step, and every frame of a dataset without steps or entities, is a vector of
zeros.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.code import code_digest
from pipeline.base.encoder_names import ORACLE
from pipeline.base.files import write_json
from pipeline.base.paths import DOWNLOADED
from pipeline.base.resumable import Shard, run_shards, shard_digests
from pipeline.base.scratch import file_sha256, fingerprint, publish, scratch_folder
from pipeline.corpus.entities import entities_in
from pipeline.corpus.table import read_corpus
from pipeline.features.schema import DIGESTS, NORMALISATION, feature_schema
from pipeline.frames.store import frame_shards, frames_per_video, is_kept, read_columns

if TYPE_CHECKING:
    from pipeline.base.params import Params

_TIMES = ["video_id", "frame_index", "pts_seconds"]
_MULTIPLE = 8  # widths are filled up to one, so that attention heads divide them


def write_oracle_features(frames: Path, out: Path, *, params: "Params", weights: Path) -> dict[str, Any]:
    """A feature file for every shard of the frame store; returns totals.

    Of frames that are not kept, the times are those of a pass that decodes them; `weights` is the folder of all encoders.
    """
    if is_kept(frames):
        times = {source.name: source for source in frame_shards(frames)}
        return _write(times, out, per_video=frames_per_video(frames), read=partial(read_columns, columns=_TIMES))
    from pipeline.features.fused import finished_pass  # PyTorch, which takes seconds to import

    with finished_pass(frames, name=ORACLE, params=params, weights=weights) as (found, _):
        return _write(found.times(), out, per_video=found.per_video, read=partial(pq.read_table, columns=_TIMES))


def _write(times: Mapping[str, Path], out: Path, *, per_video: int, read: Callable[[Path], pa.Table]) -> dict[str, Any]:
    """Vectors for the frame times in each of some files, by the names that are published."""
    corpus = read_corpus(DOWNLOADED, ("video_id", "steps", "segments", "entities"))
    names = sorted({name for entities in corpus["entities"] for name in entities})
    sha256 = file_sha256(DOWNLOADED)
    footer = {"encoder": ORACLE, "weights_sha256": sha256, "normalisation": NORMALISATION}
    footer |= {"precision": "float16", "frames_per_video": str(per_video), "entities": ", ".join(names)}
    key = fingerprint(footer, [file_sha256(source) for source in times.values()], code_digest("pipeline.features.oracle"))
    videos = {row["video_id"]: row for row in corpus[["video_id", "steps", "segments"]].to_dict("records")}
    shards = [Shard(name=name, items=[source]) for name, source in times.items()]

    def write_shard(items: Sequence[Path], path: Path) -> dict[str, Any]:
        found = read(items[0])
        values = _vectors(found, videos, names)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
        schema = feature_schema(values.shape[1], footer)
        pq.write_table(pa.table([*found.columns, vectors], schema=schema), path)
        return {"frames": len(values), "shown": int(values.any(axis=1).sum())}

    with scratch_folder(f"extract_features.{ORACLE}", key) as folder:
        counts = run_shards(write_shard, shards, folder=folder, workers=1, unit="shard", title="look up the truth")
        write_json(folder / DIGESTS, shard_digests(shards, folder))
        publish(folder, [*(shard.name for shard in shards), DIGESTS], out)
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
