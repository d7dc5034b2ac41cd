"""A folder with drawn videos, the mini encoders and the kitchen's parameters, in which frames are kept or not."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base.params import Frames, Params, load_params
from pipeline.encoders.encoder import MINI
from pipeline.encoders.mini_weights import take_mini_model
from pipeline.features.extraction import extract_features
from pipeline.features.fused import LOST, extract_unkept
from pipeline.frames.sampling import sample_corpus
from pipeline.frames.unkept import leave_frames
from tests.drawn_videos import cut_short, draw_video
from tests.parameters import ROOT

SETTINGS = Frames(count=5, short_side=96, jpeg_quality=92, videos_per_shard=16, keep=False, max_failed_share=0.5)
PIPELINE = """
stages:
  extract_features:
    foreach: ["${encoder}", vit_b32_labels, resnet152, random_vit_b32, oracle]
"""


class Unkept:
    """Everything below `folder`, which is the working folder."""

    def __init__(self, folder: Path, *, videos: int = 20) -> None:
        self.folder = folder
        (folder / "dvc.yaml").write_text(PIPELINE)
        for number in range(videos):
            draw_video(folder / f"v{number:02d}.mp4", frames=12 + number % 5, width=128 + 2 * number, height=112)
        (folder / "v03.mp4").write_bytes(b"")
        cut_short(folder / "v05.mp4", share=0.3)
        self.videos = videos
        self.leave()

    def leave(self) -> None:
        leave_frames(self.corpus(), Path("unkept"), settings=SETTINGS, study="kitchen")

    def corpus(self) -> pd.DataFrame:
        names = [f"v{number:02d}" for number in range(self.videos)]
        return pd.DataFrame({"video_id": names, "video_path": [f"{name}.mp4" for name in names], "status": "ok"})

    def take(self, *names: str) -> None:
        for name in names:
            take_mini_model(name, Path("weights") / name, foundation=ROOT / "foundation")

    def params(self, **runtime: Any) -> Params:
        own = load_params(ROOT)
        changes = {"device": "cpu", "workers": 2, "extraction_batch_size": 7} | runtime
        return replace(own, runtime=own.runtime.model_copy(update=changes))

    def fused(self, name: str, out: str = "fused", **runtime: Any) -> dict[str, Any]:
        return extract_unkept(Path("unkept"), Path(out) / name, name=name, params=self.params(**runtime), weights=Path("weights"))

    def two_stages(self, names: Sequence[str] = tuple(MINI), out: str = "two") -> None:
        sample_corpus(self.corpus(), Path(out) / "frames", settings=SETTINGS, workers=1)
        for name in names:
            runtime = self.params().runtime
            extract_features(Path(out) / "frames", Path(out) / name, weights=Path("weights") / name, runtime=runtime)


def contents(folder: str) -> dict[str, bytes]:
    """Feature files by encoder and name, without what says which videos are lost."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).glob("*/*.parquet"))
        if path.parent.name != "frames" and path.name != LOST
    }


def counting(function: Callable[..., Any], calls: list[Any]) -> Callable[..., Any]:
    """The function, which notes its first argument."""

    def counted(first: Any, *others: Any, **named: Any) -> Any:
        calls.append(first)
        return function(first, *others, **named)

    return counted
