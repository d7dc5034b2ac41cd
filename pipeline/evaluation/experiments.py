"""Ablations as DVC experiments: queue them, wait for them, and collect what is finished for the report.

An ablation is the experiment `evaluate@clipsum` with one thing changed. A finished one is a Git reference of DVC's, from which
record and predictions are taken. Its name says for which parameters and code it holds, so nothing is run twice and nothing
outdated is collected.
"""

import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tqdm import tqdm

from pipeline.base.files import write_json, write_text
from pipeline.base.paths import METRICS, PREDICTIONS, STUDIES, metrics_file, predictions_file
from pipeline.evaluation.ablations import Ablation, own_settings
from pipeline.scoring.record import Varied

if TYPE_CHECKING:
    from pipeline.base.params import Study

BASE = "clipsum"  # the row that is varied
TARGET = f"evaluate@{BASE}"
POLL_SECONDS = 5
PATIENCE = 6  # polls without an answer before a worker is taken for dead


def finished() -> dict[str, str]:
    """Name to commit of every experiment whose results DVC has kept."""
    lines = _run("git", "for-each-ref", "refs/exps", "--format=%(refname) %(objectname)").splitlines()
    pairs = [line.split() for line in lines]
    return {name.rsplit("/", 1)[1]: commit for name, commit in pairs if name.count("/") == 4}


def queue(names: Sequence[str], wanted: Mapping[str, Ablation], *, study_name: str, study: "Study") -> None:
    """Put those into DVC's queue that are not in it, and start a worker. What failed or lost its worker is put in again."""
    states, alive = queue_states()
    for _ in range(PATIENCE):  # a busy worker may miss a question or two
        if alive or "Running" not in states.values():
            break
        time.sleep(POLL_SECONDS)
        states, alive = queue_states()
    for name in names:
        state = states.get(name)
        if state == "Queued" or (state == "Running" and alive):
            continue
        if state == "Running":  # its worker was killed
            _run("dvc", "queue", "kill", "--force", name, check=False)
        if state is not None:
            _run("dvc", "queue", "remove", name, check=False)
        overrides = wanted[name].overrides(own_settings(study))
        changes = [f"-S{STUDIES}/{study_name}.yaml:{key}={json.dumps(value)}" for key, value in overrides.items()]
        _run("dvc", "exp", "run", "--quiet", "--queue", "--name", name, *changes, TARGET)
    if names:
        _run("dvc", "queue", "start", "--jobs", "1")


def queue_states() -> tuple[dict[str, str], bool]:
    """State of every named task of the queue, and whether a worker is alive."""
    text = _run("dvc", "queue", "status")
    states = dict(re.findall(r"^\S+\s+(\S+)\s.*\s(Queued|Running|Success|Failed)\s*$", text, re.MULTILINE))
    workers = re.search(r"Worker status: (\d+) active, (\d+) idle", text)
    return states, workers is not None and any(int(count) for count in workers.groups())


def wait_for(names: Sequence[str]) -> None:
    """Return when none of `names` is waiting or running any more, or no worker is left to run them."""
    silent = 0  # polls in a row without a worker: one that starts or is busy may miss some
    with tqdm(total=len(names), unit="ablation", desc="ablations", disable=None) as bar:
        while silent < PATIENCE:
            states, alive = queue_states()
            silent = 0 if alive else silent + 1
            done = finished()
            bar.n = sum(name in done for name in names)
            bar.refresh()
            if not any(states.get(name) in ("Queued", "Running") for name in names):
                return
            time.sleep(POLL_SECONDS)


def collect(commit: str, ablation: Ablation, study: "Study") -> None:
    """Write an ablation's record and predictions where the report looks for them."""
    record = json.loads(_run("git", "show", f"{commit}:{metrics_file(BASE)}"))
    varied = Varied(name=ablation.name, overrides=ablation.overrides(own_settings(study)))
    text = _run("git", "show", f"{commit}:{predictions_file(BASE)}")
    write_text(PREDICTIONS / "ablations" / f"{ablation.name}.jsonl", text)
    write_json(METRICS / "ablations" / f"{ablation.name}.json", record | {"ablation": varied.model_dump(mode="json")})


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
