"""The report folder: tables, figures and one self-contained page. Every sentence with a figure in it is computed."""

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.metrics import TITLES
from pipeline.params import Chosen
from pipeline.report import ablations, browser, figures, paper, tables
from pipeline.report.claims import MARGIN, claims
from pipeline.report.evidence import COMPARED, REFERENCE, Evidence, gather_evidence, headline, looks, number, p_text, signed
from pipeline.report.protocol import protocol
from pipeline.report.results import Results, Row, load_results
from pipeline.shards import publish

WITHOUT_SCRIPT = 6  # videos shown to readers without JavaScript


def write_report(*, folders: Sequence[Path], out: Path, resamples: int, chosen: Chosen) -> str:
    """Check the results in `folders` (each with metrics/ and predictions/), then replace the folder `out` as a whole.

    Returns the plain-text table. The folder has `table.md`, `.csv`, `.tex` and `.txt`, `conventions.md`, `ablations.md`,
    `ablations.csv` and, if any was run, `ablations.svg`, `index.html`, `scores.svg`, `curves.svg` if any row has a history, and
    `scores.json` and `curves.csv` for DVC's own comparisons. `chosen` says how settings were chosen. The same inputs give the
    same bytes. Inconsistent inputs are a `ValueError` and leave `out` as it was.
    """
    results = load_results(folders)
    lines = ablations.ablation_lines(results, resamples=resamples)
    drawn = Drawn(
        figures.scores_svg(results), figures.curves_svg(results), figures.ablations_svg([line for line in lines if line.found])
    )
    files = {
        "table.md": tables.markdown(results),
        "table.csv": tables.comma_separated(results),
        "table.tex": tables.latex(results),
        "table.txt": tables.plain_text(results) + "\n",
        "conventions.md": tables.conventions_markdown(results),
        "ablations.md": ablations.markdown(results, lines),
        "ablations.csv": ablations.comma_separated(lines),
        "scores.json": tables.headline_scores(results),
        "curves.csv": tables.curves(results),
        "scores.svg": drawn.scores,
        "index.html": render_page(results, lines, drawn, resamples=resamples, chosen=chosen),
    }
    files |= {f"{name}.svg": svg for name, svg in (("curves", drawn.curves), ("ablations", drawn.ablations)) if svg is not None}
    folder = out.with_name(f".{out.name}.new")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    publish(folder, sorted(files), out)
    return tables.plain_text(results)


@dataclass(frozen=True)
class Drawn:
    """Figures as SVG; None where there is nothing to draw."""

    scores: str
    curves: str | None
    ablations: str | None


def render_page(results: Results, lines: Sequence[ablations.Line], drawn: Drawn, *, resamples: int, chosen: Chosen) -> str:
    """The page as one HTML text without any outside resource."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    shared, evidence = results.shared, gather_evidence(results, resamples=resamples)
    script = (here / "browser.js").read_text(encoding="utf-8")

    def inline(svg: str | None, name: str) -> Markup | None:
        return Markup(_inline(svg, name)) if svg is not None else None

    text = environment.get_template("page.html.jinja").render(
        shared=shared,
        headline=headline(results, resamples=resamples),
        looks=looks(results, evidence),
        claims=claims(results, evidence, lines, resamples=resamples),
        margin=f"{MARGIN:g}",
        caption=tables.caption(results),
        footer=tables.footer(results),
        shorts=tables.SHORT,
        costs=tables.COSTS,
        systems=[_system(results, entry) for entry in tables.in_order(results)],
        conventions=tables.convention_cells(results),
        scores=inline(drawn.scores, "scores"),
        curves=inline(drawn.curves, "curves"),
        ablations_figure=inline(drawn.ablations, "ablations"),
        ablations=list(ablations.cells(list(lines))),
        compared=COMPARED,
        differences=_differences(results, evidence),
        resamples=resamples,
        training=[line for row in results.trained for line in _training(row)],
        untrained=[row.metrics.title for row in results.rows if row.metrics.kind != "system" or not row.metrics.history],
        truncated=browser.truncated(results),
        examples=browser.first_videos(results, WITHOUT_SCRIPT),
        data=Markup(browser.as_script(browser.browser_data(results))),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        with_frames=results.storyboards is not None,
        corpus=results.corpus,
        frames=results.frames,
        notes=_lines(results.frames.notes) if results.frames else [],
        protocols=[(row.metrics.title, pairs) for row in results.trained if (pairs := protocol(row, chosen))],
        signatures=[(TITLES.get(name, name), _plain(value)) for name, value in shared.signature.items()],
        paper_label=paper.LABEL,
    )
    return text.rstrip("\n") + "\n"


def _system(results: Results, entry: Row | str) -> dict[str, Any]:
    """A line of the page's table; for a system that has not been run, the paper's figures alone."""
    if isinstance(entry, str):
        cells, paper_cells = tables.not_run_cells(entry), tables.paper_cells(entry, encoder=None)
        return {"kind": "system", "run": False, "cells": cells, "paper": paper_cells, "scores": {}, "minus_paper": {}}
    metrics = entry.metrics
    figures_of_paper = paper.paper_figures(entry.name, encoder=metrics.encoder)
    scores = {
        name: (
            f"{score.mean:.1f}",
            f" ± {score.std:.1f}" if score.std is not None else "",
            f"{score.ci95_low:.1f}, {score.ci95_high:.1f}",
        )
        for name, score in metrics.metrics.items()
        if name in tables.SHORT
    }
    return {
        "kind": metrics.kind,
        "run": True,
        "cells": tables.system_cells(metrics, results.cost(metrics)),
        "scores": scores,
        "paper": tables.paper_cells(entry.name, encoder=metrics.encoder),
        "minus_paper": {name: number(metrics.metrics[name].mean - value) for name, value in figures_of_paper.items()},
    }


def _differences(results: Results, evidence: Evidence) -> list[dict[str, Any]]:
    """A line a row compared with clipsum."""
    lines = []
    for row in results.rows:
        if row.name in evidence.tested:
            tested = evidence.tested[row.name]
            cells = [
                (
                    signed(each.found),
                    p_text(each.found.p_bootstrap),
                    p_text(each.found.p_randomisation),
                    p_text(each.p),
                    f"{each.found.effect_size:+.2f}",
                    f"{each.found.detectable:.2f}",
                    each.direction != 0,
                )
                for each in (tested[metric] for metric in COMPARED)
            ]
            apart = row.metrics.control_of not in (None, REFERENCE)
            title = f"{row.metrics.title} (its own system minus it)" if apart else row.metrics.title
            lines.append({"title": title, "kind": row.metrics.kind, "cells": cells})
    return lines


def _training(row: Row) -> Iterable[dict[str, str]]:
    for seed, epochs in sorted(row.metrics.history.items(), key=lambda item: int(item[0])):
        chosen, test = row.metrics.selection.get(seed), row.metrics.metrics["rouge2"].per_seed.get(seed)
        yield {
            "title": row.metrics.title,
            "seed": seed,
            "epochs": str(len(epochs)),
            "best": str(chosen.best_epoch) if chosen else tables.NO_VALUE,
            "validation": f"{chosen.val_rouge2:.1f}" if chosen else tables.NO_VALUE,
            "test": f"{test.mean:.1f}" if test else tables.NO_VALUE,
            "seconds": f"{sum(epoch.seconds for epoch in epochs):.0f}",
        }


def _inline(svg: str, prefix: str) -> str:
    """An SVG document as an element of the page, its ids made unique."""
    element = svg[svg.index("<svg") :]
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", element)


def _lines(value: Any) -> Sequence[str]:
    if isinstance(value, dict):
        return [f"{key}: {_plain(item)}" for key, item in value.items()]
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return [_plain(value)] if value else []


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return tables.NO_VALUE if value is None else value if isinstance(value, str) else json.dumps(value)
