"""Tasks of Ray Core, on the cluster at `RAY_ADDRESS` or on one of this machine's own.

All nodes see the project under the same path. A shard is one task: Ray gives it cores or GPUs, and gives it to another node if
the first is lost. No more tasks are handed over than the cluster can soon begin, so that a million of them fill no memory.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.base.engines.engine import EXTRA, Means, WorkerDiedError

if TYPE_CHECKING:
    from pipeline.base.params import Runtime

T = TypeVar("T")
ADDRESS = "RAY_ADDRESS"
RETRIES = 3  # after a worker or a node is lost; an error of the task itself is not tried again
_ANSWER_SECONDS = 5.0
_AHEAD = 2  # tasks in flight for each that can run


@dataclass(frozen=True)
class Ray:
    """`in_flight` tasks at a time; 0: two for each core, or GPU, of the cluster. One that is started here has so many `cores`."""

    in_flight: int = 0
    cores: int = 1

    def run(self, task: Callable[[T], None], shards: Sequence[T], means: Means) -> Iterator[T]:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing of this pipeline phones home
        try:
            import ray
        except ImportError as error:
            raise RuntimeError(EXTRA.format(engine="ray", package="Ray", error=error)) from error

        joined = ray.is_initialized()
        if not joined:
            _join(ray, means, self.cores)
        try:
            yield from self._hand_over(ray, task, shards, means)
        finally:
            if not joined:
                ray.shutdown()

    def _hand_over(self, ray: Any, task: Callable[[T], None], shards: Sequence[T], means: Means) -> Iterator[T]:
        remote = ray.remote(num_cpus=means.cores, num_gpus=means.gpus, max_retries=RETRIES, retry_exceptions=False)(_work)
        kind, needed = ("GPU", means.gpus) if means.gpus else ("CPU", means.cores)
        nodes = [int(node["Resources"].get(kind, 0)) for node in ray.nodes() if node["Alive"]]
        slots = sum(there // needed for there in nodes)
        if not slots:
            raise RuntimeError(
                f"runtime.engine: ray: a shard needs {needed} {kind}, and no node of the cluster has more than {max(nodes)}; "
                "see `ray status`"
            )
        most = self.in_flight or _AHEAD * slots
        shared, root = ray.put(task), str(Path.cwd())
        waiting, pending, died = iter(shards), {}, list[T]()
        while True:
            for shard in waiting:
                pending[remote.remote(shared, root, shard)] = shard
                if len(pending) >= most:
                    break
            if not pending:
                break
            (done,), _ = ray.wait(list(pending), num_returns=1)
            shard = pending.pop(done)
            try:
                ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, Exception) else error) from None
            except ray.exceptions.RayError as error:
                died.append(shard)
                lost = error
                continue
            yield shard
        if died:
            raise WorkerDiedError(f"a worker was lost {RETRIES + 1} times ({type(lost).__name__})", died) from lost


def open_engine(runtime: "Runtime") -> Ray:
    return Ray(runtime.shards_in_flight, cores=runtime.processes)


def _join(ray: Any, means: Means, cores: int) -> None:
    """Join the cluster, or start one; for work on GPUs with all that this machine has."""
    address = os.environ.get(ADDRESS)
    paths = [str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {"PYTHONPATH": os.pathsep.join(paths)}
    if root := os.environ.get("DVC_ROOT"):
        variables["DVC_ROOT"] = str(Path(root).resolve())
    settings: dict[str, Any] = {"runtime_env": {"env_vars": variables}, "logging_level": "warning"}
    if address is None:
        settings |= {"num_cpus": None if means.gpus else max(cores, means.cores), "include_dashboard": False}
    else:
        _require_cluster(address)
    ray.init(address=address or "local", **settings)


def _require_cluster(address: str) -> None:
    """Ray itself asks for a quarter of an hour, and then ends the process."""
    host, _, port = address.rpartition(":")
    if address == "auto" or "://" in address:  # found by Ray, or a client's, which this is not
        raise RuntimeError(f"{ADDRESS}: {address!r} is no host:port; run the stage on a node of the cluster (docs/scale.md)")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, ValueError) as error:
        raise RuntimeError(f"{ADDRESS}: no Ray cluster answers at {address}: {error}") from error


def _work(task: Callable[[T], None], root: str, shard: T) -> None:
    os.chdir(root)
    task(shard)
