"""A video that is dropped into the local page: checked, summarised by a row that is kept loaded, and shown with its attention.

What is wrong with a video, a text or a row is an `AskedError` in words for whoever dropped it.
"""

import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from pipeline.base.params import Params
from pipeline.base.paths import MODELS
from pipeline.base.row_names import declared_names
from pipeline.corpus.table import LONGEST_TEXT, Video
from pipeline.corpus.transcripts import SUBTITLES, TEXT
from pipeline.inference.asked import LARGEST_FILE, AskedError
from pipeline.inference.chosen import choose_seed
from pipeline.inference.files import GIVEN, NONE, Source, TextError, Texts
from pipeline.inference.page import entry_of, page_of
from pipeline.inference.summarise import summarise_video
from pipeline.inference.trained import TrainedRow, open_row

SECONDS = 120.0  # from the press of the button to the answer
ROWS_KEPT = 2  # loaded rows that stay in memory
_TEXT_SUFFIXES = (TEXT, *SUBTITLES)


@dataclass(frozen=True)
class Answer:
    """`page` is HTML; `seconds` says how long each part took, and a part that was not needed is missing."""

    summary: str
    page: str
    trained: TrainedRow
    frames: int
    seconds: dict[str, float]


def rows_offered(params: Params) -> tuple[dict[str, str], dict[str, str]]:
    """Titles of the rows that are trained under this study, and of every other row why it is not offered."""
    titles: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for name in declared_names(more=params.more_encoders):
        try:
            titles[name] = choose_seed(name, params).row.title
        except (ValueError, FileNotFoundError) as error:
            reasons[name] = _plain(error)
    return titles, reasons


class Desk:
    """One video at a time is worked on, and the others wait for their turn."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self._rows = lru_cache(maxsize=ROWS_KEPT)(self._open)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="summarise")

    def answer(self, files: Sequence[Path], row: str, text: str) -> Answer:
        """The summary by `row` of the video in `files`, which may have its text beside it; else `text` is what is said."""
        asked = self._worker.submit(self._answer, files, row, text)
        try:
            return asked.result(timeout=SECONDS)
        except TimeoutError:
            if asked.cancel():
                raise AskedError("another video is still being worked on; try again later") from None
            raise AskedError(f"this took longer than {SECONDS:.0f} seconds and is given up; try a shorter video") from None

    def _answer(self, files: Sequence[Path], row: str, text: str) -> Answer:
        try:
            video, beside = _told_apart(files)
            source, path = _source(video, beside, text)
            return self._summarised(row, path, video.name, source)
        except (AskedError, TextError) as error:
            raise AskedError(str(error)) from error
        except Exception as error:
            traceback.print_exc()  # for whoever started the page; its reader gets one line
            raise AskedError(f"{type(error).__name__}: {error}"[:300]) from error

    def _summarised(self, row: str, path: Path, name: str, source: Source) -> Answer:
        started = time.perf_counter()
        loaded = self._rows.cache_info().misses
        try:
            trained = self._rows(row, _changed(row))
        except (ValueError, FileNotFoundError) as error:
            raise AskedError(_plain(error)) from error
        seconds = {"load the row": time.perf_counter() - started} if self._rows.cache_info().misses > loaded else {}
        found = summarise_video(trained, path, source, self.params, keep_pictures=True)
        if found.reason:
            raise AskedError(f"{name}: {found.reason}")
        shown = time.perf_counter()
        page = page_of(trained, [entry_of(trained, name, source.origin, found)])
        seconds |= found.parts | {"attention and page": time.perf_counter() - shown}
        return Answer(found.text, page, trained, found.frames, seconds)

    def _open(self, row: str, changed: int) -> TrainedRow:
        return open_row(row, self.params)


def _told_apart(files: Sequence[Path]) -> tuple[Path, Path | None]:
    """The video among `files`, and the text file, if there is one."""
    texts = [path for path in files if path.suffix.lower() in _TEXT_SUFFIXES]
    videos = [path for path in files if path not in texts]
    if not videos:
        raise AskedError("drop a video first" if not texts else f"{texts[0].name} is a text; drop the video, too")
    if len(videos) > 1 or len(texts) > 1:
        raise AskedError("one video at a time, with one text file at most")
    for path in files:
        if not path.is_file():
            raise AskedError(f"{path.name} is no longer there; drop it again")
    if (size := videos[0].stat().st_size) > LARGEST_FILE:
        raise AskedError(f"{videos[0].name} has {size >> 20} MB, more than {LARGEST_FILE >> 20}")
    if size == 0:
        raise AskedError(f"{videos[0].name} is empty")
    return videos[0], texts[0] if texts else None


def _source(video: Path, beside: Path | None, text: str) -> tuple[Source, Path]:
    """The text of a video, and the file to read it from: what is known of a video of the corpus is known of a copy of it."""
    said = " ".join(text.split())
    if len(said) > LONGEST_TEXT:
        raise AskedError(f"the text has {len(said)} characters, more than {LONGEST_TEXT}")
    if said and beside is not None:
        raise AskedError(f"the text is given twice; empty the box, or remove {beside.name}")
    if beside is not None:
        return replace(Texts(str(beside)).of(video), origin=beside.name), video
    if said:
        return Source(Video(video_id="video", split="test", video_path=str(video), summary="-", transcript=said), GIVEN), video
    texts = Texts(None)
    known = texts.known_twin(video) or video
    source = texts.of(known)
    if source.origin == NONE:
        raise AskedError(
            f"{video.name}: no text. Write what is said in it, or drop its {', '.join(_TEXT_SUFFIXES)} file together with it"
        )
    return source, known


def _plain(error: Exception) -> str:
    return str(error).removeprefix("--row: ")  # an option of the command line


def _changed(row: str) -> int:
    """When the row was last trained, so that one that is trained anew is loaded anew."""
    path = MODELS / row / "row.json"
    return path.stat().st_mtime_ns if path.exists() else 0
