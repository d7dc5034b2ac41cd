"""How long frames and features of a large collection take on 1, 8 and 64 nodes: a simulation. `python -m benchmarks.scale`

Discrete events, by simpy. Cores of all nodes take shards from one queue. A shard is read from the shared file system, decoded,
and written back with its mark; then a GPU of its node embeds its frames. The file system has one bandwidth and one rate of
operations on names for all nodes, and nodes have a link each. Nothing fails, and nobody else uses the machines, so these hours
are a lower bound. `MEASURED` comes from this project's benchmarks on two cores; `ASSUMED` is a cluster that nobody here has.
"""

import argparse
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import simpy

COLLECTIONS = {"VideoXum": 14_000, "How2": 80_000, "HowTo100M": 1_200_000}
NODES = (1, 8, 64)
FILE_SYSTEM_STREAMS, LINK_STREAMS = 64, 16


@dataclass(frozen=True)
class Measured:
    """Of a 5-minute film, 640x360, of which 50 frames are kept; `python -m benchmarks.sampling` and `.extraction`."""

    decode_seconds: float = 1.85  # of one core: read packets, decode, resize, JPEG, and what is decoded both ways
    frames: int = 50
    frame_bytes: int = 33_000  # JPEG of 256 x 455 at quality 92
    vector_bytes: int = 1_024  # 512 values, float16
    shard_videos: int = 16
    names_a_shard: int = 36  # by strace: files made, looked for, opened and renamed, of a shard, its mark and its lease
    files_a_shard: int = 3  # frames, their mark, features


@dataclass(frozen=True)
class Assumed:
    """A node with `cores` and `gpus`, its link, and the file system that all nodes share."""

    video_bytes: int = 30_000_000
    cores: int = 32
    gpus: int = 4
    frames_a_second: float = 1_500.0  # that a GPU embeds: ViT-B/32
    link: float = 3.1e9  # bytes a second of a node: 25 Gbit/s
    file_system: float = 5e9  # bytes a second of all nodes together
    names: float = 10_000.0  # operations on names a second, of all nodes together


@dataclass
class Outcome:
    """`busy` is the share of the time in which the cores decode; `limit` names what is busiest beside them."""

    hours: float
    busy: float
    limit: str


class Cluster:
    """The machines. A bandwidth is cut into streams of equal width: who comes when all are taken waits."""

    def __init__(self, nodes: int, measured: Measured, assumed: Assumed) -> None:
        self.env = simpy.Environment()
        self.measured, self.assumed = measured, assumed
        cores = nodes * assumed.cores
        self.channels = min(cores, FILE_SYSTEM_STREAMS)
        self.storage = simpy.Resource(self.env, self.channels)
        self.names = simpy.Resource(self.env, 1)
        self.links = [simpy.Resource(self.env, LINK_STREAMS) for _ in range(nodes)]
        self.gpus = [simpy.Resource(self.env, assumed.gpus) for _ in range(nodes)]
        self.used = {"file system": 0.0, "names": 0.0, "links": 0.0, "GPUs": 0.0, "cores": 0.0}
        self.width = {
            "file system": self.channels,
            "names": 1,
            "links": LINK_STREAMS * nodes,
            "GPUs": nodes * assumed.gpus,
            "cores": cores,
        }

    def run(self, shards: int) -> Outcome:
        left = iter(range(shards))
        ends = [self.env.process(self._core(node, left)) for node in range(len(self.links)) for _ in range(self.assumed.cores)]
        self.env.run(simpy.AllOf(self.env, ends))
        share = {name: used / self.width[name] / self.env.now for name, used in self.used.items()}
        others = {name: value for name, value in share.items() if name != "cores"}
        limit = max(others, key=lambda name: others[name])
        return Outcome(self.env.now / 3600, share["cores"], f"{limit} {others[limit]:.0%}")

    def _core(self, node: int, left: Any) -> Generator[Any, Any, None]:
        measured, assumed = self.measured, self.assumed
        size = measured.shard_videos
        frames = size * measured.frames
        for _ in left:
            yield from self._move(node, size * assumed.video_bytes)
            yield from self._hold(None, "cores", size * measured.decode_seconds)
            yield from self._move(node, frames * measured.frame_bytes)
            yield from self._hold(self.names, "names", measured.names_a_shard / assumed.names)
            self.env.process(self._embed(node, frames))

    def _embed(self, node: int, frames: int) -> Generator[Any, Any, None]:
        yield from self._move(node, frames * self.measured.frame_bytes)
        yield from self._hold(self.gpus[node], "GPUs", frames / self.assumed.frames_a_second)
        yield from self._move(node, frames * self.measured.vector_bytes)

    def _move(self, node: int, size: float) -> Generator[Any, Any, None]:
        """Bytes between the node and the file system: whichever of link and channel is slower decides."""
        with self.links[node].request() as link:
            yield link
            with self.storage.request() as channel:
                yield channel
                seconds = max(size / (self.assumed.link / LINK_STREAMS), size / (self.assumed.file_system / self.channels))
                self.used["links"] += size / (self.assumed.link / LINK_STREAMS)
                self.used["file system"] += size / (self.assumed.file_system / self.channels)
                yield self.env.timeout(seconds)

    def _hold(self, resource: Any, name: str, seconds: float) -> Generator[Any, Any, None]:
        self.used[name] += seconds
        if resource is None:
            yield self.env.timeout(seconds)
            return
        with resource.request() as request:
            yield request
            yield self.env.timeout(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=NODES)
    parser.add_argument("--unkept", action="store_true", help="frames.keep: false: no frame is written or read")
    arguments = parser.parse_args()
    measured, assumed = replace(Measured(), frame_bytes=0) if arguments.unkept else Measured(), Assumed()
    print(f"{measured}\n{assumed}\n")
    print("| videos | nodes | hours | times as fast | cores busy | busiest beside them | read | frames | features | files |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, videos in COLLECTIONS.items():
        first = 0.0
        for nodes in arguments.nodes:
            shards = -(-videos // measured.shard_videos)
            found = Cluster(nodes, measured, assumed).run(shards)
            first = first or found.hours * arguments.nodes[0]
            read, frames = videos * assumed.video_bytes / 1e12, videos * measured.frames * measured.frame_bytes / 1e12
            features = videos * measured.frames * measured.vector_bytes / 1e9
            print(
                f"| {name}, {videos:,} | {nodes} | {found.hours:.2f} | {first / found.hours:.1f} | {found.busy:.0%} "
                f"| {found.limit} | {read:.1f} TB | {frames:.2f} TB | {features:.1f} GB | {shards * measured.files_a_shard:,} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
