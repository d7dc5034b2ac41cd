"""The first screen: what beats text alone, who looks, what follows for each claim; and the colours of systems."""

import re
from collections import Counter
from pathlib import Path

import pytest

from pipeline.report import overview, palette
from pipeline.report.claims import Claim
from pipeline.report.evidence import gather_evidence
from tests.report_inputs import add_more_rows, load, write, write_row

RESAMPLES = 4000


def groups(inputs: Path) -> dict[str, overview.Group]:
    results = load(inputs)
    return {group.key: group for group in overview.groups(results, gather_evidence(results, resamples=RESAMPLES))}


def test_every_system_that_sees_stands_in_its_groups_in_the_order_of_the_table(inputs: Path) -> None:
    add_more_rows(inputs)
    write_row(inputs, "oracle", ("Oracle", "oracle", "frozen", "own", None, 24, 0.0))
    found = groups(inputs)
    names = {key: [(each.row.name, each.other.name) for each in group.differences] for key, group in found.items()}
    assert names["over_text"] == [(row, "bart") for row in ("random_visual", "resnet152", "clipsum", "clipsum_finetuned")]
    assert names["own_frames"] == [("clipsum", "clipsum_swapped")]
    assert [other for _, other in names["of_clipsum"]][:3] == ["random_visual", "resnet152", "clipsum_finetuned"]
    assert "oracle" not in str(names), "it sees the truth"
    over = found["over_text"]
    assert [each.row.name for each in over.shown] == ["clipsum"], "of twelve videos and two seeds, no more can be shown"
    assert len(over.shown) + len(over.not_shown) == 4
    assert {each.videos for each in over.differences} == {12} and {each.seeds for each in over.differences} == {"2"}


def test_the_scale_has_zero_the_margin_and_every_interval(inputs: Path) -> None:
    found = list(groups(inputs).values())
    scale = overview.scale_of(found, margin=1.0)
    ends = [
        end for group in found for each in group.differences for end in (each.tested.found.ci95_low, each.tested.found.ci95_high)
    ]
    assert all(0 < scale.place(value) < 100 for value in [*ends, 0.0, 1.0, -1.0])
    assert 0.0 in scale.ticks and all(0 <= scale.place(tick) <= 100 for tick in scale.ticks)
    assert scale.place(scale.low) == 0 and scale.place(scale.high) == 100


def test_counts_of_verdicts() -> None:
    class Judged(Claim):
        @property
        def verdict(self) -> str:  # type: ignore[override]
            return self.key

    judged = [Judged(key, []) for key in ("supported", "equal", "not_supported", "open", "not_run", "supported")]
    assert overview.verdict_counts(judged) == Counter(supported=2, not_supported=2, open=1, not_run=1)
    assert overview.verdict_counts([Judged("uncalibrated", [])]) == Counter(open=1)


def test_the_page_begins_with_them(inputs: Path, tmp_path: Path) -> None:
    add_more_rows(inputs)
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    tiles = re.findall(r"<li[^>]*><h2>(.*?)</h2>\s*<b>(.*?)</b>", html, re.DOTALL)
    assert tiles[0][1] == "no" and len(tiles) == 4
    assert html.index('class="tiles"') < html.index('class="forest"') < html.index('<section id="table">')
    row = re.search(r'<tr><th scope="row"><i class="chip sighted"></i>BART \+ ResNet-152</th>(.*?)</tr>', html, re.DOTALL)
    assert row is not None
    assert re.search(r"<td>\+\d+\.\d \[[+−]\d+\.\d, \+\d+\.\d\]</td>", row[1])
    assert '<td data-label="videos">12</td><td data-label="seeds">2</td>' in row[1]


def test_a_system_has_one_colour_everywhere(inputs: Path, tmp_path: Path) -> None:
    out = write(inputs, tmp_path / "reports")
    html = (out / "index.html").read_text()
    roles = {row.name: palette.role_of(row) for row in load(inputs).rows}
    assert roles["clipsum"] == roles["clipsum_finetuned"] == "reference" and roles["bart"] == "text"
    assert roles["resnet152"] == roles["zucchini"] == "sighted" and roles["clipsum_swapped"] == "control"
    assert palette.OF_ROLE["sighted"] in (out / "figures" / "scores.svg").read_text(), "the file has its colours in it"
    figures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(figures) == 4 and not re.search(r"#[0-9a-f]{6}\b", "".join(figures)), "the page's own, light or dark"
    assert "var(--sighted)" in html and 'class="chip sighted"></i>BART + ResNet-152' in html
    style = html[html.index("<style>") : html.index("</style>")]
    for variable in (
        {f"--{role}" for role in palette.OF_ROLE} | {f"--seed-{n}" for n in range(7)} | {"--axis", "--band", "--card"}
    ):
        assert style.count(f"{variable}: ") >= 2, f"{variable} has a value for light paper and one for dark"


def test_a_colour_that_dark_paper_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match=r"#123456 is no colour of pipeline/report/palette\.py"):
        palette.with_variables('<svg fill="#123456"/>')


def test_every_heading_of_a_table_says_what_it_heads(inputs: Path, tmp_path: Path) -> None:
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    heads = re.findall(r"<th[ >][^<]*", html)
    assert len(heads) > 50 and all(' scope="' in head for head in heads)
