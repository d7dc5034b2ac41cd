"""A copy of the project with a tiny study, on which the real pipeline takes minutes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.parameters import edit

ROOT = Path(__file__).parents[1]
STAGES = 23  # of the rows below; test_dvc_yaml.py looks at all others
TEXT_ROWS, STUDIED, CONTROL = ("bart",), ("clipsum", "clipsum_finetuned"), "control@clipsum"
ROWS = (*TEXT_ROWS, *STUDIED)
TINY = {
    "dataset": {"train": 12, "validation": 4, "test": 4, "width": 96, "height": 72},
    "frames": {"count": 4, "short_side": 64},
    "train": {"epochs": 3, "patience": 4, "batch_size": 4},
    "generate": {"beams": 2, "max_tokens": 8},
}
STUDY = "studies/tiny.yaml"
REPORTING = {"costs", "report"}
AFTER = {"extra_scores"} | REPORTING  # what other summaries, or another encoder, run


class Project:
    """A folder with a copy of the project, whose study is `tiny`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.org",
        }  # fmt: skip
        for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "PYTHONDONTWRITEBYTECODE"):
            self.environment.pop(name, None)

    @classmethod
    def created(cls, folder: Path) -> "Project":
        """What git would track of this project, in a folder that is not there yet; nothing has run."""
        tracked = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in tracked.stdout.splitlines():
            if not re.match(r"(metrics/|predictions/|reports/|dvc\.lock)", name) and (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
        (folder / "data" / "inputs" / "tiny").mkdir()
        (folder / "data" / "inputs" / "tiny" / "README.md").write_text("nothing to supply\n")
        project = cls(folder)
        edit(folder / "studies" / "kitchen.yaml", folder / STUDY, make_tiny)
        project.edit("params.yaml", set_value("study", value="tiny"))
        (folder / "dvc.yaml").write_text(leave_out_rows((folder / "dvc.yaml").read_text()))
        project.run("git", "init", "-q")
        project.commit("copy")
        return project

    @classmethod
    def copied(cls, original: Path, folder: Path) -> "Project":
        """A whole project, with all that was run in it, in another place."""
        shutil.copytree(original, folder, symlinks=True)
        return cls(folder)

    def run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)

    def repro(self, *targets: str) -> set[str]:
        """Run the pipeline; the stages that really ran."""
        return set(re.findall(r"Running stage '([^']+)'", self.run("dvc", "repro", *targets)))

    def changed(self, *targets: str) -> set[str]:
        """Stages whose own inputs have changed, which is where a `dvc repro` would begin; without `check`, which reads all."""
        return set(json.loads(self.run("dvc", "status", "--json", *targets))) - {"check"}

    def value(self, *keys: str) -> Any:
        value = YAML().load((self.folder / STUDY).read_text())
        for key in keys:
            value = value[key]
        return value

    def edit(self, name: str, change: Callable[[Any], None]) -> None:
        edit(self.folder / name, self.folder / name, change)

    def add_row(self, stage: str, entry: str) -> None:
        """One more line under `foreach` of a stage of `dvc.yaml`, and under `rows` of the study."""
        text = (self.folder / "dvc.yaml").read_text()
        start = text.index("\n    do:\n", text.index(f"\n  {stage}:\n"))
        (self.folder / "dvc.yaml").write_text(f"{text[:start]}\n      {entry}{text[start:]}")
        self.replace(STUDY, "\nchosen:", f"\n  {entry.split(':')[0]}: {{}}\nchosen:")

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a text file as an editor would."""
        text = (self.folder / name).read_text()
        assert old in text, f"{name}: {old}"
        (self.folder / name).write_text(text.replace(old, new, 1))


def make_tiny(study: Any) -> None:
    for block, changes in TINY.items():
        study[block].update(changes)
    study["rows"] = {row: {} for row in study["rows"]}  # what a search found for kitchen is nothing to a tiny study
    study["seeds"] = [0]
    study["bootstrap_resamples"] = 100


def leave_out_rows(pipeline: str) -> str:
    """`dvc.yaml` with the rows above, and what they need. Changed as text, because it has anchors."""
    head, *sections = re.split(r"(?m)^(?=  \w+:$)", pipeline)
    kept = {"train_text": TEXT_ROWS, "train": STUDIED}
    for number, section in enumerate(sections):
        if (stage := section.split(":")[0].strip()) in kept:
            entries, body = section.split("\n    do:\n")
            first, *rows = re.split(r"(?m)^(?=      \w+:)", entries + "\n")
            chosen = [row for row in rows if row.split(":")[0].strip() in kept[stage]]
            assert len(chosen) == len(kept[stage]) < len(rows), stage
            sections[number] = first + "".join(chosen).rstrip("\n") + "\n    do:\n" + body
    pipeline = re.sub(
        r"(?m)^(    foreach: .*), vit_b32_labels, resnet152, random_vit_b32, oracle\]",
        r"\1, resnet152, oracle]",
        head + "".join(sections),
    )
    pipeline = pipeline.replace("foreach: [bart, t5, ", "foreach: [bart, ")
    return re.sub(r"data/features/(random_vit_b32|vit_b32_labels),\s*", "", pipeline)


def set_value(*keys: str, value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def stages(kind: str, *rows: str) -> set[str]:
    """Names of stages; a text row has stages of its own kind."""
    return {f"{kind}_text@{row}" if row in TEXT_ROWS else f"{kind}@{row}" for row in rows}
