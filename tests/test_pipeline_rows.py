"""The real `dvc repro` in a copy of the project, on a tiny study: what is added, edits, a kill, errors, MLflow."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from hashlib import sha256
from pathlib import Path

import pytest

from tests.tiny_project import AFTER, CONTROL, ROWS, STAGES, STUDIED, STUDY, Project, set_value, stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def project(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.copied(first_run, tmp_path_factory.mktemp("rows") / "project")


def weights(project: Project, row: str, seed: int = 0) -> str:
    return sha256((project.folder / "models" / row / str(seed) / "model.safetensors").read_bytes()).hexdigest()


def test_a_new_row_runs_alone_and_goes_on_when_killed(project: Project) -> None:
    seen = 'reads: source, encoder: "${encoder}", sees: "data/features/${encoder}", trains: model'
    project.add_row("train", f"second: {{title: A second row, model: clipsum, text: bart, {seen}}}")
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
    assert not (project.folder / "models" / "second" / "row.json").exists()

    output = project.run("dvc", "repro")
    assert set(re.findall(r"Running stage '([^']+)'", output)) == {"train@second", "evaluate@second"} | AFTER
    assert "seed 0: goes on after epoch" in output
    assert weights(project, "second") == weights(project, "clipsum"), "the row it was copied from was trained in one go"
    assert not list(scratch.glob("train.second/*/work-0")), "scratch of a finished stage is removed"
    assert "A second row" in (project.folder / "reports" / "table.md").read_text()


def test_a_video_is_summarised_as_evaluate_has_summarised_it(first_run: Path, tmp_path: Path) -> None:
    project = Project.copied(first_run, tmp_path / "videos")
    for row in ROWS:
        page = ["--html", "page.html"] if row == "clipsum" else []
        project.run("python", "-m", "stages.summarise", "data/raw/videos", "--row", row, "--json", f"{row}.jsonl", *page)
        lines = [json.loads(line) for line in (project.folder / f"{row}.jsonl").read_text().splitlines()]
        said = {Path(line["video"]).stem: line["summary"] for line in lines}
        expected = [json.loads(line) for line in (project.folder / "predictions" / f"{row}.jsonl").read_text().splitlines()]
        assert len(expected) == 4 and len(lines) == 20
        assert {line["video_id"]: line["prediction"] for line in expected} == {
            line["video_id"]: said[line["video_id"]] for line in expected
        }
        assert all("knows drawn kitchens" in line["caution"] and line["transcript_origin"] == "corpus: drawn" for line in lines)
    shown = (project.folder / "page.html").read_text()
    assert shown.count("<section>") == 20 and shown.count("data:image/jpeg") == 20 * 4
    for asked, told in (
        (["data/raw/videos", "--row", "t5"], "error: --row: 't5' is none of bart"),
        (["params.yaml", "--transcript", "params.yaml"], "no summary: "),
        (["data/raw/videos", "--study", "kitchen"], "error: models/clipsum was not trained under study kitchen as it is now: "),
    ):
        done = subprocess.run(
            ["python", "-m", "stages.summarise", *asked],
            cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1 and told in done.stdout + done.stderr and "Traceback" not in done.stderr
    shutil.rmtree(project.folder / "models" / "clipsum")
    done = subprocess.run(
        ["python", "-m", "stages.summarise", "data/raw/videos"],
        cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.endswith("`dvc exp run -S study=tiny --glob 'train*@clipsum'` trains it\n")


def test_one_more_encoder_is_a_row_that_comes_and_goes(first_run: Path, tmp_path: Path) -> None:
    """With another encoder under study, CLIP beside it is what `clipsum` was. In a copy of its own: it switches a lot."""
    project = Project.copied(first_run, tmp_path / "encoders")
    clipsum, metrics = weights(project, "clipsum"), project.folder / "metrics"
    scores = json.loads((metrics / "clipsum.json").read_text())["metrics"]
    before = (project.folder / "params.yaml").read_text()
    project.edit("params.yaml", set_value("encoder", value="resnet152"))
    project.edit("params.yaml", set_value("more_encoders", value=["clip_vit_b32"]))
    ran = project.repro()
    more = {f"{stage}_more@clip_vit_b32" for stage in ("train", "evaluate", "probe")}
    studied = stages("train", *STUDIED) | stages("evaluate", *STUDIED) | {CONTROL}
    assert ran == more | studied | {"check"} | AFTER, "its weights and features are those of before"
    assert weights(project, "clip_vit_b32") == clipsum, "the same system on the same features"
    assert json.loads((metrics / "clip_vit_b32.json").read_text())["metrics"] == scores
    table = (project.folder / "reports" / "table.md").read_text()
    assert "ClipSum with CLIP B/32 " in table and "ClipSum with CLIP B/32, frames of another video" in table
    page = (project.folder / "reports" / "index.html").read_text()
    assert "claims about CLIP are judged on the row with CLIP beside it" in page and "ClipSum with CLIP B/32 minus BART" in page
    assert "clip_vit_b32" in (project.folder / "reports" / "costs.csv").read_text()
    project.edit(STUDY, lambda content: content["rows"].update(clip_vit_b32={"train": {"lr_new": 0.001}}))
    assert project.changed() == {"train_more@clip_vit_b32"}, "settings of its own, if it has some"

    for names, message in (
        (["clip_vit_b32", "resnet152"], "weights_more@resnet152"),  # DVC's own words: two stages make the same thing
        (["random_vit_b33"], "more_encoders: 'random_vit_b33' has no mini version"),
        (["x; touch pwned"], "more_encoders: 'x; touch pwned' has no mini version"),
    ):
        project.edit("params.yaml", set_value("more_encoders", value=names))
        done = subprocess.run(
            ["dvc", "repro"], cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0 and message in done.stderr, done.stderr
        assert not list(project.folder.rglob("pwned"))
        assert (metrics / "clip_vit_b32.json").exists(), "nothing was removed"

    (project.folder / "params.yaml").write_text(before)
    project.edit(STUDY, lambda content: content["rows"].pop("clip_vit_b32"))
    output = project.run("dvc", "repro")
    assert "Left out: clip_vit_b32, clip_vit_b32_swapped; neither dvc.yaml nor a list in params.yaml has these rows" in output
    assert "CLIP B/32" not in (project.folder / "reports" / "table.md").read_text()
    assert weights(project, "clipsum") == clipsum


def test_a_seed_added_later_trains_alone(project: Project) -> None:
    def marks() -> dict[str, float]:
        return {path.name: path.stat().st_mtime for path in (project.folder / ".scratch").glob("train.bart/*/?.json")}

    before = marks()
    assert set(before) == {"0.json"}
    project.edit(STUDY, set_value("seeds", value=[0, 1]))
    assert "Running stage 'train_text@bart'" in project.run("dvc", "repro", "train_text@bart")
    after = marks()
    assert set(after) == {"0.json", "1.json"}
    assert after["0.json"] == before["0.json"], "it was not trained again"
    assert len(list((project.folder / "models" / "bart").glob("?/model.safetensors"))) == 2
    trained = project.folder / "models" / "bart" / "1" / "model.safetensors"
    assert trained.stat().st_nlink == 3, "one file on the disk: in models/, in scratch and in DVC's cache"
    project.edit(STUDY, set_value("seeds", value=[0]))
    assert project.repro() == set()


METRIC = """    Metric(
        key="words",
        title="Words",
        short="Words",
        card="number of words of the summary",
        scorer=PerVideo(lambda predictions, references: [float(len(text.split())) for text in predictions]),
        package="nltk",
        flags="white space | mean over videos",
        headline=True,
    ),
)
COMPARED ="""
CONTROL_ENTRY = """        Control("again", "once more", "Showing once more the frames of", "nothing", lambda frames, *_: frames),
    )
}"""
CONTROL_OUTPUTS = """"metrics/${key}_again.json": {cache: false}, "predictions/${key}_again.jsonl": {cache: false},
         "metrics/${key}_shuffled.json\""""
MODEL = '''"""Text only, under another name."""

from pipeline.models.parts.summarizer import Summarizer


class Model(Summarizer):
    """BART as it is."""
'''


def finished_work(project: Project) -> dict[Path, int]:
    """Every file of finished work in scratch, with the time of its last change. Small files that each run writes are left out."""
    works = ("download", "sample_frames", "extract_features.*", "train.*", "summarise.*")
    rewritten = {
        "row.json",
        "summary.json",
        "_sha256.json",
        "annotations.json",
        "label_foodtype.csv",
        "summaries.jsonl",
        "entities.jsonl",
        ".kept",
        ".unfinished",
    }
    paths = [path for name in works for path in (project.folder / ".scratch").glob(f"{name}/*/*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in paths if path.name not in rewritten}


def test_what_is_added_touches_the_files_that_the_docs_name_and_an_edit_makes_nothing_again(project: Project) -> None:
    """A metric, a control and a row, from nothing, by the files that docs/changing.md names and no others.

    At the same time a comment in a file that every stage imports: so every stage runs, and those that were there only score.
    """
    project.replace("pipeline/scoring/metrics.py", ")\nCOMPARED =", METRIC)
    project.replace("pipeline/evaluation/controls.py", "    )\n}", CONTROL_ENTRY)
    (project.folder / "pipeline" / "models" / "renamed.py").write_text(MODEL)
    project.add_row("train_text", "renamed: {title: A row of its own, model: renamed, text: bart}")
    project.replace("dvc.yaml", "--shows shuffled", "--shows again shuffled")
    project.replace("dvc.yaml", '"metrics/${key}_shuffled.json"', CONTROL_OUTPUTS)
    project.replace("pipeline/base/files.py", "import json\n", "import json  # from the standard library\n")
    before, kept = {row: weights(project, row) for row in ROWS}, finished_work(project)
    assert len(kept) > 30
    predictions = {path: path.read_bytes() for path in (project.folder / "predictions").glob("*.jsonl")}
    started = time.monotonic()
    ran = project.repro()
    assert {"train_text@renamed", "evaluate_text@renamed"} <= ran
    assert len(ran) >= STAGES + 2 and {"weights@bart", "train@clipsum", CONTROL} <= ran
    assert time.monotonic() - started < 10 * len(ran), "seconds a stage"
    after = finished_work(project)
    controls = {path for path in kept if re.search(r"summarise\.\w+_(swapped|shuffled|first|zeros)$", path.parts[-3])}
    assert controls < kept.keys()
    assert {path: after.get(path) for path in kept.keys() - controls} == {path: kept[path] for path in kept.keys() - controls}
    assert {path: path.read_bytes() for path in predictions} == predictions
    assert {row: weights(project, row) for row in ROWS} == before
    assert weights(project, "renamed") == before["bart"], "the same system under another name"
    table = (project.folder / "reports" / "table.md").read_text()
    assert "A row of its own" in table and "ClipSum, once more" in table and "Words" in table.splitlines()[0]
    assert "Showing once more the frames of" in (project.folder / "reports" / "index.html").read_text()
    own, again = (json.loads((project.folder / "metrics" / f"{row}.json").read_text()) for row in ("clipsum", "clipsum_again"))
    assert own["metrics"] == again["metrics"] and again["frames"] == "again"


def test_an_error_in_params_stops_before_any_stage_works(project: Project) -> None:
    for file, text, slip, message in (
        ("params.yaml", "encoder: clip_vit_b32", "encoder: clip_vit_b33", "encoder: 'clip_vit_b33' has no mini version"),
        (STUDY, "fps: 6", "fps: -6", "dataset.fps: must be greater than 0, given -6"),
        (STUDY, "fps: 6", "fsp: 6", "dataset.fsp: unknown key; did you mean dataset.fps?"),
        ("params.yaml", "study: tiny", "study: tiyn", "study: 'tiyn' is none of "),
    ):
        before = (project.folder / file).read_text()
        project.replace(file, text, slip)
        done = subprocess.run(
            ["dvc", "repro"], cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert message in done.stderr and "Traceback" not in done.stderr
        assert re.findall(r"Running stage '([^']+)'", done.stdout) == ["check"], "nothing else was begun, or removed"
        (project.folder / file).write_text(before)
    assert project.repro() == set(), "nothing that was there is lost"


def test_an_encoder_that_is_a_shell_command_runs_nothing(project: Project) -> None:
    before = (project.folder / "params.yaml").read_text()
    project.edit("params.yaml", set_value("encoder", value="x; touch pwned; $(touch pwned)"))
    done = subprocess.run(
        ["dvc", "repro"], cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and not list(project.folder.rglob("pwned"))
    (project.folder / "params.yaml").write_text(before)


def test_runs_are_logged_in_one_experiment(project: Project) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    (experiment,) = [found for found in client.search_experiments() if found.name == "tiny"]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    parents = {run.info.run_name.partition(" · ")[0]: run for run in runs if "mlflow.parentRunId" not in run.data.tags}
    assert {"bart", *STUDIED, "second", "clipsum_swapped", "report"} <= set(parents)
    assert len(client.get_metric_history(parents["clipsum"].info.run_id, "val_score_low")) > 1
    nested = [run for run in runs if "mlflow.parentRunId" in run.data.tags and run.data.tags["dvc.row"] == "clipsum"]
    assert nested and all("rouge1" in run.data.metrics for run in nested)
    assert any(len(client.get_metric_history(run.info.run_id, "val_entity_f1")) > 1 for run in nested)
