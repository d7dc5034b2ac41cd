"""Names of the rows of the comparison table. `pipeline.training.table_row` says what each of them is."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.base.params import read_yaml
from pipeline.base.paths import PIPELINE


def declared_names(pipeline: Path = PIPELINE, *, more: Sequence[str] = ()) -> list[str]:
    """The names of all rows of `dvc.yaml`, then those of `more` encoders, which are the encoders' own."""
    stages = read_yaml(pipeline)["stages"]
    return [*(row for stage in ("train_text", "train") for row in stages[stage]["foreach"]), *more]
