"""`dvc.yaml` and `table/dvc.yaml` say what stages really depend on: code by imports, parameters by use."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
# They check, move, resume or show data and never decide it, so an edit to them must not retrain anything.
EXEMPT = {f"pipeline/{name}.py" for name in ("__init__", "atomic", "params", "shards", "tracking", "tracking_store")}
EXEMPT |= {f"pipeline/{name}/__init__.py" for name in ("datasets", "models", "report")}


def load(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((ROOT / name).read_text())


def definition(stage: str, file: str = "dvc.yaml") -> dict[str, Any]:
    entry = load(file)["stages"][stage]
    body: dict[str, Any] = entry.get("do", entry)
    return body


def imports(path: Path) -> set[Path]:
    """Files of this project that `path` imports, anywhere in it, type checking apart."""
    found = set()
    tree = ast.parse(path.read_text())
    checking = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if id(node) not in checking and isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif id(node) not in checking and isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            candidate = ROOT / (name.replace(".", "/") + ".py")
            if name.split(".")[0] == "pipeline" and candidate.exists():
                found.add(candidate)
    return found


def closure(*starts: str) -> set[str]:
    """What is imported from `starts` on, themselves included; exempt files are left out and not looked into."""
    todo, seen = [ROOT / start for start in starts], set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            if str(path.relative_to(ROOT)) not in EXEMPT:
                todo += imports(path)
    return {str(path.relative_to(ROOT)) for path in seen} - EXEMPT


STAGES = {
    "dvc.yaml": [
        "check_params", "weights", "download", "sample_frames", "extract_features", "train", "evaluate", "floors", "costs",
        "report",
    ],
    "table/dvc.yaml": ["weights", "extract_features", "train", "evaluate", "costs", "report"],
}  # fmt: skip


@pytest.mark.parametrize(("file", "stage"), [(file, stage) for file, stages in STAGES.items() for stage in stages])
def test_declared_code_is_what_is_imported(file: str, stage: str) -> None:
    declared = {dependency for dependency in definition(stage, file)["deps"] if dependency.endswith((".py", ".jinja", ".js"))}
    rows = load(file)["stages"]["train"]["foreach"].values()
    models = sorted({f"pipeline/models/{row['model']}.py" for row in rows})
    # `costs` runs models as well, and depends on their folders: those change when a model's code has trained anew.
    expected = closure(f"stages/{stage}.py", *(models if stage in ("train", "evaluate") else []))
    if stage in ("train", "evaluate"):  # each row imports its own model by name, and depends on what any model of the file shares
        own = "pipeline/models/${item.model}.py"
        assert own in declared
        declared = (declared - {own}) | set(models)
    if stage == "report":
        expected |= {"pipeline/report/page.html.jinja", "pipeline/report/browser.js"}
    assert declared == expected


@pytest.mark.parametrize("file", STAGES)
def test_every_stage_is_listed_here_and_described(file: str) -> None:
    stages = load(file)["stages"]
    assert list(stages) == STAGES[file]
    assert all(entry.get("desc") or entry["do"]["desc"] for entry in stages.values())


@pytest.mark.parametrize("stage", STAGES["table/dvc.yaml"])
def test_a_stage_reads_the_same_parameters_in_both_files(stage: str) -> None:
    assert definition(stage, "table/dvc.yaml")["params"] == definition(stage)["params"]


def test_kept_work_depends_on_the_code_that_training_does() -> None:
    from pipeline.rows import CODE

    declared: set[str] = set()
    for file in STAGES:
        declared |= {dependency for dependency in definition("train", file)["deps"] if dependency.startswith("pipeline/")}
    assert {f"pipeline/{name}.py" for name in CODE} == declared - {"pipeline/models/${item.model}.py"}


def test_every_row_of_the_paper_has_an_entry() -> None:
    from pipeline.report.paper import TABLE_1

    rows = [row for file in STAGES for row in load(file)["stages"]["train"]["foreach"]]
    assert len(set(rows)) == len(rows)
    assert {*TABLE_1, "clipsum_finetuned"} <= set(rows)


@pytest.mark.parametrize("study", sorted(load("params.yaml")["studies"]))
def test_every_parameter_is_used_by_a_stage(study: str) -> None:
    used: set[str] = set()
    rows = load("dvc.yaml")["stages"]["train"]["foreach"].values()
    for stage in STAGES["dvc.yaml"]:
        for parameter in definition(stage).get("params", []):
            for row in rows:
                used.add(
                    parameter.replace("${study}", study)
                    .replace("${item.settings}", row["settings"])
                    .replace("${item.protocol}", row["protocol"])
                )
    used = {".".join(name.split(".")[:3]) for name in used}  # a value inside a block counts as the block
    present = {f"studies.{study}.{block}" for block in load("params.yaml")["studies"][study]}
    assert present == used - {"study"}


def test_the_encoder_under_study_is_read_by_the_rows_under_study_and_their_controls_alone() -> None:
    for file in STAGES:
        rows = load(file)["stages"]["evaluate"]["foreach"]
        trained = load(file)["stages"]["train"]["foreach"]
        studied = {name for name, row in (trained | rows).items() if "${encoder}" in str(row)}
        expected = {name for name in trained | rows if name.startswith("clipsum")}
        assert studied == expected
        assert all(row["trained"] == "models/clipsum" for name, row in rows.items() if name in expected - trained.keys())


def test_no_stage_lists_how_to_run() -> None:
    for file, stages in STAGES.items():
        assert "runtime" not in "".join(parameter for stage in stages for parameter in definition(stage, file).get("params", []))


def test_nothing_starts_before_params_are_checked() -> None:
    for file, stages in STAGES.items():
        for stage in stages:
            made_here = [
                dependency
                for dependency in definition(stage, file)["deps"]
                if not dependency.startswith(("stages/", "pipeline/", "data/inputs/"))
            ]
            assert made_here or stage == "check_params", f"{file}: {stage} has no input that another stage makes"
    assert definition("check_params")["outs"] == ["data/checked.txt"]


def test_pipeline_never_imports_stages() -> None:
    for path in (ROOT / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            assert not any(module.split(".")[0] == "stages" for module in modules), path


def test_what_is_added_in_a_studys_inputs_is_seen_by_dvc_and_hidden_from_git(tmp_path: Path) -> None:
    """DVC asks another implementation of .gitignore than git does. What it does not see, `dvc exp run` removes."""

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("git", "init", "-q")
    run(sys.executable, "-m", "dvc", "init", "-q")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    summaries = tmp_path / "data" / "inputs" / "youcook2" / "summaries.jsonl"
    videos = tmp_path / "data" / "inputs" / "my_videos" / "videos"
    videos.mkdir(parents=True)
    summaries.parent.mkdir()
    for path in (summaries, videos / "a.mp4", videos.parent / "videos.csv"):
        path.write_text("content\n")
    run(sys.executable, "-m", "dvc", "add", "-q", str(summaries), str(videos.parent))
    run(sys.executable, "-m", "dvc", "checkout", "-q", "--force")
    assert summaries.exists() and (videos / "a.mp4").exists()
    for_git = set(run("git", "ls-files", "-o", "--exclude-standard", "data/inputs").split())
    assert for_git == {f"data/inputs/{name}" for name in (".gitignore", "my_videos.dvc", "youcook2/summaries.jsonl.dvc")}
    tracked = {line.split()[-1] for line in run(sys.executable, "-m", "dvc", "list", "--dvc-only", "-R", ".").splitlines()}
    names = ("my_videos/videos.csv", "my_videos/videos/a.mp4", "youcook2/summaries.jsonl")
    assert tracked == {f"data/inputs/{name}" for name in names}
