"""Ready-made features in place of videos that have vanished: other people's embeddings become a feature store like our own.

`path` is a folder of `<video_id>.npy`, float [frames, D], as the paper's released extractor writes them, of `<video_id>.npz`, in
which the array that `array` names is one, or of Parquet files with columns `video_id`, `frame_index`, `pts_seconds`, `embedding`.
Rows of zeros are padding and are left out, so that models mask them. The files cannot show where the vectors come from:
`provenance` says so and is kept in the footer.

Shapes: N frames, D feature width.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from math import prod
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.code import code_digest
from pipeline.base.files import listed, write_json
from pipeline.base.params import ReadyFeatures
from pipeline.base.paths import DOWNLOADED, INPUTS
from pipeline.base.resumable import run_shards, shard_digests, split_into_shards
from pipeline.base.scratch import file_sha256, fingerprint, publish, scratch_folder
from pipeline.corpus.table import SPLITS, read_corpus
from pipeline.encoders.encoder import read_spec
from pipeline.features.schema import DIGESTS, NORMALISATION, feature_schema

LOST = "_lost.json"  # beside the vectors: which videos have none, and why
VIDEOS_PER_SHARD = 64
_LARGEST_ARRAY = 1 << 30  # bytes of an array of one video
_COLUMNS = ("video_id", "frame_index", "pts_seconds", "embedding")


def import_features(name: str, source: ReadyFeatures, out: Path, *, study: str, weights: Path, count: int) -> dict[str, Any]:
    """Write ready-made features of encoder `name` to `out`; prints how many videos of each split have some, returns totals.

    `weights` is the encoder's folder, which says how wide its vectors are; `count` is the most frames a video may have. A video
    without a file, or with a damaged or empty one, is lost: `_lost.json` in `out` gives the reasons. A damaged Parquet file,
    which has many, is a `ValueError`. So is a file that is whole and does not belong here: of another width, with more real rows
    (unless `source.spread`), or with a value that is not a finite number. A folder that has none of the videos, or in which DVC
    would not notice a change, is refused in the same way.
    """
    check_place(name, Path(source.path), study=study)
    corpus = read_corpus(DOWNLOADED, ("video_id", "split", "status"))
    split_of = dict(corpus.loc[corpus["status"] == "ok", ["video_id", "split"]].to_numpy().tolist())
    found = copy_features(name, source, out, video_ids=list(split_of), max_frames=count, width=read_spec(weights).dim)
    asked, lost = Counter(split_of.values()), Counter(split_of[row["video_id"]] for row in found["lost"])
    for split in SPLITS:
        print(f"{split}: features of {asked[split] - lost[split]} of {asked[split]} videos, {lost[split]} lost")
    return found


def check_place(name: str, path: Path, *, study: str) -> None:
    """Refuse features kept where DVC would not notice a change."""
    inputs = INPUTS / study
    if not path.resolve().is_relative_to(inputs.resolve()):
        raise ValueError(
            f"ready_features.{name}.path: {path} is not in {inputs}, where DVC notices a change; put the folder itself there, "
            "not a link"
        )


def copy_features(
    name: str, source: ReadyFeatures, out: Path, *, video_ids: Sequence[str], max_frames: int, width: int
) -> dict[str, Any]:
    """The features of `video_ids`, wherever they are; see `import_features` for what is refused."""
    folder = Path(source.path)
    if not folder.is_dir():
        raise ValueError(
            f"ready_features.{name}.path: {folder} is not a folder of <video_id>.npy, <video_id>.npz or Parquet files"
        )
    tables = listed(folder, "*.parquet")
    suffix = ".npz" if source.array else ".npy"
    found = set(_ids(tables)) if tables else {path.stem for path in listed(folder, f"*{suffix}")}
    have = [video_id for video_id in video_ids if video_id in found]
    if not have:
        raise ValueError(
            f"ready_features.{name}.path: {folder} has features of none of the {len(video_ids)} videos of the corpus"
            + (". For .npz files set `array` to the name of an array in them" if not source.array else "")
        )
    arrays = [folder / f"{video_id}{suffix}" for video_id in have]
    dim = _width(tables, arrays, source.array)
    if dim != width:
        raise ValueError(
            f"ready_features.{name}.path: {folder} has vectors of {dim} values, {name} gives {width}: these are not its features"
        )
    digests = [file_sha256(path) if path.is_file() else "" for path in tables or arrays]  # a pipe would never end
    footer = {"encoder": name, "scale": "ready", "weights_sha256": "", "normalisation": NORMALISATION, "precision": "unknown"}
    footer |= {"frames_per_video": str(max_frames), "provenance": source.provenance}
    work = partial(_write_shard, source=source, tables=tables, dim=dim, max_frames=max_frames, footer=footer)
    shards = split_into_shards(have, size=VIDEOS_PER_SHARD)
    with scratch_folder(
        f"import_features.{name}",
        fingerprint(
            footer, source.array, source.spread, digests, have, list(video_ids), code_digest("pipeline.features.ready_made")
        ),
    ) as scratch:
        counts = run_shards(work, shards, folder=scratch, workers=1, unit="video", title=f"import {name}")
        write_json(scratch / DIGESTS, shard_digests(shards, scratch))
        reasons = {video_id: f"{folder} has no features of it" for video_id in video_ids if video_id not in found}
        reasons |= {video_id: why for count in counts for video_id, why in count["lost"].items()}
        lost = [{"video_id": video_id, "reason": reasons[video_id]} for video_id in video_ids if video_id in reasons]
        told = {"asked": len(video_ids), "ok": len(video_ids) - len(lost), "failed": len(lost), "lost": lost}
        write_json(scratch / LOST, told)
        publish(scratch, [*(shard.name for shard in shards), DIGESTS, LOST], out)
    return told | {"dim": dim} | {key: sum(count[key] for count in counts) for key in ("frames", "padding")}


class DamagedFileError(ValueError):
    """A file that cannot be read, which loses one video."""


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Around what reads a file of somebody else's, which may hold anything: whatever its reader says is that it is damaged."""
    try:
        if not path.is_file():
            raise ValueError("not a regular file")
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DamagedFileError(f"{path}: not a readable {kind} ({reason})") from error


def _table(path: Path, columns: Sequence[str], **filters: Any) -> pa.Table:
    with _readable(path, "Parquet file"):
        names = pq.read_schema(path).names
    if lacking := [column for column in _COLUMNS if column not in names]:
        raise ValueError(f"{path}: column {', '.join(lacking)} is missing; expected {', '.join(_COLUMNS)}")
    with _readable(path, "Parquet file"):
        return pq.read_table(path, columns=list(columns), **filters)


def _ids(tables: Sequence[Path]) -> Iterator[str]:
    for table in tables:
        yield from _table(table, ["video_id"]).column("video_id").unique().to_pylist()


def _width(tables: Sequence[Path], arrays: Sequence[Path], array: str) -> int:
    for table in tables:
        embedding = _table(table, ["embedding"]).column("embedding")
        if len(embedding):
            with _readable(table, "column of embeddings"):
                return int(pa.compute.list_value_length(embedding)[0].as_py())
    for path in arrays:
        with suppress(DamagedFileError):
            return int(_load(path, array).shape[1])
    raise ValueError(f"{arrays[0].parent}: none of the {len(arrays)} files is a readable {'.npz' if array else '.npy'} array")


def _load(path: Path, array: str) -> np.ndarray:
    if array:
        with _readable(path, f".npz file with an array {array!r}"):
            values = _load_member(path, array)
    else:
        with _readable(path, ".npy array"):  # mapped, so that a header cannot ask for more than the file holds
            values = np.lib.format.open_memmap(path, mode="r")
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"{path}: expected floats [frames, width], found {values.dtype} {list(values.shape)}")
    return values


def _load_member(path: Path, array: str) -> np.ndarray:
    """An array of a `.npz` file. Its header is believed only where the archive holds as many bytes as it speaks of."""
    with ZipFile(path) as archive, archive.open(f"{array}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, by_columns, dtype = read_header(stream)
        size = prod(shape) * dtype.itemsize
        most = min(archive.getinfo(f"{array}.npy").file_size, _LARGEST_ARRAY)
        if dtype.hasobject or min(shape, default=0) < 0 or size > most:
            raise ValueError(f"says that it is {dtype} {list(shape)}")
        content = stream.read(size + 1)
    if len(content) != size:
        raise ValueError(f"has {len(content)} bytes where {dtype} {list(shape)} needs {size}")
    values: np.ndarray = np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")
    return values


def _read(
    video_id: str, source: ReadyFeatures, tables: Sequence[Path], dim: int
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """Where the features were read from, frame numbers [N], times [N] (NaN where unknown), vectors [N, D]."""
    folder = Path(source.path)
    if not tables:
        path = folder / f"{video_id}{'.npz' if source.array else '.npy'}"
        values = _load(path, source.array)
        index, seconds = np.arange(len(values), dtype=np.int32), np.full(len(values), np.nan)
        where = str(path)
    else:
        parts = [_table(table, _COLUMNS, filters=[("video_id", "=", video_id)]) for table in tables]
        table = pa.concat_tables(part.select(_COLUMNS) for part in parts if len(part)).sort_by("frame_index")
        where = f"{folder}, video {video_id}"
        lengths = set(pa.compute.list_value_length(table.column("embedding")).to_pylist())
        if lengths != {dim}:
            raise ValueError(f"{where}: embeddings of width {sorted(lengths)}, those of other videos have {dim}")
        values = table.column("embedding").combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(table), dim)
        index, seconds = table.column("frame_index").to_numpy().astype(np.int32), table.column("pts_seconds").to_numpy()
    if values.shape[1] != dim:
        raise ValueError(f"{where}: width {values.shape[1]}, the first file has {dim}")
    if not np.isfinite(values).all():
        raise ValueError(
            f"{where}: row {int(np.argmin(np.isfinite(values).all(axis=1)))} has a value that is not a finite number"
        )
    return where, index, seconds, values


def _write_shard(
    items: Sequence[str],
    path: Path,
    *,
    source: ReadyFeatures,
    tables: Sequence[Path],
    dim: int,
    max_frames: int,
    footer: dict[str, str],
) -> dict[str, Any]:
    frames = padding = 0
    lost: dict[str, str] = {}
    with pq.ParquetWriter(path, feature_schema(dim, footer)) as writer:
        for video_id in items:
            try:
                where, index, seconds, values = _read(video_id, source, tables, dim)
            except DamagedFileError as error:
                lost[video_id] = str(error)
                continue
            real = np.flatnonzero(values.any(axis=1))
            padding += len(values) - len(real)
            if not len(real):
                lost[video_id] = f"{where}: {f'{len(values)} rows, of zeros alone' if len(values) else 'an array without rows'}"
                continue
            if len(real) > max_frames and not source.spread:
                raise ValueError(
                    f"{where}: {len(real)} frames, frames.count is {max_frames}; with spread: true so many are taken"
                )
            if len(real) > max_frames:
                real = real[np.linspace(0, len(real) - 1, max_frames).round().astype(int)]
            with np.errstate(over="ignore"):  # checked in the next line
                vectors = values[real].astype(np.float16)
            if not np.isfinite(vectors).all():
                raise ValueError(f"{where}: a value is too large for float16")
            embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim)
            columns = [pa.array([video_id] * len(vectors)), pa.array(index[real]), pa.array(seconds[real]), embedding]
            writer.write_batch(pa.record_batch(columns, schema=writer.schema))
            frames += len(vectors)
    return {"frames": frames, "padding": padding, "lost": lost}
