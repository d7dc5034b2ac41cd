"""Write a trained row as a folder that can be handed on; `pipeline.inference.exported` reads it."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pipeline.base.dataset_params import FolderDataset, OnlineDataset
from pipeline.base.files import listed, read_json, replacing, write_json
from pipeline.base.params import Study
from pipeline.base.paths import metrics_file
from pipeline.base.scratch import digests_of
from pipeline.inference.card import Calibrated, write_card
from pipeline.inference.chosen import Chosen
from pipeline.inference.exported_names import CARD, ENCODER, FACTS, FORMAT, TOKENIZER
from pipeline.scoring.record import RowRecord, read_record
from pipeline.training.table_row import checkpoint_digest, write_row

_SYSTEM = ("config.json", "generation_config.json", "model.safetensors")
_OURS = {CARD, FACTS}  # of every export, and not among the digests in it
_FROZEN = ("encoder.json", "encoder.safetensors")
_WRITTEN_BY_TRAINING = ("card.json", "source.json")  # beside a tokenizer, of the text model that it came with


def scores_of(chosen: Chosen) -> RowRecord:
    """The record of the row. One that is missing, or is of other weights, is an error that says what to run."""
    name, path = chosen.row.name, metrics_file(chosen.row.name)
    again = f"run `dvc repro --glob 'evaluate*@{name}'`"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing, and a model card without scores says nothing; {again} first")
    record = read_record(path)
    if record.study != chosen.study_name or record.made_from.get("checkpoints") != checkpoint_digest(chosen.row, record.seeds):
        raise ValueError(f"{path} has the scores of other weights than models/{name}; {again} first")
    return record


def export(chosen: Chosen, record: RowRecord, out: Path, *, calibration: Calibrated | None) -> None:
    """Write the folder `out`, in place of one that an earlier export has left. Anything else there is a `ValueError`."""
    if out.is_symlink() or (out.exists() and not (out / FACTS).is_file()):
        raise ValueError(f"{out}: is there already and is no export; move it away, or choose another name")
    if out.exists() and (
        others := sorted(digests_of(out).keys() - read_json(out / FACTS, {"sha256": dict})["sha256"].keys() - _OURS)
    ):
        raise ValueError(f"{out}: holds {others[0]}, which no export has written and which would be lost; move it away")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{out}: cannot be written: {error.strerror}") from error
    with replacing(out) as temporary:
        fill(temporary, chosen, record, calibration=calibration, place=_copy)


def fill(
    folder: Path, chosen: Chosen, record: RowRecord, *, calibration: Calibrated | None, place: Callable[[Path, Path], None]
) -> None:
    """Write the files into `folder`, which is made. `place` brings a file that is there already, from its first argument to its
    second. `calibration` is what the study's controls say, None where they have not been looked at.
    """
    row = chosen.row
    parts = {name: row.folder / str(chosen.seed) / name for name in _SYSTEM}
    parts |= {f"{TOKENIZER}/{path.name}": path for path in listed(row.tokenizer, "*") if path.name not in _WRITTEN_BY_TRAINING}
    if row.tuning == "frozen":
        parts |= {f"{ENCODER}/{name}": row.encoder_weights / name for name in _FROZEN}
    for name, source in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        place(source, folder / name)
    facts = {
        "format": FORMAT,
        "row": write_row(row),
        "seed": chosen.seed,
        "validation": float(chosen.validation),
        "study_name": chosen.study_name,
        "study": without_places(chosen.study).model_dump(mode="json"),
        "fingerprint": chosen.fingerprint,
        "spec": None if chosen.spec is None else asdict(chosen.spec),
        "sha256": digests_of(folder),
    }
    write_json(folder / FACTS, facts)
    write_card(folder / CARD, chosen, record, calibration=calibration)


def without_places(study: Study) -> Study:
    """The study without what concerns other rows, and without the paths of whoever trained it."""
    dataset = study.dataset
    if isinstance(dataset, FolderDataset):
        dataset = dataset.model_copy(update={"table": "", "videos": "", "entities": ""})
    elif isinstance(dataset, OnlineDataset):
        nowhere = {"folder": "", "videos": None, "subtitles": False, "entities": ""}
        fields = type(dataset).model_fields
        dataset = dataset.model_copy(update={key: value for key, value in nowhere.items() if key in fields})
    return study.model_copy(update={"dataset": dataset, "rows": {}, "ready_features": {}})


def _copy(source: Path, target: Path) -> None:
    """The content alone: what DVC keeps may not be written to, and a copy may."""
    shutil.copyfile(source, target)
