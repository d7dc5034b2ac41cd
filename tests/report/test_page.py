"""The page: self-contained, escaped, complete, and honest about what is missing."""

import base64
import hashlib
import json
import re
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.base.files import read_json, write_json
from pipeline.base.paths import STORYBOARDS
from pipeline.frames.shown import shown_places
from pipeline.report import video_pages
from pipeline.report.marks import plain
from pipeline.report.write import write_report
from stages import report as stage
from tests.report_inputs import CHECKPOINTS, CHOSEN, SYSTEMS, change_lines, change_metrics, rescore, write, write_costs

# Where a reader may go: files beside the page, and the paper.
LINK = re.compile(
    r"https://arxiv\.org/abs/2605\.11959v1|\.\./(predictions|metrics)/\w+\.jsonl?|(table|conventions|ranks)\.(csv|md|tex)"
)


class Page(HTMLParser):
    """Collects what a page would load and link to, and the tags it has; void and SVG tags need no closing here."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "srcset", "poster", "action"):
                self.resources.append(value or "")
                self.loaded += [value or ""] if tag not in ("a", "use") else []
            if name == "id":
                self.ids.append(value or "")


def test_page_loads_nothing_and_runs_its_own_script_only(inputs: Path, tmp_path: Path) -> None:
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    page = Page(html)
    assert all(resource.startswith(("#", "data:image/jpeg;base64,")) or LINK.fullmatch(resource) for resource in page.resources)
    assert all(resource.startswith("data:image/jpeg;base64,") for resource in page.loaded)
    assert not {"link", "iframe", "object", "embed"} & set(page.tags)
    assert page.tags.count("script") == 3, "the data, and what shows them and the table"
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    (allowed,) = re.findall(r"script-src ([^;\"]*)\"", html)
    assert allowed.split() == [f"'sha256-{digest}'" for digest in digests]
    assert "innerHTML" not in "".join(scripts)
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)\)", html))
    anchors = [resource[1:] for resource in page.resources if resource.startswith("#")]
    assert set(anchors) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_page_escapes_what_models_and_users_write(inputs: Path, tmp_path: Path) -> None:
    attack = "</script><script>alert('x')</script> & <b>"
    change_metrics(inputs, "bart", lambda value: value.update(title=attack))
    change_lines(inputs, "bart", lambda lines: [line.update(prediction=f"{line['prediction']} {attack}") for line in lines])
    rescore(inputs, "bart")
    corpus = read_json(inputs / "metrics" / "corpus.json")
    corpus["lost"][0]["reason"] = attack
    write_json(inputs / "metrics" / "corpus.json", corpus)
    out = write(inputs, tmp_path / "reports")
    html = (out / "index.html").read_text()
    assert html.count("<script") == html.count("</script>") == 3
    assert html.count("&lt;script&gt;alert") > 6
    (data,) = re.findall(r'<script type="application/json" id="browser-data">(.*?)</script>', html, re.DOTALL)
    assert any(attack in plain(parts) for parts, _ in json.loads(data)["videos"][0]["texts"])
    assert "<script" not in (out / "figures" / "scores.svg").read_text()
    assert "\\<script>" in (out / "table.md").read_text()


def test_optional_files_may_be_absent_and_the_page_says_so(inputs: Path, tmp_path: Path) -> None:
    for name in (
        "metrics/corpus.json",
        "metrics/frames.json",
        "metrics/sources.json",
        "data/storyboards.json",
        "reports/costs.csv",
    ):
        (inputs / name).unlink()
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    for name in ("metrics/corpus.json", "metrics/frames.json", "data/storyboards.json"):
        assert f"{name} is absent" in html
    assert "This machine has not measured these rows" in html
    assert not (tmp_path / "reports" / "costs.md").exists()
    assert "data:image" not in re.sub(r"<meta[^>]*>|<script>.*?</script>", "", html, flags=re.DOTALL)
    assert html.count("<article>") == 6


def test_of_frames_that_were_not_kept_the_page_counts_nothing_that_nobody_knows(inputs: Path, tmp_path: Path) -> None:
    about = {"keep": False, "asked": 60, "count": 12, "decoder": "PyAV", "per_split": {"train": {"asked": 60}}}
    write_json(inputs / "metrics" / "frames.json", about)
    write_json(inputs / "data" / "frames" / "summary.json", {"keep": False, "study": "kitchen", "count": 12, "videos": []})
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    assert "12 frames were asked for per video, of 60 videos. They were embedded and not kept" in html
    assert "<code>_lost.json</code> of each folder of" in html and "None gave" not in html
    assert "the file ends in the middle of a frame" in html, "videos lost before are still listed"


def test_page_shows_frames_lost_videos_training_and_signatures(inputs: Path, tmp_path: Path) -> None:
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    assert html.count("<img ") == 6 * 4, "frames of the first six videos, for readers without JavaScript"
    assert "the file ends in the middle of a frame" in html
    assert "max_ngram_order:4" in html
    assert "kitchen_test_0011" in html
    assert "narration of kitchen_test_0003" in html
    assert "Without training of their own: ClipSum, frames of another video." in html
    assert "ClipSum: 2 sources and 0 targets cut at the token limit" in html
    assert "kitchen_test_0002: is short" in html
    assert "frames of another video" not in (tmp_path / "reports" / "figures" / "curves.svg").read_text()


def test_rows_and_ablations_that_are_not_run_are_said_to_be(inputs: Path, tmp_path: Path) -> None:
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    row = html[html.index("VG-BART</th>") :]
    shown = re.findall(r"<td>not run</td>", row[: row.index("</tr>")])
    assert len(shown) == 6, "one for each of the main metrics; other columns are hidden"
    assert "<td>not run</td>" in html[html.index('id="ablations"') :]


@pytest.mark.parametrize("image", ["not base64!", base64.b64encode(b"<svg onload=x>").decode()])
def test_a_frame_that_is_no_jpeg_is_refused(inputs: Path, tmp_path: Path, image: str) -> None:
    boards = read_json(inputs / STORYBOARDS)
    boards["kitchen_test_0000"] = [image]
    write_json(inputs / STORYBOARDS, boards)
    with pytest.raises(ValueError, match="'kitchen_test_0000': a frame is not"):
        write(inputs, tmp_path / "reports")


def test_thousands_of_videos_lie_in_files_beside_the_page(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_pages, "PER_PAGE", 5)
    out = write(inputs, tmp_path / "reports")
    pages = {name: (out / name).read_text() for name in ("index.html", "videos/2.html", "videos/3.html")}
    shown = [re.findall(r'"id":"(kitchen_test_\d+)"', html) for html in pages.values()]
    assert [len(videos) for videos in shown] == [5, 5, 2]
    assert sorted(video for videos in shown for video in videos) == [f"kitchen_test_{number:04d}" for number in range(12)]
    for name, html in pages.items():
        page = Page(html)
        for address in (each for each in page.resources if each.endswith(".html") or ".html#" in each):
            assert (out / name).parent.joinpath(address.partition("#")[0]).resolve().is_file(), f"{name}: {address}"
        assert all(
            each.startswith(("#", "data:image/jpeg;base64,", "../index.html", "videos/"))
            or each[1:] == ".html"
            or LINK.fullmatch(each)
            for each in page.resources
        )
        assert "script-src 'sha256-" in html and "StrictUndefined" not in html
    assert "videos 6 to 10 of 12" in pages["videos/2.html"]
    monkeypatch.undo()
    write(inputs, out)
    assert not list((out / "videos").iterdir()), "what is no longer needed goes"


def test_of_very_many_videos_a_choice_is_shown_and_the_page_says_so(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "reports"
    write_report(out, resamples=200, chosen=CHOSEN, page_videos=4, root=inputs)
    html = (out / "index.html").read_text()
    shown = re.findall(r'"id":"(kitchen_test_\d+)"', html)
    ids = [f"kitchen_test_{number:04d}" for number in range(12)]
    assert shown == [ids[place] for place in shown_places(ids, 4)] and len(set(shown)) == 4
    assert "Of 12 videos of the test split, 4 are shown" in html and "scores are over all" in html
    less = [video for video in ids if video != shown[0]]
    assert set(shown[1:]) <= {less[place] for place in shown_places(less, 4)}, "others being there changes nothing for a video"
    write(inputs, out)
    assert "are shown, chosen" not in (out / "index.html").read_text()


def test_one_row_alone_makes_a_report(inputs: Path, tmp_path: Path) -> None:
    for row in SYSTEMS:
        if row != "bart":
            (inputs / "predictions" / f"{row}.jsonl").unlink()
            (inputs / "metrics" / f"{row}.json").unlink()
    change_metrics(inputs, "bart", lambda value: value.update(training=None))
    out = write(inputs, tmp_path / "reports")
    html = (out / "index.html").read_text()
    assert "nothing to compare yet" in html
    assert "There is nothing to compare: fewer than two rows have been run." in html
    assert "there are no curves" in html
    assert not (out / "figures" / "curves.svg").exists()
    assert "No row states its training parameters." in html


def test_figures_are_svg_with_every_system(inputs: Path, tmp_path: Path) -> None:
    out = write(inputs, tmp_path / "reports")
    for name in ("scores.svg", "curves.svg"):
        text = (out / "figures" / name).read_text()
        assert ET.fromstring(text).tag.endswith("svg")
        assert "ClipSum, fine-tuned" in text
        assert "dc:date" not in text


def test_every_word_of_the_navigation_leads_to_a_section(inputs: Path, tmp_path: Path) -> None:
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    assert '<section id="frames-use">\n<h2>Do the summaries use the frames?</h2>' in html
    assert '<section id="training-details">\n<h2>How each row was trained</h2>' in html
    sections = re.findall(r'<section id="([a-z-]+)">', html)
    nav = html[html.index("<nav") : html.index("</nav>")]
    assert re.findall(r'<a href="#([a-z-]+)">', nav) == sections


def test_times_of_other_checkpoints_are_not_shown(inputs: Path, tmp_path: Path) -> None:
    def cells(out: Path, title: str) -> list[str]:
        html = (out / "index.html").read_text()
        row = html[html.index('<section id="costs">') :]
        row = row[row.index(f'<th scope="row">{title}</th>') :]
        return re.findall("<td>(.*?)</td>", row[: row.index("</tr>")])[2:]  # after the parameters

    out = write(inputs, tmp_path / "reports")
    assert cells(out, "ClipSum") == ["12", "164 [151, 170]", "41", "988"]
    assert cells(out, "BART (text only)") == ["–", "164 [151, 170]", "41", "988"]
    assert cells(out, "BART + ResNet-152") == ["–", "–", "–", "–"], "its cost was not measured"
    assert "on cpu with 2 threads" in (out / "costs.md").read_text()
    write_costs(inputs, clipsum="of an earlier training", bart=CHECKPOINTS)
    out = write(inputs, tmp_path / "reports")
    assert cells(out, "ClipSum") == ["–", "–", "–", "–"]
    assert "This machine has not measured BART + ResNet-152; ClipSum; " in (out / "costs.md").read_text()


NOT_IN_GIT = ("index.html", "costs.md", "files.json")


def test_what_git_keeps_has_no_times_and_no_memory(inputs: Path, tmp_path: Path) -> None:
    out = write(inputs, tmp_path / "reports")
    assert "988" in (out / "index.html").read_text()
    kept = {path: path.read_text() for path in out.rglob("*") if path.is_file() and path.name not in NOT_IN_GIT}
    assert len(kept) == 18
    of_the_machine = re.compile(r"\b98[78]\b|\b164\b|\(ms\)|\(MB\)|\(s\)|seconds|latency|memory")
    for path, text in kept.items():
        assert path.suffix == ".svg" or not of_the_machine.search(text), path.name
    (inputs / "reports" / "costs.csv").unlink()
    write(inputs, out)
    assert {path: path.read_text() for path in kept} == kept, "measured or not, the tables are the same"
    assert not (out / "costs.md").exists()


def test_the_stage_writes_the_report_and_logs_it(
    inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[Path] = []
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(name, inputs / name)
    shutil.copytree("studies", inputs / "studies")
    monkeypatch.chdir(inputs)
    monkeypatch.setattr(stage.tracking, "log_report", lambda *, study, files: logged.extend(files))
    stage.main()
    printed = capsys.readouterr().out
    assert "Left out: zucchini; neither dvc.yaml nor a list in params.yaml has these rows" in printed
    assert "index.html" in printed and "Calibrated: no." in (inputs / "reports" / "table.txt").read_text()
    assert Path("reports/index.html") in logged and all(path.exists() for path in logged)
    assert (inputs / "reports" / "costs.csv").exists(), "written by another stage"
