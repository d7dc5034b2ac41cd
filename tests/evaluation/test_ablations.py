"""Ablations: what is varied, what their experiments are called, and how finished ones are found, queued and collected."""

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.base.params import load_study
from pipeline.evaluation import experiments
from pipeline.evaluation.ablations import ABLATIONS, Ablation, experiment_name, own_settings, to_run
from pipeline.scoring.record import write_record
from stages import ablations as stage
from tests.records import record

ROOT = Path(__file__).parents[2]
MADE_FROM = {"code": "a", "corpus": "b", "text_model": "c", "encoder": "d", "seen": "e"}
STUDY = load_study("kitchen", ROOT)


def named() -> dict[str, dict[str, object]]:
    return {ablation.name: ablation.overrides(own_settings(STUDY)) for ablation in to_run(STUDY)}


def name_of(ablation: Ablation, **changes: object) -> str:
    values = {"study_name": "kitchen", "study": STUDY, "encoder": "clip_vit_b32", "made_from": MADE_FROM} | changes
    return experiment_name(ablation, **values)  # type: ignore[arg-type]


def test_each_varies_one_thing_and_none_is_the_row_itself() -> None:
    found = named()
    assert all(len(overrides) == 1 for overrides in found.values())
    assert found["fusion-layer-3"] == {"model.fusion_layer": 3}
    assert "fusion-layer-5" not in found
    assert found["frames-half"] == {"frames.count": STUDY.frames.count // 2}
    assert found["frames-double"] == {"frames.count": 2 * STUDY.frames.count}
    assert {"no-temporal", "prefix", "mean-frames", "no-l2"} <= set(found)
    keys = {key.split(".")[0] for overrides in found.values() for key in overrides}
    assert keys == {"model", "frames"}


def test_the_list_names_each_once_and_what_is_a_row_already_is_not_run() -> None:
    assert len({ablation.name for ablation in ABLATIONS}) == len({ablation.label for ablation in ABLATIONS}) == len(ABLATIONS)
    assert not {"frames-base", "encoder-frozen", "encoder-finetuned"} & set(named())


def test_lines_of_the_papers_table_are_there() -> None:
    from pipeline.report.paper import TABLE_2

    places = [ablation.paper for ablation in ABLATIONS if ablation.paper is not None]
    assert len(places) == len(set(places)) == sum(len(settings) for settings in TABLE_2.values())
    assert all(setting in TABLE_2[group] for group, setting in places)


def test_every_override_is_a_legal_value() -> None:
    for overrides in named().values():
        ((key, value),) = overrides.items()
        block, name = key.split(".")
        changed = STUDY.model_dump() | {block: getattr(STUDY, block).model_dump() | {name: value}}
        assert type(STUDY).model_validate(changed) != STUDY


def test_a_name_stands_for_all_parameters() -> None:
    first = to_run(STUDY)[0]
    name = name_of(first)
    assert name.startswith("ablation-kitchen-fusion-layer-3-")
    assert name_of(first, study=STUDY.model_copy(update={"seeds": [5]})) != name
    assert name_of(first, encoder="resnet152") != name
    assert name_of(first, made_from=MADE_FROM | {"encoder": "another"}) != name


def test_ablations_of_another_study_than_the_evaluated_one_are_not_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="run `dvc repro` first"):
        stage.base_made_from("kitchen")
    write_record(Path("metrics/clipsum.json"), record("clipsum", made_from=MADE_FROM))
    assert stage.base_made_from("kitchen") == MADE_FROM
    with pytest.raises(SystemExit, match="of another study than youcook2"):
        stage.base_made_from("youcook2")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one finished experiment, kept as DVC keeps it."""
    monkeypatch.chdir(tmp_path)

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    for folder, suffix, text in (("metrics", "json", json.dumps({"row": "clipsum"})), ("predictions", "jsonl", '{"seed": 0}\n')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"clipsum.{suffix}").write_text(text)
    git("add", "-A")
    git("commit", "-qm", "experiment")
    commit = git("rev-parse", "HEAD")
    git("update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/ablation-one", commit)
    git("update-ref", "refs/exps/exec/EXEC_HEAD", commit)
    return tmp_path


def test_a_finished_experiment_is_found_and_collected(repository: Path) -> None:
    found = experiments.finished()
    assert list(found) == ["ablation-one"]
    experiments.collect(found["ablation-one"], to_run(STUDY)[0], STUDY)
    metrics = json.loads((repository / "metrics/ablations/fusion-layer-3.json").read_text())
    assert metrics["row"] == "clipsum"
    assert metrics["ablation"] == {"name": "fusion-layer-3", "overrides": {"model.fusion_layer": 3}}
    assert (repository / "predictions/ablations/fusion-layer-3.jsonl").read_text() == '{"seed": 0}\n'


STATUS = """Task     Name            Created    Status
1a2b3c4  ablation-a      10:20 AM   Success
5d6e7f8  ablation-b      Nov 23, 2026   Failed
9a9a9a9  ablation-c      10:21 AM   Running
0b0b0b0  ablation-d      10:21 AM   Queued

Worker status: {active} active, 0 idle
"""


@pytest.mark.parametrize("alive", [True, False])
def test_what_failed_or_lost_its_worker_is_queued_again(monkeypatch: pytest.MonkeyPatch, alive: bool) -> None:
    calls: list[tuple[str, ...]] = []

    def fake(*command: str, check: bool = True) -> str:
        calls.append(command)
        return STATUS.format(active=int(alive))

    monkeypatch.setattr(experiments, "_run", fake)
    monkeypatch.setattr(experiments, "POLL_SECONDS", 0)
    wanted = dict(zip((f"ablation-{letter}" for letter in "bcde"), to_run(STUDY), strict=False))
    experiments.queue(list(wanted), wanted, study_name="kitchen", study=STUDY)
    queued = [command[command.index("--name") + 1] for command in calls if "--queue" in command]
    assert queued == (["ablation-b", "ablation-e"] if alive else ["ablation-b", "ablation-c", "ablation-e"])
    assert ("dvc", "queue", "remove", "ablation-b") in calls
    assert (("dvc", "queue", "kill", "--force", "ablation-c") in calls) is not alive
    assert any("-Sstudies/kitchen.yaml:model.fusion_layer=3" in command for command in calls)
    assert calls[-1] == ("dvc", "queue", "start", "--jobs", "1")
