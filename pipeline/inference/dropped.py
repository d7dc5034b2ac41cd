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

from pipeline.base.failures import is_ours
from pipeline.base.params import Params
from pipeline.base.paths import MODELS
from pipeline.base.row_names import declared_names
from pipeline.corpus.table import LONGEST_TEXT, Video
from pipeline.corpus.transcripts import SUBTITLES, TEXT
from pipeline.inference.asked import LARGEST_FILE, AskedError
from pipeline.inference.chosen import choose_seed
from pipeline.inference.files import GIVEN, Source, TextError, Texts, known_twin
from pipeline.inference.listening import Ear
from pipeline.inference.names import writable
from pipeline.inference.page import entry_of, page_of
from pipeline.inference.summarise import summarise_video
from pipeline.inference.trained import TrainedRow, open_row

SECONDS = 120.0  # from the press of the button to the answer
HEARING_SECONDS = 900.0  # the same where somebody listens
ROWS_KEPT = 2  # loaded rows that stay in memory
_TEXT_SUFFIXES = (TEXT, *SUBTITLES)
_HOW = f"Write what is said in it, or drop its {', '.join(_TEXT_SUFFIXES)} file together with it"


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

    def __init__(self, params: Params, ear: Ear | None = None) -> None:
        """Without an `ear` nobody listens to a video that has no text."""
        self.params = params
        self._ear = ear
        self._texts = Texts(None, ear)
        self._rows = lru_cache(maxsize=ROWS_KEPT)(self._open)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="summarise")

    def answer(self, files: Sequence[Path], row: str, text: str) -> Answer:
        """The summary by `row` of the video in `files`, which may have its text beside it; else `text` is what is said."""
        seconds = SECONDS if self._ear is None else HEARING_SECONDS
        asked = self._worker.submit(self._answer, files, row, text)
        try:
            return asked.result(timeout=seconds)
        except TimeoutError:
            if asked.cancel():
                raise AskedError("another video is still being worked on; try again later") from None
            raise AskedError(f"this took longer than {seconds:.0f} seconds and is given up; try a shorter video") from None

    def _answer(self, files: Sequence[Path], row: str, text: str) -> Answer:
        try:
            video, beside = _told_apart(files)
            source, path = self._source(video, beside, text)
            return self._summarised(row, path, writable(video.name), source)
        except (AskedError, TextError) as error:
            raise AskedError(writable(str(error))) from error
        except Exception as error:
            traceback.print_exc()  # for whoever started the page; its reader gets one line
            told = str(error) if is_ours(error) else f"{type(error).__name__}: {error}"
            raise AskedError(writable(told)[:500]) from error

    def _summarised(self, row: str, path: Path, name: str, source: Source) -> Answer:
        started = time.perf_counter()
        loaded = self._rows.cache_info().misses
        try:
            trained = self._rows(row, _changed(row))
        except (ValueError, FileNotFoundError) as error:
            raise AskedError(_plain(error)) from error
        seconds = {"load the row": time.perf_counter() - started} if self._rows.cache_info().misses > loaded else {}
        if source.heard_by:
            hearing = time.perf_counter()
            try:
                source = self._texts.heard(path, source)
            except TextError as error:
                raise AskedError(f"{name}: no text: {error.__cause__ or error}. {_HOW}") from error
            seconds["hear"] = time.perf_counter() - hearing
        found = summarise_video(trained, path, source, self.params, keep_pictures=True)
        if found.reason:
            raise AskedError(f"{name}: {found.reason}")
        shown = time.perf_counter()
        page = page_of(trained, [entry_of(trained, name, writable(source.origin), found)])
        seconds |= found.parts | {"attention and page": time.perf_counter() - shown}
        return Answer(found.text, page, trained, found.frames, seconds)

    def _source(self, video: Path, beside: Path | None, text: str) -> tuple[Source, Path]:
        """The text of a video, and the file to read it from: what is known of a video of the corpus is known of a copy of it."""
        said = " ".join(text.split())
        if len(said) > LONGEST_TEXT:
            raise AskedError(f"the text has {len(said)} characters, more than {LONGEST_TEXT}")
        if said and beside is not None:
            raise AskedError(f"the text is given twice; empty the box, or remove {beside.name}")
        source, path = self._found(video, beside, said)
        if not (source.heard_by or any(map(str.strip, (*source.video.steps, source.video.transcript)))):
            raise AskedError(f"{video.name}: no text. {_HOW}, or start the page with `make app LISTEN=1`, which hears it")
        return source, path

    def _found(self, video: Path, beside: Path | None, said: str) -> tuple[Source, Path]:
        if beside is not None:
            return replace(Texts(str(beside)).of(video), origin=beside.name), video
        if said:
            return Source(Video(video_id="video", split="test", video_path="", summary="-", transcript=said), GIVEN), video
        twin = known_twin(video)
        texts = self._texts if twin is None else Texts(None, self._ear)  # the corpus may be another one by now
        return texts.found(twin or video), twin or video

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


def _plain(error: Exception) -> str:
    return str(error).removeprefix("--row: ")  # an option of the command line


def _changed(row: str) -> int:
    """When the row was last trained, so that one that is trained anew is loaded anew."""
    path = MODELS / row / "row.json"
    return path.stat().st_mtime_ns if path.exists() else 0
