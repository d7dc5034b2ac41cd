"""Feature extraction at full size, random weights: frames per second, memory, and the drift of bfloat16.

`python -m benchmarks.extraction`. Weights do not change how long an encoder takes, so none need to be fetched. Memory is
measured for two sizes of the frame store, each in a process of its own: it must not grow with the number of videos.
"""

import argparse
import io
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.base.files import write_json
from pipeline.base.scratch import file_sha256

if TYPE_CHECKING:
    import torch

    from pipeline.encoders.encoder import Encoder

ENCODERS = ("clip_vit_b32", "resnet152")
FRAMES, VIDEOS_PER_SHARD = 50, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=8, help="of the smaller store; the larger one has four times as many")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    arguments = parser.parse_args()
    print(f"feature extraction, {FRAMES} frames a video, random weights at full size\n")
    print("| encoder | device | videos | frames per second | peak memory (GB) | bfloat16 against float32, mean cosine |")
    print("|---|---|---|---|---|---|")
    for name in ENCODERS:
        for videos in (arguments.videos, 4 * arguments.videos):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:  # a new process, so that each peak is its own
                print(pool.submit(measure, name, videos, arguments.device).result(), flush=True)


def measure(name: str, videos: int, device_name: str) -> str:
    """One line of the table."""
    import torch

    from pipeline.base.device import choose_device
    from pipeline.base.params import load_params
    from pipeline.encoders.encoder import build_module, load_encoder, save_encoder
    from pipeline.encoders.pretrained_specs import pretrained_spec
    from pipeline.features.extraction import extract_features

    device = choose_device(device_name)
    spec = pretrained_spec(name)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DVC_ROOT"] = folder  # scratch is there, too, and is deleted with it
        frames, weights = Path(folder) / "frames", Path(folder) / "weights"
        write_frames(frames, videos)
        torch.manual_seed(0)
        save_encoder(spec, build_module(spec), weights, source={"source": "random, for a benchmark"})
        start = time.perf_counter()
        runtime = load_params().runtime.model_copy(update={"workers": 1, "device": device_name, "extraction_batch_size": 128})
        totals = extract_features(frames, Path(folder) / "out", weights=weights, runtime=runtime)
        seconds = time.perf_counter() - start
        encoder = load_encoder(weights)
        encoder.module.to(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    title = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return f"| {name} | {title} | {videos} | {totals['frames'] / seconds:.1f} | {peak:.1f} | {drift(encoder, device):.5f} |"


def drift(encoder: "Encoder", device: "torch.device") -> float:
    """Mean cosine between features in bfloat16 (autocast) and in float32 of the same random pixels."""
    import torch

    generator = torch.Generator().manual_seed(0)
    side = encoder.spec.image_size
    pixels = torch.randint(0, 256, (8, 3, side, side), dtype=torch.uint8, generator=generator).to(device)
    with torch.inference_mode():
        exact = encoder.encode(pixels).float()
        with torch.autocast(device.type, dtype=torch.bfloat16):
            rounded = encoder.encode(pixels).float()
    return float(torch.nn.functional.cosine_similarity(exact, rounded).mean())


def write_frames(folder: Path, videos: int) -> None:
    """A frame store of random smooth pictures, 256 pixels on the short side, as `sample_frames` writes it."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    images = []
    for _ in range(FRAMES):
        coarse = Image.fromarray(generator.integers(0, 256, (18, 32, 3), dtype=np.uint8))
        stream = io.BytesIO()
        coarse.resize((455, 256), Image.Resampling.BICUBIC).save(stream, format="JPEG", quality=92)
        images.append(stream.getvalue())
    for number, start in enumerate(range(0, videos, VIDEOS_PER_SHARD)):
        ids = [f"video{video:06d}" for video in range(start, min(start + VIDEOS_PER_SHARD, videos)) for _ in range(FRAMES)]
        count = len(ids) // FRAMES
        columns = {
            "video_id": ids,
            "frame_index": pa.array(list(range(FRAMES)) * count, pa.int32()),
            "pts_seconds": [float(frame) for frame in range(FRAMES)] * count,
            "image": images * count,
        }
        pq.write_table(pa.table(columns), folder / f"{number:05d}.parquet")
    digests = {shard.name: file_sha256(shard) for shard in sorted(folder.glob("*.parquet"))}
    summary = {"keep": True, "count": FRAMES, "short_side": 256, "videos": [], "sha256": digests}
    write_json(folder / "summary.json", summary)


if __name__ == "__main__":
    main()
