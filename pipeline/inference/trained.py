"""A trained row, ready for videos it has never seen: its best seed, its tokenizer, and the encoder in front of it."""

from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from pipeline.base.device import choose_device
from pipeline.base.params import Params, Study
from pipeline.encoders.encoder import Encoder, EncoderSpec, load_encoder
from pipeline.inference.chosen import choose_seed
from pipeline.models.parts.summarizer import Summarizer, load
from pipeline.training.batches import load_tokenizer
from pipeline.training.table_row import Row

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

    A row that cannot be had raises what `choose_seed` says.
    """
    chosen = choose_seed(name, params)
    row, device = chosen.row, choose_device(params.runtime.device)
    encoder = None
    if row.tuning == "frozen":
        encoder = load_encoder(row.encoder_weights)
        encoder.module.to(device).eval()
    return TrainedRow(
        row=row,
        seed=chosen.seed,
        validation=chosen.validation,
        study_name=chosen.study_name,
        study=chosen.study,
        fingerprint=chosen.fingerprint,
        system=load(row.folder / str(chosen.seed)).to(device),
        tokenizer=load_tokenizer(row.tokenizer),
        encoder=encoder,
        spec=chosen.spec,
        device=device,
    )
