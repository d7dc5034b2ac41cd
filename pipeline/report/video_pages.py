"""Where the test videos are shown: the first few hundred in the page itself, others in files beside it; of very many a choice.

So a study with thousands of test videos has a page that still opens.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipeline.base.templates import inline_script, render
from pipeline.report import browser
from pipeline.report.attention import agreement
from pipeline.report.highlights import highlights
from pipeline.report.results import Results

FOLDER = "videos"
PER_PAGE = 500  # videos; about fifteen megabytes
WITHOUT_SCRIPT = 6  # videos shown to readers without JavaScript
SCRIPT = Path(__file__).parent / "templates" / "browser.js"


def first_page(results: Results, *, resamples: int) -> dict[str, Any]:
    """What `sections/videos.html.jinja` shows in the page itself: the picked videos are there alone."""
    found = None if results.attended is None else agreement(results.attended, resamples=resamples)
    return _shown(results, 0, beside=FOLDER) | {"highlights": highlights(results), "agreement": found}


def further_pages(results: Results) -> Iterator[tuple[str, str]]:
    """Names of further files below the report's folder, and their HTML, one at a time; none if all videos are in the page."""
    for number in range(1, len(_parts(results))):
        shown = {"shared": results.shared, "primary": results.primary, "with_frames": results.storyboards is not None}
        shown |= {"highlights": [], "agreement": None}
        page = render("report/templates/videos_page.html.jinja", **shown, **_shown(results, number, beside=""))
        yield f"{FOLDER}/{number + 1}.html", page.rstrip("\n") + "\n"


def check_frames(results: Results) -> None:
    """Raise `ValueError` for a storyboard that is no list of JPEG pictures, before anything is written."""
    for video in (results.shared_videos[place] for place in results.shown):
        for image in (results.storyboards or {}).get(video, []):
            browser.checked_image(image, video)


def _parts(results: Results) -> list[range]:
    total = len(results.shown)
    return [range(start, min(start + PER_PAGE, total)) for start in range(0, total, PER_PAGE)]


def _shown(results: Results, number: int, *, beside: str) -> dict[str, Any]:
    """`beside`: the folder of the further pages, seen from this one."""
    parts = _parts(results)
    data = browser.browser_data(results, [results.shown[place] for place in parts[number]])
    return {
        "shown": len(results.shown),
        "first": parts[number].start + 1,
        "last": parts[number].stop,
        "pages": [
            {"first": part.start + 1, "last": part.stop, "address": _address(place, beside)} for place, part in enumerate(parts)
        ],
        "examples": browser.first_videos(data, WITHOUT_SCRIPT),
        "data": Markup(browser.as_script(data)),
        **inline_script(SCRIPT),
    }


def _address(number: int, beside: str) -> str:
    if number == 0:
        return "../index.html#videos"
    return f"{beside}/{number + 1}.html" if beside else f"{number + 1}.html"
