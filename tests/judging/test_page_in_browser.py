"""The sheet in a real browser, from disk: a judge answers by keys and mouse, leaves, comes back, saves, goes on elsewhere."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.judging.answers import read_judges
from pipeline.judging.page import render_sheet
from pipeline.judging.sheet import Sheet
from tests.judging.studies import always_a, answers, results, sheet_of, written
from tests.report_inputs import change_lines

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to open the page in")
HOSTILE = "</script><img src=x onerror=document.title='hacked'> & \"quoted\""


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    folder = results(tmp_path_factory.mktemp("results"))
    change_lines(folder, "bart", lambda lines: [line.update(prediction=f"{line['prediction']} {HOSTILE}") for line in lines])
    return sheet_of(folder, videos=4)


@pytest.fixture
def page(sheet: Sheet, tmp_path: Path) -> Iterator[Any]:
    """The page, opened from disk; whatever it asks for or complains about fails the test."""
    from playwright.sync_api import sync_playwright

    file = tmp_path / "sheet.html"
    file.write_text(render_sheet(sheet))
    troubles: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1000, "height": 900})
        opened.on("request", lambda request: troubles.append(request.url) if request.url.startswith(("http", "ws")) else None)
        opened.on("pageerror", lambda error: troubles.append(str(error)))
        opened.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        opened.on("dialog", lambda dialog: dialog.accept())
        opened.goto(file.as_uri())
        yield opened
        browser.close()
    assert troubles == []


def begin(page: Any, name: str = "Ada  L.") -> None:
    page.fill("#name", name)
    page.keyboard.press("Enter")


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def saved(page: Any, path: Path) -> tuple[str, dict[str, Any]]:
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(path)
    value: dict[str, Any] = json.loads(path.read_text())
    return str(download.value.suggested_filename), value


def test_it_shows_one_video_at_a_time_as_it_is(page: Any, sheet: Sheet) -> None:
    assert page.is_hidden("#main") and page.is_disabled("#export")
    begin(page)
    first = sheet.items[0]
    assert page.inner_text("#which") == f"Video 1 of 4: {first.video}"
    assert page.inner_text("#said-A") == first.summaries["A"] and page.inner_text("#said-B") == first.summaries["B"]
    assert HOSTILE in page.inner_text("#said-A") + page.inner_text("#said-B")
    assert page.title() == "Two summaries of a video"
    assert page.evaluate("Array.from(document.querySelectorAll('#frames img')).every(image => image.naturalWidth === 96)")
    assert page.locator("#frames img").count() == 3 and page.is_hidden("#text")
    page.click("#source summary")
    assert page.inner_text("#text") == first.text


def test_a_judge_answers_by_keys_and_what_is_saved_is_read(page: Any, sheet: Sheet, tmp_path: Path) -> None:
    begin(page)
    press(page, "1", "w")
    page.check("[data-side=B][data-mark=absent]")
    press(page, "ArrowRight", "2", "e", "3")
    assert page.inner_text("#told") == "2 of 4 answered"
    press(page, "ArrowRight", "q", "x", "Control+1")
    page.click("#open")
    assert page.inner_text("#which").startswith("Video 4 of 4")
    name, value = saved(page, tmp_path / "answers.json")
    assert name == f"{sheet.name}-Ada_L_.json"
    one, two, three = (item.video for item in sheet.items[:3])
    assert value == {
        "sheet": sheet.name, "judge": "Ada L.", "kind": "person",
        "answers": {
            one: {"chosen": {"faithful": "A", "useful": "B"}, "errors": {"A": [], "B": ["absent"]}},
            two: {"chosen": {"useful": "same", "faithful": "same"}, "errors": {"A": [], "B": []}},
            three: {"chosen": {"useful": "A"}, "errors": {"A": [], "B": []}},
        },
    }  # fmt: skip
    (judge,) = read_judges([tmp_path / "answers.json"], sheet.key)
    assert judge.judge == "Ada L." and set(judge.answers) == {one, two, three}


def test_answers_are_there_when_the_page_is_opened_again_and_gone_for_another_judge(page: Any) -> None:
    begin(page)
    press(page, "1", "q", "ArrowRight", "2")
    page.reload()
    assert page.inner_text("#judge") == "Judge: Ada L." and page.inner_text("#told") == "1 of 4 answered"
    assert page.inner_text("#which").startswith("Video 2 of 4") and page.is_checked("[name=faithful][value=B]")
    page.uncheck("[data-side=A][data-mark=order]")
    page.click("#other")
    assert page.is_visible("#start") and page.is_hidden("#main")
    begin(page, "Ben")
    assert page.inner_text("#told") == "0 of 4 answered" and not page.is_checked("[name=faithful][value=B]")


def test_a_judge_goes_on_from_a_file_and_other_files_are_refused(page: Any, sheet: Sheet, tmp_path: Path) -> None:
    value = answers(sheet, "Eve", always_a)
    del value["answers"][sheet.items[1].video]
    page.set_input_files("#import", written(tmp_path / "eve.json", value))
    page.wait_for_selector("#judge:has-text('Eve')")
    assert page.inner_text("#told") == "3 of 4 answered" and page.inner_text("#which").startswith("Video 2 of 4")
    refused = {
        "answers to another sheet": value | {"sheet": "0" * 16},
        "not on this sheet": value | {"answers": value["answers"] | {"other": {"chosen": {}, "errors": {}}}},
        "not a person's": value | {"kind": "chat"},
        "something that was not asked": value | {"answers": {sheet.items[0].video: {"chosen": {"faithful": "C"}, "errors": {}}}},
        "holds no answers": [],
    }
    for reason, other in refused.items():
        page.set_input_files("#import", written(tmp_path / "other.json", other))
        page.wait_for_selector(f'#trouble:has-text("{reason}")')
    assert page.inner_text("#told") == "3 of 4 answered", "what was here is still here"


def test_a_person_cannot_take_the_name_of_a_machine_and_a_phone_has_no_sideways_scroll(page: Any) -> None:
    begin(page, "chat:me")
    assert page.is_hidden("#main") and "is for machines" in page.inner_text("#trouble")
    begin(page)
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
