"""The whole rehearsal, step by step: copy, weights, videos, pipeline, measurements. Killed, it goes on where it stopped."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from pipeline.base.files import listed
from pipeline.base.params import load_params, load_study
from pipeline.base.paths import INPUTS, MODELS, PIPELINE
from pipeline.base.row_names import declared_names
from pipeline.rehearsal.architectures import Shapes, build_models
from pipeline.rehearsal.disk import check_space, megabytes
from pipeline.rehearsal.hours import FullStudy, full_study
from pipeline.rehearsal.hub import serve_hub
from pipeline.rehearsal.measure import RowCost, measure_row
from pipeline.rehearsal.scratch_project import STUDY, copy_code, environment, wanted_weights, write_pins, write_study
from pipeline.rehearsal.videos import Handful, draw_files, write_inputs
from pipeline.rehearsal.watched import StageUse, repro


@dataclass(frozen=True)
class Rehearsal:
    """What was measured. `checkpoints` are MB a seed, by row; `disk` is MB by folder."""

    costs: Sequence[RowCost]
    uses: dict[str, StageUse]
    checkpoints: dict[str, float]
    disk: dict[str, float]
    handful: Handful
    study: FullStudy
    cores: int


def rehearse(project: Path, work: Path, *, handful: Handful, shapes: Shapes, workers: int) -> Rehearsal:
    """Run the study of `project` in a copy below `work` and measure every row.

    Too little disk, or a pipeline that fails, is a `RuntimeError`.
    """
    work = work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    copy, hub_home = work / "project", work / "hub_home"
    with FileLock(work / ".lock"):
        names = declared_names(project / PIPELINE)
        hub = build_models(wanted_weights(project), shapes, work)
        check_space(hub, rows=len(names), work=work)
        files = draw_files(handful, work, workers=workers)
        copy_code(project, copy)
        write_inputs(handful, files, copy / INPUTS / STUDY)
        write_study(copy)
        write_pins(copy, hub)
        with serve_hub(hub) as address:
            variables = environment(hub=address, hub_home=hub_home)
            uses = repro(copy, variables, log=work / "pipeline.log", uses=work / "stages.json")
        costs = _measure(names, copy, work / "rows")
        return Rehearsal(
            costs=costs,
            uses=uses,
            checkpoints={name: _checkpoint_megabytes(copy / MODELS / name) for name in names},
            disk=megabytes(copy, hub_home),
            handful=handful,
            study=full_study(load_study(STUDY, project), load_params(copy).runtime),
            cores=len(os.sched_getaffinity(0)),
        )


def _measure(names: Sequence[str], copy: Path, out: Path) -> list[RowCost]:
    """One row after another, each in a fresh process."""
    costs = []
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool,
        tqdm(names, unit="row", desc="measure rows", disable=None) as bar,
    ):
        for name in bar:
            bar.set_postfix_str(name)
            costs.append(pool.submit(measure_row, name, copy, out / f"{name}.json").result())
    return costs


def _checkpoint_megabytes(row: Path) -> float:
    seeds = [path.stat().st_size for path in listed(row, "*/model.safetensors")]
    return round(sum(seeds) / len(seeds) / 1e6, 1)
