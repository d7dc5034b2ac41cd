"""Queue the ablations of the study as DVC experiments, run them, and collect what is finished for the report.

python -m stages.ablations              queue, run, collect; goes on where it stopped
python -m stages.ablations --collect    collect only

An ablation is the experiment `evaluate@clipsum` with one thing changed (`pipeline.ablations`). A finished one is a Git
reference of DVC's, from which metrics and predictions are taken; its name says for which parameters
and code it holds, so nothing is run twice and nothing outdated is collected.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.ablations import Ablation, ablations, experiment_name
from pipeline.atomic import read_json, write_json, write_text
from pipeline.params import load_params

TARGET = "evaluate@clipsum"
POLL_SECONDS = 5
PATIENCE = 6  # polls without an answer before a worker is taken for dead
METRICS, PREDICTIONS = Path("metrics/ablations"), Path("predictions/ablations")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collect", action="store_true", help="run nothing")
    collect_only = parser.parse_args().collect
    params = load_params()
    inputs = clipsum_inputs(params.study)
    wanted = {
        experiment_name(ablation, study_name=params.study, study=params.current, encoder=params.encoder, inputs=inputs): ablation
        for ablation in ablations(params.current)
    }
    if not collect_only:
        queue([name for name in wanted if name not in finished()], wanted, study=params.study)
        wait_for(list(wanted))
    references = finished()
    for name, ablation in wanted.items():
        if name in references:
            collect(references[name], ablation)
    lost = [ablation.name for name, ablation in wanted.items() if name not in references]
    print(f"ablations: {len(wanted) - len(lost)} of {len(wanted)} finished, now in {METRICS}/")
    if lost:
        sys.exit(f"not finished: {', '.join(lost)}; see `dvc queue status` and `dvc queue logs <name>`, or run this again")


def clipsum_inputs(study: str) -> dict[str, Any]:
    """What the row that is varied was made of."""
    path = METRICS.with_name("clipsum.json")
    metrics = read_json(path) if path.exists() else {}
    if metrics.get("study") != study:
        sys.exit(f"{path} is not there or of another study than {study}: ablations vary its row; run `dvc repro` first")
    inputs: dict[str, Any] = metrics["inputs"]
    return inputs


def finished() -> dict[str, str]:
    """Name to commit of every experiment whose results DVC has kept."""
    lines = _run("git", "for-each-ref", "refs/exps", "--format=%(refname) %(objectname)").splitlines()
    pairs = [line.split() for line in lines]
    return {name.rsplit("/", 1)[1]: commit for name, commit in pairs if name.count("/") == 4}


def queue(names: list[str], wanted: dict[str, Ablation], *, study: str) -> None:
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
        overrides = [f"-Sstudies.{study}.{key}={json.dumps(value)}" for key, value in wanted[name].overrides.items()]
        _run("dvc", "exp", "run", "--quiet", "--queue", "--name", name, *overrides, TARGET)
    if names:
        _run("dvc", "queue", "start", "--jobs", "1")


def queue_states() -> tuple[dict[str, str], bool]:
    """State of every named task of the queue, and whether a worker is alive."""
    text = _run("dvc", "queue", "status")
    states = dict(re.findall(r"^\S+\s+(\S+)\s.*\s(Queued|Running|Success|Failed)\s*$", text, re.MULTILINE))
    workers = re.search(r"Worker status: (\d+) active, (\d+) idle", text)
    return states, bool(workers) and workers is not None and any(int(count) for count in workers.groups())


def wait_for(names: list[str]) -> None:
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


def collect(commit: str, ablation: Ablation) -> None:
    """Write an ablation's metrics and predictions where the report looks for them."""
    metrics = json.loads(_run("git", "show", f"{commit}:metrics/clipsum.json"))
    about = {"group": ablation.group, "setting": ablation.setting, "overrides": ablation.overrides}
    write_text(PREDICTIONS / f"{ablation.name}.jsonl", _run("git", "show", f"{commit}:predictions/clipsum.jsonl"))
    write_json(METRICS / f"{ablation.name}.json", metrics | {"ablation": about})


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
