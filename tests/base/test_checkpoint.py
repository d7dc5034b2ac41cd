"""Training state: damaged on the disk, it is told and not used."""

from pathlib import Path

import pytest
import torch

from pipeline.base.checkpoint import load_checkpoint, save_checkpoint

CPU = torch.device("cpu")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"weights": torch.arange(5000.0), "history": [{"epoch": 1}]})
    return path


def test_state_comes_back_as_it_was(checkpoint: Path) -> None:
    state = load_checkpoint(checkpoint, CPU)
    assert state is not None
    assert torch.equal(state["weights"], torch.arange(5000.0)) and state["history"] == [{"epoch": 1}]


@pytest.mark.parametrize("place", [0.05, 0.3, 0.6, 0.9])
def test_a_wrong_bit_is_noticed(checkpoint: Path, capsys: pytest.CaptureFixture[str], place: float) -> None:
    content = bytearray(checkpoint.read_bytes())
    start = content.index(torch.arange(5000.0).numpy().tobytes()[:400])
    content[start + int(place * 20_000)] ^= 1
    checkpoint.write_bytes(content)
    assert load_checkpoint(checkpoint, CPU) is None
    assert f"warning: {checkpoint} is damaged: its sha256 does not fit" in capsys.readouterr().out


def test_a_wrong_bit_is_noticed_wherever_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In names, sizes, attributes and offsets of PyTorch's archive, too, which have no checksum of its own."""
    path = tmp_path / "small.pt"
    save_checkpoint(path, {"weights": torch.ones(2)})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert load_checkpoint(path, CPU) is None, place
    path.write_bytes(whole)
    assert load_checkpoint(path, CPU) is not None
    capsys.readouterr()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.99])
def test_a_file_that_was_cut_is_noticed(checkpoint: Path, capsys: pytest.CaptureFixture[str], share: float) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(share * len(content))])
    assert load_checkpoint(checkpoint, CPU) is None
    assert f"warning: {checkpoint} is damaged" in capsys.readouterr().out
