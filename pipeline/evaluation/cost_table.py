"""The table of costs, `reports/costs.csv`: for every trained row its parameters, and what one summary takes on this machine.

Figures differ from run to run, so the table is no output of a stage and not in git. `reports/costs.json` is the output: it names
the checkpoints that were measured. The report takes from the table only what belongs to the checkpoints it reports on.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd
from tqdm import tqdm

from pipeline.base.code import code_digest
from pipeline.base.encoder_names import ORACLE
from pipeline.base.files import write_json, write_text
from pipeline.base.params import Params
from pipeline.base.paths import CORPUS, COSTS, MEASURED
from pipeline.base.resumable import kept_file
from pipeline.base.scratch import fingerprint, read_kept, scratch_folder
from pipeline.evaluation.evaluate import Subject
from pipeline.training.table_row import checkpoint_digest, open_frame_inputs
from pipeline.training.train_row import training_seconds_file

if TYPE_CHECKING:
    from pipeline.evaluation.costs import Round
    from pipeline.features.frame_inputs import FrameInputs
    from pipeline.training.batches import Examples

ROUNDS = 2


def measure_costs(subjects: Sequence[Subject], params: Params) -> pd.DataFrame:
    """Write the table and what it belongs to; from scratch, if these very checkpoints were measured here before."""
    measured = {subject.name: checkpoint_digest(subject.trained, subject.seeds) for subject in subjects}
    study = params.current
    key = fingerprint(
        measured, study.generate.model_dump(), study.text.model_dump(), params.runtime.device,
        [subject.trained.code for subject in subjects],
        code_digest("pipeline.evaluation.costs", "pipeline.evaluation.cost_table"),
    )  # fmt: skip
    with scratch_folder("costs", key) as scratch:
        kept = kept_file(scratch, COSTS.name, lambda path: _measure(subjects, params).to_csv(path, index_label="row"))
        table = pd.read_csv(kept, index_col="row")
    table.insert(0, "checkpoints", pd.Series(measured))
    for place, kind in enumerate(("trainable", "total"), start=1):
        counts = {subject.name: subject.facts["parameters"][kind] for subject in subjects}
        table.insert(place, f"parameters_{kind}", pd.Series(counts))
    table["training_seconds"] = pd.Series({subject.name: _training_seconds(subject) for subject in subjects}, dtype=float)
    write_text(COSTS, table.to_csv(index_label="row", lineterminator="\n"))
    write_json(MEASURED, measured)
    return table


def _measure(subjects: Sequence[Subject], params: Params) -> pd.DataFrame:
    """All rows in every round, so that a slow moment of the machine meets all of them."""
    import torch

    from pipeline.base.device import choose_device
    from pipeline.evaluation.costs import Round, cost_of

    device = choose_device(params.runtime.device)
    prepared = [(subject, _inputs(subject, params)) for subject in subjects]
    rounds: dict[str, list[Round]] = {subject.name: [] for subject in subjects}
    with tqdm(total=(1 + ROUNDS) * len(subjects), unit="row", desc="measure costs", disable=None) as bar:
        for number in range(1 + ROUNDS):
            for subject, inputs in prepared:
                # Once without counting: in their first run libraries load code and set up buffers.
                found = _measure_row(subject, inputs, params, repeats=params.runtime.cost_repeats if number else 1)
                if number:
                    rounds[subject.name].append(found)
                bar.update()
            if bar.disable:
                print(
                    f"costs: {len(subjects)} rows measured, round {number} of {ROUNDS}" if number else "costs: warmed up",
                    flush=True,
                )
    machine = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }
    return pd.DataFrame({name: asdict(cost_of(found)) | machine for name, found in rounds.items()}).T


def _inputs(subject: Subject, params: Params) -> "tuple[Examples, FrameInputs | None]":
    """What the row reads and sees of the test split, made ready once for all rounds."""
    from pipeline.corpus.table import usable_parts
    from pipeline.training.batches import load_tokenizer, read_examples

    row, study = subject.trained, params.current
    tokenizer = load_tokenizer(row.tokenizer)
    examples = read_examples(usable_parts(CORPUS, "test", source=row.source(study)), text=study.text, tokenizer=tokenizer)
    return examples, open_frame_inputs(row)


def _measure_row(subject: Subject, inputs: "tuple[Examples, FrameInputs | None]", params: Params, *, repeats: int) -> "Round":
    """One round of the row's first seed."""
    from pipeline.base.device import choose_device
    from pipeline.encoders.encoder import load_encoder
    from pipeline.evaluation.costs import measure
    from pipeline.models.parts.summarizer import load

    row = subject.trained
    return measure(
        lambda: load(row.folder / str(subject.seeds[0])),
        None if row.encoder in (None, ORACLE) else lambda: load_encoder(row.encoder_weights),
        *inputs,
        settings=params.current.generate,
        device=choose_device(params.runtime.device),
        repeats=repeats,
    )


def _training_seconds(subject: Subject) -> float | None:
    """Mean seconds of training a seed; unknown if the row was trained elsewhere and came from a cache."""
    path = training_seconds_file(subject.trained.name)
    known = read_kept(path) or {}
    same = known.get("fingerprint") == subject.facts["fingerprint"]
    return round(statistics.fmean(known["seconds"]), 1) if same else None
