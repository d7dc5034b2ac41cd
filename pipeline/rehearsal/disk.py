"""Disk: what a rehearsal needs before it starts, and what each folder of it takes in the end."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.base.disk import bytes_in
from pipeline.base.files import listed
from pipeline.encoders.pretrained_weights import TEXT_MODELS
from pipeline.rehearsal.hours import FullStudy

# In this order: a file that two folders share (a hard link) is counted in the first of them.
FOLDERS = (
    "client's cache", "weights", "data/frames", "data/features", "models", ".scratch/pixels", ".scratch, the rest", ".dvc/cache",
)  # fmt: skip
_PER_VIDEO = ("data/frames", "data/features", ".scratch/pixels")
_PER_SEED = ("models", ".scratch, the rest")
_CACHED = ("weights", "data/frames", "data/features", "models")  # outputs of stages: DVC's cache has each, as a link or a copy


def check_space(hub: Path, *, rows: int, work: Path) -> None:
    """Raise `RuntimeError` if `work` has no room for a rehearsal of `rows` rows with the random weights in `hub`."""
    done, needed, free = bytes_in(work, set()), bytes_needed(hub, rows=rows), shutil.disk_usage(work).free
    if free + done < needed:
        raise RuntimeError(
            f"{work}: a rehearsal needs {needed / 1e9:.0f} GB of disk, of which {done / 1e9:.0f} GB are there already, and "
            f"{free / 1e9:.0f} GB are free; make room, or put the project on a larger disk"
        )


def bytes_needed(hub: Path, *, rows: int) -> int:
    """Bytes that a rehearsal takes at most, the random weights in `hub` included.

    Weights lie there, in the client's cache, in `weights/` and in DVC's cache. A row is a checkpoint in `models/` (the same file
    in `.scratch/`) and one in DVC's cache. While a row trains it keeps its weights, the best weights, and two moments of each.
    """
    weights = sum(path.stat().st_size for path in listed(hub, "**/*") if path.is_file())
    largest = max((hub / repository / "model.safetensors").stat().st_size for repository, _ in TEXT_MODELS.values())
    row = round(1.5 * largest)  # what a system adds to its text model is less than half of that
    return 4 * weights + 2 * rows * row + 5 * row


def megabytes(project: Path, client_cache: Path) -> dict[str, float]:
    """What each of `FOLDERS` takes in `project`, in MB (10^6 bytes)."""
    elsewhere = {"client's cache": client_cache, ".scratch, the rest": project / ".scratch"}
    places = {name: elsewhere.get(name, project / name) for name in FOLDERS}
    seen: set[tuple[int, int]] = set()
    return {name: round(bytes_in(place, seen) / 1e6, 1) for name, place in places.items()}


def whole_study(here: Mapping[str, float], study: FullStudy, *, videos: int) -> dict[str, float]:
    """The same for the real study, if `here` had `videos` videos and one seed.

    `.scratch` keeps every seed, and DVC's cache grows with the outputs that it holds.
    """
    whole = dict(here)
    for name in _PER_VIDEO:
        whole[name] *= study.videos / videos
    for name in _PER_SEED:
        whole[name] *= study.seeds
    cached = sum(here[name] for name in _CACHED)
    whole[".dvc/cache"] *= sum(whole[name] for name in _CACHED) / cached if cached else 1.0
    return whole
