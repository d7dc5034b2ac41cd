"""A trained row as a model in MLflow's registry: the exported folder, the file that serves it, and what has to be installed."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.base import tracking_models
from pipeline.base.params import Params
from pipeline.base.paths import CORPUS
from pipeline.base.scratch import file_sha256, link_or_copy, scratch_root
from pipeline.inference.card import registered_name
from pipeline.inference.chosen import Chosen, choose_seed
from pipeline.inference.export import fill
from pipeline.inference.exported_names import EXPORT
from pipeline.scoring.record import RowRecord
from pipeline.training.table_row import checkpoint_digest

_CODE = Path(__file__).parents[1]
# What summarising imports beside the standard library.
REQUIRED = (
    "av", "filelock", "huggingface-hub", "jinja2", "mlflow", "nltk", "numpy", "open_clip_torch", "pandas", "peft", "pillow",
    "psutil", "pyarrow", "pydantic", "requests", "rouge-score", "ruamel.yaml", "sacrebleu", "safetensors", "scipy",
    "timm", "tokenizers", "torch", "torchvision", "tqdm", "transformers",
)  # fmt: skip


def register(row: str, params: Params, record: RowRecord) -> None:
    """Put the best seed of `row` into the registry under the alias `best`, with its scores; the same weights are put there once.

    Rows of the work tree alone: what DVC runs in a folder of its own is gone when that is. An oracle, which cannot summarise what
    nobody has annotated, is left out. What goes wrong is a warning.
    """
    if Path.cwd().resolve() != scratch_root().parent.resolve():
        return
    try:
        chosen = choose_seed(row, params)
        about = _about(chosen, record)
    except (ValueError, OSError) as error:
        print(f"{row} is not registered as a model: {str(error).removeprefix('--row: ')}", flush=True)
        return

    def write(folder: Path, mlflow_model: Any) -> None:
        write_model(folder, chosen, record, mlflow_model)

    tracking_models.register(about, write, scratch=scratch_root())


def _about(chosen: Chosen, record: RowRecord) -> tracking_models.About:
    row, seed = chosen.row, chosen.seed
    return tracking_models.About(
        name=registered_name(chosen.study_name, row.name),
        study=chosen.study_name,
        row=row.name,
        seed=seed,
        fingerprint=chosen.fingerprint,
        weights=checkpoint_digest(row, [seed]),
        dataset=(chosen.study_name, file_sha256(CORPUS)),
        scores={metric: score.per_seed[str(seed)].mean for metric, score in record.metrics.items()},
        primary=record.primary.metric,
        params={"row": row.name, "seed": seed, "encoder": row.encoder, "scale": chosen.study.scale},
    )


def write_model(folder: Path, chosen: Chosen, record: RowRecord, mlflow_model: Any) -> None:
    """Write a model of MLflow into `folder`. Weights come in as hard links where the file system has them."""
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types.schema import ColSpec, Schema

    columns = [ColSpec("string", "text"), *(ColSpec("string", name, required=False) for name in ("video", "video_base64"))]
    export = folder.with_name(EXPORT)
    export.mkdir()
    save_model(
        folder,
        python_model=str(_CODE / "inference" / "served.py"),
        artifacts={EXPORT: str(export)},
        code_paths=[str(_CODE)],
        signature=ModelSignature(Schema(columns)),
        input_example=pd.DataFrame([{"text": "what is said", "video": "path.mp4"}]),
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIRED],
        mlflow_model=mlflow_model,
    )
    # An empty folder stood for this one: MLflow would have copied weights of any size.
    fill(folder / "artifacts" / EXPORT, chosen, record, calibration=None, place=link_or_copy)
