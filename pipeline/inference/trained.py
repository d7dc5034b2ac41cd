"""A trained row, ready for videos it has never seen: its best seed, its tokenizer, and the encoder in front of it."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from pipeline.base.device import choose_device
from pipeline.base.encoder_names import ORACLE
from pipeline.base.files import read_json
from pipeline.base.params import Params, Study
from pipeline.base.paths import MODELS
from pipeline.base.row_names import declared_names
from pipeline.base.scratch import file_sha256
from pipeline.encoders.encoder import Encoder, EncoderSpec, load_encoder, read_spec
from pipeline.models.parts.summarizer import Summarizer, load
from pipeline.training.batches import load_tokenizer
from pipeline.training.table_row import Row, read_row
from pipeline.training.train_row import training_settings

MINI = "A mini model: it knows drawn kitchens and nothing else."


@dataclass(frozen=True)
class TrainedRow:
    """`seed` is the one with the best score on the validation split. `encoder` is None for a row that sees no frames, and for one
    that has its encoder inside; `spec` says which pixels either of them takes.
    """

    row: Row
    seed: int
    validation: float
    study_name: str
    study: Study
    fingerprint: str
    system: Summarizer
    tokenizer: PreTrainedTokenizerBase
    encoder: Encoder | None
    spec: EncoderSpec | None
    device: torch.device

    @property
    def caution(self) -> str:
        """What every output has to say of the model; empty at full size."""
        return MINI if self.study.scale == "mini" else ""


def open_row(name: str, params: Params) -> TrainedRow:
    """Load the best seed of the row `name` of the study in `params`.

    Raises `ValueError` or `FileNotFoundError` that says what to run: for a row that is unknown, not trained, trained under other
    settings than the study has now, or made for other features than its encoder gives; and for the oracles, which need to be
    told what a video shows.
    """
    if name not in (known := declared_names(more=params.more_encoders)):
        raise ValueError(f"--row: {name!r} is none of {', '.join(known)}")
    row, facts = _read_trained(name, params)
    study = params.current.of_row(name)
    best = max(facts["seeds"], key=lambda result: (result["val_score"], -result["seed"]))
    device = choose_device(params.runtime.device)
    system = load(row.folder / str(best["seed"])).to(device)
    encoder, spec = None, None
    if row.encoder is not None:
        spec = read_spec(row.encoder_weights)
        _check_encoder(row, facts, spec, system)
        if row.tuning == "frozen":
            encoder = load_encoder(row.encoder_weights)
            encoder.module.to(device).eval()
    return TrainedRow(
        row=row,
        seed=best["seed"],
        validation=best["val_score"],
        study_name=params.study,
        study=study,
        fingerprint=facts["fingerprint"],
        system=system,
        tokenizer=load_tokenizer(row.tokenizer),
        encoder=encoder,
        spec=spec,
        device=device,
    )


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


def _check_encoder(row: Row, facts: dict[str, Any], spec: EncoderSpec, system: Summarizer) -> None:
    if (width := system.architecture.feature_width) != spec.dim:
        raise ValueError(f"models/{row.name} takes vectors of {width} values, {spec.name} gives {spec.dim}; train the row again")
    digest = file_sha256(row.encoder_weights / "encoder.safetensors")
    if digest != facts["made_from"].get("encoder"):
        raise ValueError(
            f"{row.encoder_weights} holds other weights than those that models/{row.name} was trained with; "
            f"run `dvc repro weights@{row.encoder}`, or train the row again"
        )
