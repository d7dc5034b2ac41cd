"""One JSON line a video, kept as they come: killed, the next run goes on after the last whole line."""

import json
import stat
import time
from collections.abc import Sequence
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.base.files import read_json_lines, write_json_lines
from pipeline.base.items import ItemErrors
from pipeline.base.params import Params
from pipeline.base.scratch import file_identity, fingerprint
from pipeline.inference.files import CHANGED, NONE, TextError, Texts
from pipeline.inference.names import writable
from pipeline.inference.summarise import Summary, summarise_video
from pipeline.inference.trained import TrainedRow

COLUMNS = (
    "video", "summary", "row", "seed", "study", "transcript_origin", "seconds", "frames", "status", "reason", "note", "caution",
    "key",
)  # fmt: skip


class Lines:
    """Lines in the order of the videos, in the file `out`, or in no file."""

    def __init__(self, out: Path | None) -> None:
        """A file of other lines is a `ValueError`. A last line that a kill has cut is dropped."""
        self.out = out
        self._unfinished = None if out is None else _journal_of(out)
        self._kept = {line["key"]: line for path in (self.out, self._unfinished) if path is not None for line in self._read(path)}

    def summarise(self, trained: TrainedRow, videos: Sequence[Path], texts: Texts, params: Params) -> list[dict[str, Any]]:
        """A line for each video: those of an earlier run that are still right, and new ones. `out` is whole, or as it was."""
        lines: list[dict[str, Any]] = []
        errors, journal = ItemErrors(), self._journal()
        try:
            for video in tqdm(videos, unit="video", desc="summarise", disable=None if len(videos) > 1 else True):
                line = _line(trained, video, texts, params, errors, self._kept)
                lines.append(line)
                if journal is not None:
                    self._write(journal, line)
        finally:
            if journal is not None:
                journal.close()
        if self.out is not None and self._unfinished is not None:
            write_json_lines(self.out, lines)
            self._unfinished.unlink(missing_ok=True)
        return lines

    def _read(self, path: Path) -> list[dict[str, Any]]:
        if not path.exists():
            return []
        if path == self._unfinished:
            _drop_cut_line(path)
        found = []
        for number, line in read_json_lines(path):
            if line.keys() != set(COLUMNS) or not isinstance(line["key"], str):
                raise ValueError(f"{path}, line {number}: not a line of this command; choose another file")
            found.append(line)
        return found

    def _journal(self) -> FileIO | None:
        if self._unfinished is None:
            return None
        self._unfinished.parent.mkdir(parents=True, exist_ok=True)
        return self._unfinished.open("ab", buffering=0)

    def _write(self, journal: FileIO, line: dict[str, Any]) -> None:
        """A disk that is full, or a file that may not grow, is an `OSError` that says so; the lines before are kept."""
        left = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        try:
            while left:
                left = left[journal.write(left) :]
        except OSError as error:
            told = f"{error.strerror}; make room and run this again: it goes on where it stopped"
            raise OSError(error.errno, told, str(self._unfinished)) from error


def _journal_of(out: Path) -> Path:
    """The file that keeps lines until all are there. What somebody else has put under its name is a `ValueError`."""
    path = out.with_name(f".{out.name}.unfinished")
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return path
    except OSError as error:
        raise ValueError(f"{out}: cannot be written: {error.strerror}; choose a shorter name") from error
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path}: is no file of this command but a link, a folder or a pipe; remove it")
    return path


def _line(
    trained: TrainedRow, video: Path, texts: Texts, params: Params, errors: ItemErrors, kept: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    origin, key = NONE, ""
    try:
        source = texts.found(video)
        origin, before = source.origin, file_identity(video)
        text = [*source.video.steps, source.video.transcript, source.video.transcript_named, source.heard_by]
        key = fingerprint(writable(str(video)), before, text, trained.fingerprint, trained.row.name, trained.seed)
        if kept.get(key, {}).get("status") == "ok":
            return kept[key]
        start = time.perf_counter()
        source = texts.heard(video, source)
        hearing = {"hear": round(time.perf_counter() - start, 3)} if source.heard_by else {}
        found = summarise_video(trained, video, source, params)
        found = replace(found, parts=hearing | found.parts)
        if not found.reason and file_identity(video) != before:
            found = Summary("", 0, CHANGED, "", found.parts)
        errors.passed()
    except TextError as error:
        found = Summary("", 0, str(error), "", {})
    except Exception as error:  # noqa: BLE001 - whatever one file provokes is its reason
        found = Summary("", 0, errors.reason(error), "", {})
    values = (
        writable(str(video)), found.text, trained.row.name, trained.seed, trained.study_name, writable(origin), found.parts,
        found.frames, "failed" if found.reason else "ok", writable(found.reason), found.note, trained.caution, key,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _drop_cut_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
