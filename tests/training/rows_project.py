"""A project's folder in which rows can be trained in seconds: the shipped mini models, a few texts, and random features."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.paths import CORPUS, FEATURES
from pipeline.corpus.table import Video, write_corpus
from pipeline.encoders.mini_weights import take_mini_model
from pipeline.features.schema import feature_schema
from tests.parameters import edit
from tests.tiny_project import ROOT, leave_out_rows, make_tiny

ENCODER, FRAMES, WIDTH, SEEDS = "clip_vit_b32", 4, 96, (0, 1)


def make_project(folder: Path, **runtime: Any) -> Path:
    """Everything that rows are trained from, below `folder`, but no frames."""
    (folder / "studies").mkdir(parents=True)
    edit(ROOT / "studies" / "kitchen.yaml", folder / "studies" / "tiny.yaml", _shorten)
    edit(ROOT / "params.yaml", folder / "params.yaml", lambda dials: _set(dials, runtime))
    (folder / "dvc.yaml").write_text(leave_out_rows((ROOT / "dvc.yaml").read_text()))
    for name in ("bart", ENCODER):
        take_mini_model(name, folder / "weights" / name, foundation=ROOT / "foundation")
    videos = [_video(number) for number in range(18)]
    write_corpus(videos, folder / CORPUS)
    _write_features([video.video_id for video in videos], folder / FEATURES / ENCODER / "00000.parquet")
    return folder


def copied(project: Path, folder: Path) -> Path:
    shutil.copytree(project, folder)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """What is published of all rows."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _shorten(study: Any) -> None:
    make_tiny(study)
    study["train"].update(epochs=2)
    study["seeds"] = list(SEEDS)


def _set(dials: Any, runtime: dict[str, Any]) -> None:
    dials["study"] = "tiny"
    dials["runtime"].update({"device": "cpu", "workers": 2, "cost_repeats": 1} | runtime)
    dials["runtime"]["slurm"].update(cluster="local", tasks=4, minutes=5, memory_gb=1)


def _video(number: int) -> Video:
    split = "train" if number < 12 else "validation" if number < 16 else "test"
    what = ["onions", "carrots", "eggs", "rice", "butter"][number % 5]
    said = f"now add this and stir it well {'again ' * (number % 3)}"
    return Video(
        video_id=f"v{number:02d}", split=split, video_path=f"{number}.mp4", transcript=said, transcript_origin="human",
        steps=[f"add {what}"], entities=[what], summary=f"the cook fries {what} in a pan",
    )  # fmt: skip


def _write_features(videos: list[str], path: Path) -> None:
    generator = np.random.default_rng(0)
    values = generator.standard_normal(len(videos) * FRAMES * WIDTH).astype(np.float16)
    footer = {"encoder": ENCODER, "weights_sha256": "x", "normalisation": "none", "frames_per_video": str(FRAMES)}
    columns = [
        pa.array(np.repeat(videos, FRAMES).tolist()),
        pa.array(list(range(FRAMES)) * len(videos), pa.int32()),
        pa.array([float(frame) for frame in range(FRAMES)] * len(videos)),
        pa.FixedSizeListArray.from_arrays(pa.array(values), WIDTH),
    ]
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns, schema=feature_schema(WIDTH, footer)), path)
