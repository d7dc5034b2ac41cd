"""Ablations: what is varied, what their experiments are called, and how finished ones are found, queued and collected."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.params import load_params, load_study
from pipeline.evaluation import experiments
from pipeline.evaluation.ablations import ABLATIONS, own_settings, to_run
from pipeline.evaluation.experiments import Experiment, experiment_name
from pipeline.evaluation.planned import ablation_experiments, base_made_from, evidence_experiments
from pipeline.evaluation.repeats import repeats
from pipeline.scoring.record import write_record
from tests.records import record

ROOT = Path(__file__).parents[2]
MADE_FROM = {"code": "a", "corpus": "b", "text_model": "c", "encoder": "d", "seen": "e"}
STUDY = load_study("kitchen", ROOT)


def named() -> dict[str, dict[str, object]]:
    return {ablation.name: ablation.overrides(own_settings(STUDY)) for ablation in to_run(STUDY)}


def name_of(**changes: object) -> str:
    values = {"study_name": "kitchen", "study": STUDY, "decided_by": ["clip_vit_b32", {"model.fusion_layer": 3}, MADE_FROM]}
    return experiment_name("ablation", "fusion-layer-3", **values | changes)  # type: ignore[arg-type]


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
    name = name_of()
    assert name.startswith("ablation-kitchen-fusion-layer-3-")
    assert name_of() == name
    assert name_of(study=STUDY.model_copy(update={"seeds": [5]})) != name
    assert name_of(decided_by=["resnet152", {"model.fusion_layer": 3}, MADE_FROM]) != name
    assert name_of(decided_by=["clip_vit_b32", {"model.fusion_layer": 3}, MADE_FROM | {"encoder": "another"}]) != name


def test_evidence_repeats_the_decisive_rows_with_ten_seeds_and_halves_the_dose() -> None:
    runs = {repeat.name: repeat for repeat in repeats(STUDY)}
    assert set(runs) == {"seeds-bart", "seeds-resnet152", "seeds-clipsum", "dose-half"}
    assert runs["seeds-clipsum"].target == "evaluate@clipsum" and runs["seeds-bart"].target == "evaluate_text@bart"
    assert len(runs["seeds-bart"].overrides["seeds"]) == 10 and set(STUDY.seeds) <= set(runs["seeds-bart"].overrides["seeds"])
    assert set(runs["seeds-clipsum"].keeps) == {"clipsum", "clipsum_swapped"} and set(runs["seeds-bart"].keeps) == {"bart"}
    assert runs["dose-half"].overrides == {"dataset.deictic_share": 0.5}
    assert runs["dose-half"].keeps == {"oracle": "oracle_half", "oracle_swapped": "oracle_half_swapped"}
    assert "dose-half" not in {repeat.name for repeat in repeats(load_study("youcook2", ROOT))}


def test_ablations_of_another_study_than_the_evaluated_one_are_not_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="run `dvc repro` first"):
        base_made_from("clipsum", "kitchen")
    write_record(Path("metrics/clipsum.json"), record("clipsum", made_from=MADE_FROM))
    assert base_made_from("clipsum", "kitchen") == MADE_FROM
    with pytest.raises(ValueError, match="of another study than youcook2"):
        base_made_from("clipsum", "youcook2")


def experiment(name: str, **changes: Any) -> Experiment:
    values: dict[str, Any] = {"target": "evaluate@clipsum", "overrides": {"model.fusion_layer": 3}, "keeps": {}, "adds": {}}
    return Experiment(name=name, **values | changes)


def test_experiments_of_a_study_are_kept_beside_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params(ROOT)
    monkeypatch.chdir(tmp_path)
    for row in ("bart", "resnet152", "clipsum", "oracle", "vit_labels"):
        write_record(Path(f"metrics/{row}.json"), record(row, made_from=MADE_FROM))
    varied, repeated = ablation_experiments(params), evidence_experiments(params)
    assert {each.target for each in varied} == {"evaluate@clipsum", "evaluate@resnet152", "evaluate@vit_labels"}
    kept = [place for each in varied for place in each.keeps.values()]
    assert len(set(kept)) == len(kept) and all(place.startswith("ablations/") for place in kept)
    assert all(each.adds["ablation"]["overrides"] == each.overrides for each in varied)
    assert all(place.startswith("evidence/") for each in repeated for place in each.keeps.values())
    names = [each.name for each in [*varied, *repeated]]
    assert len(set(names)) == len(names)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one finished experiment, kept as DVC keeps it."""
    monkeypatch.chdir(tmp_path)

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    for folder, suffix, text in (
        ("metrics", "json", json.dumps({"row": "clipsum", "control_of": None})),
        ("predictions", "jsonl", '{"seed": 0}\n'),
    ):
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
    overrides = {"model.fusion_layer": 3}
    ablation = {"ablation": {"name": "fusion-layer-3", "overrides": overrides}}
    keeps = {"clipsum": "ablations/fusion-layer-3"}
    assert experiments.run_all([experiment("ablation-one", keeps=keeps, adds=ablation)], study_name="kitchen", unit="run") == []
    metrics = json.loads((repository / "metrics/ablations/fusion-layer-3.json").read_text())
    assert metrics["row"] == "clipsum"
    assert metrics["ablation"] == {"name": "fusion-layer-3", "overrides": {"model.fusion_layer": 3}}
    assert (repository / "predictions/ablations/fusion-layer-3.jsonl").read_text() == '{"seed": 0}\n'


def test_what_is_repeated_is_called_by_the_name_it_is_kept_under(repository: Path) -> None:
    keeps = {"clipsum": "evidence/clipsum_half"}
    experiments.run_all([experiment("ablation-one", keeps=keeps)], study_name="kitchen", unit="run")
    assert json.loads((repository / "metrics/evidence/clipsum_half.json").read_text())["row"] == "clipsum_half"


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
    experiments._queue([experiment(f"ablation-{letter}") for letter in "bcde"], study_name="kitchen")
    queued = [command[command.index("--name") + 1] for command in calls if "--queue" in command]
    assert queued == (["ablation-b", "ablation-e"] if alive else ["ablation-b", "ablation-c", "ablation-e"])
    assert ("dvc", "queue", "remove", "ablation-b") in calls
    assert (("dvc", "queue", "kill", "--force", "ablation-c") in calls) is not alive
    assert any("-Sstudies/kitchen.yaml:model.fusion_layer=3" in command for command in calls)
    assert calls[-1] == ("dvc", "queue", "start", "--jobs", "1")
