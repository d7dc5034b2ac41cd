"""A seed that several processes of one machine train together, each with a GPU of its own, or with cores.

Processes are started by torchrun's own launcher and average gradients by `DistributedDataParallel`. The batch is that of the
study whatever their number: each takes its share of the rows, and its loss counts by its share of the target tokens, so that
the average of gradients is the gradient of the mean over all tokens. What is decided (which rows, which rate, when to stop) is
decided once, and the first process alone writes.

Each process draws its dropout from a stream of its own, (seed, epoch, rank), and the first from that of a process alone. So with
dropout another number of processes gives other draws, which are as good; without it, results agree to rounding.
"""

import logging
import os
import secrets
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pipeline.base.failures import is_ours
from pipeline.base.processes import end_with_parent

T = TypeVar("T")
_WAIT = timedelta(hours=2)  # for another process, which validates alone, say; one that has died is noticed at once
_LATER = 2.0  # seconds; the launcher looks ten times a second
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class RankError(RuntimeError):
    """A process of a group has failed, and with it the group."""


class _OnPurpose(RuntimeError):
    """What the project raised in a process: its words say what to do."""


@dataclass(frozen=True)
class Group:
    """The processes that train a seed; `rank` is this one. One alone sends nothing and changes nothing."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether it is this process that writes."""
        return self.rank == 0

    def device(self, device: torch.device) -> torch.device:
        """This process's own."""
        return torch.device(device.type, self.rank) if self.size > 1 and device.type == "cuda" else device

    def stream(self, seed: int) -> int:
        """What dropout is drawn from. The first process has that of one alone."""
        return seed if self.first else int(np.random.SeedSequence([seed, self.rank]).generate_state(1)[0])

    def share(self, rows: Sequence[int]) -> list[int]:
        """This process's part of `rows`; the parts of all are all of them. Of sorted rows all parts have long and short ones."""
        return list(rows[self.rank :: self.size])

    def sum(self, *values: float) -> list[float]:
        """Sums over all processes, the same on each."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return [float(value) for value in sums]

    def of_first(self, value: T) -> T:
        """What the first process has."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def gathered(self, own: Mapping[int, T], names: Sequence[str]) -> dict[int, T]:
        """What all processes have, by place in `names`. A place that nobody or more than one has is a `RuntimeError`."""
        if self.size == 1:
            return dict(own)
        parts: list[dict[int, T]] = [{} for _ in range(self.size)]
        dist.all_gather_object(parts, dict(own))
        found = Counter(place for part in parts for place in part)
        if wrong := [f"{name} ({found[place]} times)" for place, name in enumerate(names) if found[place] != 1]:
            raise RuntimeError(f"{self.size} processes should have summarised every video once, but {', '.join(wrong[:5])}")
        return {place: value for part in parts for place, value in part.items()}

    def parallel(self, system: nn.Module) -> nn.Module:
        """The system, with gradients averaged over all processes when it is trained; itself if this process is alone.

        A part may be used by some processes only: an image encoder where no video of a share has frames.
        """
        return system if self.size == 1 else DistributedDataParallel(system, find_unused_parameters=True)


def apart(system: nn.Module) -> AbstractContextManager[object]:
    """While the block runs, gradients of what `Group.parallel` returned add up in each process and are not averaged yet."""
    return system.no_sync() if isinstance(system, DistributedDataParallel) else nullcontext()


def launch(work: Callable[[Group], T], *, processes: int, device: torch.device, title: str) -> T:
    """Call `work` in so many new processes, and return what the first of them returns. `work` can be pickled.

    Raises `ValueError` if there are fewer GPUs than processes. If one fails all are ended: `RankError` has its own words, or
    says which signal ended it.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if device.type == "cuda" and processes > (gpus := torch.cuda.device_count()):
        raise ValueError(f"runtime.processes_per_seed: {processes} processes need a GPU each, and PyTorch sees {gpus}; lower it")
    # It would show the traceback of an error that says what to do. Any other has been shown by its process.
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    with TemporaryDirectory() as folder, _left_as_it_was():
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # that all of a system was used is nothing to warn of
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            max_restarts=0,
            run_id=secrets.token_hex(8),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )
        stopped = None
        try:
            results: dict[int, T] = elastic_launch(config, _work_as_rank)(work, device.type)
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            if isinstance(failure.message, dict):  # of an exception
                raise RankError(failure.message["message"].removeprefix(f"{_OnPurpose.__name__}: ")) from None
            how = failure.signal_name() if failure.exitcode < 0 else f"itself, with status {failure.exitcode}"
            raise RankError(
                f"{title}: process {rank} of {processes} (counted from 0) was ended by {how}; most often memory ran out. "
                "What is finished is kept: the next run goes on from there."
            ) from None
        except SignalException as error:
            stopped = error.sigval
    if stopped is not None:  # the processes are gone; now this one does what the signal asks for
        signal.raise_signal(stopped)
    return results[0]


def _work_as_rank(work: Callable[[Group], T], kind: str) -> T:
    end_with_parent()
    try:
        with _joined(kind) as group:
            return work(group)
    except Exception as error:
        if is_ours(error):
            raise _OnPurpose(str(error)) from None
        # The one that has failed first ends before those that miss it, and the launcher then ends these.
        time.sleep(_LATER)
        traceback.print_exc()
        raise


@contextmanager
def _joined(kind: str) -> Iterator[Group]:
    """In a process that the launcher has started. What is sent lies in memory, gradients where the system lies."""
    group = Group(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    if kind == "cuda":
        torch.cuda.set_device(group.rank)
    dist.init_process_group("cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo", timeout=_WAIT)
    yield group
    dist.destroy_process_group()


@contextmanager
def _left_as_it_was() -> Iterator[None]:
    """The launcher leaves handlers of signals and a variable behind."""
    handlers, variables = {number: signal.getsignal(number) for number in _SIGNALS}, dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(variables):
            del os.environ[name]
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
