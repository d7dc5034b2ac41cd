"""How long it takes to open stores of very many shards, and how much memory. `python -m benchmarks.stores --shards 60000`"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.files import write_json
from pipeline.features.frame_inputs import open_features
from pipeline.features.schema import feature_schema
from pipeline.frames.store import SCHEMA, SUMMARY, FrameStore

T = TypeVar("T")
VIDEOS, FRAMES, DIM = 16, 2, 8  # of a shard, of a video, of a vector: what counts here is the number of files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=60_000)
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.open is not None:
        open_stores(arguments.open)
        return
    with TemporaryDirectory() as folder:
        write_frames(Path(folder) / "frames", arguments.shards)
        write_features(Path(folder) / "features", arguments.shards)
        print(f"{arguments.shards:,} shards, {arguments.shards * VIDEOS:,} videos", flush=True)
        # A process of its own: what writing took is not counted.
        subprocess.run([sys.executable, "-m", "benchmarks.stores", "--open", folder], check=True)


def open_stores(folder: Path) -> None:
    print(f"imports: {memory():,.0f} MB")
    store = timed("frames opened", lambda: FrameStore(folder / "frames"))
    timed("frames of one video read", lambda: store.frame_indices(store.video_ids[-1]))
    timed("features opened and read", lambda: open_features(folder / "features"))


def timed(title: str, work: Callable[[], T]) -> T:
    began = time.perf_counter()
    found = work()
    print(f"{title}: {time.perf_counter() - began:.1f} s, {memory():,.0f} MB at most so far", flush=True)
    return found


def memory() -> float:
    """Peak of this process so far, in megabytes; unlike `getrusage`, it does not begin with that of the process before."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def names(shard: int) -> list[str]:
    return [f"v{shard * VIDEOS + number:09d}" for number in range(VIDEOS)]


def write_frames(folder: Path, shards: int) -> None:
    """Shards of empty pictures, a row group for each video."""
    folder.mkdir()
    videos, digests = [], {}
    for number in range(shards):
        shard = f"{number:05d}.parquet"
        with pq.ParquetWriter(folder / shard, SCHEMA, compression="none") as writer:
            for name in names(number):
                columns = [[name] * FRAMES, list(range(FRAMES)), [0.0] * FRAMES, [b""] * FRAMES]
                arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
        ok = {"status": "ok", "reason": "", "note": "", "frames": FRAMES, "source_frames": 7500, "width": 640, "height": 360}
        videos += [{"video_id": name} | ok | {"shard": shard} for name in names(number)]
        digests[shard] = f"{number:064d}"
    write_json(folder / SUMMARY, {"keep": True, "count": FRAMES, "short_side": 256, "videos": videos, "sha256": digests})


def write_features(folder: Path, shards: int) -> None:
    folder.mkdir()
    rows = VIDEOS * FRAMES
    footer = {"encoder": "clip_vit_b32", "weights_sha256": "0" * 64, "frames_per_video": str(FRAMES)}
    schema = feature_schema(DIM, footer)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(rows * DIM, dtype=np.float16)), DIM)
    for number in range(shards):
        ids = [name for name in names(number) for _ in range(FRAMES)]
        columns = [pa.array(ids), pa.array(list(range(FRAMES)) * VIDEOS, pa.int32()), pa.array([0.0] * rows), vectors]
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), folder / f"{number:05d}.parquet")


if __name__ == "__main__":
    main()
