"""Training: the schedule, selection and stopping, and that a kill changes nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.base.files import read_json
from pipeline.base.params import Generate
from pipeline.models.parts.summarizer import create, load
from pipeline.scoring.validation import validation_score
from pipeline.training.generation import summarise
from pipeline.training.loop import Epoch, Task, best_epoch, finished, rate_factor, train_seed, trained_state
from tests import toys

GREEDY = Generate(beams=1, max_tokens=10, no_repeat_ngram=0)


class Killed(BaseException):
    """Stands for a signal: nothing may catch it."""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    folder = toys.text_model(tmp_path / "bart")
    frame_inputs = toys.store(16)
    return Task(
        create=lambda: create(
            "clipsum", text_folder=folder, settings=toys.model_settings(), feature_width=toys.WIDTH, max_frames=toys.FRAMES
        ),
        train=toys.examples(12),
        validation=toys.examples(5, seed=1),
        frame_inputs=frame_inputs,
        tokenizer=toys.Tokenizer(),  # type: ignore[arg-type]
        settings=toys.train_settings(),
        primary="rouge1",
        finetune=toys.finetune_settings(),
        generate=GREEDY,
        device=torch.device("cpu"),
        generation_batch_size=4,
    )


def run(task: Task, folder: Path, *, seed: int = 0, kill_after: int | None = None) -> list[Epoch]:
    seen: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        seen.append(epoch)
        if epoch["epoch"] == kill_after:
            raise Killed

    train_seed(task, seed, folder / "out", work=folder / "work", on_epoch=on_epoch)
    return seen


def without_seconds(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in history]


@pytest.mark.parametrize("kill_after", [1, 2, 3])
def test_a_killed_run_ends_with_the_same_weights(task: Task, tmp_path: Path, kill_after: int) -> None:
    run(task, tmp_path / "whole")
    with pytest.raises(Killed):
        run(task, tmp_path / "killed", kill_after=kill_after)
    assert not (tmp_path / "killed" / "out").exists()
    reported = run(task, tmp_path / "killed")
    assert [epoch["epoch"] for epoch in reported] == [1, 2, 3]
    whole, killed = (load_file(tmp_path / name / "out" / "model.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    histories = [without_seconds(read_json(tmp_path / name / "out" / "history.json")) for name in ("whole", "killed")]
    assert histories[0] == histories[1]


def test_seeds_differ_and_repeat(task: Task, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(task, tmp_path / name, seed=seed)
    first, again, other = (load_file(tmp_path / name / "out" / "model.safetensors") for name in "abc")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_best_epoch_is_kept_not_the_last(task: Task, tmp_path: Path) -> None:
    run(replace(task, settings=toys.train_settings(epochs=4, lr_pretrained=5e-3, lr_new=5e-3)), tmp_path)
    history = read_json(tmp_path / "out" / "history.json")
    kept = load(tmp_path / "out")
    best = best_epoch(history, task.settings)
    assert best < 4, "the last epoch is the best, so this test sees nothing"
    assert [path.name for path in (tmp_path / "work").glob("epoch-*")] == [f"epoch-{best}"]
    stopped = replace(task, settings=toys.train_settings(epochs=best, lr_pretrained=5e-3, lr_new=5e-3))
    run(stopped, tmp_path / "stopped")
    reference = load(tmp_path / "stopped" / "out").state_dict()
    assert all(torch.equal(tensor, reference[name]) for name, tensor in kept.state_dict().items())
    texts = summarise(
        kept,
        task.validation,
        task.frame_inputs,
        tokenizer=task.tokenizer,
        settings=GREEDY,
        device=task.device,
        batch_size=2,
        progress=False,
    )
    found = validation_score("rouge2", texts, task.validation.references, videos=task.validation.video_ids, entities=None)
    assert found == pytest.approx(history[best_epoch(history, task.settings) - 1]["val_rouge2"])
    assert "val_rouge1" in history[0], "the study's primary metric is logged beside the one that chooses"


def test_training_learns(task: Task, tmp_path: Path) -> None:
    settings = toys.train_settings(epochs=20, patience=20, lr_pretrained=3e-3, lr_new=3e-3, accumulation=1)
    history = run(replace(task, settings=settings), tmp_path)
    assert history[-1]["train_loss"] < 0.9 * history[0]["train_loss"]


def test_generation_does_not_depend_on_the_batch_size(task: Task) -> None:
    torch.manual_seed(3)
    system = task.create()
    settings = Generate(beams=4, max_tokens=12, no_repeat_ngram=3)
    texts = [
        summarise(
            system,
            task.train,
            task.frame_inputs,
            tokenizer=task.tokenizer,
            settings=settings,
            device=task.device,
            batch_size=size,
            progress=False,
        )
        for size in (1, 5, 12)
    ]
    assert texts[0] == texts[1] == texts[2]
    assert all(texts[0])


def test_what_is_kept_to_go_on_is_what_training_changes_and_the_best_epoch_once(task: Task, tmp_path: Path) -> None:
    """Weights, Adam's two moments, and one checkpoint; tied tensors once, and nothing of a frozen encoder."""
    run(task, tmp_path)
    weights = (tmp_path / "out" / "model.safetensors").stat().st_size
    assert (tmp_path / "work" / "last.pt").stat().st_size < 3.5 * weights, (
        "a copy more would be four, and files have some overhead"
    )
    finetuned = toys.clipsum(tmp_path / "finetuned", finetuned=True)
    frozen = {name for name, parameter in finetuned.named_parameters() if not parameter.requires_grad}
    assert frozen and not frozen & set(trained_state(finetuned))
    assert set(trained_state(finetuned)) | frozen == set(finetuned.state_dict())


def test_stopping_waits_for_patience_epochs_with_neither_a_better_score_nor_a_lower_loss() -> None:
    settings = toys.train_settings(epochs=10, patience=2)

    def history(*epochs: tuple[float, float]) -> list[Epoch]:
        return [{"val_rouge2": score, "val_loss": loss} for score, loss in epochs]

    assert best_epoch(history((1.0, 3.0), (3.0, 2.0), (2.0, 2.5)), settings) == 2
    assert not finished(history((1.0, 3.0), (3.0, 2.0), (2.0, 2.5)), settings)
    assert finished(history((1.0, 3.0), (3.0, 2.0), (2.0, 2.5), (3.0, 2.5)), settings)
    assert not finished(history((1.0, 3.0), (3.0, 2.0), (2.0, 1.9), (3.0, 1.8)), settings), "the loss still falls"
    assert finished(history((1.0, 3.0), (3.0, 2.0), (2.0, 1.9), (3.0, 2.0), (3.0, 1.9)), settings)
    assert finished(history(*((float(score), 1.0) for score in range(10))), settings)
    assert not finished([], settings)


def test_rates_decay_by_steps_and_the_encoder_warms_up() -> None:
    settings, finetune = toys.train_settings(decay_factor=0.5, decay_every=2), toys.finetune_settings()

    def factor(group: str, epoch: int, progress: float = 1.0) -> float:
        return rate_factor(group, epoch=epoch, progress=progress, settings=settings, finetune=finetune)

    assert [factor("new", epoch) for epoch in (1, 2, 3, 4, 5)] == [1.0, 1.0, 0.5, 0.5, 0.25]
    assert [factor("image_encoder", 1, progress) for progress in (0.25, 0.5, 1.0)] == [0.25, 0.5, 1.0]
    assert factor("image_encoder", 3) == 0.5


def test_both_other_rates_warm_up_over_a_fraction_of_an_epoch() -> None:
    settings, finetune = toys.train_settings(warmup_epochs=0.5), toys.finetune_settings()
    for group in ("pretrained", "new"):
        factors = [
            rate_factor(group, epoch=epoch, progress=progress, settings=settings, finetune=finetune)
            for epoch, progress in ((1, 0.25), (1, 0.5), (1, 1.0), (2, 0.5))
        ]
        assert factors == [0.5, 1.0, 1.0, 1.0]


def test_accumulated_small_batches_step_like_one_large_batch(task: Task, tmp_path: Path) -> None:
    """Without dropout and with sources of one length, two batches of four accumulate to the gradient of eight."""
    steady = replace(task, create=lambda: create(
        "clipsum", text_folder=tmp_path / "bart", settings=toys.model_settings(dropout=0.0),
        feature_width=toys.WIDTH, max_frames=toys.FRAMES,
    ))  # fmt: skip
    sources = [[0, 5 + row, 6 + row, 7 + row, 2] for row in range(8)]
    train = replace(
        task.train, video_ids=task.train.video_ids[:8], sources=sources, targets=sources, references=task.train.references[:8]
    )
    for name, size, accumulation in (("small", 4, 2), ("large", 8, 1), ("unfinished group", 4, 3)):
        settings = toys.train_settings(epochs=1, batch_size=size, accumulation=accumulation)
        run(replace(steady, train=train, settings=settings), tmp_path / name)
    large = load_file(tmp_path / "large" / "out" / "model.safetensors")
    for name in ("small", "unfinished group"):
        small = load_file(tmp_path / name / "out" / "model.safetensors")
        assert all(torch.allclose(small[tensor], large[tensor], atol=2e-5) for tensor in small), name


def test_a_loss_that_is_not_finite_stops_with_advice(task: Task, tmp_path: Path) -> None:
    assert task.frame_inputs is not None
    broken = replace(task.frame_inputs, values=np_nan_like(task.frame_inputs.values))
    with pytest.raises(RuntimeError, match=r"lower train\.lr"):
        run(replace(task, frame_inputs=broken), tmp_path)


def np_nan_like(values: Any) -> Any:
    return values * float("nan")
