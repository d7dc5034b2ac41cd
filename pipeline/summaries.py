"""The file of reference summaries, which a person may correct, and the page to review it on.

`summaries.jsonl` has an object a line: `video_id` and `summary`, and where a model wrote it `generated`, `source_sha256` and
`model`. A line whose `summary` differs from `generated` is a person's correction; no later run changes it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.atomic import write_text
from pipeline.corpus import join_steps


def read_summaries(path: Path) -> dict[str, str]:
    """Summary by video id. Raises `ValueError` naming file and line for anything that is not such a file."""
    return {video_id: line["summary"] for video_id, line in read_lines(path).items()}


def read_lines(path: Path) -> dict[str, dict[str, Any]]:
    """The whole lines by video id."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from error
    lines: dict[str, dict[str, Any]] = {}
    for number, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        where = f"{path}, line {number}"
        try:
            line = json.loads(content)
        except json.JSONDecodeError as error:
            raise ValueError(f"{where}: not valid JSON: {error}") from error
        if not isinstance(line, dict):
            raise ValueError(f"{where}: expected an object with video_id and summary")
        for key in ("video_id", "summary"):
            if not isinstance(line.get(key), str) or not line[key].strip():
                raise ValueError(f"{where}: {key} is missing, empty or not a text")
        if line["video_id"] in lines:
            raise ValueError(f"{where}: video id {line['video_id']!r} stands there twice; keep one line")
        lines[line["video_id"]] = line | {"summary": line["summary"].strip()}
    return lines


def write_lines(path: Path, lines: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the lines, in the order of their ids."""
    write_text(path, "".join(json.dumps(lines[video_id], ensure_ascii=False) + "\n" for video_id in sorted(lines)))


def is_correction(line: Mapping[str, Any]) -> bool:
    """Whether a person wrote or changed the summary."""
    return "generated" not in line or line["summary"] != str(line["generated"]).strip()


def source_sha256(steps: Sequence[str]) -> str:
    """Of the text a summary is written from, so that a changed source is noticed."""
    return hashlib.sha256(join_steps(steps).encode()).hexdigest()


def write_review(path: Path, steps: Mapping[str, Sequence[str]], out: Path) -> None:
    """One self-contained page: steps and summary side by side, editable; it saves a corrected `summaries.jsonl`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
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
    write_text(out, environment.get_template("review.html.jinja").render(rows=rows, name=path.name) + "\n")
