"""Frame sampling against the naive way: OpenCV, one seek per frame. `python -m benchmarks.sampling`

Draws a 5-minute 640x360 H.264 video once (this takes some minutes; it is kept in .scratch/bench), then alternates the two
methods. Seconds are processor time of one core, medians over rounds; neither side resizes.
"""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from pipeline.base.files import replacing
from pipeline.frames.decoding import sample_positions, sample_video
from pipeline.frames.sampling import COMPARED_FRAMES, COMPARED_VIDEOS

FOLDER = Path(".scratch/bench")
WIDTH, HEIGHT, RATE, SECONDS = 640, 360, 25, 300
COUNT, VIDEOS_PER_SHARD = 50, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    path = long_video()
    cv2.setNumThreads(1)

    sequential, reference = timed(lambda: decode_sequentially(path))
    seek_seconds, ours_seconds = [], []
    for _ in range(arguments.rounds):
        seconds, sought = timed(lambda: seek_per_frame(path))
        seek_seconds.append(seconds)
        seconds, ours = timed(lambda: sample(path))
        ours_seconds.append(seconds)
    naive, median = statistics.median(seek_seconds), statistics.median(ours_seconds)
    print(f"{COUNT} frames of {SECONDS} s of {WIDTH}x{HEIGHT} H.264, {arguments.rounds} rounds, seconds of one core\n")
    print("| method | seconds | times as fast as OpenCV | same bits as sequential decode |\n|---|---|---|---|")
    print(f"| OpenCV, a seek per frame | {naive:.2f} | 1.00 | {same(sought, reference)} |")
    print(f"| full sequential decode | {sequential:.2f} | {naive / sequential:.2f} | yes |")
    print(f"| pipeline.frames.decoding | {median:.2f} | {naive / median:.2f} | {same(ours, reference)} |")
    started, _ = timed(lambda: sample(path, compared=COMPARED_FRAMES))
    whole, _ = timed(lambda: sample(path, compared=RATE * SECONDS))
    average = median + (started - median) / VIDEOS_PER_SHARD + (whole - median) / COMPARED_VIDEOS
    print(f"| the same, with what a stage decodes both ways | {average:.2f} | {naive / average:.2f} | yes |")

    copies = [FOLDER / f"copy{number}.mp4" for number in range(2 * arguments.processes)]
    for copy in copies:
        shutil.copyfile(path, copy)
    counts = sorted({1, arguments.processes})
    rounds = [[sample_all(copies, processes=processes) for processes in counts] for _ in range(3)]
    print("\n| processes | seconds for all | videos a second | times as fast as one |\n|---|---|---|---|")
    medians = [statistics.median(seconds) for seconds in zip(*rounds, strict=True)]
    for processes, seconds in zip(counts, medians, strict=True):
        print(f"| {processes} | {seconds:.2f} | {len(copies) / seconds:.2f} | {medians[0] / seconds:.2f} |")
    for copy in copies:
        copy.unlink()


def long_video() -> Path:
    """The video, drawn if it is not there."""
    path = FOLDER / "five_minutes.mp4"
    if not path.exists():
        with replacing(path) as temporary:
            draw_long_video(temporary)
    return path


def draw_long_video(path: Path) -> None:
    """A camera wandering over a texture, six moving things, scenes of 2 to 20 seconds, some sensor noise."""
    random = np.random.default_rng(5)
    coarse = random.integers(0, 255, (45, 120, 3)).astype(np.uint8)
    world = np.asarray(Image.fromarray(coarse).resize((1920, 720), Image.Resampling.BICUBIC)).astype(np.int16)
    noise = random.integers(-6, 7, (8, HEIGHT, WIDTH, 1)).astype(np.int16)
    cuts = np.cumsum(random.integers(2 * RATE, 20 * RATE, SECONDS // 2))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)  # x264's defaults: key frames every 250, three B-frames
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in tqdm(range(RATE * SECONDS), desc="draw the video", unit="frame", disable=None):
            scene = int(np.searchsorted(cuts, number, side="right"))
            left = int(600 + 500 * np.sin(number / 90 + scene))
            top = int(150 + 140 * np.cos(number / 70 + 2 * scene))
            image = world[top : top + HEIGHT, left : left + WIDTH] + noise[number % len(noise)]
            for thing in range(6):
                x = int(280 + 250 * np.sin(number / (15 + 4 * thing) + thing))
                y = int(150 + 130 * np.cos(number / (11 + 3 * thing) + 2 * thing))
                image[y : y + 50, x : x + 60] = [(40 * thing + 31 * scene) % 255, (90 * thing) % 255, 200 - 30 * thing]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image.clip(0, 255).astype(np.uint8), format="rgb24")))
        container.mux(stream.encode(None))


def seek_per_frame(path: Path, *, count: int = COUNT) -> list[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(path))
    images = []
    for position in sample_positions(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), count=count):
        capture.set(cv2.CAP_PROP_POS_FRAMES, position)
        found, image = capture.read()
        assert found, f"OpenCV finds no frame {position}"
        images.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    capture.release()
    return images


def decode_sequentially(path: Path) -> list[NDArray[np.uint8]]:
    wanted = set(sample_positions(RATE * SECONDS, count=COUNT))
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "NONE"
        return [frame.to_ndarray(format="rgb24") for number, frame in enumerate(container.decode(video=0)) if number in wanted]


def sample(path: Path, *, compared: int = 0) -> list[NDArray[np.uint8]]:
    video = sample_video(path, count=COUNT, short_side=HEIGHT, compared=lambda kind: compared)
    assert video.short_cut, f"the short cut was not taken: {video.note}"
    return [frame.image for frame in video.frames]


def count_frames(path: Path) -> int:
    """Sample, but send no pictures back between processes: the pipeline writes them where they are made."""
    return len(sample(path))


def sample_all(paths: list[Path], *, processes: int) -> float:
    """Wall-clock seconds for all videos, once the processes are up."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(count_frames, paths[:processes]))
        start = time.perf_counter()
        list(pool.map(count_frames, paths))
        return time.perf_counter() - start


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def same(images: list[NDArray[np.uint8]], reference: list[NDArray[np.uint8]]) -> str:
    equal = len(images) == len(reference) and all(map(np.array_equal, images, reference))
    return "yes" if equal else "no"


if __name__ == "__main__":
    main()
