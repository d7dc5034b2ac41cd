"""A row of the comparison table: which system, which encoder, and what it is shown.

`dvc.yaml` declares rows, one entry each, and this module reads them there: a stage is given a row's name and no more.
Importing it is quick; what takes seconds to import comes in where it is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.base.code import code_digest
from pipeline.base.encoder_names import check_encoder_name, encoder_title
from pipeline.base.files import readable
from pipeline.base.params import read_yaml
from pipeline.base.paths import CORPUS, MODELS, PIPELINE, WEIGHTS
from pipeline.base.row_names import declared_names
from pipeline.base.scratch import file_sha256, fingerprint

if TYPE_CHECKING:
    from pipeline.base.params import Study
    from pipeline.features.frame_inputs import FrameInputs
    from pipeline.models.parts.summarizer import Summarizer

_DIAL = "${encoder}"  # stands in `dvc.yaml` for the encoder under study
_STUDIED = "clipsum"  # what a row of `more_encoders` is, but for its encoder
_KEYS = {"train_text": {"title", "model", "text"}, "train": {"title", "model", "text", "encoder", "sees", "reads", "trains"}}


@dataclass(frozen=True)
class Row:
    """An entry of `train` or `train_text`. `model` names a file of `pipeline/models`, `text` and `encoder` folders of `weights/`.

    `tuning`: none (text alone: no encoder, nothing seen), frozen (`sees` is a folder of stored features), finetuned (`sees`
    is the frames, and the last blocks of the encoder train inside the system). `reads`: the study's text, or one that names
    everything.
    """

    name: str
    title: str
    model: str
    text: str
    encoder: str | None
    sees: str | None
    tuning: Literal["none", "frozen", "finetuned"]
    reads: Literal["source", "named"] = "source"

    def source(self, study: "Study") -> str:
        """Which text of a video it reads (see `pipeline.corpus.table.usable_parts`): the study's, or one that names
        everything.
        """
        return study.text.source if self.reads == "source" else "named"

    @property
    def text_weights(self) -> Path:
        return WEIGHTS / self.text

    @property
    def encoder_weights(self) -> Path:
        assert self.encoder is not None, f"row {self.name} has no encoder"
        return WEIGHTS / self.encoder

    @property
    def folder(self) -> Path:
        """Where its trained seeds lie."""
        return MODELS / self.name

    @property
    def tokenizer(self) -> Path:
        """Beside the seeds, so that a trained row needs no other folder to read and write text."""
        return self.folder / "tokenizer"

    @property
    def code(self) -> str:
        """A digest of all code that decides what a trained seed of this row is."""
        return code_digest("pipeline.training.train_row", f"pipeline.models.{self.model}")


def declared_row(name: str, *, encoder: str, more: Sequence[str] = (), pipeline: Path = PIPELINE) -> Row:
    """The row `name` of `dvc.yaml`, with `encoder` under study, or that of one of `more` encoders: the row `clipsum` with it.

    An unknown or wrong entry is a `ValueError` that names it.
    """
    stages = read_yaml(pipeline)["stages"]
    for stage, keys in _KEYS.items():
        entry = stages[stage]["foreach"].get(name)
        if entry is None:
            continue
        where = f"{pipeline}, row {name}"
        if set(entry) != keys:
            raise ValueError(f"{where}: has keys {', '.join(entry)}; a row of {stage} has {', '.join(sorted(keys))}")
        values = {key: str(value).replace(_DIAL, encoder) for key, value in entry.items()}
        trains = values.pop("trains", None)
        if trains not in (None, "model", "finetune"):
            raise ValueError(f"{where}: trains {trains!r} is neither model nor finetune")
        if values.get("reads", "source") not in ("source", "named"):
            raise ValueError(f"{where}: reads {values['reads']!r} is neither source nor named")
        if "encoder" in values:
            check_encoder_name(values["encoder"], where=f"{where}: encoder")
        tuning: Literal["none", "frozen", "finetuned"] = (
            "none" if trains is None else "frozen" if trains == "model" else "finetuned"
        )
        return Row(name, **{"encoder": None, "sees": None} | values, tuning=tuning)  # type: ignore[arg-type]
    if name in more:
        studied = declared_row(_STUDIED, encoder=name, pipeline=pipeline)
        return replace(studied, name=name, title=f"{studied.title} with {encoder_title(name)}")
    raise ValueError(f"{pipeline}: row {name!r} is none of {', '.join(declared_names(pipeline, more=more))}")


def open_frame_inputs(row: Row) -> "FrameInputs | None":
    """What the row is shown: nothing, its encoder's features, or frames as pixels."""
    from pipeline.encoders.encoder import read_spec
    from pipeline.features.frame_inputs import open_features, open_pixels

    if row.sees is None:
        return None
    return (
        open_features(Path(row.sees)) if row.tuning == "frozen" else open_pixels(Path(row.sees), read_spec(row.encoder_weights))
    )


def create_system(row: Row, study: "Study", frame_inputs: "FrameInputs | None") -> "Summarizer":
    """The untrained system of a row, from pretrained parts and the settings of `study`, which has the row's own in it.

    Lengths that its text model cannot hold are a `ValueError`.
    """
    from pipeline.encoders.encoder import load_encoder
    from pipeline.models.parts.summarizer import create

    check_lengths(row.text_weights, study)
    if frame_inputs is None:
        return create(row.model, text_folder=row.text_weights, settings=study.model)
    image_encoder = load_encoder(row.encoder_weights) if row.tuning == "finetuned" else None
    return create(
        row.model,
        text_folder=row.text_weights,
        settings=study.model,
        feature_width=frame_inputs.width if image_encoder is None else image_encoder.dim,
        max_frames=frame_inputs.max_frames,
        image_encoder=image_encoder,
        trainable_blocks=0 if image_encoder is None else study.finetune.trainable_blocks,
        lora_rank=0 if image_encoder is None else study.finetune.lora_rank,
    )


def check_lengths(text_folder: Path, study: "Study") -> None:
    """Raise `ValueError` naming the parameter that asks for more tokens than the text model has positions for."""
    from transformers import AutoConfig

    with readable(text_folder / "config.json", stage=f"weights@{text_folder.name}"):
        config = AutoConfig.from_pretrained(text_folder, local_files_only=True)
    positions = getattr(config, "max_position_embeddings", None)  # T5 has no limit
    wanted = {
        "text.max_source_tokens": study.text.max_source_tokens,
        "text.max_target_tokens": study.text.max_target_tokens,
        "generate.max_tokens": study.generate.max_tokens,
    }
    for key, tokens in wanted.items():
        if positions is not None and tokens > positions:
            raise ValueError(f"{key}: {tokens} tokens are more than the {positions} positions of {text_folder}; lower it")


def frozen_parameters(row: Row) -> int:
    """Parameters of the frozen encoder in front of the row's system; none if it has none, or trains it."""
    from pipeline.encoders.encoder import read_parameters

    return read_parameters(row.encoder_weights) if row.tuning == "frozen" else 0


def input_digests(row: Row) -> dict[str, Any]:
    """sha256 of every file that decides what the row's system is trained on."""
    digests: dict[str, Any] = {"corpus": file_sha256(CORPUS), "text_model": file_sha256(row.text_weights / "model.safetensors")}
    if row.encoder is not None and (row.encoder_weights / "encoder.safetensors").exists():
        digests["encoder"] = file_sha256(row.encoder_weights / "encoder.safetensors")
    return digests | seen_digests(row.sees)


def seen_digests(sees: str | None) -> dict[str, Any]:
    """sha256 of the features or frames in the folder `sees`, and how many frames a video may have."""
    if sees is None:
        return {}
    folder = Path(sees)
    if (folder / "summary.json").exists():
        from pipeline.frames.store import frame_digests, frames_per_video

        return {"seen": frame_digests(folder), "frames_per_video": frames_per_video(folder)}
    from pipeline.features.schema import feature_digests

    return {"seen": feature_digests(folder)}


def checkpoint_digest(row: Row, seeds: Sequence[int]) -> str:
    """Stands for the weights of the row's trained seeds."""
    return fingerprint([file_sha256(row.folder / str(seed) / "model.safetensors") for seed in seeds])


def short_digests(digests: Mapping[str, Any]) -> dict[str, str]:
    """What a record says of `input_digests`, so that rows made of something else are told apart.

    `seen` stands for what the row sees of all videos: it alone may differ where the number of frames is varied.
    """
    short = {part: digests[part] for part in ("corpus", "text_model", "encoder") if part in digests}
    seen = [digests[part] for part in ("seen", "frames_per_video") if part in digests]
    return short | ({"seen": fingerprint(seen)} if seen else {})


def write_row(row: Row) -> dict[str, Any]:
    return asdict(row)


def read_row(raw: Mapping[str, Any]) -> Row:
    """The opposite of `write_row`."""
    return Row(**raw)
