"""`dvc.yaml` says what stages really depend on: code by imports, parameters by use. A room of `pipeline/` sees upstream alone."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.base.code import import_closure, imported

ROOT = Path(__file__).parents[1]
ROOMS = (
    "base", "kitchen", "corpus", "frames", "speech", "encoders", "foundation", "features", "scoring", "models", "training",
    "evaluation", "inference", "report", "judging", "rehearsal",
)  # fmt: skip
STAGES = [
    "check", "download", "transcribe", "weights", "weights_more", "sample_frames", "extract_features", "train_text", "train",
    "evaluate_text", "evaluate", "extract_features_more", "train_more", "evaluate_more", "probe_more", "control", "probe",
    "floors", "external", "chat", "extra_scores", "costs", "report",
]  # fmt: skip
TRAINING = ("train_text", "train", "train_more")
# What a stage imports by a name that a parameter gives.
BY_NAME = {
    "download": tuple(f"pipeline.corpus.{name}" for name in ("kitchen", "folder", "youcook2", "wikihow", "videoxum", "how2")),
    "transcribe": ("pipeline.speech.recognisers.faster_whisper",),
}


def load(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((ROOT / name).read_text())


def definition(stage: str) -> dict[str, Any]:
    entry = load("dvc.yaml")["stages"][stage]
    body: dict[str, Any] = entry.get("do", entry)
    return body


def entries(stage: str) -> dict[str, dict[str, str]]:
    """Entries of a stage that declares some; none of one that works on what a parameter lists."""
    found = load("dvc.yaml")["stages"][stage].get("foreach")
    return found if isinstance(found, dict) else {}


def modules(room: str) -> list[str]:
    paths = (ROOT / "pipeline" / room).rglob("*.py")
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if path.stem != "__init__"]


def room_of(module: str) -> str:
    return module.split(".")[1]


def test_every_stage_is_listed_here_and_described() -> None:
    stages = load("dvc.yaml")["stages"]
    assert list(stages) == STAGES
    assert all(entry.get("desc") or entry["do"]["desc"] for entry in stages.values())


@pytest.mark.parametrize("stage", STAGES)
def test_declared_folders_are_those_that_the_stage_imports_from(stage: str) -> None:
    declared = {dependency for dependency in definition(stage)["deps"] if dependency.startswith(("pipeline/", "stages/"))}
    file = f"stages.{stage.removesuffix('_text').removesuffix('_more')}"
    assert f"{file.replace('.', '/')}.py" in declared
    closure = import_closure(file, *BY_NAME.get(stage, ())) - {file, "stages"}
    rooms = {f"pipeline/{room_of(module)}" for module in closure} - {"pipeline/models"}
    if any(module.startswith("pipeline.models.parts") for module in closure):
        rooms.add("pipeline/models/parts")
    own = "clipsum" if stage == "train_more" else "${item.model}"
    rooms |= {f"pipeline/models/{own}.py"} if stage in TRAINING else set()
    assert declared - {f"{file.replace('.', '/')}.py"} == rooms


def test_what_a_trained_model_imports_is_declared_by_the_stages_that_run_it() -> None:
    for module in modules("models"):
        rooms = {f"pipeline/{room_of(name)}" for name in import_closure(module)} - {"pipeline/models"}
        for stage in (*TRAINING, "evaluate", "evaluate_more", "control", "costs"):
            assert rooms <= set(definition(stage)["deps"]), (module, stage)


def test_a_rows_own_file_is_a_dependency_of_that_row_alone() -> None:
    own = {f"pipeline.models.{path.stem}" for path in (ROOT / "pipeline" / "models").glob("*.py")} - {"pipeline.models.__init__"}
    assert own == {f"pipeline.models.{row['model']}" for stage in ("train", "train_text") for row in entries(stage).values()}
    for module in [name for room in ROOMS for name in modules(room)]:
        assert not set(imported(module)) & own, f"{module} imports a row's file"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_sees_what_is_upstream_of_it_and_nothing_else(room: str) -> None:
    upstream = set(ROOMS[: ROOMS.index(room) + 1])
    for module in modules(room):
        seen = {room_of(name) for name in imported(module)}
        assert seen <= upstream, f"{module} imports from {seen - upstream}"


def test_the_import_graph_has_no_circle() -> None:
    every = [module for room in ROOMS for module in modules(room)]
    for module in every:
        further = {name for step in imported(module) for name in import_closure(step)}
        assert module not in further, f"{module} imports itself by way of others"


def test_the_drawn_world_knows_nothing_of_the_corpus() -> None:
    assert {room_of(name) for module in modules("kitchen") for name in import_closure(module)} == {"kitchen"}


def test_pipeline_never_imports_stages() -> None:
    for room in ROOMS:
        for module in modules(room):
            assert not any(name.split(".")[0] == "stages" for name in imported(module)), module


def test_modules_and_stages_keep_their_size() -> None:
    for path in (ROOT / "pipeline").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 300, path
    for path in (ROOT / "stages").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 60, path
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 300


def test_every_row_of_the_paper_has_an_entry_and_so_have_those_that_question_it() -> None:
    from pipeline.report.paper import TABLE_1

    rows = [*entries("train_text"), *entries("train")]
    assert len(set(rows)) == len(rows)
    assert {*TABLE_1, "clipsum_finetuned", "vit_labels", "oracle", "oracle_named"} == set(rows)


def test_entries_hold_what_their_kind_of_row_needs_and_no_more() -> None:
    assert {frozenset(row) for row in entries("train_text").values()} == {frozenset({"title", "model", "text"})}
    assert {frozenset(row) for row in entries("train").values()} == {
        frozenset({"title", "model", "text", "reads", "encoder", "sees", "trains"})
    }
    assert {frozenset(control) for control in entries("control").values()} == {frozenset({"title"})}


PLACES = (("metrics/${key}", "json"), ("predictions/${key}", "jsonl"))


def test_controls_are_of_rows_that_see_frames_and_show_what_there_is() -> None:
    from pipeline.evaluation.controls import CONTROLS

    shown = definition("control")["cmd"].partition("--shows ")[2].split()
    assert {*shown, "swapped"} == set(CONTROLS)
    for name, control in entries("control").items():
        assert entries("train")[name]["title"] == control["title"]
        of_controls = {f"{place}_{control}.{kind}" for control in shown for place, kind in PLACES}
        assert outputs("control") == of_controls | {"metrics/${key}_attended.json"}
    assert {f"{place}_swapped.{kind}" for place, kind in PLACES} < outputs("evaluate")


def test_one_more_encoder_has_what_the_row_clipsum_has() -> None:
    """Its stages are those of the row `clipsum` with another encoder; those of weights and features are shared as they are."""
    stages = load("dvc.yaml")["stages"]
    more = [stage for stage in STAGES if stage.endswith("_more")]
    assert {stages[stage]["foreach"] for stage in more} == {"${more_encoders}"}
    for stage in ("weights", "extract_features"):
        assert definition(f"{stage}_more") == definition(stage)
    clipsum = {**entries("train")["clipsum"], "encoder": "${item}", "sees": "data/features/${item}"}

    def filled(paths: list[str]) -> set[str]:
        for name, value in clipsum.items():
            paths = [path.replace(f"${{item.{name}}}", value) for path in paths]
        return {path.replace("${key}", "${item}") for path in paths}

    for stage in ("train", "evaluate"):
        assert filled(definition(stage)["deps"]) == set(definition(f"{stage}_more")["deps"])
        assert filled(list(outputs(stage))) == outputs(f"{stage}_more")
    assert parameters("train_more") - {"rows"} == parameters("train") - {"finetune", "rows.${key}"}
    assert parameters("evaluate_more") == parameters("evaluate")


def test_the_target_for_encoders_side_by_side_names_those_that_are_compared_with_each_other() -> None:
    from pipeline.report.families import BESIDE

    assert f"more_encoders=[{','.join(BESIDE)}]" in (ROOT / "Makefile").read_text()
    assert load("params.yaml")["more_encoders"] == []


def study_files() -> list[str]:
    return sorted(path.name for path in (ROOT / "studies").glob("*.yaml"))


def parameters(stage: str) -> set[str]:
    listed = next((entry for entry in definition(stage).get("params", []) if isinstance(entry, dict)), {"": ()})
    (names,) = listed.values()
    blocks = {row["trains"] for row in entries("train").values()}
    return {block for name in names for block in (blocks if name == "${item.trains}" else {name})}


@pytest.mark.parametrize("study", study_files())
def test_every_parameter_of_a_study_is_read_by_a_stage(study: str) -> None:
    read = {name.split(".")[0] for stage in STAGES for name in parameters(stage)}
    assert set(load(f"studies/{study}")) == read


def test_how_to_run_is_listed_by_the_check_alone() -> None:
    assert [stage for stage in STAGES if "runtime" in str(definition(stage).get("params"))] == ["check"]


def test_the_check_reads_all_parameters_and_texts_are_looked_at_before_weights_are_fetched() -> None:
    assert set(definition("check")["params"]) == set(load("params.yaml"))
    assert "studies" in definition("check")["deps"]
    order = list(load("dvc.yaml")["stages"])
    assert order.index("check") < order.index("download") < order.index("weights")


def test_the_encoder_under_study_is_read_by_the_rows_under_study_alone() -> None:
    studied = {name for name, row in entries("train").items() if "${encoder}" in str(row)}
    assert studied == {"clipsum", "clipsum_finetuned"}
    assert "${encoder}" not in str(entries("control"))


def test_no_value_of_a_parameter_reaches_a_shell() -> None:
    for stage in STAGES:
        command = definition(stage)["cmd"]
        assert "${encoder}" not in command and "${study}" not in command
        inserted = {part.split("}")[0] for part in command.split("${")[1:]}
        assert inserted <= {"key", "item.title"}, f"{stage}: of these, none is a parameter"
        assert not inserted or entries(stage), f"{stage}: its names are values of a parameter"


def outputs(stage: str) -> set[str]:
    body = definition(stage)
    listed = [out for kind in ("outs", "plots", "metrics") for out in body.get(kind, [])]
    return {name for out in listed for name in ([out] if isinstance(out, str) else out)}


def test_what_holds_times_is_no_output() -> None:
    every = {name for stage in STAGES for name in outputs(stage)}
    assert not {"reports", "reports/costs.csv", "reports/costs.md", "reports/index.html"} & every


@pytest.mark.parametrize("stage", ["costs", "report"])
def test_a_fresh_clone_makes_what_git_does_not_keep(stage: str) -> None:
    """Without an output that git ignores, DVC would find all of the stage's outputs in place and skip it."""
    ignored = subprocess.run(["git", "check-ignore", *outputs(stage)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.stdout.split(), f"{stage}: git keeps every output"


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
    table, about = videos.parent / "videos.csv", videos.parent / "README.md"
    for path in (summaries, videos / "a.mp4", table, about):
        path.write_text("content\n")
    run("git", "add", str(about))
    run(sys.executable, "-m", "dvc", "add", "-q", str(summaries), str(videos), str(table))
    run(sys.executable, "-m", "dvc", "checkout", "-q", "--force")
    assert summaries.exists() and (videos / "a.mp4").exists()
    for_git = set(run("git", "ls-files", "-o", "--exclude-standard", "data/inputs").split())
    added = ("my_videos/videos.csv.dvc", "my_videos/videos.dvc", "youcook2/summaries.jsonl.dvc")
    assert for_git == {f"data/inputs/{name}" for name in added}
    tracked = {line.split()[-1] for line in run(sys.executable, "-m", "dvc", "list", "--dvc-only", "-R", ".").splitlines()}
    names = ("my_videos/videos.csv", "my_videos/videos/a.mp4", "youcook2/summaries.jsonl")
    assert tracked == {f"data/inputs/{name}" for name in names}
