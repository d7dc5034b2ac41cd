"""Small videos drawn at random: codec, container, B-frames, key frames, frame rate, pixels, rotation, timestamps, damage.

`python -m tests.frames.random_videos 5000` compares as many of them, decoded in part, with a decode from end to end. The test
suite does that for the first two hundred. Of a file that was damaged, number and times of frames must be the same; a picture of
garbled data may be another one, which is counted.
"""

import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from pipeline.frames.decoding import SampledVideo, sample_video
from pipeline.frames.opening import VideoError
from tests.drawn_videos import MIRRORED, QUARTER_TURN, cut_short, damage, draw_video, set_display_matrix

SHORT_SIDE = 32
COUNTS = (3, 7, 20)
PICTURE = "another picture"


@dataclass(frozen=True)
class Recipe:
    """What one of the videos is like."""

    number: int
    suffix: str
    arguments: dict[str, object]
    options: dict[str, str]
    decoding_times: bool  # timestamps are those of decoding
    matrix: tuple[int, int, int, int] | None
    harm: str  # "", damaged, or cut


def draw_recipe(number: int) -> Recipe:
    chance = random.Random(number)
    codec = chance.choice(["libx264"] * 8 + ["mpeg4", "mpeg2video"])
    suffix = chance.choice(
        {"libx264": ["mp4", "mp4", "mkv", "mov", "ts", "avi", "flv", "asf"], "mpeg4": ["avi", "mp4", "mkv"]}.get(
            codec, ["mpg", "ts", "mkv"]
        )
    )
    options = {"preset": chance.choice(["ultrafast", "veryfast", "medium"])} if codec == "libx264" else {}
    options["bf"] = str(chance.choice([0, 1, 2, 3, 5]))
    if codec == "libx264":
        keys = chance.choice([1, 4, 10, 25, 250])
        more = [f"keyint={keys}", f"scenecut={chance.choice([0, 40])}", f"open-gop={chance.choice([0, 0, 1])}"]
        more += [f"b-pyramid={chance.choice(['none', 'strict', 'normal'])}", f"ref={chance.choice([1, 3, 5])}"]
        more += [
            chance.choice(
                ["", "intra-refresh=1", "slices=3", "interlaced=1", "bframes=2:b-adapt=0", "weightp=0", "cabac=0", "aud=1"]
            )
        ]
        options["x264-params"] = ":".join(filter(None, more))
    arguments: dict[str, object] = {
        "codec": codec,
        "frames": chance.choice([1, 2, 5, 24, 40, 60]),
        "width": chance.choice([48, 64, 96]),
        "height": chance.choice([48, 64]),
        "rate": chance.choice([10, 24, 25, 30, 50]) if codec != "mpeg2video" else 25,
        "durations": chance.choice([(1,), (1,), (1, 3), (2, 1, 1, 5)]) if suffix in ("mp4", "mkv", "mov") else (1,),
        "pixel_ratio": chance.choice([None, None, None, (2, 1), (64, 51), (1024, 765), (1, 2)]),
        "pixel_format": chance.choice(["yuv420p", "yuv420p", "yuv444p"]) if codec == "libx264" else "yuv420p",
        "sound": chance.random() < 0.1 and suffix in ("mp4", "mkv", "mov"),
    }
    matrix = chance.choice([None, None, *QUARTER_TURN.values(), MIRRORED]) if suffix in ("mp4", "mov") else None
    return Recipe(number, suffix, arguments, options, chance.random() < 0.1, matrix, chance.choice([""] * 6 + ["damaged", "cut"]))


def make(recipe: Recipe, folder: Path) -> Path:
    path = folder / f"{recipe.number}.{recipe.suffix}"
    draw_video(path, options=recipe.options, **recipe.arguments)  # type: ignore[arg-type]
    if recipe.decoding_times:
        path = with_decoding_times(path)
    if recipe.matrix is not None:
        set_display_matrix(path, recipe.matrix)
    chance = random.Random(-recipe.number)
    if recipe.harm == "damaged":
        damage(path, start=chance.uniform(0.05, 0.95), length=chance.choice([1, 3, 20, 200]), seed=recipe.number)
    if recipe.harm == "cut":
        cut_short(path, share=chance.uniform(0.2, 0.98))
    return path


def with_decoding_times(path: Path) -> Path:
    """The same packets in the same container, each shown when it is decoded, as far as its timestamp says."""
    out = path.with_stem(f"{path.stem}_dts")
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.pts = packet.dts = round(number / 25 / packet.time_base)
                packet.stream = stream
                target.mux(packet)
    path.unlink()
    return out


def compared(path: Path) -> tuple[str, str]:
    """How a video was decoded, and what is wrong with that; empty if nothing is."""
    try:
        reference = {count: sample_video(path, count=count, short_side=SHORT_SIDE, whole=True) for count in COUNTS}
    except VideoError as error:
        return _fails_alike(path, str(error))
    ways = set()
    for count, whole in reference.items():
        video = sample_video(path, count=count, short_side=SHORT_SIDE)
        ways.add("short cut" if video.short_cut else "whole")
        if difference := _difference(video, whole):
            return "short cut", f"{count} frames: {difference}"
    if len({whole.source_frames for whole in reference.values()}) > 1:
        return "whole", "the number of frames depends on how many are wanted"
    return " or ".join(sorted(ways)), ""


def _fails_alike(path: Path, reason: str) -> tuple[str, str]:
    for count in COUNTS:
        try:
            sample_video(path, count=count, short_side=SHORT_SIDE)
            return "short cut", f"{count} frames are found where there is none: {reason}"
        except VideoError as error:
            if str(error) != reason:
                return "short cut", f"{error}, not {reason}"
    return "no frame", ""


def _difference(video: SampledVideo, whole: SampledVideo) -> str:
    if (video.source_frames, video.width, video.height) != (whole.source_frames, whole.width, whole.height):
        return f"{video.source_frames} of {video.width} x {video.height}, not {whole.source_frames} of {whole.width} x {whole.height}"
    for mine, theirs in zip(video.frames, whole.frames, strict=True):
        if (mine.frame_index, mine.pts_seconds) != (theirs.frame_index, theirs.pts_seconds):
            return f"frame {mine.frame_index} at {mine.pts_seconds}, not {theirs.frame_index} at {theirs.pts_seconds}"
        if not np.array_equal(mine.image, theirs.image):
            return f"{PICTURE} in place {mine.frame_index}"
    if [frame.pts_seconds for frame in video.frames] != sorted(frame.pts_seconds for frame in video.frames):
        return "seconds that fall"
    return ""


def main() -> None:
    ways: Counter[str] = Counter()
    wrong = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in tqdm(range(int(sys.argv[1])), unit="video", disable=None):
            recipe = draw_recipe(number)
            path = make(recipe, Path(folder))
            try:
                way, problem = compared(path)
            except Exception as error:  # noqa: BLE001 - all of them are told at the end
                way, problem = "error", f"{type(error).__name__}: {error}"
            told = problem if PICTURE in problem and recipe.harm else ""  # garbled data decode in one way or another
            ways[", ".join(filter(None, (way, recipe.harm, told and PICTURE)))] += 1
            if problem != told:
                wrong.append(f"{recipe}: {problem}")
            path.unlink()
    print(f"{time.monotonic() - started:.0f} s", dict(ways.most_common()))
    print("\n".join(wrong) or "no difference")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
