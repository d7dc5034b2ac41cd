"""Where tasks run that an engine hands to other machines: their devices are not this machine's."""

from typing import Any

import pytest
import torch

from pipeline.base.device import device_of_tasks
from tests.base.engines import work


@pytest.mark.parametrize(("engine", "changes", "address"), [("ray", {}, "10.0.0.1:6379"), ("slurm", {"cluster": "slurm"}, None)])
def test_devices_of_other_machines_are_taken_as_they_are_set(
    engine: str, changes: dict[str, Any], address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address:
        monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    runtime = work.runtime(engine)
    runtime = runtime.model_copy(update={"slurm": runtime.slurm.model_copy(update=changes)})
    for device in ("cpu", "cuda"):
        assert device_of_tasks(runtime.model_copy(update={"device": device})) == device
    auto = runtime.model_copy(update={"device": "auto"})
    with pytest.raises(ValueError, match=rf"^runtime\.device: auto: no GPU is seen here, .* engine {engine} .* cuda or cpu$"):
        device_of_tasks(auto)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of_tasks(auto) == "cuda"


@pytest.mark.parametrize("engine", ["local", "ray", "slurm"])
def test_tasks_of_this_machine_have_its_device(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of_tasks(work.runtime(engine, device="auto")) == "cpu"
    with pytest.raises(ValueError, match="PyTorch sees no GPU"):
        device_of_tasks(work.runtime(engine, device="cuda"))
