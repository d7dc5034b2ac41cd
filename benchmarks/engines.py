"""What handing shards to Ray or to Slurm costs, beside local processes. `python -m benchmarks.engines`

First 100 shards that do nothing, then frames of some videos with one and with two workers. Everything runs on this machine: Ray
starts a cluster here, and submitit runs its jobs as processes here, so a real cluster's network and queue are not in these
figures. Wall-clock seconds, medians over rounds in which the engines take turns.
"""

import argparse
import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from benchmarks.sampling import long_video
from pipeline.base.engines.engine import Engine, choose_engine
from pipeline.base.params import Frames, Runtime, load_params
from pipeline.base.resumable import run_shards, split_into_shards
from pipeline.frames.sampling import sample_corpus

SECONDS_OF_A_VIDEO = 10  # the 5-minute video, cut: two rounds take minutes
FRAMES = Frames(count=50, short_side=256, jpeg_quality=92, videos_per_shard=16, keep=True, max_failed_share=0.0)
SHARDS, VIDEOS = 100, 8 * FRAMES.videos_per_shard


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--videos", type=int, default=VIDEOS)
    arguments = parser.parse_args()
    ways = [(name, workers) for name in ("local", "ray", "slurm") for workers in (1, 2)]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        video = cut(long_video(), root / "video.mp4")
        copies = [shutil.copyfile(video, root / f"v{number:03d}.mp4") for number in range(arguments.videos)]
        jobs: dict[str, Callable[[Engine, int, Path], object]] = {
            f"{SHARDS} shards of nothing": nothing,
            f"{len(copies)} videos sampled": lambda engine, workers, out: sample(copies, engine, workers, out),
        }
        for title, work in jobs.items():
            seconds: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
            for number in range(arguments.rounds):
                for way in ways:
                    os.environ["DVC_ROOT"] = str(root / f"{title[:3]}-{way[0]}{way[1]}-{number}")
                    start = time.perf_counter()
                    work(choose_engine(settings(*way)), way[1], root / f"out-{way[0]}{way[1]}")
                    seconds[way].append(time.perf_counter() - start)
            print(table(title, {way: statistics.median(each) for way, each in seconds.items()}), flush=True)
        print(
            f"\n{len(copies)} videos sampled on a cluster of Ray, nodes of one core\n\n| nodes | seconds | times as fast as one |"
        )
        print("|---|---|---|")
        taken: dict[str, list[float]] = {"1": [], "2": [], "2, one killed half-way": []}
        for number in range(arguments.rounds):
            for nodes, each in taken.items():
                os.environ["DVC_ROOT"] = str(root / f"nodes {nodes} {number}")
                each.append(on_nodes(copies, int(nodes[0]), root / "out-nodes", killed="killed" in nodes))
        medians = {nodes: statistics.median(each) for nodes, each in taken.items()}
        for nodes, each in medians.items():
            print(f"| {nodes} | {each:.2f} | {medians['1'] / each:.2f} |", flush=True)


def settings(name: str, workers: int) -> Runtime:
    runtime = load_params().runtime
    slurm = runtime.slurm.model_copy(update={"cluster": "local", "tasks": workers, "memory_gb": 1})
    return runtime.model_copy(update={"engine": name, "workers": workers, "slurm": slurm})


def table(title: str, seconds: dict[tuple[str, int], float]) -> str:
    lines = [f"\n{title}\n", "| engine | workers | seconds | of local | times as fast as its one |", "|---|---|---|---|---|"]
    for (name, workers), taken in seconds.items():
        local, alone = seconds["local", workers], seconds[name, 1]
        lines.append(f"| {name} | {workers} | {taken:.2f} | {taken / local:.2f} | {alone / taken:.2f} |")
    return "\n".join(lines)


def nothing(engine: Engine, workers: int, out: Path) -> None:
    shards = split_into_shards(list(range(SHARDS)), size=1, suffix=".txt")
    folder = Path(os.environ["DVC_ROOT"]) / "nothing"
    folder.mkdir(parents=True)
    run_shards(write_little, shards, folder=folder, workers=workers, unit="shard", title="nothing", engine=engine)


def write_little(items: Sequence[Any], path: Path) -> dict[str, Any]:
    path.write_text(f"{items[0]}\n")
    return {}


def sample(videos: Sequence[Path], engine: Engine, workers: int, out: Path) -> None:
    columns = ["video_id", "video_path", "status"]
    corpus = pd.DataFrame([[path.stem, str(path), "ok"] for path in videos], columns=columns)
    sample_corpus(corpus, out, settings=FRAMES, workers=workers, engine=engine)


def on_nodes(videos: Sequence[Path], nodes: int, out: Path, *, killed: bool) -> float:
    """Seconds, without the start of the cluster; `killed`: the first node goes when half of the shards are done."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        os.environ["RAY_ADDRESS"] = cluster.address
        first, *_ = [cluster.add_node(num_cpus=1) for _ in range(nodes)]
        cluster.wait_for_nodes()

        def kill() -> None:
            while len(list(Path(os.environ["DVC_ROOT"]).rglob("*.parquet.json"))) < len(videos) / FRAMES.videos_per_shard / 2:
                time.sleep(0.1)
            cluster.remove_node(first, allow_graceful=False)

        watcher = threading.Thread(target=kill if killed else lambda: None)
        watcher.start()
        start = time.perf_counter()
        sample(videos, choose_engine(settings("ray", nodes)), nodes, out)
        seconds = time.perf_counter() - start
        watcher.join()
        return seconds
    finally:
        cluster.shutdown()
        del os.environ["RAY_ADDRESS"]


def cut(video: Path, out: Path) -> Path:
    """The first seconds of a video, its packets as they are."""
    import av

    with av.open(str(video)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.pts is not None and float(packet.pts * packet.time_base) < SECONDS_OF_A_VIDEO:
                packet.stream = copy
                target.mux(packet)
    return out


if __name__ == "__main__":
    main()
