"""The real `dvc repro` in a copy of the project, on a tiny study: what re-runs when, and what is the same every time."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tiny_project import AFTER, CONTROL, REPORTING, ROWS, STUDIED, STUDY, Project, set_value, stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def project(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.copied(first_run, tmp_path_factory.mktemp("changes") / "project")


def test_a_change_re_runs_what_it_touches_and_nothing_else(project: Project) -> None:
    assert project.repro() == set()

    project.edit("params.yaml", set_value("runtime", "extraction_batch_size", value=7))
    assert project.repro() == {"check"}

    project.edit("params.yaml", set_value("encoder", value="resnet152"))
    studied = stages("train", *STUDIED) | stages("evaluate", *STUDIED) | {CONTROL}
    assert project.repro() == {"check"} | studied | AFTER
    project.edit("params.yaml", set_value("encoder", value="clip_vit_b32"))
    assert project.repro() == REPORTING, "switching back takes the results of before; files of this machine are made again"

    for keys, expected in (
        (("train", "lr_new"), stages("train", *ROWS)),
        (("generate", "beams"), stages("train", *ROWS) | stages("evaluate", *ROWS) | {CONTROL, "costs"}),
        (("primary", "margin"), stages("evaluate", *ROWS) | {CONTROL, "floors"}),
        (("model", "fusion_layer"), stages("train", *STUDIED)),
        (("finetune", "lr_encoder"), {"train@clipsum_finetuned"}),
        (("bootstrap_resamples",), stages("evaluate", *ROWS) | {CONTROL, "extra_scores", "floors", "report"}),
        (("page_videos",), {"sample_frames", "report"}),
    ):
        before = project.value(*keys)
        project.edit(STUDY, set_value(*keys, value=before + 1))
        assert project.changed() == expected, keys
        project.edit(STUDY, set_value(*keys, value=before))
    for row in ("bart", "clipsum"):
        before = project.value("rows", row)
        project.edit(STUDY, set_value("rows", row, value={"train": {"lr_pretrained": 1e-5}}))
        assert project.changed() == stages("train", row), "a row's own settings are its own"
        project.edit(STUDY, set_value("rows", row, value=before))
    assert project.changed() == set()

    project.edit(STUDY, set_value("frames", "count", value=3))
    assert project.repro() == (
        {
            "check",
            "sample_frames",
            "probe",
            *(f"extract_features@{name}" for name in ("clip_vit_b32", "resnet152", "oracle")),
            CONTROL,
        }
        | AFTER
        | stages("train", *STUDIED)
        | stages("evaluate", *STUDIED)
    ), "all that looks at frames, and not the text-only row"


def test_a_fresh_clone_makes_the_same_bytes(first_run: Path, tmp_path: Path) -> None:
    """What `make demo && git status` shows: nothing."""
    original = Project.copied(first_run, tmp_path / "original")
    original.commit("results")
    original.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    for name in ("download", "sample_frames"):  # these take longest
        shutil.copytree(original.folder / ".scratch" / name, clone.folder / ".scratch" / name)
    clone.repro()
    assert clone.run("git", "status", "--porcelain") == ""
    tracked = clone.run("git", "ls-files").splitlines()
    assert "metrics/clipsum.json" in tracked and "reports/table.md" in tracked
    assert (clone.folder / "reports" / "index.html").exists() and (clone.folder / "reports" / "costs.csv").exists()
    assert "identical" in clone.run("python", "-m", "stages.verify")


@pytest.mark.parametrize("dial", ["encoder", "more_encoders", "study"])
def test_a_parameter_file_of_a_stranger_runs_no_command(first_run: Path, tmp_path: Path, dial: str) -> None:
    """After a good run, too, when most stages are up to date."""
    project = Project.copied(first_run, tmp_path / "project")
    hostile = "clip_vit_b32; touch taken; echo $(touch taken) `touch taken` #"
    project.edit("params.yaml", set_value(dial, value=[hostile] if dial == "more_encoders" else hostile))
    done = subprocess.run(
        ["dvc", "repro"], cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and hostile.partition(" ")[0] in done.stdout + done.stderr
    assert not list(project.folder.rglob("taken"))
    assert (project.folder / "models" / "clipsum").is_dir() and (project.folder / "reports" / "table.md").exists()
