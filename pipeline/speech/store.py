"""The store of what was heard: Parquet, a row a sentence, and a row with a `reason` for a video in which nothing was.

Columns `video_id, start_seconds, end_seconds, text, words list<struct<word, start_seconds, end_seconds, probability>>, reason`,
one file a shard of videos. The footer names recogniser and model, the sha256 of its files, and the options.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.files import listed, readable
from pipeline.speech.recogniser import Segment

WORD = pa.struct(
    [("word", pa.string()), ("start_seconds", pa.float64()), ("end_seconds", pa.float64()), ("probability", pa.float32())]
)
SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("start_seconds", pa.float64()),
        ("end_seconds", pa.float64()),
        ("text", pa.string()),
        ("words", pa.list_(WORD)),
        ("reason", pa.string()),
    ]
)


def open_writer(path: Path, about: Mapping[str, str]) -> pq.ParquetWriter:
    """A writer for `write_heard`; `about` goes into the footer."""
    return pq.ParquetWriter(path, SCHEMA.with_metadata(dict(about)))


def write_heard(writer: pq.ParquetWriter, video_id: str, segments: Sequence[Segment], reason: str) -> None:
    """The segments of one video, or the one row that says why there is none."""
    rows = [
        {
            "video_id": video_id,
            "start_seconds": segment.start_seconds,
            "end_seconds": segment.end_seconds,
            "text": segment.text,
            "words": [asdict(word) for word in segment.words],
            "reason": "",
        }
        for segment in segments
    ]
    if reason:
        rows = [{"video_id": video_id, "text": "", "words": [], "reason": reason}]
    writer.write_table(pa.Table.from_pylist(rows, schema=writer.schema))


def read_texts(folder: Path) -> dict[str, str]:
    """What is said in each video in which something was heard: its sentences, one after the other."""
    texts: dict[str, list[str]] = {}
    for path in listed(folder, "*.parquet"):
        with readable(path, stage="transcribe"):
            table = pq.read_table(path, columns=["video_id", "text"])
        for video_id, text in zip(*(table.column(name).to_pylist() for name in ("video_id", "text")), strict=True):
            if text:
                texts.setdefault(video_id, []).append(text)
    return {video_id: " ".join(sentences) for video_id, sentences in texts.items()}
