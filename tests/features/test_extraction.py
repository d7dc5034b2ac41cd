"""From real files to embeddings and padded batches: every file ends as frames or as a row with a reason."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.base.files import write_json
from pipeline.base.params import Frames, Runtime, load_params
from pipeline.base.scratch import file_sha256
from pipeline.encoders.encoder import Encoder, read_spec, save_encoder
from pipeline.features import extraction as features
from pipeline.features.extraction import extract_features
from pipeline.features.frame_inputs import open_features, open_pixels
from pipeline.features.schema import DIGESTS, feature_digests, read_footer
from pipeline.frames.sampling import sample_corpus
from pipeline.frames.store import SUMMARY, FrameStore, read_summary
from tests import toys
from tests.drawn_videos import draw_video

REAL = Path("../shared/data/videos").resolve()
ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def sample(folder: Path, videos: dict[str, Path], *, count: int = 5) -> Path:
    columns = ["video_id", "split", "video_path", "status", "reason"]
    corpus = pd.DataFrame([[name, "train", str(path), "ok", ""] for name, path in videos.items()], columns=columns)
    settings = Frames(count=count, short_side=24, jpeg_quality=92, videos_per_shard=16, keep=True, max_failed_share=1.0)
    sample_corpus(corpus, folder / "frames", settings=settings, workers=1)
    return folder / "frames"


def weights_folder(folder: Path, encoder: Encoder | None = None) -> Path:
    module = (encoder or toys.encoder()).module
    save_encoder(toys.ENCODER, module, folder / "weights", source={"source": "test"})
    return folder / "weights"


def runtime(batch_size: int) -> Runtime:
    own = load_params(ROOT).runtime
    return own.model_copy(update={"workers": 1, "device": "cpu", "extraction_batch_size": batch_size})


def extract(folder: Path, frames: Path, *, batch_size: int = 4) -> Path:
    out = folder / "features"
    weights = weights_folder(folder)
    extract_features(frames, out, weights=weights, runtime=runtime(batch_size))
    return out


@pytest.mark.skipif(not REAL.exists(), reason="the real videos are not beside the project")
def test_real_files_end_as_features_or_as_a_reason(tmp_path: Path) -> None:
    videos = {path.stem: path for path in sorted(REAL.iterdir()) if path.suffix in (".mp4", ".mkv", ".mov", ".avi", ".webm")}
    assert len(videos) == 11
    frames = sample(tmp_path, videos, count=50)
    store = FrameStore(frames)
    rows = {video["video_id"]: video for video in store.summary["videos"]}
    assert rows.keys() == videos.keys()
    assert all(bool(row["reason"]) == (row["status"] == "failed") for row in rows.values())
    assert rows["video_90"]["frames"] == 3
    assert rows["eat"]["frames"] == 47
    frame_inputs = open_features(extract(tmp_path, frames, batch_size=64))
    assert frame_inputs.lengths == {name: row["frames"] for name, row in rows.items() if row["status"] == "ok"}
    values, mask = frame_inputs.gather(["video_90", "hand_can"])
    assert values.shape == (2, 50, toys.WIDTH)
    assert mask.sum(dim=1).tolist() == [3, 50]
    assert not values[0, 3:].any(), "masked, not padded with anything that counts"


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return sample(tmp_path, {name: draw_video(tmp_path / f"{name}.mp4", frames=12 + 9 * (name == "b")) for name in "abc"})


def test_columns_and_footer_are_those_of_the_contract(tmp_path: Path, frames: Path) -> None:
    (shard,) = sorted(extract(tmp_path, frames).glob("*.parquet"))
    table = pq.read_table(shard)
    assert table.schema.names == ["video_id", "frame_index", "pts_seconds", "embedding"]
    assert str(table.schema.field("embedding").type) == f"fixed_size_list<element: halffloat>[{toys.WIDTH}]"
    footer = read_footer(shard)
    assert footer["encoder"] == "clip_vit_b32"
    assert footer["weights_sha256"] == file_sha256(tmp_path / "weights" / "encoder.safetensors")
    assert footer["normalisation"] == "none"
    assert table.column("video_id").to_pylist() == [name for name in "abc" for _ in range(5)]


def test_the_batch_size_changes_nothing_and_features_are_the_encoder_s(tmp_path: Path, frames: Path) -> None:
    frame_inputs = open_features(extract(tmp_path / "one", frames, batch_size=1))
    other = open_features(extract(tmp_path / "many", frames, batch_size=15))
    np.testing.assert_allclose(frame_inputs.values, other.values, rtol=0, atol=2e-3)  # float16
    pixels, mask = open_pixels(frames, toys.ENCODER).gather(["b"])
    with torch.inference_mode():
        expected = toys.encoder().encode(pixels[0])
    torch.testing.assert_close(frame_inputs.gather(["b"])[0][0], expected, rtol=2e-3, atol=2e-3)
    assert mask.all()


def test_a_killed_extraction_goes_on_after_the_last_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: Path) -> None:
    second = frames / "00001.parquet"
    second.write_bytes((frames / "00000.parquet").read_bytes())
    summary = read_summary(frames)
    write_json(frames / SUMMARY, summary | {"sha256": summary["sha256"] | {second.name: summary["sha256"]["00000.parquet"]}})
    real, calls = features._extract_shard, []

    def killed(items: list[Path], path: Path, **options: object) -> dict[str, object]:
        calls.append(items[0].name)
        if calls == ["00000.parquet", "00001.parquet"]:
            path.write_bytes(b"half a file")
            raise KeyboardInterrupt
        return real(items, path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(features, "_extract_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        extract(tmp_path, frames)
    assert not (tmp_path / "features").exists()
    extract(tmp_path, frames)
    assert calls == ["00000.parquet", "00001.parquet", "00001.parquet"]
    assert sorted(path.name for path in (tmp_path / "features").iterdir()) == ["00000.parquet", "00001.parquet", DIGESTS]
    hashed = [file_sha256(path) for path in sorted((tmp_path / "features").glob("*.parquet"))]
    assert feature_digests(tmp_path / "features") == hashed, "known without reading the files"
    (tmp_path / "features" / "00001.parquet").unlink()
    with pytest.raises(ValueError, match=r"_sha256\.json.*other feature files"):
        feature_digests(tmp_path / "features")
    (tmp_path / "features" / DIGESTS).unlink()
    assert feature_digests(tmp_path / "features") == hashed[:1], "of files that somebody else wrote"


def test_a_shard_that_the_summary_does_not_know_is_an_error(tmp_path: Path, frames: Path) -> None:
    (frames / "00007.parquet").write_bytes((frames / "00000.parquet").read_bytes())
    with pytest.raises(ValueError, match=r"has other shards than summary\.json says; run `dvc repro --force sample_frames`"):
        extract(tmp_path, frames)


def test_a_damaged_picture_is_told_with_its_place_and_what_to_do(tmp_path: Path, frames: Path) -> None:
    shard = frames / "00000.parquet"
    table = pq.read_table(shard)
    images = table.column("image").to_pylist()
    images[7] = images[7][: len(images[7]) // 2]
    damaged = table.set_column(table.schema.get_field_index("image"), "image", [images])
    with pq.ParquetWriter(shard, damaged.schema) as writer:
        for video_id in "abc":
            writer.write_table(damaged.filter(pc.equal(damaged.column("video_id"), video_id)))
    told = r"00000\.parquet, video b, frame 10: not a readable picture .*run `dvc repro --force sample_frames`"
    with pytest.raises(ValueError, match=told):
        extract(tmp_path, frames)
    with pytest.raises(ValueError, match=told):
        open_pixels(frames, toys.ENCODER)
    with pytest.raises(ValueError, match=r"video b, picture 2: not a readable picture .*sample_frames"):
        FrameStore(frames).images("b")


def test_damaged_rows_of_a_shard_are_told_with_the_file(tmp_path: Path, frames: Path) -> None:
    shard = frames / "00000.parquet"
    data = bytearray(shard.read_bytes())
    data[4 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4)
    shard.unlink()
    shard.write_bytes(data)
    with pytest.raises(ValueError, match=r"00000\.parquet: cannot be read .*--force sample_frames"):
        extract(tmp_path, frames)


def test_pixels_fitted_in_another_way_are_another_file(tmp_path: Path, frames: Path) -> None:
    spec = read_spec(weights_folder(tmp_path))
    cut, squashed = (open_pixels(frames, replace(spec, squash=squash)).values.copy() for squash in (False, True))
    assert cut.shape == squashed.shape and (cut != squashed).any()
    stored = sorted((tmp_path / ".scratch" / "pixels").glob("*.npy"))
    assert len(stored) == 2, "experiments side by side leave each other's alone"
    for path in stored:
        os.utime(path, (1, 1))
    assert (open_pixels(frames, spec).values == cut).all()
    open_pixels(frames, replace(spec, interpolation="bilinear"))
    assert len(list((tmp_path / ".scratch" / "pixels").glob("*.npy"))) == 2, "what nobody has opened for a day is removed"
    assert (open_pixels(frames, replace(spec, squash=True)).values == squashed).all(), "and made again when it is wanted"


def test_features_of_two_encoders_or_not_finite_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: Path
) -> None:
    out = extract(tmp_path, frames)
    shard = out / "00000.parquet"
    table = pq.read_table(shard)
    pq.write_table(table.replace_schema_metadata(table.schema.metadata | {b"weights_sha256": b"other"}), out / "00001.parquet")
    with pytest.raises(ValueError, match=r"00001\.parquet: footer .* differs from 00000\.parquet"):
        open_features(out)
    (out / "00001.parquet").unlink()
    encoder = toys.encoder()
    with torch.no_grad():
        encoder.module.get_parameter("proj").fill_(float("inf"))
    weights = weights_folder(tmp_path, encoder)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "without kept shards"))
    with pytest.raises(ValueError, match="float16 cannot hold"):
        extract_features(frames, tmp_path / "bad", weights=weights, runtime=runtime(4))
    with pytest.raises(FileNotFoundError, match="run `dvc repro extract_features@nothing` first"):
        open_features(tmp_path / "nothing")


def test_a_video_without_frames_is_all_mask() -> None:
    values, mask = toys.store(3).gather(["v0", "unknown"])
    assert not mask[1].any()
    assert not values[1].any()
