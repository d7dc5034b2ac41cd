"""What a feature file looks like: columns, and footer metadata that names encoder, weights and normalisation."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.files import listed, read_json, readable
from pipeline.base.scratch import file_sha256

DIGESTS = "_sha256.json"  # of every feature file, so that nobody reads them all to begin; readers of folders pass over such names
NORMALISATION = "none"  # as the encoder gives them; the model brings them to unit length


def feature_schema(dim: int, footer: dict[str, str]) -> pa.Schema:
    """Columns of a feature file whose vectors have `dim` values, with its footer metadata."""
    embedding = pa.list_(pa.float16(), dim)
    columns = [("video_id", pa.string()), ("frame_index", pa.int32()), ("pts_seconds", pa.float64()), ("embedding", embedding)]
    return pa.schema(columns, metadata=footer)


def read_footer(shard: Path) -> dict[str, str]:
    """The footer metadata of a feature file."""
    with _readable(shard):
        return footer_of(pq.read_schema(shard))


def footer_of(schema: pa.Schema) -> dict[str, str]:
    """The footer metadata, as a table that was read has it in its schema."""
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items() if key != b"ARROW:schema"}


def read_features(folder: Path, columns: Sequence[str]) -> pa.Table:
    """Columns of all feature files of an encoder, in the order of their names; see `read_parts`."""
    return pa.concat_tables(read_parts(folder, columns))


def read_parts(folder: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The same file by file. Each is opened once.

    No file, or one that is damaged, is an error that names it and the stage to run. So are files with different footers.
    """
    shards = feature_files(folder)
    first: dict[str, str] | None = None
    for shard in shards:
        with _readable(shard), pq.ParquetFile(shard, memory_map=True) as file:
            part = file.read(list(columns))
        footer = footer_of(part.schema)
        first = footer if first is None else first
        if footer != first:
            raise ValueError(f"{shard}: footer {footer} differs from {shards[0].name}'s {first}; extract again")
        yield part


def feature_digests(folder: Path) -> list[str]:
    """sha256 of every feature file, in the order of their names, as they were written; of files that somebody else wrote, too."""
    shards = feature_files(folder)
    if not (folder / DIGESTS).exists():
        return [file_sha256(shard) for shard in shards]
    with readable(folder / DIGESTS, stage=_stage(folder)):
        digests: dict[str, str] = read_json(folder / DIGESTS)
        if sorted(digests) != [shard.name for shard in shards]:
            raise ValueError("the folder has other feature files")
    return [digests[shard.name] for shard in shards]


def feature_files(folder: Path) -> list[Path]:
    """The Parquet files of an encoder. Raises `FileNotFoundError` naming the stage to run when there are none."""
    shards = listed(folder, "*.parquet")
    if not shards:
        raise FileNotFoundError(f"{folder} holds no features; run `dvc repro {_stage(folder)}` first")
    return shards


def _readable(shard: Path) -> AbstractContextManager[None]:
    return readable(shard, stage=_stage(shard.parent))


def _stage(folder: Path) -> str:
    return f"extract_features@{folder.name}"
