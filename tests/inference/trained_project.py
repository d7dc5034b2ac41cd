"""A project's folder in which two rows have been trained and scored, as far as files tell: the shipped mini models under new
layers that nobody has trained. Made in a second or two.
"""

import shutil
from dataclasses import asdict
from pathlib import Path

import torch

from pipeline.base.files import write_json
from pipeline.base.params import load_params
from pipeline.base.scratch import file_sha256, fingerprint
from pipeline.encoders.encoder import read_parameters
from pipeline.encoders.mini_weights import take_mini_model
from pipeline.models.parts.summarizer import create, save
from pipeline.scoring.metrics import signatures
from pipeline.scoring.record import write_record
from pipeline.training.table_row import Row
from pipeline.training.train_row import training_settings
from tests.drawn_videos import draw_video
from tests.records import record

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT)
SEEDS = (0, 1)  # the second is the better one on the validation split
SAID = "Shown another video's frames, the same weights score 20.0 [20.0, 20.0]"
ROWS = (
    Row("clipsum", "ClipSum", "clipsum", "bart", "clip_vit_b32", "data/features/clip_vit_b32", "frozen"),
    Row("bart", "BART", "bart", "bart", None, None, "none"),
)


def trained_project(folder: Path) -> Path:
    """Models, weights, records and parameters below `folder`."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "studies", folder / "studies")
    for name in ("bart", "clip_vit_b32"):
        take_mini_model(name, folder / "weights" / name, foundation=ROOT / "foundation")
    for row in ROWS:
        _train(row, folder)
        _score(row, folder)
    return folder


def video(path: Path) -> Path:
    """A film with a text beside it."""
    draw_video(path, frames=30)
    path.with_suffix(".txt").write_text("now add this and stir it well")
    return path


def _train(row: Row, folder: Path) -> None:
    study = PARAMS.current.of_row(row.name)
    out = folder / row.folder
    for seed in SEEDS:
        torch.manual_seed(seed)
        width = {"feature_width": 96, "max_frames": study.frames.count} if row.sees else {}
        save(create(row.model, text_folder=folder / row.text_weights, settings=study.model, **width), out / str(seed))
        write_json(out / str(seed) / "history.json", [])
    shutil.copytree(folder / row.text_weights, out / "tokenizer", ignore=shutil.ignore_patterns("*.safetensors", "generation*"))
    made_from = {"encoder": file_sha256(folder / row.encoder_weights / "encoder.safetensors")} if row.encoder else {}
    facts = {
        "row": asdict(row),
        "settings": training_settings(row, study),
        "made_from": made_from,
        "fingerprint": row.name,
    }
    seeds = [{"seed": seed, "best_epoch": 1, "val_score": 50.0 + seed, "epochs": 1, "looks": {}} for seed in SEEDS]
    parameters = {"trainable": 1, "total": 1 + (read_parameters(folder / row.encoder_weights) if row.encoder else 0)}
    write_json(out / "row.json", facts | {"seeds": seeds, "parameters": parameters, "optimised": {}})


def _score(row: Row, folder: Path) -> None:
    digests = [file_sha256(folder / row.folder / str(seed) / "model.safetensors") for seed in SEEDS]
    for name, mean in ((row.name, 60.0), (f"{row.name}_swapped", 20.0)):
        interval = {"mean": mean, "ci95_low": mean, "ci95_high": mean}
        score = interval | {"std": 0.0, "per_seed": {str(seed): interval for seed in SEEDS}}
        changes = {
            "seeds": list(SEEDS),
            "metrics": dict.fromkeys(signatures(), score),
            "model": row.model,
            "encoder": row.encoder,
            "tuning": row.tuning,
            "made_from": {"checkpoints": fingerprint(digests)},
        }
        write_record(folder / "metrics" / f"{name}.json", record(name, title=row.title, **changes))
