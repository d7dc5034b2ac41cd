"""A row of the comparison table: which system, which encoder, how it is tuned, and what it reads.

`dvc.yaml` declares the rows; `train` writes the row beside its checkpoints, so that `evaluate` needs its name only.
Importing this module is quick: what takes seconds to import comes in where it is used.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.atomic import read_json
from pipeline.encoders import build_tower, check_encoder_name, load_encoder, read_spec
from pipeline.params import Study
from pipeline.shards import code_digest, file_sha256, fingerprint

if TYPE_CHECKING:
    from pipeline.models.summarizer import Summarizer
    from pipeline.visual import VisualStore

CORPUS = Path("data/corpus/corpus.parquet")
# Modules that decide what a trained row is and says, beside its own model: unfinished and kept work of other code is not used.
CODE = (
    "batches", "checkpoint", "corpus", "device", "encoders", "features", "generation", "metrics", "rows", "statistics",
    "training", "visual", "models/fusion", "models/hierarchical", "models/summarizer", "models/temporal", "models/vision",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """An entry of `dvc.yaml`: names, and the folders that the row's parts lie in.

    `text`: the pretrained text model. `tuning`: none (text only), frozen (`reads` holds stored features), finetuned (`reads`
    holds frames, and the tower trains inside the system). `tower`: the image tower's weights; not used without frames.
    """

    name: str
    model: str
    text: str
    encoder: str
    tuning: Literal["none", "frozen", "finetuned"]
    reads: str
    tower: str

    def __post_init__(self) -> None:
        if self.tuning not in ("none", "frozen", "finetuned"):
            raise ValueError(f"dvc.yaml, row {self.name}: tuning {self.tuning!r} is none of none, frozen, finetuned")
        if (self.encoder == "none") != (self.tuning == "none"):
            raise ValueError(f"dvc.yaml, row {self.name}: encoder {self.encoder!r} does not go with tuning {self.tuning!r}")
        if self.encoder != "none":
            check_encoder_name(self.encoder, where=f"dvc.yaml, row {self.name}: encoder")

    @property
    def text_model(self) -> Path:
        """Where the text model's weights and tokenizer lie."""
        return Path(self.text)

    @property
    def weights(self) -> Path:
        """Where the image tower's weights lie."""
        return Path(self.tower)


def open_visual(row: Row) -> "VisualStore | None":
    """What the row looks at: nothing, its encoder's features, or frames as pixels."""
    from pipeline.visual import open_features, open_pixels

    if row.tuning == "none":
        return None
    return open_features(Path(row.reads)) if row.tuning == "frozen" else open_pixels(Path(row.reads), read_spec(row.weights))


def create_system(row: Row, study: Study, visual: "VisualStore | None") -> "Summarizer":
    """The untrained system of a row, from pretrained parts. Lengths that its text model cannot hold are a `ValueError`."""
    from pipeline.models.summarizer import create

    check_lengths(row.text_model, study)
    if visual is None:
        return create(row.model, text_folder=row.text_model, settings=study.model)
    if row.tuning == "frozen":
        return create(
            row.model, text_folder=row.text_model, settings=study.model, feature_width=visual.width, max_frames=visual.max_frames
        )
    tower = load_encoder(row.weights)
    return create(
        row.model,
        text_folder=row.text_model,
        settings=study.model,
        feature_width=tower.dim,
        max_frames=visual.max_frames,
        tower=tower,
        trainable_blocks=study.finetune.trainable_blocks,
    )


def check_lengths(text_folder: Path, study: Study) -> None:
    """Raise `ValueError` naming the parameter that asks for more tokens than the text model has positions for."""
    from transformers import AutoConfig

    positions = getattr(AutoConfig.from_pretrained(text_folder), "max_position_embeddings", None)  # T5 has no limit
    wanted = {
        "text.max_source_tokens": study.text.max_source_tokens,
        "text.max_target_tokens": study.text.max_target_tokens,
        "generate.max_tokens": study.generate.max_tokens,
    }
    for key, tokens in wanted.items():
        if positions is not None and tokens > positions:
            raise ValueError(f"{key}: {tokens} tokens are more than the {positions} positions of {text_folder}; lower it")


def input_digests(row: Row) -> dict[str, Any]:
    """sha256 of every file that decides what the row's system reads."""
    digests: dict[str, Any] = {"corpus": file_sha256(CORPUS), "text_model": file_sha256(row.text_model / "model.safetensors")}
    if row.tuning == "frozen":
        digests["features"] = [file_sha256(path) for path in sorted(Path(row.reads).glob("*.parquet"))]
    if row.tuning == "finetuned":
        from pipeline.features import frames_per_video

        digests["frames"] = [file_sha256(path) for path in sorted(Path(row.reads).glob("*.parquet"))]
        digests["frames_per_video"] = frames_per_video(Path(row.reads))
    if row.tuning != "none" and (row.weights / "tower.safetensors").exists():
        digests["tower"] = file_sha256(row.weights / "tower.safetensors")
    return digests


def short_digests(row: Row, digests: Mapping[str, Any]) -> dict[str, Any]:
    """What a metrics file says of `input_digests` and code, so that rows made of something else are told apart.

    `visual` stands for what the row sees of all videos: it alone may differ where the number of frames is varied.
    """
    short = {part: digests[part] for part in ("code", "corpus", "text_model", "tower") if part in digests}
    seen = [digests[part] for part in ("features", "frames", "frames_per_video") if part in digests]
    return short | ({"visual": fingerprint(seen)} if seen else {})


def training_code(model: str) -> str:
    """Stands for the code of a row's model and of all that it shares with others."""
    return code_digest(*CODE, f"models/{model}")


def count_parameters(row: Row, system: "Summarizer") -> dict[str, int]:
    """Trainable and total parameters of the whole system, a frozen encoder included."""
    total = sum(parameter.numel() for parameter in system.parameters())
    if row.tuning == "frozen":
        total += sum(parameter.numel() for parameter in build_tower(read_spec(row.weights)).parameters())
    return {"trainable": sum(parameter.numel() for parameter in system.parameters() if parameter.requires_grad), "total": total}


def write_row(row: Row) -> dict[str, Any]:
    return asdict(row)


def read_row(seeds: Path) -> Row:
    """The row that was trained into the folder `seeds`."""
    path = seeds / "row.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; run `dvc repro train@{seeds.parent.name}` first")
    return Row(**read_json(path)["row"])
