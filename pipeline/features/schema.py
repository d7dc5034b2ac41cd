"""What a feature file looks like: columns, and footer metadata that names encoder, weights and normalisation."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

NORMALISATION = "none"  # as the encoder gives them; the model brings them to unit length


def feature_schema(dim: int, footer: dict[str, str]) -> pa.Schema:
    """Columns of a feature file whose vectors have `dim` values, with its footer metadata."""
    embedding = pa.list_(pa.float16(), dim)
    columns = [("video_id", pa.string()), ("frame_index", pa.int32()), ("pts_seconds", pa.float64()), ("embedding", embedding)]
    return pa.schema(columns, metadata=footer)


def read_footer(shard: Path) -> dict[str, str]:
    """The footer metadata of a feature file."""
    metadata = pq.read_metadata(shard).metadata or {}
    return {key.decode(): value.decode() for key, value in metadata.items() if key != b"ARROW:schema"}
