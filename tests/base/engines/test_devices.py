"""Several GPUs of one machine: a process for each, which sees its own and no other. The GPUs are made up here."""

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from pipeline.base import device
from pipeline.base.engines.local import Local
from pipeline.base.params import Frames
from pipeline.base.resumable import run_shards, split_into_shards
from pipeline.base.scratch import scratch_folder
from pipeline.encoders.encoder import save_encoder
from pipeline.features import extraction
from pipeline.features.extraction import decoding_threads, extract_features
from pipeline.frames.sampling import sample_corpus
from tests import toys
from tests.base.engines import work
from tests.drawn_videos import draw_video


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def pretend(monkeypatch: pytest.MonkeyPatch, devices: list[str]) -> None:
    monkeypatch.setattr(device, "visible_devices", lambda: devices)
    monkeypatch.setattr(extraction, "visible_devices", lambda: devices)


def run(key: str, *, items: int = 12) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    shards = split_into_shards(list(range(items)), size=2, suffix=".txt")
    with scratch_folder("s", key) as folder:
        told = run_shards(work.on_a_device, shards, folder=folder, workers=1, unit="item", title="work", engine=Local(), gpus=1)
        return told, {path.name: path.read_bytes() for path in folder.glob("*.txt")}


def test_each_process_sees_a_device_of_its_own_and_every_shard_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, ["3", "GPU-5a"])
    told, files = run("two")
    seen = defaultdict(set)
    for shard in told:
        seen[shard["process"]].add(shard["device"])
    assert sorted(map(sorted, seen.values())) == [["3"], ["GPU-5a"]] and os.getpid() not in seen
    assert files == {f"{number:05d}.txt": f"{2 * number}\n{2 * number + 1}\n".encode() for number in range(6)}
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    pretend(monkeypatch, ["0"])
    told, alone = run("one")
    assert alone == files and {shard["process"] for shard in told} == {os.getpid()}, "one device needs no other process"


def test_no_more_processes_than_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, ["0", "1", "2", "3"])
    told, _ = run("few", items=4)
    assert {shard["device"] for shard in told} <= {"0", "1"} and len(told) == 2


@pytest.mark.parametrize(
    ("variable", "count", "expected"),
    [
        (None, 3, ["0", "1", "2"]),
        ("4,6", 2, ["4", "6"]),
        (" GPU-1 , GPU-2", 2, ["GPU-1", "GPU-2"]),
        ("2,-1,3", 1, ["2"]),  # CUDA stops at the first that is not there
        ("", 0, []),
    ],
)
def test_the_devices_are_those_that_this_process_may_see(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, count: int, expected: list[str]
) -> None:
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert device.visible_devices() == expected


def test_each_device_has_its_share_of_the_workers_to_decode_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, ["0", "1", "2", "3"])
    assert decoding_threads(work.runtime("local", workers=10), "cuda") == 2
    assert decoding_threads(work.runtime("local", workers=2), "cuda") == 1
    assert decoding_threads(work.runtime("local", workers=10), "cpu") == 10
    assert decoding_threads(work.runtime("ray", workers=10, cores_per_gpu=6), "cuda") == 6
    assert decoding_threads(work.runtime("slurm", workers=10), "cpu") == 1


def test_features_of_stored_frames_are_the_same_bytes_on_two_devices(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The devices are this machine's cores: the worker computes on a CPU, in processes made as if for GPUs."""
    save_encoder(toys.ENCODER, toys.encoder().module, project / "weights", source={"source": "test"})
    names = [f"v{number:02d}" for number in range(40)]
    paths = [str(draw_video(project / f"{name}.mp4", frames=6)) for name in names]
    corpus = pd.DataFrame({"video_id": names, "video_path": paths, "status": "ok"})
    settings = Frames(count=4, short_side=24, jpeg_quality=92, videos_per_shard=16, keep=True, max_failed_share=1.0)
    sample_corpus(corpus, project / "frames", settings=settings, workers=1)
    found = []
    for devices in (["0"], ["0", "1"]):
        pretend(monkeypatch, devices)
        monkeypatch.setenv("DVC_ROOT", str(project / f"scratch{len(devices)}"))
        monkeypatch.setattr(extraction, "run_shards", lambda *args, **named: run_shards(*args, **(named | {"gpus": 1})))
        out = project / f"out{len(devices)}"
        runtime = work.runtime("local", extraction_batch_size=7)
        totals = extract_features(project / "frames", out, weights=project / "weights", runtime=runtime)
        assert totals["frames"] == 160 and 0 < totals["busy"] <= 1
        found.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    assert found[0] == found[1] and len(found[0]) == 3 + 1
