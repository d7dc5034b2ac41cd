"""Ready-made features become a feature store."""

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base.params import ReadyFeatures
from pipeline.features import fused
from pipeline.features.frame_inputs import open_features
from pipeline.features.ready_made import LOST, check_place, copy_features
from pipeline.features.schema import read_footer

WIDTH, FRAMES = 6, 5
GENERATOR = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "given").mkdir()
    return tmp_path / "given"


def padded(frames: int, *, width: int = WIDTH) -> np.ndarray:
    """As the paper's extractor pads: rows of zeros at the end, float64."""
    return np.concatenate([GENERATOR.normal(size=(frames, width)), np.zeros((FRAMES - frames, width))])


def bring(folder: Path, *video_ids: str, width: int = WIDTH) -> dict[str, Any]:
    source = ReadyFeatures(path=str(folder), provenance="drawn for a test")
    return copy_features("clip_vit_b32", source, Path("out"), video_ids=video_ids, max_frames=FRAMES, width=width)


def lost_of(found: dict[str, Any]) -> dict[str, str]:
    return {row["video_id"]: row["reason"] for row in found["lost"]}


def test_rows_of_zeros_are_masked_and_lost_videos_are_named(folder: Path) -> None:
    arrays = {"-a": padded(5), "b": padded(3)}
    for video_id, values in arrays.items():
        np.save(folder / f"{video_id}.npy", values)
    found = bring(folder, "-a", "b", "gone")
    assert (found["frames"], found["dim"], found["padding"]) == (8, WIDTH, 2)
    lost = [{"video_id": "gone", "reason": f"{folder} has no features of it"}]
    assert json.loads(Path("out/_lost.json").read_text()) == {"asked": 3, "ok": 2, "failed": 1, "lost": lost}
    assert Path("out", LOST).name == fused.LOST, "as where frames are not kept"
    store = open_features(Path("out"))
    values, mask = store.gather(["b", "gone", "-a"])
    assert mask.sum(dim=1).tolist() == [3, 0, 5]
    np.testing.assert_array_equal(values[0, :3].numpy(), arrays["b"][:3].astype(np.float16).astype(np.float32))
    (shard,) = Path("out").glob("*.parquet")
    assert read_footer(shard)["provenance"] == "drawn for a test"


def test_parquet_gives_the_same_as_arrays(folder: Path) -> None:
    values = padded(4).astype(np.float32)
    columns = {
        "video_id": ["a"] * FRAMES,
        "frame_index": pa.array([8, 6, 4, 2, 0], pa.int32()),
        "pts_seconds": [4.0, 3.0, 2.0, 1.0, 0.0],
        "embedding": pa.array(list(values[::-1]), pa.list_(pa.float32())),
    }
    pq.write_table(pa.table(columns), folder / "part.parquet")
    bring(folder, "a")
    table = pq.read_table("out")
    assert table.column("frame_index").to_pylist() == [0, 2, 4, 6]
    expected = values[:4].astype(np.float16)
    np.testing.assert_array_equal(np.array(table.column("embedding").to_pylist(), dtype=np.float16), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (padded(2, width=7), "width 7, the first file has 6"),
        (np.full((3, WIDTH), np.nan), "row 0 has a value that is not a finite number"),
        (np.full((3, WIDTH), 1e6), "too large for float16"),
        (GENERATOR.normal(size=(9, WIDTH)), r"9 frames, frames\.count is 5"),
        (np.ones(WIDTH), r"expected floats \[frames, width\]"),
        (np.ones((3, WIDTH), dtype=np.int64), "found int64"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_the_file(folder: Path, values: np.ndarray, message: str) -> None:
    np.save(folder / "a.npy", padded(2))
    np.save(folder / "b.npy", values)
    with pytest.raises(ValueError, match=rf"b\.npy.*{message}"):
        bring(folder, "a", "b")
    assert not Path("out").exists()


@pytest.mark.parametrize("damaged", ["a", "b", "c"])
def test_a_damaged_file_loses_its_video_alone(folder: Path, damaged: str) -> None:
    for video_id in "abc":
        np.save(folder / f"{video_id}.npy", padded(2))
    path = folder / f"{damaged}.npy"
    path.write_bytes(path.read_bytes()[:90])
    found = bring(folder, *"abc")
    assert (found["asked"], found["ok"], found["frames"]) == (3, 2, 4)
    ((lost, reason),) = lost_of(found).items()
    assert lost == damaged
    assert reason.startswith(f"{path}: not a readable .npy array (")
    assert set(pq.read_table("out").column("video_id").to_pylist()) == set("abc") - {damaged}


@pytest.mark.parametrize("kind", ["pipe", "archive", "no header", "huge", "negative", "no dictionary"])
def test_whatever_else_is_called_npy_loses_its_video_alone(folder: Path, kind: str) -> None:
    np.save(folder / "a.npy", padded(2))
    path = folder / "b.npy"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "archive":
        with path.open("wb") as stream:
            np.savez(stream, a=padded(2))
    else:
        text = {
            "no header": "",
            "huge": f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**12}, 6)}}",
            "negative": "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 6)}",
            "no dictionary": "((",
        }
        header = text[kind].encode()
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    found = bring(folder, "a", "b")
    assert list(lost_of(found)) == ["b"] and f"{path}: not a readable .npy array (" in lost_of(found)["b"]


def test_a_damaged_parquet_file_is_named(folder: Path) -> None:
    columns = {"video_id": ["a"], "frame_index": pa.array([0], pa.int32()), "pts_seconds": [0.0]}
    table = pa.table(columns | {"embedding": pa.array([[1.0] * WIDTH], pa.list_(pa.float32()))})
    pq.write_table(table.slice(0, 0), folder / "0.parquet")  # of no video: it tells no width
    pq.write_table(table, folder / "1.parquet")
    assert bring(folder, "a")["frames"] == 1
    whole = (folder / "1.parquet").read_bytes()
    (folder / "1.parquet").write_bytes(whole[:-20])
    with pytest.raises(ValueError, match=r"1\.parquet: not a readable Parquet file \("):
        bring(folder, "a")


def test_other_files_and_folders_are_refused(folder: Path) -> None:
    np.save(folder / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"given: none of the 1 files is a readable \.npy array"):
        bring(folder, "a")
    with pytest.raises(ValueError, match="features of none of the 1 videos"):
        bring(folder, "b")
    with pytest.raises(ValueError, match="is not a folder"):
        bring(folder / "gone", "a")
    np.save(folder / "a.npy", padded(2))
    with pytest.raises(ValueError, match=r"ready_features\.clip_vit_b32\.path: .* vectors of 6 values, clip_vit_b32 gives 512"):
        bring(folder, "a", width=512)


def test_features_outside_the_studys_inputs_are_refused(folder: Path) -> None:
    (folder.parent / "data" / "inputs" / "mine" / "features").mkdir(parents=True)
    check_place("clip_vit_b32", Path("data/inputs/mine/features"), study="mine")
    (folder.parent / "data" / "inputs" / "linked").symlink_to("mine")
    check_place("clip_vit_b32", Path("data/inputs/mine/features"), study="linked")
    with pytest.raises(ValueError, match=r"ready_features\.clip_vit_b32\.path: .* is not in data/inputs/mine, .* DVC"):
        check_place("clip_vit_b32", folder, study="mine")


def bring_arrays(folder: Path, *video_ids: str, array: str = "features", spread: bool = False) -> dict[str, Any]:
    """As VideoXum's features come: `<id>.npz` with more than one array."""
    source = ReadyFeatures(path=str(folder), provenance="drawn for a test", array=array, spread=spread)
    return copy_features("blip_b16", source, Path("out"), video_ids=video_ids, max_frames=FRAMES, width=WIDTH)


def test_npz_files_give_the_same_as_npy(folder: Path) -> None:
    values = padded(4).astype(np.float32)
    np.savez(folder / "v_a.npz", features=values, text=np.ones((1, 3)))
    np.savez_compressed(folder / "v_b.npz", features=np.asfortranarray(values[:2]))
    found = bring_arrays(folder, "v_a", "v_b", "v_c")
    assert (found["frames"], found["padding"], list(lost_of(found))) == (6, FRAMES - 4, ["v_c"])
    stored, mask = open_features(Path("out")).gather(["v_b", "v_a"])
    assert mask.sum(dim=1).tolist() == [2, 4]
    np.testing.assert_array_equal(stored[0, :2].numpy(), values[:2].astype(np.float16).astype(np.float32))
    with pytest.raises(ValueError, match=r"none of the 3 videos of the corpus\. For \.npz files set `array`"):
        bring_arrays(folder, "v_a", "v_b", "v_c", array="")


def test_npz_files_that_lie_lose_their_video(folder: Path) -> None:
    np.savez(folder / "good.npz", features=padded(2))
    np.savez(folder / "other.npz", vision=padded(2))
    with ZipFile(folder / "huge.npz", "w", ZIP_DEFLATED) as archive, archive.open("features.npy", "w") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, WIDTH)}
        np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[arg-type]
    with ZipFile(folder / "pickled.npz", "w") as archive, archive.open("features.npy", "w") as stream:
        np.lib.format.write_array(stream, np.array([[{}]], dtype=object))
    (folder / "cut.npz").write_bytes((folder / "good.npz").read_bytes()[:200])
    with ZipFile(folder / "negative.npz", "w", ZIP_DEFLATED) as archive, archive.open("features.npy", "w") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (-1, WIDTH)}
        np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[arg-type]
        stream.write(bytes(1 << 26))
    tracemalloc.start()
    found = bring_arrays(folder, "cut", "good", "huge", "negative", "other", "pickled")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1 << 25, "a shape of -1 rows asks for all that the archive holds"
    assert found["frames"] == 2
    lost = lost_of(found)
    assert sorted(lost) == ["cut", "huge", "negative", "other", "pickled"]
    assert "says that it is float32 [1099511627776, 6]" in lost["huge"] and "float32 [-1, 6]" in lost["negative"]
    assert "features.npy" in lost["other"] and "object" in lost["pickled"]


def test_a_file_without_vectors_loses_its_video(folder: Path) -> None:
    for video_id, values in {"a": padded(3), "empty": np.zeros((0, WIDTH)), "zeros": padded(0)}.items():
        np.save(folder / f"{video_id}.npy", values)
    found = bring(folder, "a", "empty", "zeros")
    assert (found["asked"], found["ok"], found["failed"], found["frames"]) == (3, 1, 2, 3)
    reasons = {"empty": "empty.npy: an array without rows", "zeros": f"zeros.npy: {FRAMES} rows, of zeros alone"}
    assert lost_of(found) == {video_id: f"{folder}/{reason}" for video_id, reason in reasons.items()}
    assert lost_of(bring(folder, "a", "empty")).keys() == {"empty"}, "asked for others, it is written anew"
    assert json.loads(Path("out/_lost.json").read_text())["asked"] == 2
    (folder / "a.npy").rename(folder / "b.npy")
    assert lost_of(bring(folder, "a", "b")) == {"a": f"{folder} has no features of it"}
    (folder / "b.npy").rename(folder / "a.npy")
    assert list(lost_of(bring(folder, "a", "b"))) == ["b"], "the same file under another name is another video's"


def test_of_too_many_rows_some_are_taken_evenly_if_the_study_says_so(folder: Path) -> None:
    rows = np.concatenate([np.full((1, WIDTH), number + 1.0) for number in range(9)] + [np.zeros((2, WIDTH))])
    np.savez(folder / "a.npz", features=rows)
    with pytest.raises(ValueError, match=r"a\.npz: 9 frames, frames\.count is 5; with spread: true so many are taken"):
        bring_arrays(folder, "a")
    found = bring_arrays(folder, "a", spread=True)
    assert (found["frames"], found["padding"]) == (FRAMES, 2)
    table = pq.read_table("out")
    assert table.column("frame_index").to_pylist() == [0, 2, 4, 6, 8]
    assert [vector[0] for vector in table.column("embedding").to_pylist()] == [1, 3, 5, 7, 9]
