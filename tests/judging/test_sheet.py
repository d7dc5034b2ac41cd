"""A sheet: which videos, in which order, who is A; and a page that says nothing of who is who."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.judging.page import render_sheet
from pipeline.judging.sheet import Sheet, read_key, write_key
from tests.judging.studies import VIDEOS, results, sheet_of
from tests.report_inputs import change_lines, names

HOSTILE = "</script><img src=x onerror=document.title='hacked'>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return results(tmp_path_factory.mktemp("results"))


def said(folder: Path, row: str, *, seed: int = 0) -> dict[str, str]:
    lines = [json.loads(line) for line in (folder / "predictions" / f"{row}.jsonl").read_text().splitlines()]
    return {line["video_id"]: line["prediction"] for line in lines if line["seed"] == seed}


def test_the_key_says_whose_summary_is_a(folder: Path) -> None:
    sheet = sheet_of(folder)
    clipsum, bart = said(folder, "clipsum"), said(folder, "bart")
    for item in sheet.items:
        first_is = sheet.key.first_is[item.video]
        assert item.summaries == {first_is: clipsum[item.video], "AB".replace(first_is, ""): bart[item.video]}
    assert {"A", "B"} == set(sheet.key.first_is.values())
    assert len(sheet.items) == 20 and list(sheet.key.first_is) == [item.video for item in sheet.items]


def test_the_seed_decides_videos_order_and_sides(folder: Path) -> None:
    assert sheet_of(folder) == sheet_of(folder)
    one, other = sheet_of(folder, videos=10), sheet_of(folder, videos=10, seed=1)
    assert set(one.key.first_is) != set(other.key.first_is) and one.name != other.name
    longer = sheet_of(folder, videos=15)
    assert longer.items[:10] == one.items, "more videos are added after those that were chosen"
    assert [item.video for item in one.items] != sorted(item.video for item in one.items)


def test_the_summaries_are_those_of_the_training_seed_asked_for(folder: Path) -> None:
    sheet, second = sheet_of(folder, trained_seed=1), said(folder, "clipsum", seed=1)
    assert all(item.summaries[sheet.key.first_is[item.video]] == second[item.video] for item in sheet.items)
    with pytest.raises(ValueError, match="row 'clipsum': not trained with seed 7, but with 0, 1"):
        sheet_of(folder, trained_seed=7)


def test_equal_summaries_and_videos_without_frames_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = results(tmp_path)
    same = said(folder, "bart")

    def copy(lines: list[dict[str, Any]]) -> None:
        for line in lines[:3]:
            line["prediction"] = f" {same[line['video_id']]}\n"

    change_lines(folder, "clipsum", copy)
    key = sheet_of(folder, videos=VIDEOS).key
    assert (key.equal, key.unseen, len(key.first_is), key.asked) == (3, 1, VIDEOS - 4, VIDEOS)
    assert not set(names(3)) & set(key.first_is)


def test_what_cannot_be_judged_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"row 'zucchini': .*zucchini.jsonl and .*zucchini.json missing"):
        sheet_of_rows(folder, "clipsum", "zucchini")
    with pytest.raises(ValueError, match="row 'bart' is named twice"):
        sheet_of_rows(folder, "bart", "bart")
    with pytest.raises(ValueError, match="0 videos: a sheet needs at least one"):
        sheet_of(folder, videos=0)
    bare = results(tmp_path)
    (bare / "data" / "storyboards.json").write_text("{}")
    with pytest.raises(
        ValueError, match=r"nothing to judge: 0 of 24 videos have equal summaries, .* run `dvc repro sample_frames`"
    ):
        sheet_of(bare)
    (bare / "data" / "storyboards.json").unlink()
    with pytest.raises(FileNotFoundError, match="run `dvc repro sample_frames` first"):
        sheet_of(bare)


def sheet_of_rows(folder: Path, first: str, second: str) -> Sheet:
    from pipeline.judging.sheet import make_sheet

    return make_sheet(first, second, videos=5, seed=0, root=folder)


def test_a_key_is_read_as_it_was_written(folder: Path, tmp_path: Path) -> None:
    key = sheet_of(folder).key
    write_key(tmp_path / "key.json", key)
    assert read_key(tmp_path / "key.json") == key
    with pytest.raises(ValueError, match=r"none.json is missing; it was written beside the sheet"):
        read_key(tmp_path / "none.json")


def test_the_page_names_no_row_and_asks_nobody(folder: Path) -> None:
    text = re.sub(r"[A-Za-z0-9+/=]{200,}", "", render_sheet(sheet_of(folder)))  # frames may spell anything
    for name in ("clipsum", "bart", "first_is", "second", "http://", "https://"):
        assert name not in text.lower(), name
    assert text.count("data:image/jpeg;base64,") == 1, "frames are put in by the script"


def test_nothing_of_a_summary_ends_the_data_and_only_the_pages_own_script_may_run(tmp_path: Path) -> None:
    folder = results(tmp_path)
    change_lines(folder, "bart", lambda lines: [line.update(prediction=HOSTILE) for line in lines])
    text = render_sheet(sheet_of(folder))
    assert "<img" not in text and text.count("</script>") == 2
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    script = re.search(r"<script>(.*)</script>", text, flags=re.DOTALL)
    assert policy is not None and script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert policy[1] == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
