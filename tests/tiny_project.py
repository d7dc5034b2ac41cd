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

ROOT = Path(__file__).parent.parent
STAGES = 17  # all but those of row resnet152 and of the control, left out to save time; test_dvc_yaml.py looks at them
TINY = {
    "dataset": {"train": 12, "validation": 4, "test": 4, "width": 96, "height": 72},
    "pretrain": {"pictures": 160, "clip_epochs": 1, "resnet_epochs": 1, "recipes": 20, "bart_epochs": 1, "vocabulary": 400},
    "frames": {"count": 4, "short_side": 64},
    "train": {"epochs": 3, "patience": 4, "batch_size": 4},
    "generate": {"beams": 2, "max_tokens": 8},
}


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
            if not re.match(r"(table/)?(metrics/|predictions/|reports/|dvc\.lock)", name) and (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
        (folder / "data" / "inputs" / "tiny").mkdir()
        (folder / "data" / "inputs" / "tiny" / "README.md").write_text("nothing to supply\n")
        project = cls(folder)
        project.edit("params.yaml", make_tiny)
        stages = (folder / "dvc.yaml").read_text()
        fewer = re.sub(r"\n      resnet152:\n.*?(?=\n      clipsum:\n)", "", stages, count=1, flags=re.DOTALL)
        fewest = re.sub(r"\n      clipsum_swapped:\n.*?(?=\n    do:\n)", "", fewer, count=1, flags=re.DOTALL)
        assert len({stages, fewer, fewest}) == 3
        (folder / "dvc.yaml").write_text(fewest)
        project.run("git", "init", "-q")
        project.run("git", "add", "-A")
        project.run("git", "commit", "-qm", "copy")
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

    def repro(self, *targets: str) -> set[str]:
        """Run the pipeline; the stages that really ran."""
        return set(re.findall(r"Running stage '([^']+)'", self.run("dvc", "repro", *targets)))

    def changed(self, *targets: str) -> set[str]:
        """Stages whose own inputs have changed, which is where a `dvc repro` would begin."""
        return set(json.loads(self.run("dvc", "status", "--json", *targets)))

    def value(self, *keys: str) -> Any:
        value = YAML().load((self.folder / "params.yaml").read_text())
        for key in keys:
            value = value[key]
        return value

    def edit(self, name: str, change: Callable[[Any], None]) -> None:
        yaml = YAML()
        path = self.folder / name
        content = yaml.load(path.read_text())
        change(content)
        with path.open("w") as stream:
            yaml.dump(content, stream)


def make_tiny(params: Any) -> None:
    study = params["studies"]["kitchen"]
    for block, changes in TINY.items():
        study[block].update(changes)
    study["seeds"] = [0]
    study["bootstrap_resamples"] = 100
    params["studies"] = {"tiny": study}
    params["study"] = "tiny"


def set_value(*keys: str, value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def stages(kind: str, *rows: str) -> set[str]:
    return {f"{kind}@{row}" for row in rows}


STUDIED = ("clipsum", "clipsum_finetuned")
ROWS = ("bart", *STUDIED)
STUDY = ("studies", "tiny")
REPORTING = {"costs", "report"}
