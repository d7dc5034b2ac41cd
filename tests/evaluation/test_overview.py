"""Experiments side by side: the rows that changed, and no other, in a table that fits a terminal."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.evaluation.overview import overview

SCORES = {"entity_f1": 70.04, "rouge1": 60.0, "rouge2": 40.0, "rougeL": 50.0, "meteor": 30.0}
STUDY = "seeds: [0, 1]\ntrain: {lr_new: 2e-3}\nrows:\n  clipsum: {}\n"


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def write_record(row: str, *, study: str = "kitchen", interval: float = 1.0, **scores: float) -> None:
    metrics = {metric: {"mean": value, "ci95_low": value - interval} for metric, value in (SCORES | scores).items()}
    Path("metrics").mkdir(exist_ok=True)
    Path(f"metrics/{row}.json").write_text(json.dumps({"row": row, "study": study, "metrics": metrics}))


def experiment(name: str) -> None:
    """Keep what lies in the work tree as DVC keeps an experiment, and go back."""
    git("add", "-A")
    git("commit", "-qm", name)
    git("update-ref", f"refs/exps/aa/{'b' * 38}/{name}", "HEAD")
    git("reset", "-q", "--hard", "HEAD^")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("studies").mkdir()
    Path("studies/kitchen.yaml").write_text(STUDY)
    Path("params.yaml").write_text("encoder: clip_vit_b32\n")
    for row in ("bart", "clipsum", "clipsum_swapped"):
        write_record(row)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "results")


def shown(**changed: Any) -> list[list[str]]:
    """The cells of every line below the heads, split where two blanks are."""
    text = overview(["bart", "clipsum", "t5"], **({"study": "kitchen", "primary": "entity_f1"} | changed))
    assert max(map(len, text.splitlines())) <= 120
    return [[cell for cell in line.split("  ") if cell.strip()] for line in text.splitlines()[2:]]


def test_the_work_tree_shows_every_row_that_has_results() -> None:
    assert [[cell.strip() for cell in line] for line in shown()] == [
        ["workspace", "bart", "70.0", "60.0", "40.0", "50.0"],
        ["clipsum", "70.0", "60.0", "40.0", "50.0"],
    ]


def test_an_experiment_shows_the_rows_that_changed_and_what_changed_them() -> None:
    Path("studies/kitchen.yaml").write_text(STUDY.replace("2e-3", "5e-3").replace("{}", "{train: {lr_new: 0.1}}"))
    write_record("clipsum", entity_f1=75.5)
    write_record("clipsum_swapped", interval=2.0)
    experiment("faster")
    (line,) = [[cell.strip() for cell in cells] for cells in shown() if cells[0].startswith("faster")]
    assert line == ["faster", "clipsum", "75.5", "60.0", "40.0", "50.0", "+5.5", "train.lr_new=0.005"]
    text = " ".join(" ".join(cells) for cells in shown())
    assert "rows.clipsum.train.lr_new=0.1" in text
    assert text.count("clipsum_swapped") == 0, "other intervals alone are no other score"


def test_an_experiment_that_changes_no_score_says_so() -> None:
    Path("params.yaml").write_text("encoder: resnet152\n")
    experiment("nothing")
    assert [cell.strip() for cell in shown()[-1]] == ["nothing", "(no score differs)", "encoder=resnet152"]


def test_files_beside_the_records_are_passed_over() -> None:
    Path("metrics/corpus.json").write_text(json.dumps({"study": "kitchen", "coverage": {}}))
    experiment("other-videos")
    assert [line[:2] for line in shown()][-1] == ["other-videos", "(no score differs)"]


def test_rows_of_other_studies_are_left_out() -> None:
    write_record("bart", study="youcook2", entity_f1=1.0)
    assert "bart" not in [cells[1] for cells in shown()]
    experiment("elsewhere")
    assert [cell.strip() for cell in shown()[-1]] == ["elsewhere", "(no score differs)"]


def test_long_names_are_wrapped() -> None:
    write_record("clipsum", entity_f1=1.0)
    Path("params.yaml").write_text("encoder: " + "x" * 200 + "\n")
    experiment("a-name-that-nobody-would-type-but-a-program-does-0123456789")
    shown()
