"""The page of a sheet: one HTML file without any outside resource, which keeps answers and hands them on as JSON."""

from typing import Any

from markupsafe import Markup

from pipeline.base.templates import ROOMS, inline_script, render
from pipeline.judging.questions import ASKED, CHOICES, MARKED, SIDES
from pipeline.judging.sheet import Sheet
from pipeline.report.browser import as_script

_SCRIPT = ROOMS / "judging" / "templates" / "sheet.js"


def render_sheet(sheet: Sheet) -> str:
    """The page. It names no row: judges are not to know whose summaries they read."""
    page = render(
        "judging/templates/sheet.html.jinja",
        asked=ASKED,
        marked=MARKED,
        choices=CHOICES,
        sides=SIDES,
        videos=len(sheet.items),
        data=Markup(as_script(_data(sheet))),
        **inline_script(_SCRIPT),
    )
    return page.rstrip("\n") + "\n"


def _data(sheet: Sheet) -> dict[str, Any]:
    return {
        "sheet": sheet.name,
        "keys": {question: dict(zip(asked.keys, CHOICES, strict=True)) for question, asked in ASKED.items()},
        "choices": list(CHOICES),
        "marks": list(MARKED),
        "items": [
            {"video": item.video, "frames": item.frames, "text": item.text, "summaries": item.summaries} for item in sheet.items
        ],
    }
