"""How2 in the layout of its release for summarisation: lines of an id and a text, and features by id."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.base.dataset_params import How2Dataset
from pipeline.base.params import ReadyFeatures
from pipeline.corpus.coverage import describe_corpus
from pipeline.corpus.how2 import read_videos
from pipeline.corpus.table import Video, write_corpus
from pipeline.features.ready_made import copy_features

LINES = {
    "sum_train/tran.tok.txt": "-aaaaaaaaaa hi , take the  egg .\nbbbbbbbbbbb now boil it .\n",
    "sum_train/desc.tok.txt": "bbbbbbbbbbb learn to boil .\n-aaaaaaaaaa learn to take an egg .\n",
    "sum_cv/tran.tok.txt": "ccccccccccc fry it .\n",
    "sum_cv/desc.tok.txt": "ccccccccccc learn to fry .\n",
    "sum_devtest/tran.tok.txt": "ddddddddddd bake it .\n",
    "sum_devtest/desc.tok.txt": "ddddddddddd learn to bake .\n",
}


def put(folder: Path, **changes: str) -> Path:
    """`train_tran="..."` replaces `sum_train/tran.tok.txt`."""
    for name, text in LINES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for key, text in changes.items():
        split, kind = key.split("_")
        (folder / f"sum_{split}" / f"{kind}.tok.txt").write_text(text)
    return folder


def dataset(folder: Path, **changes: object) -> How2Dataset:
    values: dict[str, object] = {
        "name": "how2", "folder": str(folder), "sha256": dict.fromkeys(LINES, ""), "videos": None, "entities": "",
        "max_failed_share": 0.5,
    }  # fmt: skip
    return How2Dataset.model_validate(values | changes)


def rows(settings: How2Dataset) -> dict[str, Video]:
    videos = read_videos(settings)
    write_corpus(videos, Path(settings.folder) / "corpus.parquet")  # it refuses what no table may have
    return {video.video_id: video for video in videos}


def test_lines_meet_by_their_id_and_splits_are_the_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(dataset(put(tmp_path)))
    first = found["-aaaaaaaaaa"]
    assert (first.transcript, first.transcript_origin) == ("hi , take the egg .", "subtitles")
    assert (first.summary, first.split, first.status) == ("learn to take an egg .", "train", "ok")
    assert {key: video.split for key, video in found.items()} == {
        "-aaaaaaaaaa": "train", "bbbbbbbbbbb": "train", "ccccccccccc": "validation", "ddddddddddd": "test",
    }  # fmt: skip
    about = describe_corpus(tmp_path / "corpus.parquet")
    assert about["coverage"]["train"] == {"asked": 2, "ok": 2, "failed": 0}
    assert about["texts"]["test"] == {"steps": 0, "transcript": 1, "summary": 1, "entities": 0}
    told = capsys.readouterr().out
    for name, text in LINES.items():
        assert f"dataset.sha256.{name} is empty" in told and hashlib.sha256(text.encode()).hexdigest() in told


def test_digests_of_the_study_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in LINES.items()}
    assert len(rows(dataset(put(tmp_path), sha256=digests))) == 4 and "warning" not in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"sum_cv/desc\.tok\.txt: sha256 is .*dataset\.sha256\.sum_cv/desc\.tok\.txt says 0000"):
        read_videos(dataset(tmp_path, sha256=digests | {"sum_cv/desc.tok.txt": "0" * 64}))
    del digests["sum_train/tran.tok.txt"]
    with pytest.raises(ValueError, match=r"dataset\.sha256: sum_train/tran\.tok\.txt is missing"):
        read_videos(dataset(tmp_path, sha256=digests))


def test_lines_that_cannot_be_used_are_lost_rows(tmp_path: Path) -> None:
    said = LINES["sum_train/tran.tok.txt"] + "eeeeeeeeeee only said\n../../passwd x\nfffffffffff\n\n   \n"
    described = LINES["sum_train/desc.tok.txt"] + "ggggggggggg only described\n../../passwd y\nfffffffffff z\n"
    found = rows(dataset(put(tmp_path, train_tran=said, train_desc=described)))
    reasons = {key: video.reason for key, video in found.items() if video.status == "failed"}
    assert reasons.keys() == {"eeeeeeeeeee", "ggggggggggg", "fffffffffff", "../../passwd"}
    assert reasons["eeeeeeeeeee"] == "sum_train/desc.tok.txt has no line of it"
    assert reasons["ggggggggggg"] == "sum_train/tran.tok.txt has no line of it"
    assert reasons["fffffffffff"] == "sum_train/tran.tok.txt, line 5: no text after the id"
    assert "is refused" in reasons["../../passwd"]


def test_a_doubled_id_counts_once_and_never_in_two_splits(tmp_path: Path) -> None:
    again = "bbbbbbbbbbb twice\nddddddddddd leaked\n"
    texts = {f"train_{kind}": LINES[f"sum_train/{kind}.tok.txt"] + again for kind in ("tran", "desc")}
    found = rows(dataset(put(tmp_path, **texts)))
    assert found["bbbbbbbbbbb"].summary == "learn to boil ." and found["ddddddddddd"].split == "test"
    place = "sum_train/desc.tok.txt, line"
    assert found["bbbbbbbbbbb.2"].reason == f"{place} 3: the video of {place} 1 again"
    assert found["ddddddddddd.2"].reason == f"{place} 4: the video of sum_devtest/desc.tok.txt, line 1 again"
    assert found["ddddddddddd.2"].split == "train" and found["ddddddddddd.2"].status == "failed"


def test_files_that_are_missing_empty_or_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sum_train/tran\.tok\.txt is missing\. How2 is no longer given out"):
        read_videos(dataset(tmp_path))
    put(tmp_path, cv_tran="\n \n")
    with pytest.raises(ValueError, match=r"sum_cv/tran\.tok\.txt: is empty; expected lines of `<id> <text>`"):
        read_videos(dataset(tmp_path))
    (put(tmp_path) / "sum_devtest" / "desc.tok.txt").write_bytes(b"ddddddddddd ok\nxxxxxxxxxxx \xff\n")
    with pytest.raises(ValueError, match=r"sum_devtest/desc\.tok\.txt, line 2: not UTF-8"):
        read_videos(dataset(tmp_path))


def test_its_features_are_read_as_they_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`<id>.npy`, [n, 2048], of any length: more than the study wants are thinned out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "video_action_features").mkdir()
    for video_id, count in (("-aaaaaaaaaa", 3), ("ccccccccccc", 11)):
        np.save(tmp_path / "video_action_features" / f"{video_id}.npy", np.full((count, 2048), 0.5, np.float32))
    source = ReadyFeatures(path="video_action_features", provenance="drawn for a test", spread=True)
    asked = ["-aaaaaaaaaa", "ccccccccccc", "ddddddddddd"]
    found = copy_features("resnet152", source, Path("out"), video_ids=asked, max_frames=8, width=2048)
    assert (found["frames"], found["dim"]) == (11, 2048)
    assert [row["video_id"] for row in found["lost"]] == ["ddddddddddd"]
