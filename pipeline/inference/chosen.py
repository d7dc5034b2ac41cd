"""Which seed of a trained row speaks for it, and whether it is the one that the study means. Quick: no weights are loaded."""

from dataclasses import dataclass
from typing import Any

from pipeline.base.encoder_names import ORACLE
from pipeline.base.files import read_json
from pipeline.base.params import Params, Study
from pipeline.base.paths import MODELS
from pipeline.base.row_names import declared_names
from pipeline.base.scratch import file_sha256
from pipeline.encoders.encoder import EncoderSpec, read_spec
from pipeline.training.table_row import Row, read_row
from pipeline.training.train_row import training_settings


@dataclass(frozen=True)
class Chosen:
    """`seed` is the one with the best score on the validation split, the test split has no say. `spec` says which pixels the
    encoder takes, None for a row that sees no frames. `study` has the row's own settings in it.
    """

    row: Row
    seed: int
    validation: float
    study_name: str
    study: Study
    fingerprint: str
    spec: EncoderSpec | None


def choose_seed(name: str, params: Params) -> Chosen:
    """The best seed of the row `name` of the study in `params`.

    Raises `ValueError` or `FileNotFoundError` that says what to run: for a row that is unknown, not trained, trained under other
    settings than the study has now, or made for other features than its encoder gives; and for the oracles, which need to be
    told what a video shows.
    """
    if name not in (known := declared_names(more=params.more_encoders)):
        raise ValueError(f"--row: {name!r} is none of {', '.join(known)}")
    row, facts = _read_trained(name, params)
    best = max(facts["seeds"], key=lambda result: (result["val_score"], -result["seed"]))
    spec = None
    if row.encoder is not None:
        spec = read_spec(row.encoder_weights)
        _check_encoder(row, best["seed"], facts, spec)
    study = params.current.of_row(name)
    return Chosen(row, best["seed"], best["val_score"], params.study, study, facts["fingerprint"], spec)


def _read_trained(name: str, params: Params) -> tuple[Row, dict[str, Any]]:
    again = f"`dvc exp run -S study={params.study} --glob 'train*@{name}'` trains it"
    path = MODELS / name / "row.json"
    if not path.exists():
        raise FileNotFoundError(f"row {name} has never been trained here, {path} is missing; {again}")
    facts = read_json(path, {"row": dict, "settings": dict, "seeds": list, "made_from": dict, "fingerprint": str})
    row = read_row(facts["row"])
    if row.encoder == ORACLE:
        raise ValueError(f"--row: {name} sees the truth instead of frames, which nobody knows of a new video; take another row")
    wanted = training_settings(row, params.current.of_row(name))
    if other := sorted(key for key, value in wanted.items() if facts["settings"].get(key) != value):
        raise ValueError(
            f"models/{name} was not trained under study {params.study} as it is now: {', '.join(other[:4])} differ"
            f"{' and others' if len(other) > 4 else ''}; take the study that it was trained under; {again} anew"
        )
    return row, facts


def _check_encoder(row: Row, seed: int, facts: dict[str, Any], spec: EncoderSpec) -> None:
    width = read_json(row.folder / str(seed) / "config.json", {"feature_width": int})["feature_width"]
    if width != spec.dim:
        raise ValueError(f"models/{row.name} takes vectors of {width} values, {spec.name} gives {spec.dim}; train the row again")
    digest = file_sha256(row.encoder_weights / "encoder.safetensors")
    if digest != facts["made_from"].get("encoder"):
        raise ValueError(
            f"{row.encoder_weights} holds other weights than those that models/{row.name} was trained with; "
            f"run `dvc repro weights@{row.encoder}`, or train the row again"
        )
