"""The one table every dataset becomes: a row per video asked for, whether or not it was obtained.

Nothing downstream knows where a video came from. A lost video keeps its row with `status` "failed" and a `reason`.
"""

import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.base.files import readable, replacing
from pipeline.base.paths import DOWNLOADED

SPLITS = ("train", "validation", "test")
SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("split", pa.string()),
        ("recipe", pa.string()),
        ("duration_seconds", pa.float64()),
        ("steps", pa.list_(pa.string())),
        ("transcript", pa.string()),
        ("transcript_origin", pa.string()),
        ("summary", pa.string()),
        ("video_path", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("segments", pa.list_(pa.list_(pa.float64()))),
        ("entities", pa.list_(pa.string())),
        ("transcript_named", pa.string()),
    ]
)
HUMAN, SUBTITLES, DRAWN = "human", "subtitles", "drawn"  # where a transcript comes from; or `asr:<model>`
LONGEST_TEXT = 16 << 20  # characters of a text, bytes of its file: thousands of hours of speech
_TEXTS = ("steps", "transcript", "transcript_named", "summary")
_BATCH = 2_000  # rows of a row group: what is in memory twice while the table is written
_SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 80


@dataclass(frozen=True, slots=True)
class Video:
    """One row of the corpus. `video_path` is relative to the project; texts that do not exist are empty strings.

    `transcript_origin` says who wrote it down: `human`, `subtitles`, `drawn` (this project drew the video and its text), or
    `asr:<model>`; empty where there is no transcript. `segments` are the (start, end) of each step in seconds, where the
    dataset has them. `entities` are what the video shows and a summary should name; none where nobody knows. `transcript_named`
    is the transcript as it would be if it named everything that it points to, where the dataset has that.
    """

    video_id: str
    split: str
    video_path: str
    recipe: str = ""
    duration_seconds: float | None = None
    steps: Sequence[str] = field(default_factory=tuple)
    segments: Sequence[tuple[float, float]] = field(default_factory=tuple)
    transcript: str = ""
    transcript_origin: str = ""
    transcript_named: str = ""
    entities: Sequence[str] = field(default_factory=tuple)
    summary: str = ""
    status: Literal["ok", "failed"] = "ok"
    reason: str = ""


def shown(value: Any) -> str:
    """A value as an error names it: of any length, any depth and any characters, in a line that can be printed."""
    return _SHOWN.repr(value)


def check_video_id(video_id: str, *, where: str) -> None:
    """Refuse an id that could leave a folder or be read as an option; `where` names the file and row in the error."""
    if not _SAFE_ID.fullmatch(video_id) or ".." in video_id:
        raise ValueError(
            f"{where}: video id {shown(video_id)} is refused. Use letters, digits, '_', '-' and '.', "
            "no leading '-' or '.', no '..' and no '/', 200 at most"
        )


def write_corpus(videos: Sequence[Video], path: Path) -> None:
    """Write the table, sorted by split and id. Duplicate ids and unknown splits are a `ValueError` that names them."""
    seen: set[str] = set()
    for video in videos:
        if video.split not in SPLITS:
            raise ValueError(f"video {video.video_id!r}: split {video.split!r} is none of {', '.join(SPLITS)}")
        if video.video_id in seen:
            raise ValueError(f"video id {video.video_id!r} occurs twice; ids must be unique over all splits")
        if video.status == "failed" and not video.reason:
            raise ValueError(f"video {video.video_id!r} failed without a reason")
        if bool(video.transcript) != bool(video.transcript_origin):
            raise ValueError(f"video {video.video_id!r}: a transcript and its origin go together")
        seen.add(video.video_id)
    ordered = sorted(videos, key=lambda video: (SPLITS.index(video.split), video.video_id))
    with replacing(path) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        for start in range(0, len(ordered), _BATCH):
            part = ordered[start : start + _BATCH]
            columns = [pa.array([getattr(video, column.name) for video in part], column.type) for column in SCHEMA]
            writer.write_batch(pa.record_batch(columns, schema=SCHEMA))


def write_with_transcripts(source: Path, target: Path, texts: Mapping[str, str], *, origin: str) -> None:
    """Copy the table `source` to `target` part by part, and give the videos of `texts`, by id, these transcripts."""
    columns = [SCHEMA.names.index(name) for name in ("transcript", "transcript_origin")]
    with replacing(target) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        for batch in read_batches(source, SCHEMA.names):
            video_ids = batch.column("video_id").to_pylist()
            before = [batch.column(place).to_pylist() for place in columns]
            after = [(texts[key], origin) if key in texts else pair for key, *pair in zip(video_ids, *before, strict=True)]
            for place, values in zip(columns, zip(*after, strict=True), strict=True):
                batch = batch.set_column(place, SCHEMA.field(place), pa.array(values, pa.string()))
            writer.write_batch(batch)


def read_corpus(path: Path, columns: Sequence[str] = tuple(SCHEMA.names)) -> pd.DataFrame:
    """The corpus as a data frame, one row per video, `columns` of `SCHEMA` (`steps` and `entities` as lists).

    Texts are most of a large corpus: name the columns where they are not needed.
    """
    file = _open(path)
    with readable(path, stage=_stage(path)):
        frame: pd.DataFrame = file.read(list(columns)).to_pandas()
    for column in {"steps", "entities"} & set(columns):
        frame[column] = [list(values) for values in frame[column]]
    return frame


def read_batches(path: Path, columns: Sequence[str], *, split: str | None = None) -> Iterator[pa.RecordBatch]:
    """The corpus part by part, without ever holding it whole; of one `split`, what is read is little more than its own rows."""
    file, asked = _open(path), list(columns if split is None else dict.fromkeys(["split", *columns]))
    # Group by group: over several at once Arrow frees nothing before the last.
    groups = [number for number in range(file.num_row_groups) if split is None or _may_hold(file, number, split)]
    batches = (batch for group in groups for batch in file.iter_batches(_BATCH, row_groups=[group], columns=asked))
    while True:
        with readable(path, stage=_stage(path)):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch if split is None else batch.filter(pc.equal(batch.column("split"), split)).select(list(columns))


def usable_parts(path: Path, split: str, *, source: str) -> Iterator[pd.DataFrame]:
    """Videos of `split` with status ok, a text and a summary, part by part: `video_id, recipe, summary`, and `source`, the text.

    `source`: steps (the paper's input), transcript, both (steps first), or named: the transcript that names everything, or both
    where the dataset has none. Raises `ValueError` when there is no such video.
    """
    found = 0
    for batch in read_batches(path, ("video_id", "recipe", "status", *_TEXTS), split=split):
        frame = batch.filter(pc.equal(batch.column("status"), "ok")).to_pandas()
        part = with_texts(frame, source=source)[["video_id", "recipe", "summary", "source"]]
        found += len(part)
        yield part
    if not found:
        raise ValueError(
            f"corpus, split {split!r}: no video has both a text (text.source: {source}) and a summary; "
            "supply them with the dataset, or choose another text.source"
        )


def with_texts(frame: pd.DataFrame, *, source: str) -> pd.DataFrame:
    """Rows that have a summary and a text, which is in the added column `source`; see `usable_parts`."""
    steps = frame["steps"].map(join_steps)
    both = steps + " " + frame["transcript"]
    named = frame["transcript_named"].where(frame["transcript_named"] != "", both)
    texts = {"steps": steps, "transcript": frame["transcript"], "both": both, "named": named}[source].str.strip()
    return frame.assign(source=texts)[(texts != "") & (frame["summary"].str.strip() != "")]


def join_steps(steps: Sequence[str]) -> str:
    """Step sentences as one text, each ended by a full stop."""
    return " ".join(f"{step.rstrip('. ')}." for step in steps)


def _open(path: Path) -> Any:
    """The table, opened. Missing or damaged, it is an error that names the stage to run."""
    with readable(path, stage=_stage(path)):
        file = pq.ParquetFile(path)
        if not file.schema_arrow.equals(SCHEMA):
            raise ValueError("its columns are not those of a corpus")
    return file


def _may_hold(file: Any, group: int, split: str) -> bool:
    """Whether a row group may have rows of the split, as the file says; the table is sorted by split."""
    about = file.metadata.row_group(group).column(SCHEMA.names.index("split")).statistics
    return about is None or not about.has_min_max or about.min <= split <= about.max


def _stage(path: Path) -> str:
    """The stage that makes this table."""
    return "download" if path.name == DOWNLOADED.name else "transcribe"
