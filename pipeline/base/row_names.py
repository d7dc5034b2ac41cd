"""Names of the rows of the comparison table. `pipeline.training.table_row` says what each of them is."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from pipeline.base.chat_params import CHAT_ROWS
from pipeline.base.encoder_names import ENCODERS
from pipeline.base.params import Params, read_yaml
from pipeline.base.paths import PIPELINE, STUDIES

_NO_ROWS = ("ablations", "corpus", "evidence", "frames", "probes", "sources", "speech", "transfer")  # other names in metrics/


def declared_names(pipeline: Path = PIPELINE, *, more: Sequence[str] = ()) -> list[str]:
    """The names of all rows of `dvc.yaml`, then of `more`: encoders, whose rows are called like them, others' outputs, a chat
    model's rows.
    """
    stages = read_yaml(pipeline)["stages"]
    return [*(row for stage in ("train_text", "train") for row in stages[stage]["foreach"]), *more]


def check_external_names(params: Params, *, pipeline: Path = PIPELINE) -> None:
    """Raise `ValueError` for a row of others' outputs whose files would have the names of another row's, or of a stage's."""
    declared = declared_names(pipeline, more=params.more_encoders)
    taken = (*declared, *ENCODERS, "floor", "probe", *CHAT_ROWS, *_NO_ROWS)
    for name in params.external:
        if clash := next((other for other in taken if name == other or name.startswith(f"{other}_")), None):
            raise ValueError(f"{STUDIES / params.study}.yaml: external.{name}: the name belongs to {clash!r}; take another")


def check_row_settings(params: Params, *, pipeline: Path = PIPELINE) -> list[str]:
    """Raise `ValueError` for a row of `dvc.yaml` that the study has no entry for in `rows`.

    Returns a warning for each entry that no row will read. Encoders may have one without being among `more_encoders`.
    """
    where, declared = f"{STUDIES / params.study}.yaml", declared_names(pipeline)
    for name in declared:
        if name not in params.current.rows:
            raise ValueError(f"{where}: rows.{name} is missing; add `{name}: {{}}`")
    warnings = []
    for name in params.current.rows:
        if name not in (*declared, *params.more_encoders, *ENCODERS):
            close = get_close_matches(name, declared, n=1)
            hint = f"; did you mean rows.{close[0]}?" if close else ""
            warnings.append(f"{where}: rows.{name} is read by nothing, {pipeline} has no such row{hint}")
    return warnings
