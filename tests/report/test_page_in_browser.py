"""The page in a real browser: its table, the videos and their address, a phone, hostile text, and no request to anywhere."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report_inputs import (
    add_attended,
    add_corpus,
    add_external,
    add_more_rows,
    change_lines,
    load,
    make_inputs,
    rescore,
    write,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to open the page in")
HOSTILE = "</script><img src=x onerror=document.title='hacked'> & \"quoted\""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inputs = make_inputs(tmp_path_factory.mktemp("inputs"))
    add_more_rows(inputs)
    add_external(inputs)
    add_corpus(inputs)
    add_attended(inputs)
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
    return [text.split()[0] for text in page.locator("#list h4").all_inner_texts()]


def test_others_outputs_are_shown_under_every_seed_though_there_is_one_set_of_them(page: Any) -> None:
    page.select_option("#a", label="Their system †")
    before = page.locator("#list dd").all_inner_texts()
    page.select_option("#seed", index=1)
    after = page.locator("#list dd").all_inner_texts()
    assert len(before) == len(after) and before != after, "the other system has another text"
    assert page.locator("#list dt", has_text="Their system †").count() == 10
    page.uncheck("#table-kinds input[value=external]")
    assert page.locator("#scores tr[data-kind=external]").is_hidden()


def test_a_reader_pages_searches_and_sorts(page: Any, page_file: Path) -> None:
    assert page.inner_text("#position") == "1 to 10 of 12"
    assert ids(page) == [f"kitchen_test_{number:04d}" for number in range(10)]
    assert page.is_disabled("#previous")
    page.click("#next")
    assert ids(page) == ["kitchen_test_0010", "kitchen_test_0011"]
    assert page.is_disabled("#next")
    page.click("#previous")
    assert page.inner_text("#position") == "1 to 10 of 12"

    page.fill("#search", "number 0007")
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
        shown = page.locator("#list article dd").nth(2).inner_text()
        best = clipsum.summaries.predictions[place][list(clipsum.summaries.videos).index(ids(page)[0])]
        assert shown.startswith(f"{best} {scores.max():.1f}"), "a summary stands beside its own score"


def test_hostile_text_is_shown_as_text(page: Any) -> None:
    assert HOSTILE in page.locator("#list article").first.inner_text()
    assert page.title().startswith("Results: ")
    assert page.locator("img[src=x]").count() == 0


def test_two_systems_are_compared_and_the_address_keeps_which(page: Any, page_file: Path) -> None:
    results = load(page_file.parent.parent)
    titles = page.locator("#list article").first.locator("dt").all_inner_texts()
    assert titles == ["Narration", "Reference", "ClipSum", "BART (text only)"], "not all systems at once"
    page.select_option("#a", "resnet152")
    page.select_option("#b", "clipsum_finetuned")
    page.select_option("#seed", "1")
    page.select_option("#right", "a")
    known = results.known
    assert known is not None
    resnet, tuned = (results.find(name) for name in ("resnet152", "clipsum_finetuned"))
    assert resnet is not None and tuned is not None

    def right(row: Any) -> set[str]:
        said = zip(row.summaries.videos, row.summaries.predictions[1], strict=True)
        return {video for video, text in said if {name for name in known.names if name in text} == known.of[video]}

    assert set(ids(page)) == right(resnet) - right(tuned)
    page.select_option("#right", "b")
    assert set(ids(page)) == right(tuned) - right(resnet) != set()
    entity = sorted(known.of[ids(page)[0]])[0]
    page.select_option("#entity", entity)
    shown = ids(page)
    assert shown and all(entity in known.of[video] for video in shown)
    state = page.evaluate("location.hash")
    assert state == f"#videos?a=resnet152&b=clipsum_finetuned&seed=1&entity={entity}&right=b"
    page.goto("about:blank")
    page.goto(page_file.as_uri() + state)
    assert ids(page) == shown and page.input_value("#b") == "clipsum_finetuned"
    page.goto("about:blank")
    page.goto(page_file.as_uri() + "#videos?a=nonsense&first=11&order=%00")
    assert page.input_value("#a") == "clipsum" and page.inner_text("#position") == "11 to 12 of 12"


def test_marks_and_attended_frames_stand_beside_the_summary(page: Any) -> None:
    first = page.locator("#list article").first
    assert first.locator("mark.points").count() == 3 and first.locator(".reference mark.right").count() == 3
    assert first.locator(".strip").count() == 3 and first.locator(".strip").first.locator("i").count() == 4
    assert "most at 1.5 s, which does not show it" in first.inner_text()
    page.select_option("#seed", "1")
    assert page.locator("#list .strip").count() == 0, "attention is known of seed 0 alone"


def column(page: Any, place: int) -> list[str]:
    return page.locator(f"#scores tbody tr:visible > :nth-child({place})").all_inner_texts()  # type: ignore[no-any-return]


def test_the_table_is_sorted_filtered_and_taken_away(page: Any) -> None:
    in_order = column(page, 1)
    page.click("#scores th[data-key=rouge1] button")
    scores = [float(cell.split()[0]) for cell in column(page, 4) if not cell.startswith("not run")]
    assert (
        scores == sorted(scores, reverse=True) and page.get_attribute("#scores th[data-key=rouge1]", "aria-sort") == "descending"
    )
    assert column(page, 4)[len(scores) :] == ["not run"] * 4, "what is not run comes last"
    page.click("#scores th[data-key=rouge1] button")
    page.click("#scores th[data-key=rouge1] button")
    assert column(page, 1) == in_order
    page.uncheck("#table-kinds input[value=control]")
    assert not [name for name in column(page, 1) if "another video" in name]
    page.fill("#table-search", "clipsum")
    assert column(page, 1) == ["ClipSum", "ClipSum, fine-tuned"]
    page.select_option("#table-metric", "bleu2")
    assert page.locator("#scores thead th:visible").all_inner_texts() == ["System", "Encoder", "BLEU-2", "Files"]
    page.click("#table-columns >> xpath=..")
    page.check("#table-columns label:has-text('Width') input")
    page.click("#table-rows >> xpath=..")
    page.uncheck("#table-rows label:has-text('ClipSum, fine-tuned') input")
    with page.expect_download() as taken:
        page.click("#table-csv")
    header, *lines = Path(taken.value.path()).read_text().splitlines()
    assert header == "System,Encoder,Width,BLEU-2"
    assert len(lines) == 1 and lines[0].startswith('ClipSum,clip_vit_b32,128,"')


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_on_its_paper(page: Any, scheme: str) -> None:
    """A contrast of at least 4.5 to 1, as WCAG asks of small text."""
    page.emulate_media(color_scheme=scheme)

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for selector, paper in (
        ("p.small", "body"), ("td.finding", "body"), (".tiles span", ".tiles li"), ("mark.points", "mark.points"),
        (".interval", "body"), ("a", "body"), ("thead button", "body"), (".gain", "body"),
    ):  # fmt: skip
        ink, ground = (
            page.locator(each).first.evaluate(f"element => getComputedStyle(element).{what}")
            for each, what in ((selector, "color"), (paper, "backgroundColor"))
        )
        high, low = sorted((light(ink), light(ground)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (selector, ink, ground)


def test_nothing_is_wider_than_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#next")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator(".tall").bounding_box()
    page.locator(".tall").evaluate("element => { element.scrollTop = 200; element.scrollLeft = 150; }")
    head, name = page.locator("#scores thead th").first.bounding_box(), page.locator("#scores tbody th").nth(4).bounding_box()
    assert head["x"] == name["x"] == box["x"], "the first column stays, its heading with it"
    assert head["y"] == pytest.approx(box["y"], abs=1)
