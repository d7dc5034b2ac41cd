"""A line a video: what a kill leaves, what is kept, and what one bad file does to the others."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.params import load_params
from pipeline.inference import lines
from pipeline.inference.files import Source, Texts
from pipeline.inference.summarise import Summary

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT)


@dataclass
class Named:
    name: str = "clipsum"


@dataclass
class Trained:
    """What a line says of a row."""

    row: Named = field(default_factory=Named)
    seed: int = 1
    study_name: str = "kitchen"
    caution: str = "mini"
    fingerprint: str = "f"


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    found = [Path(f"{name}.mp4") for name in "abc"]
    for path in found:
        path.write_text(path.name)
        path.with_suffix(".txt").write_text("add this")
    return found


def run(
    monkeypatch: pytest.MonkeyPatch, videos: list[Path], out: Path | None, work: Callable[[Path], str]
) -> list[dict[str, Any]]:
    def summarise(trained: object, path: Path, source: Source, params: object) -> Summary:
        return Summary(work(path), 6, "", "", {"decode": 0.1})

    monkeypatch.setattr(lines, "summarise_video", summarise)
    return lines.Lines(out).summarise(Trained(), videos, Texts(None), PARAMS)  # type: ignore[arg-type]


def test_one_bad_file_is_a_line_with_its_reason(monkeypatch: pytest.MonkeyPatch, videos: list[Path]) -> None:
    def work(path: Path) -> str:
        if path.stem == "b":
            raise KeyError("odd")
        return f"summary of {path.stem}"

    Path("c.txt").write_bytes(b"\xff")
    found = run(monkeypatch, videos, None, work)
    assert [(line["status"], line["summary"]) for line in found] == [("ok", "summary of a"), ("failed", ""), ("failed", "")]
    assert found[1]["reason"] == "KeyError: 'odd'" and "c.txt, line 1: not UTF-8" in found[2]["reason"]
    expected = {"video": "a.mp4", "row": "clipsum", "seed": 1, "study": "kitchen", "transcript_origin": "a.txt", "frames": 6}
    assert expected.items() <= found[0].items() and found[0]["caution"] == "mini"


def test_a_killed_run_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch, videos: list[Path]) -> None:
    out, worked = Path("out.jsonl"), []

    def work(path: Path) -> str:
        if path.stem == "c" and len(worked) < 3:
            worked.append("killed")
            raise KeyboardInterrupt
        worked.append(path.stem)
        return f"summary of {path.stem}"

    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, videos, out, work)
    assert not out.exists(), "a file is whole, or not there"
    journal = Path(".out.jsonl.unfinished")
    journal.write_bytes(journal.read_bytes()[:-5])  # the last line was being written
    run(monkeypatch, videos, out, work)
    assert worked == ["a", "b", "killed", "b", "c"]
    assert [json.loads(line)["video"] for line in out.read_text().splitlines()] == ["a.mp4", "b.mp4", "c.mp4"]
    assert not journal.exists()
    videos[0].write_text("another film")
    videos[1].with_suffix(".txt").write_text("another text")
    run(monkeypatch, videos, out, work)
    assert worked[5:] == ["a", "b"], "what has changed is summarised again"


def test_a_file_that_grows_while_it_is_read_has_no_summary(monkeypatch: pytest.MonkeyPatch, videos: list[Path]) -> None:
    def work(path: Path) -> str:
        path.write_text("longer than before")
        return "half"

    (line,) = run(monkeypatch, videos[:1], None, work)
    assert (line["status"], line["summary"], line["reason"]) == ("failed", "", "the file has changed while it was read")


def test_another_file_is_not_overwritten(videos: list[Path]) -> None:
    Path("mine.jsonl").write_text('{"video": "a"}\n')
    with pytest.raises(ValueError, match=r"mine\.jsonl, line 1: not a line of this command; choose another file"):
        lines.Lines(Path("mine.jsonl"))
    assert Path("mine.jsonl").read_text() == '{"video": "a"}\n'
