"""The real `dvc repro` in a copy of the project, on a tiny study: what re-runs after which change, and after a kill."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
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
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


class Project:
    """A copy of the project whose study is `tiny`."""

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
        tracked = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in tracked.stdout.splitlines():
            if not re.match(r"(table/)?(metrics/|predictions/|reports/|dvc\.lock)", name) and (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
        (folder / "data" / "inputs" / "tiny").mkdir()
        (folder / "data" / "inputs" / "tiny" / "README.md").write_text("nothing to supply\n")
        self.edit("params.yaml", make_tiny)
        stages = (folder / "dvc.yaml").read_text()
        fewer = re.sub(r"\n      resnet152:\n.*?(?=\n      clipsum:\n)", "", stages, count=1, flags=re.DOTALL)
        fewest = re.sub(r"\n      clipsum_swapped:\n.*?(?=\n    do:\n)", "", fewer, count=1, flags=re.DOTALL)
        assert len({stages, fewer, fewest}) == 3
        (folder / "dvc.yaml").write_text(fewest)
        self.run("git", "init", "-q")
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "copy")

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


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    assert len(project.repro()) == STAGES
    return project


def stages(kind: str, *rows: str) -> set[str]:
    return {f"{kind}@{row}" for row in rows}


STUDIED = ("clipsum", "clipsum_finetuned")
ROWS = ("bart", *STUDIED)
STUDY = ("studies", "tiny")
REPORTING = {"costs", "report"}


def test_a_change_re_runs_what_it_touches_and_nothing_else(project: Project) -> None:
    assert project.repro() == set()

    project.edit("params.yaml", set_value("runtime", "extraction_batch_size", value=7))
    assert project.repro() == set()

    project.edit("params.yaml", set_value("encoder", value="resnet152"))
    assert project.repro() == stages("train", *STUDIED) | stages("evaluate", *STUDIED) | REPORTING
    project.edit("params.yaml", set_value("encoder", value="clip_vit_b32"))
    assert project.repro() == set(), "switching back takes the results of before"

    for keys, expected in (
        (("train", "lr_new"), stages("train", *ROWS)),
        (("generate", "beams"), stages("train", *ROWS) | stages("evaluate", *ROWS) | {"costs"}),
        (("model", "fusion_layer"), stages("train", *STUDIED)),
        (("finetune", "lr_tower"), {"train@clipsum_finetuned"}),
        (("bootstrap_resamples",), stages("evaluate", *ROWS) | {"floors", "report"}),
    ):
        before = project.value(*STUDY, *keys)
        project.edit("params.yaml", set_value(*STUDY, *keys, value=before + 1))
        assert project.changed("dvc.yaml") == expected, keys
        project.edit("params.yaml", set_value(*STUDY, *keys, value=before))
    assert project.changed("dvc.yaml") == set()

    project.edit("params.yaml", set_value(*STUDY, "frames", "count", value=3))
    assert project.repro() == (
        {"sample_frames", "extract_features@clip_vit_b32", "extract_features@resnet152"}
        | REPORTING
        | stages("train", *STUDIED)
        | stages("evaluate", *STUDIED)
    ), "all that looks at frames, and not the text-only row"


def test_a_new_row_runs_alone_and_goes_on_when_killed(project: Project) -> None:
    def add_row(content: Any) -> None:
        rows = content["stages"]["train"]["foreach"]
        rows["second"] = dict(rows["clipsum"]) | {"title": "A second row", "trained": "models/second"}

    project.edit("dvc.yaml", add_row)
    process = subprocess.Popen(
        ["dvc", "repro"],
        cwd=project.folder,
        env=project.environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    scratch = project.folder / ".scratch"
    deadline = time.monotonic() + 300
    while not list(scratch.glob("train.second/*/work-0/last.pt")):
        assert time.monotonic() < deadline and process.poll() is None, "training ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (project.folder / "models" / "second" / "seeds").exists()

    output = project.run("dvc", "repro")
    assert set(re.findall(r"Running stage '([^']+)'", output)) == {"train@second", "evaluate@second"} | REPORTING
    assert "seed 0: goes on after epoch" in output
    continued, whole = (
        sha256((project.folder / "models" / row / "seeds" / "0" / "model.safetensors").read_bytes()).hexdigest()
        for row in ("second", "clipsum")
    )
    assert continued == whole, "the row it was copied from was trained in one go"
    assert not list(scratch.glob("train.second/*/work-0")), "scratch of a finished stage is removed"
    assert "A second row" in (project.folder / "reports" / "table.md").read_text()


def test_a_seed_added_later_trains_alone(project: Project) -> None:
    def marks() -> dict[str, float]:
        return {path.name: path.stat().st_mtime for path in (project.folder / ".scratch").glob("train.bart/*/?.json")}

    before = marks()
    assert set(before) == {"0.json"}
    project.edit("params.yaml", set_value(*STUDY, "seeds", value=[0, 1]))
    assert "Running stage 'train@bart'" in project.run("dvc", "repro", "train@bart")
    after = marks()
    assert set(after) == {"0.json", "1.json"}
    assert after["0.json"] == before["0.json"], "it was not trained again"
    assert len(list((project.folder / "models" / "bart" / "seeds").glob("?/model.safetensors"))) == 2
    project.edit("params.yaml", set_value(*STUDY, "seeds", value=[0]))
    assert project.repro() == set()


def test_the_whole_table_builds_on_what_is_there(project: Project) -> None:
    """`dvc repro --dry` would say it too, but stops at the first dependency that is yet to be made."""
    changed = project.changed("--with-deps", "table/dvc.yaml")
    assert {"table/dvc.yaml:train@t5", "table/dvc.yaml:evaluate@clipsum_zeros", "table/dvc.yaml:report"} <= changed
    assert all(stage.startswith("table/dvc.yaml:") for stage in changed)

    features = "table/dvc.yaml:extract_features@random_vit_b32"
    assert project.repro(features) == {"table/dvc.yaml:weights@random_vit_b32", features}
    assert project.repro() == set(), "the smaller table does not look at it"


def test_an_error_in_params_stops_before_any_stage_works(project: Project) -> None:
    params = project.folder / "params.yaml"
    before = params.read_text()
    for text, slip, message in (
        ("encoder: clip_vit_b32", "encoder: clip_vit_b33", "encoder: 'clip_vit_b33' has no mini tower"),
        ("fps: 6", "fps: -6", "studies.tiny.dataset.fps: Input should be greater than 0"),
        ("fps: 6", "fsp: 6", "studies.tiny.dataset.fsp: unknown key"),
        ("study: tiny", "study: tiyn", "study: 'tiyn' is none of tiny"),
    ):
        assert text in before
        params.write_text(before.replace(text, slip))
        done = subprocess.run(
            ["dvc", "repro"], cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert message in done.stderr
        assert done.stdout.count("Running stage") <= 1, "the first stage that would run stops"
    params.write_text(before)
    assert project.repro() == set(), "nothing that was there is lost"


def test_runs_are_logged_in_one_experiment(project: Project) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    (experiment,) = [found for found in client.search_experiments() if found.name == "tiny"]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    parents = {run.info.run_name for run in runs if "mlflow.parentRunId" not in run.data.tags}
    assert {"bart", *STUDIED, "second"} <= parents
    nested = [run for run in runs if "mlflow.parentRunId" in run.data.tags and run.data.tags["dvc.row"] == "clipsum"]
    assert nested and all("test_rouge1" in run.data.metrics for run in nested)
    assert any(len(client.get_metric_history(run.info.run_id, "val_rouge2")) > 1 for run in nested)
