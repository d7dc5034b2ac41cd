"""The one interface of all engines, and the choice between them.

An engine decides where and when a shard is worked on and nothing else: what is written is the same, byte by byte.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from pipeline.base.params import Runtime

T = TypeVar("T")
EXTRA = (
    "runtime.engine: {engine}: {package} cannot be imported ({error}); `make setup` installs the extra {engine} of pyproject.toml"
)


class WorkerDiedError(RuntimeError):
    """What worked on a shard has gone without a word, and trying again has not helped. `unfinished` are the shards it may be,
    the most likely ones first.
    """

    def __init__(self, reason: str, unfinished: Sequence[object]) -> None:
        super().__init__(reason)
        self.unfinished = unfinished


@dataclass(frozen=True)
class Means:
    """What one shard needs: so many cores, and GPUs if any. `workers` is how many this machine takes at a time."""

    workers: int
    gpus: int = 0
    cores: int = 1


class Engine(Protocol):
    def run(self, task: Callable[[T], None], shards: Sequence[T], means: Means) -> Iterator[T]:
        """Call `task` for every shard, somewhere, and yield each that is done, in any order.

        `task` can be pickled, and is safe to be called twice. What it raises is raised here, at once; `WorkerDiedError` if it
        could not even do that. Where shards do not share a fate, that comes when the others are done.
        """
        ...


def choose_engine(runtime: "Runtime") -> Engine:
    """The engine that `runtime` names. Raises `RuntimeError` that says what to install."""
    engine: Engine = import_module(f"pipeline.base.engines.{runtime.engine}").open_engine(runtime)
    return engine
