"""What disk a study needs, reckoned from its parameters before anything starts; and whether it is there.

Reckoned generously. Trained seeds count once: scratch, `models/` and DVC's cache hold the same files by hard links (see
`.dvc/config`). Other outputs count twice, in their folder and in scratch or the cache.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.base.params import Params, Study

# Videos with annotations, as their authors say; of How2, how many clips it has about.
_ANNOTATED = {"youcook2": 1_790, "wikihow": 2_111, "videoxum": 14_001, "how2": 80_000}
# Drawn; supplied by the user; 360 lines from YouTube, five minutes of them. The others' videos are shorter: guessed.
_VIDEO_BYTES = {"kitchen": 0.13e6, "folder": 0.0, "youcook2": 30e6, "wikihow": 10e6, "videoxum": 10e6, "how2": 10e6}
_JPEG_BYTES = 0.28  # a pixel, at quality 92
_FEATURE_BYTES = 2 * 2048  # a frame and encoder, at most
_MODEL_BYTES = {"mini": 1.5e6, "full": 1.0e9}  # of a trained seed: the text model and new layers
_GOING_ON = 5  # times that while a seed trains: weights, Adam's two moments, and the best epoch, twice for a moment
_PIXEL_SIDE = {"mini": 64, "full": 224}


def study_needs(study: Study, pipeline: Mapping[str, Any], *, more: Sequence[str] = ()) -> dict[str, float]:
    """Bytes by what they hold, for all rows of `pipeline` (the content of `dvc.yaml`) and those of `more` encoders."""
    dataset, frames, stages = study.dataset, study.frames, pipeline["stages"]
    seen = list(stages["train"]["foreach"].values())
    encoders = {*(row["encoder"] for row in seen), *more}
    rows = len(seen) + len(more) + len(stages["train_text"]["foreach"])
    videos = _number_of_videos(study)
    most = videos * frames.count
    watched = most if getattr(dataset, "videos", True) else 0
    ready = len(encoders & study.ready_features.keys())  # these come without videos, too
    model, side = _MODEL_BYTES[study.scale], _PIXEL_SIDE[study.scale]
    finetuned = frames.keep and any(row["trains"] == "finetune" for row in seen)
    return {
        "videos": (videos if watched else 0) * _VIDEO_BYTES[dataset.name],
        "frames": frames.keep * 2 * watched * frames.short_side**2 * 16 / 9 * _JPEG_BYTES,
        "features": 2 * (watched * (len(encoders) - ready) + most * ready) * _FEATURE_BYTES,
        "pixels for fine-tuning": finetuned * watched * 3 * side**2,
        "pretrained weights": 2 * (len(encoders) + 2) * model,
        "trained seeds": rows * len(study.seeds) * model,
        "what lets a training go on": len(study.seeds) * _GOING_ON * model,
    }


def require_disk(params: Params, pipeline: Mapping[str, Any], *, folder: Path) -> str:
    """A sentence that says what disk the study needs; an `OSError` with the same if `folder` has not enough free.

    What the project in `folder` holds already counts as there.
    """
    needs = study_needs(params.current, pipeline, more=params.more_encoders)
    total, free, held = sum(needs.values()), shutil.disk_usage(folder).free, _held(folder)
    parts = ", ".join(f"{what} {_size(size)}" for what, size in needs.items() if size >= total / 100)
    told = f"study {params.study} needs about {_size(total)} of disk ({parts}); {_size(free)} are free, {_size(held)} used so far"
    if total > free + held:
        raise OSError(
            f"{told}. Free some, or ask for less: fewer `seeds`, fewer rows in dvc.yaml, a smaller frames.short_side. All of its "
            "rows are counted, whichever are asked for: for text rows alone set dataset.videos: null and ready_features: {}"
        )
    return told


def _number_of_videos(study: Study) -> int:
    dataset = study.dataset
    if dataset.name == "kitchen":
        return dataset.train + dataset.validation + dataset.test
    if dataset.name == "folder":
        table = Path(dataset.table)
        return len(table.read_bytes().splitlines()) if table.exists() else 0
    annotations = Path(dataset.folder) / "youcookii_annotations_trainval.json"
    if dataset.name == "youcook2" and annotations.exists():
        return len(json.loads(annotations.read_bytes())["database"])
    return _ANNOTATED[dataset.name]


def _held(folder: Path) -> int:
    """Bytes in the project's own folders."""
    seen: set[tuple[int, int]] = set()
    return sum(bytes_in(folder / name, seen) for name in ("data", "weights", "models", ".scratch", ".dvc/cache"))


def bytes_in(folder: Path, seen: set[tuple[int, int]]) -> int:
    """Bytes of the files in `folder` that are not among `seen`, where they go: a file with several names counts once."""
    total = 0
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        status = path.stat()
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            total += status.st_size
    return total


def _size(bytes_: float) -> str:
    return f"{bytes_ / 1e9:.1f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.0f} MB"
