"""Runs beside the table as DVC experiments: queue them, wait for them, and collect what is finished for the report.

A run is a stage of `dvc.yaml` with a few things changed. A finished one is a Git reference of DVC's, from which records and
predictions are taken. Its name says for which parameters and code it holds, so nothing is run twice and nothing outdated is
collected.
"""

import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from pipeline.base.files import write_json, write_text
from pipeline.base.paths import METRICS, PREDICTIONS, STUDIES, metrics_file, predictions_file
from pipeline.base.scratch import fingerprint

if TYPE_CHECKING:
    from pipeline.base.params import Study

POLL_SECONDS = 5
PATIENCE = 6  # polls without an answer before a worker is taken for dead


@dataclass(frozen=True)
class Experiment:
    """`target` with `overrides` of the study. `keeps` says for each of its rows where in `metrics/` and `predictions/` it is
    kept, and `adds` what is added to every record, or to a block of it that it has.
    """

    name: str
    target: str
    overrides: Mapping[str, Any]
    keeps: Mapping[str, str]
    adds: Mapping[str, Any]


def experiment_name(kind: str, name: str, *, study_name: str, study: "Study", decided_by: Sequence[Any]) -> str:
    """A name for a DVC experiment that changes with the study and with `decided_by`; not with what no such run reads."""
    key = fingerprint(study_name, study.model_dump(exclude={"chat", "extra_metrics"}), *decided_by)
    return f"{kind}-{study_name.replace('_', '-')}-{name.replace('_', '-')}-{key[:8]}"


def finished() -> dict[str, str]:
    """Name to commit of every experiment whose results DVC has kept."""
    lines = _run("git", "for-each-ref", "refs/exps", "--format=%(refname) %(objectname)").splitlines()
    pairs = [line.split() for line in lines]
    return {name.rsplit("/", 1)[1]: commit for name, commit in pairs if name.count("/") == 4}


def run_all(wanted: Sequence[Experiment], *, study_name: str, unit: str) -> list[str]:
    """Run what has not been run, collect everything, and return the names of those that did not finish."""
    by_name = {experiment.name: experiment for experiment in wanted}
    missing = [name for name in by_name if name not in finished()]
    if missing:
        _queue([by_name[name] for name in missing], study_name=study_name)
        _wait_for(list(by_name), unit=unit)
    done = finished()
    for name, experiment in by_name.items():
        if name in done:
            _collect(done[name], experiment)
    return [name for name in by_name if name not in done]


def queue_states() -> tuple[dict[str, str], bool]:
    """State of every named task of the queue, and whether a worker is alive."""
    text = _run("dvc", "queue", "status")
    states = dict(re.findall(r"^\S+\s+(\S+)\s.*\s(Queued|Running|Success|Failed)\s*$", text, re.MULTILINE))
    workers = re.search(r"Worker status: (\d+) active, (\d+) idle", text)
    return states, workers is not None and any(int(count) for count in workers.groups())


def _queue(experiments: Sequence[Experiment], *, study_name: str) -> None:
    """Put those into DVC's queue that are not in it, and start a worker. What failed or lost its worker is put in again."""
    states, alive = queue_states()
    for _ in range(PATIENCE):  # a busy worker may miss a question or two
        if alive or "Running" not in states.values():
            break
        time.sleep(POLL_SECONDS)
        states, alive = queue_states()
    for experiment in experiments:
        name, state = experiment.name, states.get(experiment.name)
        if state == "Queued" or (state == "Running" and alive):
            continue
        if state == "Running":  # its worker was killed
            _run("dvc", "queue", "kill", "--force", name, check=False)
        if state is not None:
            _run("dvc", "queue", "remove", name, check=False)
        changes = [f"-S{STUDIES}/{study_name}.yaml:{key}={json.dumps(value)}" for key, value in experiment.overrides.items()]
        _run("dvc", "exp", "run", "--quiet", "--queue", "--name", name, *changes, experiment.target)
    _run("dvc", "queue", "start", "--jobs", "1")


def _wait_for(names: Sequence[str], *, unit: str) -> None:
    """Return when none of `names` is waiting or running any more, or no worker is left to run them."""
    silent = 0  # polls in a row without a worker: one that starts or is busy may miss some
    with tqdm(total=len(names), unit=unit, desc=f"{unit}s", disable=None) as bar:
        while silent < PATIENCE:
            states, alive = queue_states()
            silent = 0 if alive else silent + 1
            done = finished()
            bar.n = sum(name in done for name in names)
            bar.refresh()
            if not any(states.get(name) in ("Queued", "Running") for name in names):
                return
            time.sleep(POLL_SECONDS)


def _collect(commit: str, experiment: Experiment) -> None:
    """Write records and predictions where the report looks for them."""
    for row, kept in experiment.keeps.items():
        record = json.loads(_run("git", "show", f"{commit}:{metrics_file(row)}"))
        write_text(PREDICTIONS / f"{kept}.jsonl", _run("git", "show", f"{commit}:{predictions_file(row)}"))
        write_json(METRICS / f"{kept}.json", record | _renamed(record, experiment) | _added(record, experiment))


def _added(record: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    """What a block of the record gets stands beside what it has."""
    blocks = {key: value for key, value in record.items() if isinstance(value, dict)}
    return {key: {**blocks[key], **value} if key in blocks else value for key, value in experiment.adds.items()}


def _renamed(record: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    """A repeated row has the name of its file; an ablation says what it is an ablation of."""
    if "ablation" in experiment.adds:
        return {}
    names = {row: kept.rpartition("/")[2] for row, kept in experiment.keeps.items()}
    return {"row": names[record["row"]], "control_of": names.get(record["control_of"], record["control_of"])}


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
