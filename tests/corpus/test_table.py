"""The corpus table is written and counted part by part; how large the parts are changes nothing."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.corpus import table
from pipeline.corpus.coverage import check_losses, describe_corpus
from pipeline.corpus.table import SCHEMA, Video, read_batches, read_corpus, usable_parts, write_corpus


def videos(count: int = 7) -> list[Video]:
    """The first lacks a summary, every third is lost."""
    rows = []
    for number in range(count):
        lost = number % 3 == 2
        rows.append(
            Video(
                video_id=f"v{number:05d}",
                split=("train", "test")[number % 2],
                video_path=f"videos/{number}.mp4",
                duration_seconds=None if number == 1 else float(number),
                steps=("cut the leek", "fry it"),
                segments=((0.0, 1.5), (2.0, 3.0)),
                entities=("leek",) if number % 2 else (),
                summary="fry a leek" if number else "",
                status="failed" if lost else "ok",
                reason="file is missing" if lost else "",
            )
        )
    return rows


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_corpus(videos(), tmp_path / "corpus.parquet")
    frame = read_corpus(tmp_path / "corpus.parquet")
    assert list(frame.columns) == SCHEMA.names
    assert list(frame["video_id"]) == [f"v0000{number}" for number in (0, 2, 4, 6, 1, 3, 5)], "sorted by split, then id"
    first = frame.iloc[0]
    assert (first["steps"], first["entities"], first["summary"]) == (["cut the leek", "fry it"], [], "")
    assert [list(segment) for segment in first["segments"]] == [[0.0, 1.5], [2.0, 3.0]]
    assert frame["duration_seconds"].isna().tolist() == [False] * 4 + [True, False, False]


def test_parts_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_corpus(videos(), tmp_path / "whole.parquet")
    monkeypatch.setattr(table, "_BATCH", 2)
    write_corpus(videos(), tmp_path / "parts.parquet")
    assert pq.ParquetFile(tmp_path / "parts.parquet").num_row_groups == 4
    assert read_corpus(tmp_path / "parts.parquet").equals(read_corpus(tmp_path / "whole.parquet"))
    assert describe_corpus(tmp_path / "parts.parquet") == describe_corpus(tmp_path / "whole.parquet")


def test_columns_by_name(tmp_path: Path) -> None:
    write_corpus(videos(), tmp_path / "corpus.parquet")
    frame = read_corpus(tmp_path / "corpus.parquet", ("video_id", "steps"))
    assert list(frame.columns) == ["video_id", "steps"]
    assert frame["steps"][0] == ["cut the leek", "fry it"]


def test_counts_and_losses(tmp_path: Path) -> None:
    write_corpus(videos(), tmp_path / "corpus.parquet")
    about = describe_corpus(tmp_path / "corpus.parquet")
    nothing = {"asked": 0, "ok": 0, "failed": 0}
    assert about["coverage"] == {
        "train": {"asked": 4, "ok": 3, "failed": 1},
        "validation": nothing,
        "test": {"asked": 3, "ok": 2, "failed": 1},
    }
    assert about["texts"]["train"] == {"steps": 3, "transcript": 0, "summary": 2, "entities": 0}
    assert about["texts"]["test"] == {"steps": 2, "transcript": 0, "summary": 2, "entities": 2}
    assert about["lost"] == [
        {"video_id": "v00002", "split": "train", "reason": "file is missing"},
        {"video_id": "v00005", "split": "test", "reason": "file is missing"},
    ]


def test_a_corpus_of_nothing(tmp_path: Path) -> None:
    write_corpus([], tmp_path / "corpus.parquet")
    assert len(read_corpus(tmp_path / "corpus.parquet")) == 0
    assert describe_corpus(tmp_path / "corpus.parquet")["lost"] == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Video("a", "dev", "a.mp4"), "'a': split 'dev' is none of train, validation, test"),
        (Video("v00000", "train", "a.mp4"), "'v00000' occurs twice"),
        (Video("a", "train", "a.mp4", status="failed"), "'a' failed without a reason"),
    ],
)
def test_what_no_table_may_hold(tmp_path: Path, wrong: Video, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        write_corpus([*videos(), wrong], tmp_path / "corpus.parquet")
    assert not list(tmp_path.iterdir())


def test_a_share_of_losses_is_allowed() -> None:
    check_losses(failed=1, asked=10, limit=0.1, what="it", remedy="Mend it.")
    check_losses(failed=0, asked=0, limit=0.0, what="it", remedy="Mend it.")
    with pytest.raises(RuntimeError, match=r"it: 2 of 10 failed \(20\.0%\), more than max_failed_share 10\.0%\. Mend it\."):
        check_losses(failed=2, asked=10, limit=0.1, what="it", remedy="Mend it.")


TEXTS = [
    Video("a", "test", "", steps=["cut it.", "fry it"], transcript="now this", transcript_origin="human", summary="s"),
    Video("b", "test", "", summary="s"),
    Video(
        "c", "test", "", steps=["cut it"], transcript="now", transcript_origin="human", summary="s", status="failed", reason="?"
    ),
    Video("d", "test", "", steps=["cut it"]),
]


def test_the_text_of_a_video(tmp_path: Path) -> None:
    path = tmp_path / "corpus.parquet"
    write_corpus(TEXTS, path)
    for source, text in {"both": "cut it. fry it. now this", "steps": "cut it. fry it.", "transcript": "now this"}.items():
        (part,) = usable_parts(path, "test", source=source)
        assert part.to_dict("records") == [{"video_id": "a", "recipe": "", "summary": "s", "source": text}]
    with pytest.raises(ValueError, match="split 'train': no video has both"):
        list(usable_parts(path, "train", source="steps"))


def test_of_a_split_no_more_than_its_parts_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_BATCH", 4)
    path = tmp_path / "corpus.parquet"
    splits = {"train": 10, "validation": 3, "test": 6}
    write_corpus(
        [Video(f"{split}{n:02d}", split, "", summary=split) for split, count in splits.items() for n in range(count)], path
    )
    for split, count in splits.items():
        found = list(read_batches(path, ("summary", "video_id"), split=split))
        assert [name for batch in found for name in batch.column("video_id").to_pylist()] == [
            f"{split}{n:02d}" for n in range(count)
        ]
        assert {tuple(batch.schema.names) for batch in found} == {("summary", "video_id")}
        assert all(set(batch.column("summary").to_pylist()) <= {split} for batch in found)
        assert len(found) < 5, "row groups that have none of the split are left out"
    assert sum(batch.num_rows for batch in read_batches(path, ["split"])) == 19
