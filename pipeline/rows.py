"""A row of the comparison table: which system, which encoder, how it is tuned, and what it reads.

`dvc.yaml` declares the rows; `train` writes the row beside its checkpoints, so that `evaluate` needs its name only.
Importing this module is quick: what takes seconds to import comes in where it is used.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.atomic import read_json
from pipeline.encoders import build_tower, check_encoder_name, load_encoder, read_spec
from pipeline.params import Study
from pipeline.shards import file_sha256

if TYPE_CHECKING:
    from pipeline.models.summarizer import Summarizer
    from pipeline.visual import VisualStore

CORPUS = Path("data/corpus/corpus.parquet")
FRAMES = Path("data/frames")
FEATURES = Path("data/features")
WEIGHTS = Path("weights")
TEXT_MODEL = WEIGHTS / "bart"


@dataclass(frozen=True)
class Row:
    """`tuning`: none (text only), frozen (stored features), finetuned (the tower trains inside the system)."""

    name: str
    model: str
    encoder: str
    tuning: Literal["none", "frozen", "finetuned"]

    def __post_init__(self) -> None:
        if self.tuning not in ("none", "frozen", "finetuned"):
            raise ValueError(f"dvc.yaml, row {self.name}: tuning {self.tuning!r} is none of none, frozen, finetuned")
        if (self.encoder == "none") != (self.tuning == "none"):
            raise ValueError(f"dvc.yaml, row {self.name}: encoder {self.encoder!r} does not go with tuning {self.tuning!r}")
        if self.encoder != "none":
            check_encoder_name(self.encoder, where=f"dvc.yaml, row {self.name}: encoder")

    @property
    def weights(self) -> Path:
        return WEIGHTS / self.encoder


def open_visual(row: Row) -> "VisualStore | None":
    """What the row looks at: nothing, its encoder's features, or frames as pixels."""
    from pipeline.visual import open_features, open_pixels

    if row.tuning == "none":
        return None
    return open_features(FEATURES / row.encoder) if row.tuning == "frozen" else open_pixels(FRAMES, read_spec(row.weights))


def create_system(row: Row, study: Study, visual: "VisualStore | None") -> "Summarizer":
    """The untrained system of a row, from pretrained parts."""
    from pipeline.models.summarizer import create

    if visual is None:
        return create(row.model, text_folder=TEXT_MODEL, settings=study.model)
    if row.tuning == "frozen":
        return create(
            row.model, text_folder=TEXT_MODEL, settings=study.model, feature_width=visual.width, max_frames=visual.max_frames
        )
    tower = load_encoder(row.weights)
    return create(
        row.model,
        text_folder=TEXT_MODEL,
        settings=study.model,
        feature_width=tower.dim,
        max_frames=visual.max_frames,
        tower=tower,
        trainable_blocks=study.finetune.trainable_blocks,
    )


def input_digests(row: Row) -> dict[str, Any]:
    """sha256 of every file that decides what the row's system reads."""
    digests: dict[str, Any] = {"corpus": file_sha256(CORPUS), "text_model": file_sha256(TEXT_MODEL / "model.safetensors")}
    if row.tuning == "frozen":
        digests["features"] = [file_sha256(path) for path in sorted((FEATURES / row.encoder).glob("*.parquet"))]
    if row.tuning == "finetuned":
        from pipeline.features import frames_per_video

        digests["frames"] = [file_sha256(path) for path in sorted(FRAMES.glob("*.parquet"))]
        digests["frames_per_video"] = frames_per_video(FRAMES)
        digests["tower"] = file_sha256(row.weights / "tower.safetensors")
    return digests


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
