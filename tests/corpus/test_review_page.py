"""The page on which summaries are corrected: nothing that it shows runs, and what is corrected comes out."""

import base64
import hashlib
import re
import shutil
from pathlib import Path

import pytest

from pipeline.corpus.summaries import read_lines, write_lines, write_review

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '</script><script>document.title = "hacked"</script><img src=x onerror="document.title=1">'


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "summaries.jsonl"
    lines = {"a": {"video_id": "a", "summary": HOSTILE, "generated": "other"}, "b": {"video_id": "b", "summary": "fine"}}
    write_lines(path, lines)
    write_review(path, {"a": [HOSTILE, "fry & stir"]}, tmp_path / "review.html")
    return tmp_path / "review.html"


def test_it_escapes_what_it_shows(page: Path) -> None:
    text = page.read_text()
    assert text.count("<script>") == text.count("</script>") == 1
    assert "hacked" in text and "<img" not in text
    assert text.count('class="changed"') == 2
    assert "fry &amp; stir" in text
    assert "http://" not in text and "https://" not in text


def test_its_policy_allows_its_own_script_and_no_other(page: Path) -> None:
    text = page.read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    script = re.search(r"<script>(.*)</script>", text, flags=re.DOTALL)
    assert policy is not None and script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert policy[1] == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to open the page in")
def test_a_correction_is_saved_and_a_script_of_somebody_else_does_not_run(page: Path, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    text = page.read_text().replace("</main>", f"</main>{HOSTILE.removeprefix('</script>')}")
    page.write_text(text)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.goto(page.as_uri())
        assert opened.title() == "Review of summaries.jsonl"
        assert opened.inner_text("#state") == "2 shown, 2 corrected"
        opened.locator("textarea").nth(1).fill("Better.")
        with opened.expect_download() as download:
            opened.click("#save")
        assert download.value.suggested_filename == "summaries.jsonl"
        download.value.save_as(tmp_path / "saved.jsonl")
        browser.close()
    saved = read_lines(tmp_path / "saved.jsonl")
    assert saved["b"] == {"video_id": "b", "summary": "Better."}
    assert saved["a"] == read_lines(tmp_path / "summaries.jsonl")["a"]
