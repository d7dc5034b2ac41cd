"""YouCook2 as a corpus: annotations, splits, transcripts, videos and reference summaries, each from the nearest source.

Everything is found in, or written to, one folder (`dataset.folder`):

    youcookii_annotations_trainval.json   or the official .tar.gz of it; fetched from `annotations_url` when neither is there
    label_foodtype.csv                    optional: names of the recipe types
    test_list.txt                         optional: `recipe/id` lines of the 210 test videos, for splits: paper
    transcripts/ or transcripts.tar       optional: `<id>.txt`, or `<id>.en.vtt` or `.srt`
    videos/                               `<id>.<any extension>`, at any depth
    summaries.jsonl                       reference summaries, for summaries: file or chat
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.dataset_params import YouCook2Dataset
from pipeline.base.scratch import file_sha256
from pipeline.base.text_files import text_lines
from pipeline.corpus.annotations import Annotation, Malformed, read_annotations
from pipeline.corpus.archives import extract_member
from pipeline.corpus.downloads import FetchError, fetch_file
from pipeline.corpus.entities import add_entities
from pipeline.corpus.fields import printable
from pipeline.corpus.hub_clips import joined_segments
from pipeline.corpus.sources import find_transcripts, find_videos, spoken
from pipeline.corpus.summaries import read_summaries
from pipeline.corpus.table import Video, check_video_id, join_steps
from pipeline.corpus.transcripts import Transcripts

ANNOTATIONS = "youcookii_annotations_trainval.json"
_MOST_BYTES = 1 << 28  # of its archive, and of what is in it: some fifty times what the real one has
PAPER_TEST = (
    "dataset.splits: paper tests on 210 videos whose captions YouCook2's owners keep back, so there is nothing to compare "
    "summaries with. The authors' own result file has the 457 validation videos instead. Set splits: held_out. Or supply what "
    "you have for the test videos: their ids in {folder}/test_list.txt, a summary of each in {folder}/summaries.jsonl, and, if "
    "text.source is steps, an annotation file with their steps (annotations_sha256 then changes, too). At present {have} are "
    "listed and {lacking} of them have no summary"
)


@dataclass(frozen=True)
class Sources:
    """What `read_videos` has found, before rows are made from it."""

    annotations: Sequence[Annotation | Malformed]
    transcripts: Transcripts
    written_by: str  # who wrote the transcripts that are no subtitles
    summaries: Mapping[str, str]
    videos: Mapping[str, Path] | None  # None: no videos wanted
    lost: Mapping[str, str]


def read_videos(settings: YouCook2Dataset, *, workers: int = 1) -> list[Video]:
    """One `Video` for every annotated video (and, with splits: paper, for every test video), lost ones with a reason.

    Raises `ValueError` for a file that is not what its name says, `RuntimeError` when nothing supplies the annotations.
    """
    folder = Path(settings.folder)
    names = folder / "label_foodtype.csv"
    if not names.exists():
        print(f"{names} is missing: recipe types keep their numbers")
    annotations = read_annotations(get_annotations(settings), recipes=names if names.exists() else None)
    every = list(annotations)
    if settings.splits == "paper":
        known = {entry.video_id for entry in annotations}
        every += [test for test in _test_videos(folder / "test_list.txt") if test.video_id not in known]
    summaries = _summaries(settings, annotations)
    if settings.splits == "paper":
        tests = [entry.video_id for entry in every if entry.split == "test"]
        lacking = [video_id for video_id in tests if video_id not in summaries]
        if lacking or not tests:
            raise ValueError(PAPER_TEST.format(folder=folder, have=len(tests), lacking=len(lacking)))
    asked = [entry.video_id for entry in every if isinstance(entry, Annotation)]
    steps = {entry.video_id: len(entry.steps) for entry in annotations if isinstance(entry, Annotation)}
    videos, lost = find_videos(asked, settings.videos, steps=steps) if settings.videos else (None, {})
    transcripts = find_transcripts(settings, asked, known={entry.video_id for entry in every})
    sources = Sources(every, transcripts, settings.transcripts_by, summaries, videos, lost)
    return add_entities([_row(entry, sources, settings.splits) for entry in every], settings.entities)


def get_annotations(settings: YouCook2Dataset) -> Path:
    """The annotation file, from the folder, from the archive in the folder, or from the official site, checked by sha256."""
    path = Path(settings.folder) / ANNOTATIONS
    archive = path.with_suffix(".tar.gz")
    try:
        if not path.exists():
            if not archive.exists():
                fetch_file(settings.annotations_url, archive, title="annotations", max_bytes=_MOST_BYTES)
            extract_member(archive, ANNOTATIONS, path, max_bytes=_MOST_BYTES)
    except FetchError as error:
        raise RuntimeError(
            f"YouCook2's annotations: {error}. Get {archive.name} from http://youcook2.eecs.umich.edu/download and put it, or "
            f"the {ANNOTATIONS} inside, into {path.parent}/"
        ) from error
    found = file_sha256(path)
    if settings.annotations_sha256 and found != settings.annotations_sha256:
        raise ValueError(
            f"{path}: sha256 is {found}, dataset.annotations_sha256 says {settings.annotations_sha256}. Delete it and "
            f"{archive.name} to fetch it again, or set the parameter to the new value (or to an empty one) if you want the change"
        )
    return path


def held_out_split(video_id: str) -> str:
    """Where a video of the official validation set goes: half to validation, half to test, by a hash of its id alone.

    So an id keeps its place on every machine, whichever other videos are lost.
    """
    return "test" if hashlib.sha256(f"held_out {video_id}".encode()).digest()[0] < 128 else "validation"


def _row(entry: Annotation | Malformed, sources: Sources, splits: str) -> Video:
    split = held_out_split(entry.video_id) if splits == "held_out" and entry.split == "validation" else entry.split
    if isinstance(entry, Malformed):
        return Video(entry.video_id, split, "", status="failed", reason=entry.reason)
    path = sources.videos.get(entry.video_id) if sources.videos is not None else None
    missing = sources.videos is not None and path is None
    try:
        joined = joined_segments(path) if path is not None else None
        if joined and len(joined) != len(entry.steps):
            raise ValueError(f"{path} is joined from {len(joined)} clips, the annotation has {len(entry.steps)} steps; delete it")
    except ValueError as error:
        return Video(entry.video_id, split, "", status="failed", reason=printable(str(error)))
    transcript, origin = spoken(entry.video_id, sources.transcripts, written_by=sources.written_by)
    return Video(
        video_id=entry.video_id,
        split=split,
        video_path=path.as_posix() if path is not None else "",
        recipe=entry.recipe,
        duration_seconds=joined[-1][1] if joined else entry.duration_seconds,
        steps=entry.steps,
        segments=joined or entry.segments,
        transcript=transcript,
        transcript_origin=origin,
        summary=sources.summaries.get(entry.video_id, ""),
        status="failed" if missing else "ok",
        reason=sources.lost.get(entry.video_id, "no video") if missing else "",
    )


def _summaries(settings: YouCook2Dataset, annotations: Sequence[Annotation | Malformed]) -> Mapping[str, str]:
    readable = {entry.video_id: entry.steps for entry in annotations if isinstance(entry, Annotation)}
    if settings.summaries == "steps":
        return {video_id: join_steps(steps) for video_id, steps in readable.items()}
    path = Path(settings.folder) / "summaries.jsonl"
    if not path.exists():
        how = (
            "run `make summaries`, which asks the chat endpoint of dataset.chat"
            if settings.chat
            else "set summaries: chat to have them written"
        )
        raise ValueError(
            f"{path} is missing. Nobody has published the paper's reference summaries: supply your own as lines of "
            f'{{"video_id": ..., "summary": ...}}, or {how}'
        )
    summaries = read_summaries(path)
    if lacking := sorted(readable.keys() - summaries.keys()):
        print(
            f"{path}: no summary for {len(lacking)} of {len(readable)} videos, such as {', '.join(lacking[:3])}; "
            "they are left out"
        )
    return summaries


def _test_videos(path: Path) -> list[Annotation]:
    if not path.exists():
        return []
    tests = []
    for number, line in text_lines(path):
        if line.strip():
            recipe, _, video_id = line.strip().rpartition("/")
            check_video_id(video_id.lstrip("-"), where=f"{path}, line {number}")
            tests.append(Annotation(video_id, "test", recipe, 0.0, (), (), ""))
    return tests
