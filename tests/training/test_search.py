"""The search for settings: one space for all, the study's own values first, going on after a kill, and what is written."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from ruamel.yaml import YAML

from pipeline.base.params import Params, RowSettings, load_params
from pipeline.report.search_document import write_document
from pipeline.training import search as searching
from pipeline.training.loop import Diverged
from pipeline.training.search import Trial, best_of, read_trials, search_row
from pipeline.training.space import by_block, own_values, space_of
from pipeline.training.study_file import write_rows
from pipeline.training.table_row import Row, declared_names, declared_row
from tests import toys

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params() -> Params:
    return load_params(ROOT)


def row(name: str) -> Row:
    return declared_row(name, encoder="clip_vit_b32", pipeline=ROOT / "dvc.yaml")


def test_every_row_has_the_same_space_as_far_as_it_has_the_setting() -> None:
    everyone = ["train.lr_pretrained", "train.warmup_epochs", "model.dropout"]
    for name in declared_names(ROOT / "dvc.yaml"):
        keys = [dimension.key for dimension in space_of(row(name))]
        assert set(everyone) <= set(keys)
        assert ("train.lr_new" in keys) == (row(name).tuning != "none")
        assert ("finetune.lora_rank" in keys) == (name == "clipsum_finetuned")
        assert ("model.text_bias" in keys) == (name in ("ha", "mffg"))
        assert not any(key in ("train.epochs", "train.batch_size") or key.startswith("dataset.") for key in keys)


def test_values_drawn_are_values_of_a_study(params: Params) -> None:
    """Whatever the sampler draws, the study takes it, and it lies within the space."""
    from pipeline.training.space import draw

    study, finetuned = params.current, row("clipsum_finetuned")
    found = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    own = own_values(finetuned, study)
    for _ in range(50):
        values = draw(found.ask(), finetuned, study)
        changed = study.changed(by_block(values), where="here")
        assert changed.finetune.trainable_blocks in (1, 2, 4) and changed.model.dropout in (0.0, 0.1, 0.2)
        assert 1 / 4.01 < values["train.lr_new"] / own["train.lr_new"] < 4.01
        assert float(f"{values['train.lr_new']:.3g}") == values["train.lr_new"]


class Stopped(BaseException):
    """Stands for a kill."""


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[dict[str, Any]]]:
    """`train_seed` that learns as a script says: the score falls with the distance of lr_pretrained from 2e-3."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    calls: list[dict[str, Any]] = []

    def train_seed(task: Any, seed: int, out: Path, *, work: Path, on_epoch: Any) -> dict[str, Any]:
        rate = task.settings.lr_pretrained
        calls.append({"rate": rate, "seed": seed, "work": work})
        work.mkdir(parents=True)
        for epoch in range(1, task.settings.epochs + 1):
            on_epoch({"epoch": epoch, "val_entity_f1": 10 * epoch - 1e4 * abs(rate - 2e-3)})
        return {"best_epoch": task.settings.epochs}

    monkeypatch.setattr("pipeline.training.loop.train_seed", train_seed)
    monkeypatch.setattr(searching, "input_digests", lambda row: {})
    monkeypatch.setattr(searching, "build_task", lambda row, study, runtime: scripted_task(study))
    yield calls


def scripted_task(study: Any, videos: int = 100) -> Any:
    from pipeline.training.loop import Task

    return Task(
        create=lambda: None, train=toys.examples(2), validation=toys.examples(videos), frame_inputs=None,  # type: ignore[arg-type, return-value]
        tokenizer=None, settings=study.train, primary="entity_f1", finetune=study.finetune, generate=study.generate,  # type: ignore[arg-type]
        device=None, generation_batch_size=8,  # type: ignore[arg-type]
    )  # fmt: skip


def run(params: Params, trials: int, key: str = "key") -> list[Trial]:
    search_row(row("bart"), key, params=params, trials=trials, threads=1)
    return read_trials("bart", key)


def test_the_study_s_own_values_come_first_and_bad_trials_are_stopped(params: Params, scripted: list[dict[str, Any]]) -> None:
    assert read_trials("bart", "key") == []
    trials = run(params, 14)
    assert [trial.number for trial in trials] == list(range(14))
    assert trials[0].values == own_values(row("bart"), params.current) and trials[0].score == pytest.approx(30.0)
    assert {call["seed"] for call in scripted} == {params.current.seeds[0]}
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert pruned and all(
        trial.number >= searching.UNPRUNED and trial.score is None and len(trial.curve) >= 2 for trial in pruned
    )
    best = best_of(trials)
    assert best.score == max(trial.score for trial in trials if trial.score is not None) > 30
    assert not any(call["work"].exists() for call in scripted), "nothing of a trial is left but its figures"


def test_a_search_that_is_killed_proposes_what_one_in_one_go_proposes(
    params: Params, scripted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(params, 10, key="whole")
    import pipeline.training.loop as loop

    train_seed, seen = loop.train_seed, len(scripted)

    def killed(*arguments: Any, on_epoch: Any, **more: Any) -> Any:
        if len(scripted) == seen + 7:
            on_epoch({"epoch": 1, "val_entity_f1": 99.0})
            raise Stopped
        return train_seed(*arguments, on_epoch=on_epoch, **more)

    monkeypatch.setattr(loop, "train_seed", killed)
    with pytest.raises(Stopped):
        run(params, 10, key="killed")
    assert len(read_trials("bart", "killed")) == 7, "a trial that was cut off does not count"
    monkeypatch.setattr(loop, "train_seed", train_seed)
    again = run(params, 10, key="killed")
    assert [(trial.values, trial.state, trial.curve) for trial in again] == [(t.values, t.state, t.curve) for t in whole]
    before = len(scripted)
    assert run(params, 10, key="killed") == again and len(scripted) == before, "a finished search is answered at once"


def test_a_trial_whose_loss_is_no_number_counts_and_stops_nothing(
    params: Params, scripted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pipeline.training.loop as loop

    train_seed = loop.train_seed

    def diverging(task: Any, *arguments: Any, **more: Any) -> Any:
        result = train_seed(task, *arguments, **more)
        if len(scripted) == 2:
            raise Diverged("the loss is nan")
        return result

    monkeypatch.setattr(loop, "train_seed", diverging)
    trials = run(params, 4)
    assert [trial.state for trial in trials][:3] == ["complete", "diverged", "complete"] and len(trials) == 4
    assert best_of(trials).state == "complete"


def test_too_few_validation_videos_are_refused(
    params: Params, scripted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "build_task", lambda row, study, runtime: scripted_task(study, videos=99))
    with pytest.raises(ValueError, match="bart has 99 validation videos, fewer than 100"):
        run(params, 1)


def test_equal_scores_leave_the_study_s_own_values() -> None:
    trials = [Trial(number, "complete", {}, score, [], 1.0) for number, score in enumerate((5.0, 7.0, 7.0))]
    assert best_of(trials).number == 1
    assert best_of([replace(trials[0], state="pruned", score=None), trials[1]]).number == 1


def test_what_is_found_is_written_into_the_study_and_its_comments_stay(params: Params, tmp_path: Path) -> None:
    path = tmp_path / "kitchen.yaml"
    before = (ROOT / "studies" / "kitchen.yaml").read_text()
    path.write_text(before)
    write_rows(path, {"t5": {"train": {"lr_pretrained": 0.00123, "warmup_epochs": 0.5}, "model": {"dropout": 0.1}}, "bart": {}})
    after = path.read_text()
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert "  t5: {train: {lr_pretrained: 0.00123, warmup_epochs: 0.5}, model: {dropout: 0.1}}" in changed and len(changed) <= 2
    content = YAML(typ="safe", pure=True).load(after)
    assert content["rows"]["bart"] == {} and list(content["rows"]) == list(params.current.rows)
    study = params.current.model_copy(update={"rows": {"t5": RowSettings(**content["rows"]["t5"])}})
    assert study.of_row("t5").train.lr_pretrained == 0.00123


def test_the_document_says_what_was_found(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = own_values(row("bart"), params.current)
    trials = [
        Trial(0, "complete", own, 20.0, [10.0, 20.0], 60.0),
        Trial(1, "complete", own | {"model.dropout": 0.3}, 40.0, [30.0, 40.0], 60.0),
        Trial(2, "pruned", own | {"train.lr_pretrained": 0.004}, None, [5.0], 30.0),
    ]
    text = write_document({"bart": "BART (text only)"}, {"bart": trials}, params).read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("| BART")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["BART (text only)", "3", "1", "20.0", "40.0", "30.0", "25.0 to 35.0", "model.dropout 0.3"]
    assert "3 trials for every trained row, 2 minutes of training" in text and "5.0 |" in text and "pruned" in text


def test_rows_are_searched_side_by_side_and_every_trial_is_a_run_under_its_row(
    params: Params, scripted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(searching, "ProcessPoolExecutor", lambda workers, mp_context: ThreadPoolExecutor(workers))
    monkeypatch.setattr(searching, "start_server", lambda modules: None)
    monkeypatch.setattr(searching, "POLL_SECONDS", 0.05)
    rows = [row("bart"), row("t5")]
    found = searching.search(rows, params, trials=3)
    assert {name: len(trials) for name, trials in found.items()} == {"bart": 3, "t5": 3}
    assert found["bart"][0].values == found["t5"][0].values and found["bart"][1].values != found["t5"][1].values
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = [each for each in client.search_experiments() if each.name == "kitchen"]
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    parents = {run.info.run_id: run.info.run_name for run in runs if "trial" not in run.data.tags}
    assert sorted(parents.values()) == ["search of bart · workspace", "search of t5 · workspace"]
    trials = {
        (parents[run.data.tags["mlflow.parentRunId"]], run.data.tags["trial"]): run for run in runs if "trial" in run.data.tags
    }
    assert set(trials) == {(f"search of {name} · workspace", str(number)) for name in ("bart", "t5") for number in range(3)}
    first = trials["search of bart · workspace", "0"]
    assert first.data.metrics["score"] == pytest.approx(30.0) and first.data.tags["state"] == "complete"
    assert first.data.params["train.lr_pretrained"] == "0.001"
    assert len(client.get_metric_history(first.info.run_id, "val_entity_f1")) == params.current.train.epochs
