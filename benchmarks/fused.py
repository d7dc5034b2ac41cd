"""Frames that are not kept against frames that are: seconds and bytes, for one encoder and for four. `python -m benchmarks.fused`

Copies of a 5-minute 640x360 film (drawn once, which takes some minutes; kept in .scratch/bench), 50 frames each, mini encoders on
a CPU. Two stages: frames are sampled into a store, then each encoder reads it. One pass: `frames.keep: false`. Both have as many
workers. Wall-clock seconds, medians over rounds in which the ways take turns; the ratio is the median of the rounds' ratios.
"""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.sampling import long_video
from pipeline.base.disk import bytes_in
from pipeline.base.params import Frames, Params, load_params
from pipeline.encoders.encoder import MINI
from pipeline.encoders.mini_weights import take_mini_model
from pipeline.features.extraction import extract_features
from pipeline.features.fused import extract_unkept
from pipeline.frames.sampling import sample_corpus
from pipeline.frames.unkept import leave_frames

FRAMES = Frames(count=50, short_side=256, jpeg_quality=92, videos_per_shard=8, keep=True, max_failed_share=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--encoders", type=int, nargs="+", default=[1, len(MINI)], help="how many at once")
    arguments = parser.parse_args()
    params, names = load_params(), tuple(MINI)
    params = replace(params, runtime=params.runtime.model_copy(update={"device": "cpu", "engine": "local"}))
    print(
        f"{arguments.videos} films, {FRAMES.count} frames each, {params.runtime.processes} workers, {arguments.rounds} rounds\n"
    )
    print("| encoders | way | seconds | MB on disk, scratch included | of two stages: seconds | bytes | encoder busy |")
    print("|---|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        root, film = Path(folder), long_video()
        paths = [str(shutil.copyfile(film, root / f"v{number:03d}.mp4")) for number in range(arguments.videos)]
        corpus = pd.DataFrame({"video_id": [Path(path).stem for path in paths], "video_path": paths, "status": "ok"})
        for count in arguments.encoders:
            weights = root / f"weights{count}"
            for name in names[:count]:
                take_mini_model(name, weights / name)
            compare(names[:count], corpus, root, weights, params, rounds=arguments.rounds)


def compare(names: Sequence[str], corpus: pd.DataFrame, root: Path, weights: Path, params: Params, *, rounds: int) -> None:
    """Two lines of the table."""
    ways: dict[str, Callable[[Path], float]] = {
        "two stages": lambda out: two_stages(names, corpus, out, weights, params),
        "one pass": lambda out: one_pass(names, corpus, out, weights, params),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    sizes, busy = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0.0)
    for _ in range(rounds):
        for way, work in ways.items():
            out = root / "out"
            os.environ["DVC_ROOT"] = str(out)
            start = time.perf_counter()
            busy[way] = work(out)
            seconds[way].append(time.perf_counter() - start)
            sizes[way] = bytes_in(out, set())
            shutil.rmtree(out)
    ratios = {way: statistics.median(b / a for a, b in zip(seconds["two stages"], seconds[way], strict=True)) for way in ways}
    for way in ways:
        told = f"| {len(names)} | {way} | {statistics.median(seconds[way]):.1f} | {sizes[way] / 1e6:.1f} | {ratios[way]:.2f} "
        print(f"{told}| {sizes[way] / sizes['two stages']:.4f} | {busy[way]:.0%} |", flush=True)


def two_stages(names: Sequence[str], corpus: pd.DataFrame, out: Path, weights: Path, params: Params) -> float:
    """How busy the first encoder was while it read the store."""
    sample_corpus(corpus, out / "frames", settings=FRAMES, workers=params.runtime.processes)
    shares = [
        extract_features(out / "frames", out / name, weights=weights / name, runtime=params.runtime)["busy"] for name in names
    ]
    return float(shares[0])


def one_pass(names: Sequence[str], corpus: pd.DataFrame, out: Path, weights: Path, params: Params) -> float:
    leave_frames(corpus, out / "frames", settings=FRAMES.model_copy(update={"keep": False}), study="bench")
    shares = [extract_unkept(out / "frames", out / name, name=name, params=params, weights=weights)["busy"] for name in names]
    return float(shares[0])


if __name__ == "__main__":
    main()
