"""Two processes that train a seed are one: the same losses and summaries, whoever is killed, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from pipeline.base.files import read_json
from pipeline.training.distributed import Group, RankError, launch
from tests import toys
from tests.training.ranks import CPU, Toy, ends, gathers_wrongly, several, texts

ROOT = Path(__file__).parents[2]
ROUNDING = 1e-5  # of a loss: sums of float32 in another order, over some steps
# Batches of 4, 4, 4 and 1 videos, of which the last has none for the second process; steps after three batches, and after one.
UNEVEN = {"train": 13, "settings": (("accumulation", 3), ("warmup_epochs", 0.5))}
ROWS: dict[str, dict[str, Any]] = {
    "clipsum": UNEVEN,
    "mffg": UNEVEN,
    "bart": UNEVEN | {"validation": 1},  # nothing to validate for the second process
    "tuned": UNEVEN | {"settings": (("batch_size", 2), ("accumulation", 2))},
}
TEXTS = {"frozen": ("clipsum", 7), "text": ("bart", 1), "fine-tuned": ("tuned", 5)}  # rows, and how many videos
PROGRAM = """
import sys
from functools import partial
from pathlib import Path
from pipeline.training.distributed import launch
from tests.training.ranks import CPU, ends

if __name__ == "__main__":
    launch(partial(ends, folder=Path(sys.argv[1]), rank=0, how="never"), processes=2, device=CPU, title="toy")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a text model; not to be changed but in folders of a test's own."""
    made = tmp_path_factory.mktemp("ranks")
    toys.text_model(made / "text")
    return made


@pytest.fixture(scope="module")
def together(folder: Path) -> dict[str, Any]:
    """What two processes give: the result of every row, summaries, and what is said of those that are not made once."""
    works: dict[str, Callable[[Group], Any]] = {
        name: Toy(folder / f"two-{name}", name, **changes) for name, changes in ROWS.items()
    }
    works |= {name: partial(texts, folder=folder / "texts", name=row, videos=videos) for name, (row, videos) in TEXTS.items()}
    works["wrong"] = gathers_wrongly
    results = launch(partial(several, works=list(works.values())), processes=2, device=CPU, title="toys")
    return dict(zip(works, results, strict=True))


def history(toy: Path) -> list[dict[str, float]]:
    found: list[dict[str, float]] = read_json(toy / "out" / "history.json")
    return found


def assert_same_history(one: Path, other: Path) -> None:
    assert len(history(one)) == len(history(other)) == 3
    for first, second in zip(history(one), history(other), strict=True):
        assert first == pytest.approx(second, abs=ROUNDING)


@pytest.mark.parametrize("name", ROWS)
def test_losses_are_those_of_one_process(folder: Path, together: dict[str, Any], name: str) -> None:
    alone = Toy(folder / f"one-{name}", name, **ROWS[name])(Group())
    losses = [epoch["train_loss"] for epoch in history(folder / f"one-{name}")]
    assert losses[0] - losses[-1] > 100 * ROUNDING, "it learns more than may differ"
    assert_same_history(folder / f"one-{name}", folder / f"two-{name}")
    for when in ("before", "after"):
        assert together[name]["looks"][when] == pytest.approx(alone["looks"][when], abs=ROUNDING)
    same = ("seed", "best_epoch", "val_score", "epochs", "optimised", "parameters")
    assert {key: together[name][key] for key in same} == {key: alone[key] for key in same}
    assert sorted(path.name for path in (folder / f"two-{name}" / "work").iterdir()) == ["epoch-1", "last.pt"], "one has written"


@pytest.mark.parametrize("name", TEXTS)
def test_every_video_is_summarised_once_and_alike(folder: Path, together: dict[str, Any], name: str) -> None:
    row, videos = TEXTS[name]
    assert together[name] == texts(Group(), folder / "texts", row, videos)
    assert len(together[name]) == videos and len(set(together[name])) > videos / 2, "texts differ"


def test_videos_that_nobody_or_more_than_one_has_summarised_are_named(together: dict[str, Any]) -> None:
    assert together["wrong"].startswith("2 processes") and together["wrong"].endswith("pan (2 times), lid (0 times)")


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_killed_run_goes_on_with_another_number_of_processes(
    folder: Path, together: dict[str, Any], before: int, after: int, capfd: pytest.CaptureFixture[str]
) -> None:
    toy = Toy(folder / f"killed-{before}", "clipsum", **ROWS["clipsum"])
    with pytest.raises(
        RankError, match=rf"^toy, seed 3: process 0 of {before} \(.*\) was ended by SIGKILL.* the next run goes on"
    ):
        replace(toy, kill_after=2).run(before)
    assert not (toy.folder / "out").exists()
    assert toy.run(after)["epochs"] == 3
    assert "seed 3: goes on after epoch 2" in capfd.readouterr().out
    assert_same_history(toy.folder, folder / "two-clipsum")


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def pids(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in folder.glob("*.pid") if path.read_text()]


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("signal", r"^toy: process 1 of 2 .* ended by SIGKILL; most often memory ran out\. What is finished"),
        ("error", "KeyError: 'pan'"),
    ],
)
def test_one_that_ends_ends_all_and_is_told(tmp_path: Path, how: Any, told: str) -> None:
    handlers, variables = signal.getsignal(signal.SIGTERM), dict(os.environ)
    with pytest.raises(RankError, match=told):
        launch(partial(ends, folder=tmp_path, rank=1, how=how), processes=2, device=CPU, title="toy")
    assert len(pids(tmp_path)) == 2 and all(gone(pid) for pid in pids(tmp_path))
    assert signal.getsignal(signal.SIGTERM) is handlers and dict(os.environ) == variables


def test_a_loss_that_is_not_finite_ends_all_with_the_same_advice(folder: Path) -> None:
    with pytest.raises(
        RankError, match=r"^seed 3, epoch 1, batch \d: the loss is nan; lower train\.lr_pretrained or train\.lr_new$"
    ):
        Toy(folder / "broken", "clipsum", broken=True).run(2)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_leaves_nobody_behind(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "program.py", str(tmp_path)], cwd=tmp_path, env=environment)
    try:
        wait_for(lambda: len(pids(tmp_path)) == 2)
        assert not any(gone(pid) for pid in pids(tmp_path))
    finally:
        parent.send_signal(how)
    assert parent.wait(timeout=60) == -how
    wait_for(lambda: all(gone(pid) for pid in pids(tmp_path)), seconds=30)


def wait_for(met: Callable[[], bool], *, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def test_more_processes_than_gpus_are_refused_by_name() -> None:
    gpus = torch.cuda.device_count()
    with pytest.raises(
        ValueError, match=rf"^runtime\.processes_per_seed: {gpus + 1} processes .* PyTorch sees {gpus}; lower it$"
    ):
        launch(print, processes=gpus + 1, device=torch.device("cuda"), title="toy")


def test_the_first_process_draws_what_one_alone_draws_and_the_others_something_else() -> None:
    streams = [Group(rank, 3).stream(7) for rank in range(3)]
    assert streams[0] == Group().stream(7) == 7 and len(set(streams)) == 3


def test_shares_are_all_rows_once_and_one_alone_has_them_as_they_are() -> None:
    rows = [5, 3, 8, 1, 9]
    assert sorted(row for rank in range(7) for row in Group(rank, 7).share(rows)) == sorted(rows)
    assert Group().share(rows) == rows and Group().sum(0.1, 3) == [0.1, 3] and Group().of_first("a") == "a"
    assert json.dumps(Group().gathered({1: "b", 0: "a"}, ["x", "y"])) == '{"1": "b", "0": "a"}'
