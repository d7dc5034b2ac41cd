"""A Parquet file as a dataset of MLflow: its columns, and how many videos each split has."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

DIGEST_LENGTH = 36  # MLflow refuses a longer one


def dataset_input(*, name: str, path: Path, digest: str, context: str) -> Any:
    """An `mlflow.entities.DatasetInput`. `context` is what the file is used for; MLflow keeps 36 characters of `digest`.

    A file that is not there, or cannot be read, has no columns.
    """
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.data.sources import LocalArtifactDatasetSource
    from mlflow.entities import Dataset, DatasetInput, InputTag

    described = MetaDataset(LocalArtifactDatasetSource(path.as_posix()), name=name, digest=digest[:DIGEST_LENGTH]).to_dict()
    dataset = Dataset.from_dictionary(described | _contents(path))
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])


def _contents(path: Path) -> dict[str, str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def kind(type_: pa.DataType) -> str:
        return f"list of {kind(type_.value_type)}" if pa.types.is_list(type_) else str(type_)

    try:
        columns = [{"name": field.name, "type": kind(field.type), "required": True} for field in pq.read_schema(path)]
        splits = Counter(pq.read_table(path, columns=["split"])["split"].to_pylist())
    except (OSError, pa.ArrowException):
        return {}
    return {"schema": json.dumps({"mlflow_colspec": columns}), "profile": json.dumps({"num_rows": splits.total(), **splits})}
