"""Frames that are not kept: the same vectors as by way of a store, from one decoding for all encoders."""

import io
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.encoders.encoder import MINI
from pipeline.features import fused_shard
from pipeline.features.frame_inputs import open_features, open_pixels
from pipeline.features.fused import asked_encoders
from pipeline.features.schema import read_features
from pipeline.frames.store import FrameStore, frame_digests, frames_per_video, read_summary
from tests import toys
from tests.features.unkept_project import Unkept, contents, counting

# Cosine distances of a frame's vector by way of JPEG (quality 92, colour at full resolution) from the same without, on drawn
# videos. Measured by this test, which prints them (0.00012 and 0.00002 for clip_vit_b32, less for the others), and doubled.
MOST, MEAN = 0.00024, 0.00004


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unkept:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return Unkept(tmp_path)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The videos that were decoded, in order."""
    calls: list[Path] = []
    monkeypatch.setattr(fused_shard, "sample_video", counting(fused_shard.sample_video, calls))
    return calls


def test_vectors_differ_from_those_of_stored_frames_by_what_jpeg_does(project: Unkept) -> None:
    project.take(*MINI)
    project.two_stages()
    for name in MINI:
        project.fused(name)
        one, other = (read_features(Path(way) / name, ("video_id", "frame_index", "pts_seconds")) for way in ("two", "fused"))
        assert one.equals(other) and len(one) > 80
        assert contents("two").keys() == {f"{name}/{shard}.parquet" for name in MINI for shard in ("00000", "00001")}
        files = [pq.read_schema(Path(way) / name / "00001.parquet") for way in ("two", "fused")]
        assert files[0].equals(files[1], check_metadata=True)
        kept, fused = (open_features(Path(way) / name).values.astype(np.float64) for way in ("two", "fused"))
        distances, apart = cosine_distances(kept, fused), cosine_distances(fused[1:], fused[:-1])
        print(f"{name}: cosine distance at most {distances.max():.6f}, {distances.mean():.6f} on average; ", end="")
        print(f"of one frame from the next {apart.mean():.6f}")
        assert 0 < distances.max() < MOST and distances.mean() < MEAN


def cosine_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return 1 - (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def test_with_lossless_pictures_in_the_store_the_files_are_the_same_bytes(
    project: Unkept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def png(image: Image.Image, *, quality: int) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return buffer.getvalue()

    monkeypatch.setattr("pipeline.frames.sampling.jpeg_bytes", png)
    project.take(*MINI)
    project.two_stages()
    for name in MINI:
        project.fused(name)
    assert contents("fused") == contents("two")


def test_one_pass_decodes_every_video_once_for_all_encoders(
    project: Unkept, decoded: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project.take(*MINI)
    totals = [project.fused(name) for name in MINI]
    assert sorted(decoded) == [Path(f"v{number:02d}.mp4") for number in range(20)]
    assert {each["frames"] for each in totals} == {totals[0]["frames"]} and all(0 < each["busy"] < 1 for each in totals)
    assert "is not there yet" not in capsys.readouterr().out
    assert not any("seconds" in path.read_text() for path in Path("fused").rglob("*.json")), "times are published by nobody"


def test_a_lost_video_is_a_row_with_the_reason_that_sampling_gives(project: Unkept) -> None:
    project.take("clip_vit_b32")
    project.two_stages(["clip_vit_b32"])
    totals = project.fused("clip_vit_b32")
    kept = read_summary(Path("two/frames"))
    lost = [{key: video[key] for key in ("video_id", "reason")} for video in kept["videos"] if video["status"] == "failed"]
    notes = [{key: video[key] for key in ("video_id", "note")} for video in kept["videos"] if video["note"]]
    told = json.loads(Path("fused/clip_vit_b32/_lost.json").read_text())
    assert [video["video_id"] for video in lost] == ["v03", "v05"] and lost[0]["reason"] == "empty file"
    assert told == {"asked": 20, "ok": 18, "failed": 2, "lost": lost, "notes": notes}
    assert {key: totals[key] for key in ("asked", "ok", "failed")} == {"asked": 20, "ok": 18, "failed": 2}


def test_an_encoder_that_comes_later_and_other_weights_of_one_take_a_pass_for_themselves(
    project: Unkept, decoded: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project.take("clip_vit_b32", "vit_b32_labels")
    project.fused("clip_vit_b32")
    assert "weights/resnet152 is not there yet: its features need a pass of their own; `dvc repro --glob 'weights*'`" in (
        capsys.readouterr().out
    )
    first = contents("fused")
    project.take("resnet152")
    project.fused("resnet152")
    assert len(decoded) == 40
    project.fused("vit_b32_labels")
    project.fused("clip_vit_b32")
    assert len(decoded) == 40, "what the first pass has embedded is there"
    other = Path("weights/vit_b32_labels/encoder.safetensors")
    data = bytearray(other.read_bytes())
    data[-2] ^= 1
    other.unlink()
    other.write_bytes(data)
    project.fused("vit_b32_labels", out="changed")
    assert len(decoded) == 60
    project.fused("clip_vit_b32")
    assert len(decoded) == 60 and contents("fused").items() >= first.items()
    assert open_features(Path("changed/vit_b32_labels")).footer != open_features(Path("fused/vit_b32_labels")).footer


def test_passes_of_other_videos_are_removed_when_a_new_one_is_published(project: Unkept, decoded: list[Path]) -> None:
    project.take("clip_vit_b32")
    project.fused("clip_vit_b32")
    passes = Path(".scratch/fused_features")
    before = [path for path in passes.iterdir() if path.is_dir()]
    (project.folder / "v01.mp4").write_bytes((project.folder / "v02.mp4").read_bytes())
    unfinished = passes / "of-an-experiment"
    unfinished.mkdir()
    (unfinished / ".unfinished").touch()
    project.fused("clip_vit_b32")
    after = [path for path in passes.iterdir() if path.is_dir()]
    assert len(before) == 1 and len(after) == 2 and not {*before} & {*after} and unfinished in after
    assert len(decoded) == 40


def test_an_experiment_removes_its_pass_when_all_that_the_table_asks_for_is_published(
    project: Unkept, monkeypatch: pytest.MonkeyPatch, decoded: list[Path]
) -> None:
    (project.folder / "dvc.yaml").write_text('stages: {extract_features: {foreach: ["${encoder}", resnet152]}}')
    project.take("clip_vit_b32", "resnet152")
    monkeypatch.setenv("DVC_ROOT", str(project.folder / "elsewhere"))
    passes = project.folder / "elsewhere" / ".scratch" / "fused_features"
    assert asked_encoders(project.params()) == ["clip_vit_b32", "resnet152"]
    project.fused("clip_vit_b32")
    project.fused("resnet152")
    assert len(decoded) == 20
    assert len([path for path in passes.iterdir() if path.is_dir()]) == 1, "the oracle may still ask for times"
    (next(path for path in passes.iterdir() if path.is_dir()) / fused_published("oracle")).touch()
    project.fused("resnet152")
    assert [path for path in passes.iterdir() if path.is_dir()] == []


def fused_published(name: str) -> str:
    from pipeline.features import fused

    return fused._published(name)


def test_what_needs_frames_says_that_they_were_not_kept(project: Unkept) -> None:
    told = r"frames were not kept \(`frames\.keep: false` of study kitchen\)\. This row \(or tool\) needs them: set it to true"
    frames = Path("unkept")
    for read in (FrameStore, frame_digests, frames_per_video, lambda folder: open_pixels(folder, toys.ENCODER)):
        with pytest.raises(ValueError, match=told):
            read(frames)


def test_a_value_that_float16_cannot_hold_is_the_error_of_the_two_stages(
    project: Unkept, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.take("clip_vit_b32")
    monkeypatch.setattr("pipeline.encoders.encoder.Encoder.encode", lambda self, pixels: _infinite(self, pixels))
    with pytest.raises(ValueError, match=r"^videos v00 to v01: clip_vit_b32 gives values that float16 cannot hold; check its"):
        project.fused("clip_vit_b32")


def _infinite(encoder: Any, pixels: Any) -> Any:
    import torch

    return torch.full((len(pixels), encoder.dim), float("inf"))


def test_threads_ask_for_a_comparison_in_the_order_of_the_videos() -> None:
    turns, answers = fused_shard._Turns(3), dict[str, int]()

    def ask(number: int) -> None:
        answers[f"v{number}"] = turns.asking(number, f"v{number}")("mp4/h264")
        turns.passed(number)

    late = threading.Thread(target=ask, args=(2,))
    late.start()
    late.join(0.2)
    assert late.is_alive(), "it waits for those before it"
    turns.passed(0)  # a file that does not open never asks
    ask(1)
    late.join(5)
    assert answers["v1"] == 1000 and answers["v2"] == 0, "the first of its kind that asks"
