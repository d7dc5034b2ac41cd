"""Arrays of Slurm jobs, through submitit. All nodes see the project under the same path.

A task of the array works on several shards, one after the other, so that no array has more tasks than Slurm takes.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.base.engines.engine import EXTRA, Means, WorkerDiedError
from pipeline.base.files import temporary_beside
from pipeline.base.leases import is_left_temporary
from pipeline.base.scratch import scratch_root

if TYPE_CHECKING:
    from pipeline.base.params import Runtime, SlurmSettings

T = TypeVar("T")
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Slurm:
    settings: "SlurmSettings"

    def run(self, task: Callable[[T], None], shards: Sequence[T], means: Means) -> Iterator[T]:
        try:
            import submitit
        except ImportError as error:
            raise RuntimeError(EXTRA.format(engine="slurm", package="submitit", error=error)) from error

        for left_over in scratch_root().glob(".slurm.*.tmp"):
            if is_left_temporary(left_over):
                shutil.rmtree(left_over, ignore_errors=True)
        folder = temporary_beside(scratch_root() / "slurm")
        folder.mkdir(parents=True)
        executor = submitit.AutoExecutor(folder=folder, cluster=self.settings.cluster)
        executor.update_parameters(**self._parameters(means))
        size = -(-len(shards) // self.settings.tasks)
        parts = [shards[start : start + size] for start in range(0, len(shards), size)]
        with _importable():
            jobs = executor.map_array(_Work(task, str(Path.cwd())), parts)
        left, died = dict(zip(jobs, parts, strict=True)), list[T]()
        try:
            for job in submitit.helpers.as_completed(jobs, poll_frequency=_POLL_SECONDS):
                part = left.pop(job)
                try:
                    raised = job.result()
                except submitit.core.utils.UncompletedJobError as error:
                    reason = f"Slurm job {job.job_id} ended without a result ({job.state}); its words are in {job.paths.stderr}"
                    died, cause = [*died, *part], error
                    continue
                if raised is not None:
                    raise raised
                yield from part
        finally:
            for job in left:
                job.cancel(check=False)
            if not died:  # else its words are still to be read; the next run removes them
                shutil.rmtree(folder, ignore_errors=True)
        if died:
            raise WorkerDiedError(reason, died) from cause

    def _parameters(self, means: Means) -> dict[str, Any]:
        settings = self.settings
        found: dict[str, Any] = {"timeout_min": settings.minutes, "mem_gb": settings.memory_gb, "cpus_per_task": means.cores}
        if means.gpus:
            found["gpus_per_node"] = means.gpus
        if settings.cluster == "slurm":
            found |= {"slurm_array_parallelism": settings.tasks, "slurm_job_name": "clipsum"}
            found |= {"slurm_partition": settings.partition} if settings.partition else {}
        return found


@dataclass(frozen=True)
class _Work:
    """What a task of the array does. It gives back what is raised: submitit itself would keep no more than the words."""

    task: Callable[[Any], None]
    root: str

    def __call__(self, shards: Sequence[Any]) -> Exception | None:
        os.chdir(self.root)
        try:
            for shard in shards:
                self.task(shard)
        except Exception as error:  # noqa: BLE001 - it is raised again where the shards were handed over
            return error
        return None


def open_engine(runtime: "Runtime") -> Slurm:
    return Slurm(runtime.slurm)


@contextmanager
def _importable() -> Iterator[None]:
    """While the block runs, jobs that are submitted can import this project."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
