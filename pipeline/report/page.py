"""The page: one HTML text without any outside resource. Every figure in it comes from here, every word from `templates/`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from pipeline.base.params import Chosen
from pipeline.base.templates import inline_script, render
from pipeline.report import ablations, costs, overview, ranks, score_table, tables, text, training_description, video_pages
from pipeline.report.calibration import Calibration
from pipeline.report.claims import claims
from pipeline.report.evidence import Evidence, frames_use, headline
from pipeline.report.families import family_of
from pipeline.report.origins import origin_table
from pipeline.report.palette import role_of, with_variables
from pipeline.report.paper import ADDRESS
from pipeline.report.results import Results
from pipeline.report.transfer import Transfer, cell_table, difference_table, transfer_caption, transfer_words

CLIPSCORE = "clipscore"
TABLE_SCRIPT = Path(__file__).parent / "templates" / "table.js"


def render_page(
    results: Results,
    lines: Sequence[ablations.Line],
    evidence: Evidence,
    calibration: Calibration,
    drawn: Mapping[str, str | None],
    *,
    transfer: Transfer,
    resamples: int,
    chosen: Chosen,
) -> str:
    """`drawn` has the figures by name, as SVG; `chosen` says how settings were chosen."""
    page = render(
        "report/templates/page.html.jinja",
        shared=results.shared,
        trained=results.trained,
        chat=results.chat,
        signed=text.signed,
        interval=text.interval,
        p_text=text.p_text,
        number=text.number,
        resamples=resamples,
        points=text.points,
        **{f"table_{name}": value for name, value in inline_script(TABLE_SCRIPT).items()},
        **_tables(results, lines),
        **_conclusions(results, lines, evidence, calibration, resamples=resamples),
        **_ranks(results),
        clipscore=_clipscore(results),
        **_overview(results, evidence),
        **_transfer(results, transfer),
        **_figures(drawn),
        **_data(results, resamples=resamples),
        **video_pages.first_page(results, resamples=resamples),
        details=training_description.training_details(results),
        epochs=list(training_description.chosen_epochs(results)),
        untrained=training_description.untrained(results),
        chosen=chosen,
    )
    return page.rstrip("\n") + "\n"


def _tables(results: Results, lines: Sequence[ablations.Line]) -> dict[str, Any]:
    return {
        "primary": results.primary,
        "paper_address": ADDRESS,
        "columns": score_table.columns(results),
        "systems": score_table.lines(results),
        "roles": {row.name: role_of(row) for row in results.rows},
        "table_caption": tables.caption(results),
        "scale_caption": text.sentences("scale", shared=results.shared),
        "paper_caption": text.sentences("paper"),
        "signature_lines": tables.signature_lines(results),
        "signatures": [(metric.title, results.shared.signatures[metric.key]) for metric in results.scored],
        "conventions_caption": text.sentences("conventions"),
        "ablations": _cells(ablations.ablation_table(results, lines)),
        "ablations_caption": ablations.ablation_caption(results, lines),
        "costs": _cells(costs.cost_table(results)),
        "costs_caption": costs.cost_caption(results),
    }


def _conclusions(
    results: Results, lines: Sequence[ablations.Line], evidence: Evidence, calibration: Calibration, *, resamples: int
) -> dict[str, Any]:
    judged = claims(results, evidence, lines, calibrated=calibration.calibrated)
    return {
        "headline": headline(results, resamples=resamples),
        "calibration": calibration,
        "calibration_sentences": tables.calibration_sentences(results, calibration),
        "claims": judged,
        "counts": overview.verdict_counts(judged),
        "margin": f"{results.shared.primary.margin:g}",
        "frames_use": frames_use(results, evidence),
        "looks": list(training_description.looks(results)),
        "probes": results.probes,
        "compared_metrics": results.compared,
        "families": _families(results, evidence),
        "decisive": sorted(results.evidence),
    }


def _ranks(results: Results) -> dict[str, Any]:
    found = ranks.ranked(results)
    return {
        "ranks": _cells(ranks.rank_table(found)) if found.rows else None,
        "taus": _cells(ranks.tau_table(found)) if len(found.rows) >= ranks.FEWEST else None,
        "tau_title": ranks.TAU,
        "ranks_caption": ranks.ranks_caption(found),
    }


def _clipscore(results: Results) -> list[dict[str, str]]:
    """CLIPScore of the summaries of systems and of their controls with swapped frames, against the videos' own frames."""
    lines = []
    for row in results.trained:
        swapped = results.find(f"{row.name}_{tables.SWAPPED}")
        if swapped is not None and CLIPSCORE in row.record.metrics:
            own, other = (each.record.metrics[CLIPSCORE] for each in (row, swapped))
            cells = {"own": f"{own.mean:.1f} {text.interval(own)}", "swapped": f"{other.mean:.1f} {text.interval(other)}"}
            lines.append({"title": row.title} | cells)
    return lines


def _overview(results: Results, evidence: Evidence) -> dict[str, Any]:
    found, margin = overview.groups(results, evidence), results.shared.primary.margin
    return {
        "groups": {group.key: group for group in found},
        "scale": overview.scale_of(found, margin=margin),
        "margin_points": margin,
    }


def _transfer(results: Results, transfer: Transfer) -> dict[str, Any]:
    if not transfer.lines:
        return {"transfer": None}
    return {
        "transfer": _cells(cell_table(results, transfer)),
        "transfer_differences": _cells(difference_table(transfer)),
        "transfer_caption": transfer_caption(results, transfer),
        "transfer_words": transfer_words(results, transfer) if transfer.found else "",
    }


def _families(results: Results, evidence: Evidence) -> list[tuple[str, list[dict[str, Any]]]]:
    """The families that have a member, with their comparisons, in the order of their list."""
    titles = {row.name: row.title for row in results.rows}
    found: dict[str, list[dict[str, Any]]] = {}
    for a, b in evidence.tested[evidence.primary]:
        tested = {metric: evidence.tested[metric][a, b] for metric in evidence.tested}
        family = family_of((a, b), papers_row=results.papers_row)
        found.setdefault(family, []).append({"a": titles[a], "b": titles[b], "tested": tested})
    return list(found.items())


def _figures(drawn: Mapping[str, str | None]) -> dict[str, Markup | None]:
    return {f"{name}_figure": None if svg is None else Markup(_inline(svg, name)) for name, svg in drawn.items()}


def _data(results: Results, *, resamples: int) -> dict[str, Any]:
    parts = [part for part in (results.corpus, results.frames, results.speech) if part is not None]
    by_origin = origin_table(results, resamples=resamples)
    return {
        "speech": results.speech,
        "by_origin": None if by_origin is None else _cells(by_origin),
        "corpus": results.corpus,
        "frames": results.frames,
        "with_frames": results.storyboards is not None,
        "lost": [lost for part in parts for lost in part.lost],
        "truncated": [row for row in results.trained if any(row.record.truncated.values())],
    }


def _cells(frame: pd.DataFrame) -> dict[str, Any]:
    return {"header": list(frame.columns), "rows": frame.to_numpy().tolist()}


def _inline(svg: str, prefix: str) -> str:
    """An SVG document as an element of the page, in the page's colours, its ids made unique."""
    element = with_variables(svg[svg.index("<svg") :])
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", element)
