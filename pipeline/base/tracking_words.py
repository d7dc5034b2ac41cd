"""What MLflow's pages tell a reader in words: names, descriptions, the source of a run, and which figures stand first."""

import getpass
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXPERIMENT, STAGES, COMMIT, DIRTY, REPORT = "dvc.exp_name", "dvc.stage", "mlflow.source.git.commit", "git.dirty", "report.run_id"
NOTE = "mlflow.note.content"
WORKSPACE = "workspace"  # the name of what `dvc repro` makes, where an experiment has its own
HEADLINE = ("rouge1", "rouge2", "rougeL")  # beside the primary metric
FURTHER = "test/"  # the prefix of all other metrics of the test split: MLflow sorts by name
DURING = "train/"  # the prefix of what is measured beside the curves
LONGEST_VALUE = 250  # characters of a parameter
GIT_SECONDS = 20.0


def experiment_tags(study: str) -> dict[str, str]:
    """What the page of a study's experiment says of it."""
    note = f"""Study `{study}`: a run for each row of its table, and a run for each training seed inside it.

- Names: `<row> · {WORKSPACE}` is what `dvc repro` made, `<row> · <experiment>` what `dvc exp run` made.
- Metrics without a prefix are of the test split (0 to 100, mean over seeds); all others of it have the prefix `{FURTHER}`.
- Curves are of the validation split. On a row's run they are the mean over its seeds, between the lowest and the highest.
- Controls are trained rows that are shown something else, such as another video's frames. The search `params.shows IS NOT NULL`
  lists them; without any search the seeds are there, too.
- `report` has the page, the tables and the figures.

DVC owns the results. This is a view of them: to delete it changes nothing."""
    return {NOTE: note, "mlflow.experimentKind": "custom_model_development"}


def model_note(study: str, row: str) -> str:
    """What the page of a registered model says of it. Markdown."""
    return f"""Row `{row}` of study `{study}`: each version is the best seed of a training, by the validation split.
The alias `best` is what lies in `models/{row}` now.

- Serve it: `make serve ROW={row}`
- Have it as a folder: `make export ROW={row}`
- Its scores are of the test split, of this seed. `README.md` among its files is its card."""


def row_name(row: str, stage: str, experiment: str, former: int) -> str:
    """`clipsum · workspace`; `former` is how many runs of that name, made under other parameters or code, are there already."""
    title = f"search of {row}" if stage == "search" else row
    return f"{title} · {experiment}" + (f" · {former + 1}" if former else "")


def test_metrics(scores: Mapping[str, float], *, primary: str) -> dict[str, float]:
    """Scores of the test split, to two decimals, under the names that they have in MLflow: those that are compared come first."""
    scores = {metric: round(value, 2) for metric, value in scores.items()}
    first = {metric: scores[metric] for metric in (primary, *HEADLINE) if metric in scores}
    return first | {f"{FURTHER}{metric}": value for metric, value in scores.items() if metric not in first}


def curve_points(epoch: Mapping[str, float]) -> dict[str, float]:
    """Losses and scores of an epoch under their own names; rates and seconds after them."""
    return {
        key if key.startswith(("train_", "val_")) else f"{DURING}{key}": value for key, value in epoch.items() if key != "epoch"
    }


def short_parameters(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as they are read: those without a value are left out, and long ones are cut."""
    texts = {key: str(value) for key, value in params.items() if value is not None}
    return {key: text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…" for key, text in texts.items()}


def description(tags: Mapping[str, str], params: Mapping[str, str], *, experiment_id: str) -> str:
    """What a run is, how it is made again, from which code, and where the report is. Markdown."""
    row, stages, experiment = tags.get("dvc.row"), tags[STAGES], tags[EXPERIMENT]
    what = f"**{params.get('title', row)}**, row `{row}`" if row else "**The report**: `index.html` has everything on one page"
    if shown := params.get("shows"):
        what = f"{what}: the trained seeds of another row, shown `{shown}` instead of the videos' own frames"
    apply = "" if experiment == WORKSPACE else f"dvc exp apply {experiment} && "
    again = f"python -m stages.search --rows {row}" if stages == "search" else f"dvc repro {stages.replace(',', '')}"
    changed = {"true": ", with changes that are in no commit", "false": ""}.get(tags[DIRTY], "")
    report = f" [The report](#/experiments/{experiment_id}/runs/{tags[REPORT]}/artifacts/index.html)" if REPORT in tags else ""
    return f"{what}.{report}\n\n- Again: `{apply}{again}`\n- Code: commit `{tags[COMMIT][:12]}`{changed}"


def provenance() -> dict[str, str]:
    """What the code was: the DVC experiment, its commit, and whether the working tree differs from that; who ran which file."""
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch"]  # takes no lock a parallel stage may need
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_SECONDS).stdout.splitlines()
        commit = next(line.split()[-1] for line in lines if line.startswith("# branch.oid"))
        dirty = str(any(not line.startswith("#") for line in lines)).lower()
    except (OSError, subprocess.SubprocessError):  # no git, or no repository
        commit = dirty = "unknown"
    return {
        EXPERIMENT: os.environ.get("DVC_EXP_NAME") or WORKSPACE,
        "dvc.baseline_rev": os.environ.get("DVC_EXP_BASELINE_REV") or commit,
        DIRTY: dirty,
        COMMIT: commit,
        "mlflow.source.name": _script(),
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
    }


def _script() -> str:
    """The running file, relative to the project where it lies in it."""
    path = Path(sys.argv[0]).resolve()
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.name


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"
