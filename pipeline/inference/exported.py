"""An exported row: a folder that holds all a summary needs. `load_export` reads nothing else.

    README.md                                            the model card
    summariser.json                                      row, study, which seed, and the sha256 of every other file
    model.safetensors, config.json, generation_config.json
    tokenizer/
    encoder/encoder.safetensors, encoder/encoder.json    of a row whose encoder stands in front of it

Weights are in no form but safetensors, and no file of the folder is run.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pipeline.base.device import choose_device
from pipeline.base.params import Params, Runtime, SlurmSettings, Study
from pipeline.base.scratch import digests_of
from pipeline.base.slips import explain
from pipeline.base.text_files import parse_object, read_text
from pipeline.encoders.encoder import load_encoder, rebuilt
from pipeline.inference.exported_names import ENCODER, FACTS, FORMAT, TOKENIZER
from pipeline.inference.trained import TrainedRow
from pipeline.models.parts.summarizer import load
from pipeline.training.batches import load_tokenizer
from pipeline.training.table_row import read_row

_KEYS: dict[str, type | tuple[type, ...]] = {
    "format": int, "row": dict, "seed": int, "validation": float, "study_name": str, "study": dict, "fingerprint": str,
    "spec": (dict, type(None)), "sha256": dict,
}  # fmt: skip
_FRAMES_AT_ONCE = 128


def load_export(folder: Path, *, device: Literal["auto", "cpu", "cuda"] = "auto") -> TrainedRow:
    """The row in `folder`, as `pipeline.inference.summarise` takes it.

    A folder that is none, or not as it was written, is a `ValueError` that names the file. The card may be edited.
    """
    facts = _facts(folder)
    _check_files(folder, facts["sha256"])
    row, chosen = read_row(facts["row"]), choose_device(device)
    encoder = None
    if row.tuning == "frozen":
        encoder = load_encoder(folder / ENCODER)
        encoder.module.to(chosen).eval()
    return TrainedRow(
        row=row,
        seed=facts["seed"],
        validation=facts["validation"],
        study_name=facts["study_name"],
        study=_study(folder, facts["study"]),
        fingerprint=facts["fingerprint"],
        system=load(folder).to(chosen),
        tokenizer=load_tokenizer(folder / TOKENIZER),
        encoder=encoder,
        spec=None if facts["spec"] is None else rebuilt(facts["spec"]),
        device=chosen,
    )


def params_of(trained: TrainedRow) -> Params:
    """What `summarise_video` has to be told beside the row, where there is no `params.yaml`."""
    slurm = SlurmSettings(cluster="local", partition="", minutes=1, memory_gb=1, tasks=1)  # no shards, so nobody asks
    runtime = Runtime(
        engine="local", workers=1, shards_in_flight=0, slurm=slurm, device="auto", processes_per_seed=1, cores_per_gpu=1,
        extraction_batch_size=_FRAMES_AT_ONCE, generation_batch_size=1, cost_repeats=1,
    )  # fmt: skip
    return Params(trained.study_name, trained.row.encoder or "", (), runtime, trained.study)


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / FACTS
    try:
        facts = parse_object(read_text(path), where=str(path))
    except FileNotFoundError as error:
        raise ValueError(f"{folder}: no exported model, {FACTS} is missing; `make export` writes one") from error
    if strange := [key for key, kind in _KEYS.items() if not isinstance(facts.get(key), kind)]:
        raise ValueError(f"{path}: not as it was written ({', '.join(strange)})")
    if facts["format"] != FORMAT:
        raise ValueError(f"{path}: written in format {facts['format']}, this code reads format {FORMAT}")
    return facts


def _check_files(folder: Path, digests: dict[str, str]) -> None:
    found = {name: digest for name, digest in digests_of(folder).items() if name in digests}
    if other := [name for name, digest in sorted(digests.items()) if found.get(name) != digest]:
        what = "missing" if other[0] not in found else "not as it was written, its sha256 does not fit"
        raise ValueError(f"{folder / other[0]}: {what}; export the row again, or copy the folder again")


def _study(folder: Path, values: dict[str, Any]) -> Study:
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise ValueError("\n".join(f"{folder / FACTS}: study: {line}" for line in explain(error, Study))) from None
