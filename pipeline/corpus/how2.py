"""How2 for summarisation: what is said in instructional videos, and the description that its author gave each.

Of "How2: A Large-scale Dataset for Multimodal Language Understanding" (2018), in the layout of its release for summarisation,
which VG-GPLMs (EMNLP 2021) and others read. Nobody can fetch it any more: the owners' form is closed and most of its videos have
left YouTube, so its files are put into `dataset.folder` by hand:

    sum_train/tran.tok.txt, sum_train/desc.tok.txt   lines of `<YouTube id> <text>`: subtitles, and the description
    sum_cv/..., sum_devtest/...                      the same, for validation and for the test
    video_action_features/<YouTube id>.npy           optional, for ready_features: [n, 2048], a vector every so many frames
    videos/                                          optional
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.base.dataset_params import How2Dataset
from pipeline.base.text_files import text_lines
from pipeline.corpus.doubles import once_each
from pipeline.corpus.downloads import check_pinned
from pipeline.corpus.entities import add_entities
from pipeline.corpus.fields import printable
from pipeline.corpus.sources import find_videos
from pipeline.corpus.table import LONGEST_TEXT, SUBTITLES, Video, check_video_id

FOLDERS = {"train": "sum_train", "validation": "sum_cv", "test": "sum_devtest"}
TRANSCRIPTS, DESCRIPTIONS = "tran.tok.txt", "desc.tok.txt"


def read_videos(settings: How2Dataset, *, workers: int = 1) -> list[Video]:
    """One `Video` for every id of either file, split by split; one that lacks a text, or has an id that is none, is a lost row.

    Raises `ValueError` naming a file that is missing, empty, or not text.
    """
    rows = once_each(row for split in FOLDERS for row in _read_split(settings, split))
    if settings.videos is not None:
        asked = [row.video_id for row in rows if row.status == "ok"]
        videos, lost = find_videos(asked, settings.videos)
        rows = [_with_video(row, videos, lost) if row.status == "ok" else row for row in rows]
    return add_entities(rows, settings.entities)


def _read_split(settings: How2Dataset, split: str) -> Iterator[tuple[Video, str]]:
    """The rows of a split, each with the place where it stands. Of an id that a file has twice, every line is a row."""
    names = [f"{FOLDERS[split]}/{name}" for name in (TRANSCRIPTS, DESCRIPTIONS)]
    said, described = (_read_lines(settings, name) for name in names)
    for video_id in dict.fromkeys((*said, *described)):
        texts = said.get(video_id, []), described.get(video_id, [])
        for place in range(max(map(len, texts))):
            found = [lines[place] if place < len(lines) else None for lines in texts]
            yield _row(video_id, split, names, found), _place(names, found)


def _row(video_id: str, split: str, names: list[str], found: list[tuple[int, str] | None]) -> Video:
    transcript, summary = (text[1] if text is not None else "" for text in found)
    try:
        check_video_id(video_id.lstrip("-"), where=_place(names, found))  # YouTube ids may start with "-"
        for name, text in zip(names, found, strict=True):
            if text is None:
                raise ValueError(f"{name} has no line of it")
            if not text[1]:
                raise ValueError(f"{name}, line {text[0]}: no text after the id")
            if len(text[1]) > LONGEST_TEXT:
                raise ValueError(f"{name}, line {text[0]}: has {len(text[1])} characters, more than {LONGEST_TEXT}")
    except ValueError as error:
        return Video(printable(video_id[:200]), split, "", status="failed", reason=printable(str(error)))
    return Video(video_id, split, "", transcript=transcript, transcript_origin=SUBTITLES, summary=summary)


def _place(names: list[str], found: list[tuple[int, str] | None]) -> str:
    """The last line of those that make a row: where there is a description, that."""
    return [f"{name}, line {text[0]}" for name, text in zip(names, found, strict=True) if text is not None][-1]


def _read_lines(settings: How2Dataset, name: str) -> dict[str, list[tuple[int, str]]]:
    """By id, the number and the text of each of its lines."""
    path = Path(settings.folder) / name
    if not path.is_file():
        raise ValueError(
            f"{path} is missing. How2 is no longer given out (github.com/srvk/how2-dataset): if you have it, put its text files "
            f"and features into {settings.folder} as docs/datasets.md says"
        )
    if name not in settings.sha256:
        raise ValueError(f"dataset.sha256: {name} is missing; it may be empty: then the file is taken as it is, with a warning")
    check_pinned(path, sha256=settings.sha256[name], key=f"dataset.sha256.{name}")
    lines: dict[str, list[tuple[int, str]]] = {}
    for number, line in text_lines(path):
        video_id, *text = line.split(maxsplit=1)[:2] or [""]
        if video_id:
            lines.setdefault(video_id, []).append((number, " ".join(text[0].split()) if text else ""))
    if not lines:
        raise ValueError(f"{path}: is empty; expected lines of `<id> <text>`")
    return lines


def _with_video(row: Video, videos: dict[str, Path], lost: dict[str, str]) -> Video:
    if row.video_id in videos:
        return replace(row, video_path=videos[row.video_id].as_posix())
    return replace(row, status="failed", reason=lost[row.video_id])
