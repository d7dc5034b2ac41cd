"""Drawn recipes as H.264 files. Light to import: every drawing process starts here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from pipeline.kitchen.asides import open_aside
from pipeline.kitchen.grammar import Step, generator
from pipeline.kitchen.motion import open_shot
from pipeline.kitchen.plots import Plot
from pipeline.kitchen.shot import Take, View

# With AVX-512, x264's macroblock tree gives different bytes from one call to the next, so it stays off.
PARAMETERS = "lookahead-threads=1:mbtree=0"


@dataclass(frozen=True)
class VideoPlan:
    """Everything that decides the bytes of one video. `size` is (width, height) in pixels, both even."""

    video_id: str
    plot: Plot
    frame_counts: tuple[int, ...]  # per scene
    seed: int
    size: tuple[int, int]
    fps: int

    @property
    def segments(self) -> list[tuple[float, float]]:
        """Start and end of every step in seconds."""
        ends = [sum(self.frame_counts[: number + 1]) for number in range(len(self.frame_counts))]
        starts = [0, *ends[:-1]]
        return [
            (round(start / self.fps, 3), round(end / self.fps, 3))
            for scene, start, end in zip(self.plot.scenes, starts, ends, strict=True)
            if isinstance(scene, Step)
        ]

    @property
    def duration_seconds(self) -> float:
        return round(sum(self.frame_counts) / self.fps, 3)


def draw_frames(plan: VideoPlan) -> Iterator[Image.Image]:
    """RGB images of `plan.size`, scene after scene."""
    random, style = generator(plan.seed, "take", plan.plot.key), plan.plot.style
    take = Take.draw(random)
    for scene, count in zip(plan.plot.scenes, plan.frame_counts, strict=True):
        if isinstance(scene, Step):
            shot: View = open_shot(scene, style, take=take, random=random)
        else:
            shot = open_aside(scene.thing, style, take=take, random=random)
        for number in range(count):
            yield shot.frame(number / max(1, count - 1), number / plan.fps, size=plan.size)


def encode(frames: Iterator[Image.Image], path: Path, *, size: tuple[int, int], fps: int) -> None:
    """Write an MP4 file with B-frames and a key frame at least every three seconds; the same frames give the same bytes."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.options = {"preset": "veryfast", "crf": "23", "g": str(3 * fps), "bf": "2", "x264-params": PARAMETERS}
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def draw_videos(plans: Sequence[VideoPlan], folder: Path) -> dict[str, Any]:
    """Work of one shard: a folder with one file per plan."""
    folder.mkdir()
    for plan in plans:
        encode(draw_frames(plan), folder / f"{plan.video_id}.mp4", size=plan.size, fps=plan.fps)
    return {"videos": [plan.video_id for plan in plans]}
