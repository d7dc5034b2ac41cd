"""`dvc.yaml` says what stages really depend on: code by imports, parameters by use."""

import ast
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


def definition(stage: str) -> dict[str, Any]:
    entry = load("dvc.yaml")["stages"][stage]
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


STAGES = ["download", "sample_frames", "weights", "extract_features", "train", "evaluate", "report"]


@pytest.mark.parametrize("stage", STAGES)
def test_declared_code_is_what_is_imported(stage: str) -> None:
    declared = {dependency for dependency in definition(stage)["deps"] if dependency.endswith((".py", ".jinja"))}
    starts = [f"stages/{stage}.py"]
    models = sorted({row["model"] for row in load("dvc.yaml")["stages"]["train"]["foreach"].values()})
    if stage == "train":  # each row imports its own model by name
        starts.append("pipeline/models/clipsum.py")
        declared = {dependency.replace("${item.model}", "clipsum") for dependency in declared}
    if stage == "evaluate":
        starts += [f"pipeline/models/{model}.py" for model in models]
    expected = closure(*starts)
    if stage == "report":
        expected |= {"pipeline/report/page.html.jinja"}
    assert declared == expected


def test_every_stage_is_listed_here_and_described() -> None:
    stages = load("dvc.yaml")["stages"]
    assert list(stages) == STAGES
    assert all(entry.get("desc") or entry["do"]["desc"] for entry in stages.values())


@pytest.mark.parametrize("study", sorted(load("params.yaml")["studies"]))
def test_every_parameter_is_used_by_a_stage(study: str) -> None:
    used: set[str] = set()
    rows = load("dvc.yaml")["stages"]["train"]["foreach"].values()
    for stage in STAGES:
        for parameter in definition(stage).get("params", []):
            for row in rows:
                used.add(
                    parameter.replace("${study}", study)
                    .replace("${item.settings}", row["settings"])
                    .replace("${item.protocol}", row["protocol"])
                )
    present = {f"studies.{study}.{block}" for block in load("params.yaml")["studies"][study]}
    assert present == used


def test_no_stage_lists_how_to_run() -> None:
    assert "runtime" not in "".join(parameter for stage in STAGES for parameter in definition(stage).get("params", []))


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
