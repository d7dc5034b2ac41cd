"""The page in a real browser: search, order, pages, a phone's width, hostile text, and no request to anywhere."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report_inputs import add_more_rows, change_lines, load, make_inputs, rescore, write

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to open the page in")
HOSTILE = "</script><img src=x onerror=document.title='hacked'> & \"quoted\""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inputs = make_inputs(tmp_path_factory.mktemp("inputs"))
    add_more_rows(inputs)
    change_lines(inputs, "bart", lambda lines: [line.update(prediction=f"{line['prediction']} {HOSTILE}") for line in lines])
    rescore(inputs, "bart")
    return write(inputs, inputs / "reports") / "index.html"


@pytest.fixture
def page(page_file: Path) -> Iterator[Any]:
    """The page, opened from disk; whatever it asks for or complains about fails the test."""
    from playwright.sync_api import sync_playwright

    troubles: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.on("request", lambda request: troubles.append(request.url) if request.url.startswith(("http", "ws")) else None)
        opened.on("pageerror", lambda error: troubles.append(str(error)))
        opened.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        opened.goto(page_file.as_uri())
        yield opened
        browser.close()
    assert troubles == []


def ids(page: Any) -> list[str]:
    return [text.split()[0] for text in page.locator("#list h3").all_inner_texts()]


def test_a_reader_pages_searches_and_sorts(page: Any, page_file: Path) -> None:
    assert page.inner_text("#position") == "1 to 10 of 12"
    assert ids(page) == [f"kitchen_test_{number:04d}" for number in range(10)]
    assert page.is_disabled("#previous")
    page.click("#next")
    assert ids(page) == ["kitchen_test_0010", "kitchen_test_0011"]
    assert page.is_disabled("#next")
    page.click("#previous")
    assert page.inner_text("#position") == "1 to 10 of 12"

    page.fill("#search", "narration 0007")
    assert ids(page) == ["kitchen_test_0007"]
    assert page.locator("#list img").count() == 4
    page.fill("#search", "no such words")
    assert page.inner_text("#position") == "nothing found"
    page.fill("#search", "")

    results = load(page_file.parent.parent)
    clipsum, bart = results.find("clipsum"), results.find("bart")
    assert clipsum is not None and bart is not None
    gains = clipsum.scores("rouge1").mean(axis=0) - bart.scores("rouge1").mean(axis=0)
    page.select_option("#order", "gain")
    assert ids(page)[0] == clipsum.summaries.videos[int(gains.argmax())]
    page.select_option("#order", "loss")
    assert ids(page)[0] == clipsum.summaries.videos[int(gains.argmin())]
    page.select_option("#order", "score")
    for place, seed in enumerate(clipsum.summaries.seeds):
        page.select_option("#seed", f"seed {seed}")
        scores = clipsum.scores("rouge1")[place]
        assert scores[list(clipsum.summaries.videos).index(ids(page)[0])] == scores.max()
        shown = page.locator("#list article").first.inner_text()
        best = clipsum.summaries.predictions[place][list(clipsum.summaries.videos).index(ids(page)[0])]
        assert f"{best} {scores.max():.1f}" in shown, "a summary stands beside its own score"


def test_hostile_text_is_shown_as_text(page: Any) -> None:
    assert HOSTILE in page.locator("#list article").first.inner_text()
    assert page.title().startswith("Results: ")
    assert page.locator("img[src=x]").count() == 0


def test_nothing_is_wider_than_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#next")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
