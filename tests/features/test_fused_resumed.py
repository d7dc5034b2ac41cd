"""The pass over videos whose frames are not kept, wherever it runs and whenever it is killed."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.base.paths import DOWNLOADED
from pipeline.base.resumable import run_shards
from pipeline.corpus.table import Video, write_corpus
from pipeline.features import fused, fused_shard
from pipeline.features.fused import finished_pass
from pipeline.features.oracle import write_oracle_features
from pipeline.features.schema import read_features
from tests.features.unkept_project import Unkept, contents, counting
from tests.parameters import ROOT

NAMES = ("clip_vit_b32", "resnet152")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unkept:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    made = Unkept(tmp_path, videos=40)
    made.take(*NAMES)
    return made


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    calls: list[Path] = []
    monkeypatch.setattr(fused_shard, "sample_video", counting(fused_shard.sample_video, calls))
    return calls


def test_files_are_the_same_bytes_whatever_the_workers_and_the_engine(project: Unkept, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    engines = ["local", *(engine for engine, package in (("ray", "ray"), ("slurm", "submitit")) if find_spec(package))]
    slurm = project.params().runtime.slurm.model_copy(update={"cluster": "local", "tasks": 2, "minutes": 5, "memory_gb": 1})
    for engine, workers in [("local", 1), *((engine, 2) for engine in engines)]:
        out = f"{engine}{workers}"
        monkeypatch.setenv("DVC_ROOT", str(project.folder / f"scratch-{out}"))
        for name in NAMES:
            project.fused(name, out=out, engine=engine, workers=workers, slurm=slurm)
        found[out] = contents(out)
    assert len(found["local1"]) == 2 * 3
    assert all(files == found["local1"] for files in found.values())


def test_files_are_the_same_bytes_on_two_devices(project: Unkept, monkeypatch: pytest.MonkeyPatch) -> None:
    """The devices are made up: processes as if for two GPUs compute on the CPU."""
    project.fused(NAMES[0], out="one")
    monkeypatch.setattr("pipeline.base.device.visible_devices", lambda: ["0", "1"])
    monkeypatch.setattr(fused, "run_shards", lambda *args, **named: run_shards(*args, **(named | {"gpus": 1})))
    monkeypatch.setenv("DVC_ROOT", str(project.folder / "elsewhere"))
    project.fused(NAMES[0], out="two")
    assert contents("one") == contents("two")


def start(folder: Path) -> "subprocess.Popen[bytes]":
    code = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from pipeline.features import fused_shard
from tests.features.unkept_project import Unkept
project = object.__new__(Unkept)
real = fused_shard.sample_video
def slowly(*args, **named):
    time.sleep(0.05)
    return real(*args, **named)
fused_shard.sample_video = slowly
project.fused("clip_vit_b32")
"""
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=os.environ | {"DVC_ROOT": str(folder)})


def test_killed_and_run_again_it_goes_on_after_the_last_shard_and_says_where_it_was(
    project: Unkept, decoded: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(project.folder)
    deadline = time.monotonic() + 120
    passes = project.folder / ".scratch" / "fused_features"
    while not (list(passes.glob("*/*-00000.json")) and list(passes.glob("*/.*.current"))):
        assert process.poll() is None and time.monotonic() < deadline, "it ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    at_work = bool(list(passes.glob("*/.*.current")))  # as a rule; the kill may have come between two videos
    assert not Path("fused").exists()
    for name in NAMES:
        project.fused(name)
    assert 0 < len(decoded) <= 24 and Path("v00.mp4") not in decoded
    told = capsys.readouterr().out
    assert ("the last run ended while it decoded one of these videos: v" in told) == at_work
    monkeypatch.setenv("DVC_ROOT", str(project.folder / "never killed"))
    for name in NAMES:
        project.fused(name, out="whole")
    assert contents("fused") == contents("whole")


def test_killed_between_two_publications_the_second_finds_its_vectors(
    project: Unkept, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.fused(NAMES[0])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fused, "link_files", killed)
        with pytest.raises(KeyboardInterrupt):
            project.fused(NAMES[1])
    assert not Path(f"fused/{NAMES[1]}").exists()
    project.fused(NAMES[1])
    assert len(decoded) == 40
    assert sorted(path.name for path in Path(f"fused/{NAMES[1]}").iterdir()) == [
        "00000.parquet",
        "00001.parquet",
        "00002.parquet",
        "_lost.json",
        "_sha256.json",
    ]


def test_an_unfinished_pass_whose_weights_have_changed_is_not_taken_up(
    project: Unkept, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fused_shard, "in_order", killed)
        with pytest.raises(KeyboardInterrupt):
            project.fused(NAMES[0])
    (project.folder / "weights" / NAMES[1] / "encoder.json").unlink()
    project.fused(NAMES[0])
    project.take(NAMES[1])
    project.fused(NAMES[1])
    assert len(decoded) == 80, "a pass each"


def damage_a_shard() -> None:
    vectors = next(path for path in Path(".scratch/fused_features").glob("*/*-00001/*.parquet") if path.name != fused_shard.TIMES)
    data = bytearray(vectors.read_bytes())
    data[len(data) // 2] ^= 255
    vectors.unlink()
    vectors.write_bytes(data)


def test_a_shard_that_the_disk_has_damaged_is_made_again(project: Unkept, decoded: list[Path]) -> None:
    project.fused(NAMES[0])
    before = contents("fused")
    damage_a_shard()
    project.fused(NAMES[0])
    project.fused(NAMES[1])
    assert len(decoded) == 40 + 16 and contents("fused").items() >= before.items()


def test_a_shard_made_again_without_some_weights_does_not_stand_for_them(project: Unkept, decoded: list[Path]) -> None:
    project.fused(NAMES[0])
    before = contents("fused")
    damage_a_shard()
    with finished_pass(Path("unkept"), name="oracle", params=project.params(), weights=Path("nowhere")) as (found, _):
        assert [len(list(file.parent.iterdir())) for file in found.times().values()] == [3, 1, 3]
    project.fused(NAMES[0], out="again")
    assert len(decoded) == 40 + 16 + 40 and contents("again") == before


@pytest.mark.parametrize("first", [True, False])
def test_the_oracle_takes_its_times_from_the_pass_or_makes_one(project: Unkept, decoded: list[Path], first: bool) -> None:
    steps = {"steps": ("fry the egg", "serve"), "segments": ((0.0, 0.2), (0.2, 9.0)), "entities": ("egg",)}
    videos = [Video(f"v{number:02d}", "train", f"v{number:02d}.mp4", summary="s", **steps) for number in range(40)]  # type: ignore[arg-type]
    write_corpus(videos, DOWNLOADED)
    if not first:
        project.fused(NAMES[0])
    out = Path("fused/oracle")
    totals = write_oracle_features(Path("unkept"), out, params=project.params(), weights=Path("weights"))
    assert totals["frames"] > 150 and 0 < totals["shown"] < totals["frames"]
    project.fused(NAMES[0])
    assert len(decoded) == 40
    columns = ("video_id", "frame_index", "pts_seconds")
    assert read_features(out, columns).equals(read_features(Path("fused") / NAMES[0], columns))
    shown = read_features(out, ("pts_seconds", "embedding")).to_pylist()
    assert all((row["embedding"][0] == 1) == (row["pts_seconds"] < 0.2) for row in shown)


def test_without_any_weights_the_oracle_has_times_all_the_same(project: Unkept) -> None:
    with finished_pass(Path("unkept"), name="oracle", params=project.params(), weights=Path("nowhere")) as (found, own):
        assert own is None and found.names == ["00000.parquet", "00001.parquet", "00002.parquet"]
        assert all(sorted(path.name for path in file.parent.iterdir()) == [fused_shard.TIMES] for file in found.times().values())


def test_batches_go_on_from_one_video_to_the_next(project: Unkept) -> None:
    project.fused(NAMES[0])
    metadata = pq.ParquetFile(Path("fused") / NAMES[0] / "00001.parquet").metadata
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert sizes == [7] * 11 + [3], "16 videos of 5 frames, 7 at a time"
