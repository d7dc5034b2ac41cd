"""The file of reference summaries, which a person may correct, and the page to review it on.

`summaries.jsonl` has one object per line: `video_id` and `summary`; if a model wrote the summary, also `generated`,
`source_sha256` and `model`. A line whose `summary` differs from `generated` is a person's correction; no later run changes it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.base.files import read_json_lines, write_json_lines, write_text
from pipeline.base.templates import inline_script, render
from pipeline.corpus.table import join_steps

_SCRIPT = Path(__file__).with_name("review.js")


def read_summaries(path: Path) -> dict[str, str]:
    """Summary by video id. Raises `ValueError` naming file and line for anything that is not such a file."""
    return {video_id: line["summary"] for video_id, line in read_lines(path).items()}


def read_lines(path: Path) -> dict[str, dict[str, Any]]:
    """The whole lines by video id."""
    lines: dict[str, dict[str, Any]] = {}
    for number, line in read_json_lines(path):
        where = f"{path}, line {number}"
        for key in ("video_id", "summary"):
            if not isinstance(line.get(key), str) or not line[key].strip():
                raise ValueError(f"{where}: {key} is missing, empty or not a text")
        if line["video_id"] in lines:
            raise ValueError(f"{where}: video id {line['video_id']!r} occurs twice; keep one line")
        lines[line["video_id"]] = line | {"summary": line["summary"].strip()}
    return lines


def write_lines(path: Path, lines: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the lines, in the order of their ids."""
    write_json_lines(path, (lines[video_id] for video_id in sorted(lines)))


def is_correction(line: Mapping[str, Any]) -> bool:
    """Whether a person wrote or changed the summary."""
    return "generated" not in line or line["summary"] != str(line["generated"]).strip()


def source_sha256(steps: Sequence[str]) -> str:
    """The digest of the text that a summary is written from, so that a changed source is noticed."""
    return hashlib.sha256(join_steps(steps).encode()).hexdigest()


def write_review(path: Path, steps: Mapping[str, Sequence[str]], out: Path) -> None:
    """One self-contained page: steps and summary side by side, editable; it saves a corrected `summaries.jsonl`."""
    rows = [
        {
            "line": line,
            "steps": steps.get(video_id, ()),
            "words": len(line["summary"].split()),
            "source_words": len(join_steps(steps.get(video_id, ())).split()),
            "corrected": is_correction(line),
        }
        for video_id, line in read_lines(path).items()
    ]
    write_text(out, render("corpus/review.html.jinja", rows=rows, name=path.name, **inline_script(_SCRIPT)) + "\n")
