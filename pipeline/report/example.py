"""The picture that opens README: one test video, what was said, and what was made of it with frames and without.

An SVG that stands alone: its pictures are inside. A host of code shows it on light and on dark paper.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.base.templates import render
from pipeline.report.browser import REFERENCE, TEXT_ONLY
from pipeline.report.highlights import Highlight
from pipeline.report.marks import Part, plain
from pipeline.report.results import Results

WIDTH, MARGIN, GAP = 960, 12, 6
_LABEL = 130  # pixels of the column of labels
_LETTER = 7.6  # pixels: of most letters at this size, in whatever font a browser has; no line may be cut
_LINE = 22


@dataclass(frozen=True)
class _Line:
    """Parts of a text that fit on a line, and where it stands. The first line of a text has its label."""

    y: int
    label: str
    parts: list[Part]


def example_svg(results: Results, shown: Sequence[Highlight]) -> str | None:
    """The first of the highlights; None without one, without its frames, or without one of the two systems."""
    both = [results.find(name) for name in (TEXT_ONLY, REFERENCE)]
    if not shown or not shown[0].shots or None in both:
        return None
    video = shown[0]
    said = {title: said.parts for said in video.said for title, _ in said.systems}
    texts = [("What is said", video.source), ("Reference", video.reference)]
    texts += [(row.title, said[row.title]) for row in both if row is not None]
    side = (WIDTH - 2 * MARGIN - GAP * (len(video.shots) - 1)) / len(video.shots)
    height = round(side * 3 / 4)
    lines = list(_lines(texts, top=MARGIN + height + 48))
    return render(
        "report/templates/example.svg.jinja",
        width=WIDTH,
        height=lines[-1].y + MARGIN + 6,
        shots=[
            {"x": round(MARGIN + n * (side + GAP), 1), "image": shot.image, "seconds": f"{shot.seconds:.1f} s"}
            for n, shot in enumerate(video.shots)
        ],
        side=round(side, 1),
        top=MARGIN,
        picture_height=height,
        lines=lines,
        margin=MARGIN,
        indent=MARGIN + _LABEL,
        text="; ".join(f"{label}: {plain(parts)}" for label, parts in texts),
    )


def _lines(texts: Sequence[tuple[str, Sequence[Part]]], *, top: int) -> Iterator[_Line]:
    y = top
    for label, parts in texts:
        for number, line in enumerate(_wrapped(parts, int((WIDTH - 2 * MARGIN - _LABEL) / _LETTER))):
            yield _Line(y, "" if number else label, line)
            y += _LINE
        y += _LINE // 3


def _wrapped(parts: Sequence[Part], most: int) -> list[list[Part]]:
    """The parts in lines of at most `most` characters, broken between words; a part keeps its mark on both sides of a break."""
    lines: list[list[Part]] = [[]]
    length, after_blank = 0, False
    for part in parts:
        text, mark = (part, None) if isinstance(part, str) else (part[0], part[1])
        for word in text.replace(" ", " \0").split("\0"):
            if after_blank and length + len(word.rstrip()) > most:
                lines.append([])
                length = 0
            lines[-1].append(word if mark is None else (word, mark))
            length, after_blank = length + len(word), word.endswith(" ")
    return lines
