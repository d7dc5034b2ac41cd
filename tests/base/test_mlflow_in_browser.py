"""What `make ui` shows, in a real browser: the list of rows with scores, a run, its curve and files, three rows side by side."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.base import tracking
from tests.base.served import free_port, printed_address, started, ui_command

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to open the pages in")
ROWS = {"bart": 14.25, "clipsum": 74.5, "resnet152": 87.75}
NOT_OURS = ("users/current",)  # MLflow's pages ask for it also where nobody logs in


def fill(root: Path) -> None:
    """Three rows, two seeds each, and a report, as the stages log them."""
    figure, page = root / "scores.svg", root / "index.html"
    figure.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40"><rect width="90" height="40"/></svg>')
    page.write_text("<h1>The page</h1>")
    for row, score in ROWS.items():
        facts = {"study": "kitchen", "row": row, "fingerprint": f"of {row}"}
        with tracking.row_run(
            **facts, stage=f"train@{row}", params={"title": row.upper(), "encoder": f"encoder of {row}"}
        ) as run:
            for seed in (0, 1):
                with run.seed_run(seed) as seed_run:
                    for epoch in (1, 2, 3):
                        seed_run.epoch(epoch, {"train_loss": 3.0 / epoch, "val_entity_f1": score * epoch / 3})
        with tracking.row_run(**facts, stage=f"evaluate@{row}") as run:
            run.scores({"entity_f1": score, "rouge1": 60.0, "rouge2": 40.0, "rougeL": 50.0, "bleu4": 30.0}, primary="entity_f1")
            epochs = [{"train_loss": 3.0 / epoch, "val_loss": 1.0, "val_score": score * epoch / 3} for epoch in (1, 2, 3)]
            run.mean_curves([epochs, epochs])
            run.table("predictions.json", {"video_id": ["video 7"], "prediction": [f"{row} says butter"]})
    tracking.log_report(study="kitchen", files=[figure, page])


@pytest.fixture(scope="module")
def opened(fresh_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    root = tmp_path_factory.mktemp("shown")
    shutil.copy(fresh_store, root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
            patch.delenv(name, raising=False)
        patch.setenv("DVC_ROOT", str(root))
        fill(root)
    with started(ui_command(free_port()), root) as (process, log):
        yield printed_address(process, log), log


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def page(opened: tuple[str, Path], browser: Any) -> Iterator[Any]:
    """The printed address in a browser that has never been there; what it complains about fails the test."""
    address, log = opened
    troubles: list[str] = []
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("response", lambda answer: troubles.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.goto(address)
    page.get_by_role("link", name="clipsum · workspace").wait_for()
    yield page
    context.close()
    assert [trouble for trouble in troubles if not trouble.endswith(NOT_OURS)] == []
    assert [line for line in log.read_text().splitlines() if not line.startswith("MLflow: ")] == [], "the server has warned"


def rows(page: Any) -> list[str]:
    """The text of every line of the list, from top to bottom. MLflow draws the names in a grid of their own."""
    texts: dict[int, list[str]] = {}
    for line in page.locator(".ag-row").all():
        texts.setdefault(int(line.get_attribute("row-index")), []).append(line.inner_text())
    return [" ".join(" ".join(texts[index]).split()) for index in sorted(texts)]


def wait_for_curves(page: Any, metric: str, names: set[str]) -> None:
    """Wait until one chart is there, of that metric, with three points for each of the runs `names`."""
    page.get_by_placeholder("Search metric charts").fill(f"^{metric}$")
    page.wait_for_function(
        """([metric, names]) => {
            const plots = [...document.querySelectorAll('.js-plotly-plot')];
            const whole = curve => curve.metricKey === metric && curve.y && curve.y.length === 3;
            const shown = plots.length === 1 ? plots[0].data.filter(whole).map(curve => curve.name) : [];
            return names.join() === [...new Set(shown)].sort().join();
        }""",
        arg=[metric, sorted(names)],
    )


def test_the_first_screen_lists_rows_by_the_primary_metric_with_their_scores(page: Any) -> None:
    page.get_by_role("columnheader", name="rougeL").first.wait_for()
    found = rows(page)
    best_first = sorted(ROWS, key=lambda row: -ROWS[row])
    assert [line.partition(" · ")[0].split()[-1] for line in found] == [*best_first, "report"], "rows, and no seed"
    for line, row in zip(found, best_first, strict=False):
        assert all(figure in line.split() for figure in (row, str(ROWS[row]), "60", "40", "50")), line
    assert page.get_by_text("Study kitchen: a run for each row").is_visible()
    assert page.get_by_role("button", name="Send message").count() == 0, "no pane stands beside it"


def test_a_reader_opens_a_run_its_curve_and_its_files_and_comes_back_to_the_scores(page: Any) -> None:
    page.get_by_role("link", name="clipsum · workspace").click()
    page.get_by_text("CLIPSUM, row clipsum.").wait_for()
    metrics = page.get_by_role("row").filter(has_text="entity_f1")
    assert "74.5" in metrics.first.inner_text()
    page.get_by_role("tab", name="Model metrics").click()
    wait_for_curves(page, "val_score_low", {"clipsum · workspace"})
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("predictions.json", exact=True).click()
    page.get_by_text("clipsum says butter").wait_for()
    page.get_by_role("link", name="Runs", exact=True).first.click()
    page.get_by_role("columnheader", name="rougeL").first.wait_for()
    assert str(ROWS["clipsum"]) in " ".join(rows(page)), "the list is as it was"


def test_the_report_shows_its_figures(page: Any) -> None:
    page.get_by_role("link", name="report · workspace").click()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("figures", exact=True).click()
    page.get_by_text("scores.svg", exact=True).click()
    picture = page.locator("img[src^=blob], img[src*=get-artifact], .js-plotly-plot, [class*=image] img").first
    picture.wait_for()


def test_three_rows_are_compared(page: Any) -> None:
    for number in range(3):
        page.locator(".ag-row input.ag-checkbox-input").nth(number).check()
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("Comparing 3 Runs from 1 Experiment").wait_for()
    body = page.inner_text("body")
    assert all(f"{row} · workspace" in body and str(score) in body for row, score in ROWS.items())


def test_the_curves_of_three_rows_are_in_one_chart(page: Any) -> None:
    page.goto(f"{page.url}&compareRunsMode=CHART")
    wait_for_curves(page, "val_score", {f"{row} · workspace" for row in ROWS})
