"""The report folder: tables, figures and one self-contained page, with files beside it if there are very many videos."""

from collections.abc import Collection
from itertools import chain
from pathlib import Path

from pipeline.base.files import listed, write_json, write_text
from pipeline.base.params import Chosen
from pipeline.report import ablations, costs, figures, ranks, tables
from pipeline.report.calibration import calibrate
from pipeline.report.evidence import gather_evidence
from pipeline.report.example import example_svg
from pipeline.report.highlights import highlights
from pipeline.report.load import load_results
from pipeline.report.page import render_page
from pipeline.report.results import Results
from pipeline.report.transfer import gather_transfer, transfer_csv, transfer_markdown
from pipeline.report.video_pages import FOLDER, check_frames, further_pages

FIGURES = "figures"
COSTS = "costs.md"


def write_report(
    out: Path,
    *,
    resamples: int,
    chosen: Chosen,
    page_videos: int,
    declared: Collection[str] | None = None,
    root: Path = Path(),
) -> list[Path]:
    """Check the results below `root`, then write the report into the folder `out`; returns the paths of all files written.

    Only rows that are `declared` are reported, with their controls; by default all. `chosen` says how settings were chosen,
    `page_videos` how many videos the page shows at most. The
    same inputs give the same bytes. Times and memory are in `index.html` and `costs.md` alone, which git does not keep. Figures
    of an earlier run that this one lacks are removed. Inconsistent inputs are a `ValueError` and leave `out` as it was.
    """
    results = load_results(root, declared=declared, most_shown=page_videos)
    check_frames(results)
    files = _render(results, resamples=resamples, chosen=chosen)
    written = []
    for name, text in chain(files.items(), further_pages(results)):
        write_text(out / name, text)
        written.append(name)
    for path in [*listed(out, f"{FIGURES}/*"), *listed(out, f"{FOLDER}/*"), out / COSTS]:
        if path.relative_to(out).as_posix() not in written:
            path.unlink(missing_ok=True)
    # Lets DVC see in a fresh clone that the page is not there yet: git keeps the other outputs, and not this one.
    write_json(out / "files.json", sorted(written))
    return [out / name for name in written]


def _render(results: Results, *, resamples: int, chosen: Chosen) -> dict[str, str]:
    """Every file by its name in the folder."""
    lines = ablations.ablation_lines(results, resamples=resamples)
    evidence = gather_evidence(results, resamples=resamples)
    calibration = calibrate(results, evidence, resamples=resamples)
    moved = gather_transfer(results, resamples=resamples)
    by_metric = ranks.ranked(results)
    drawn = figures.draw_all(results, lines, calibration)
    files = {
        "table.md": tables.markdown(results),
        "table.csv": tables.comma_separated(results),
        "table.tex": tables.latex(results),
        "table.txt": tables.plain_text(results, calibration),
        "summary.md": tables.summary_markdown(results, calibration),
        "conventions.md": tables.conventions_markdown(results),
        "ranks.md": ranks.ranks_markdown(by_metric),
        "ranks.csv": ranks.ranks_csv(by_metric),
        "ablations.md": ablations.ablation_markdown(results, lines),
        "ablations.csv": ablations.ablation_csv(results, lines),
        "transfer.md": transfer_markdown(results, moved),
        "transfer.csv": transfer_csv(results, moved),
        "scores.json": tables.headline_scores(results),
        "curves.csv": tables.curves(results),
        COSTS: costs.cost_markdown(results) if results.costs else None,
        **{f"{FIGURES}/{name}.svg": svg for name, svg in drawn.items()},
        f"{FIGURES}/example.svg": example_svg(results, highlights(results)),
        "index.html": render_page(
            results, lines, evidence, calibration, drawn, transfer=moved, resamples=resamples, chosen=chosen
        ),
    }
    return {name: text for name, text in files.items() if text is not None}
