"""The report folder: tables, figures and one self-contained page. Every sentence with a figure in it is computed."""

import base64
import binascii
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.metrics import TITLES
from pipeline.report import figures, paper, tables
from pipeline.report.results import Results, Row, load_results
from pipeline.shards import publish
from pipeline.statistics import Difference, paired_difference

COMPARED = {"rouge1": "R-1", "rouge2": "R-2", "rougeL": "R-L"}
EXAMPLES = 6
_SEED = 0  # of the resamples behind paired differences
_MINUS = "−"


def write_report(*, predictions: Path, metrics: Path, out: Path, resamples: int) -> str:
    """Check both input folders, then replace the folder `out` as a whole; returns the plain-text table.

    The folder has `table.md`, `.csv`, `.tex` and `.txt`, `index.html`, `scores.svg`, if any row has a history `curves.svg`, and
    for DVC's own comparisons `scores.json` and `curves.csv`.
    The same inputs give the same bytes. Inconsistent inputs are a `ValueError` and leave `out` as it was.
    """
    results = load_results(predictions=predictions, metrics=metrics)
    scores, curves = figures.scores_svg(results), figures.curves_svg(results)
    files = {
        "table.md": tables.markdown(results),
        "table.csv": tables.comma_separated(results),
        "table.tex": tables.latex(results),
        "table.txt": tables.plain_text(results) + "\n",
        "scores.json": tables.headline_scores(results),
        "curves.csv": tables.curves(results),
        "scores.svg": scores,
        "index.html": render_page(results, scores=scores, curves=curves, resamples=resamples),
    }
    if curves is not None:
        files["curves.svg"] = curves
    folder = out.with_name(f".{out.name}.new")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    publish(folder, sorted(files), out)
    return tables.plain_text(results)


def render_page(results: Results, *, scores: str, curves: str | None, resamples: int) -> str:
    """The page as one HTML text without any outside resource. `scores` and `curves` are SVG."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shared, reference = results.shared, results.find("clipsum")
    text = environment.get_template("page.html.jinja").render(
        shared=shared,
        headline=headline(results, resamples=resamples),
        verdicts=verdicts(results, resamples=resamples),
        caption=tables.caption(results),
        shorts=tables.SHORT,
        systems=[_system(row) for row in results.rows],
        scores=Markup(_inline(scores, "scores")),
        curves=Markup(_inline(curves, "curves")) if curves is not None else None,
        compared=COMPARED,
        reference=reference.metrics.title if reference else None,
        differences=[_difference(reference, row, resamples) for row in results.rows if row is not reference] if reference else [],
        resamples=resamples,
        training=[line for row in results.trained for line in _training(row)],
        untrained=[row.metrics.title for row in results.rows if row.metrics.control_of or not row.metrics.history],
        truncated=_truncated(results),
        examples=_examples(results),
        with_frames=results.storyboards is not None,
        corpus=results.corpus,
        frames=results.frames,
        notes=_lines(results.frames.notes) if results.frames else [],
        protocol=_protocol(results),
        signatures=[(TITLES.get(name, name), _plain(value)) for name, value in shared.signature.items()],
        paper_label=paper.LABEL,
        paper_source=paper.SOURCE,
        ablations=paper.TABLE_2,
    )
    return text.rstrip("\n") + "\n"


def headline(results: Results, *, resamples: int) -> str:
    """Which system leads in ROUGE-2 and whether the videos tell it apart from the next. Controls do not compete."""
    systems = sorted(
        (row for row in results.rows if row.metrics.control_of is None), key=lambda row: -row.metrics.metrics["rouge2"].mean
    )
    if len(systems) < 2:
        return "Fewer than two systems are evaluated, so there is nothing to compare yet."
    best, second = systems[0], systems[1]
    found = paired_difference(best.rouge["rouge2"], second.rouge["rouge2"], resamples=resamples, seed=_SEED)
    verdict = "excludes zero" if found.excludes_zero else "includes zero, so these videos do not tell the two apart"
    scores = [tables.with_interval(row.metrics.metrics["rouge2"]) for row in (best, second)]
    return (
        f"{best.metrics.title} has the highest ROUGE-2 of {len(systems)} systems, {scores[0]}; "
        f"next is {second.metrics.title} with {scores[1]}. Their paired difference on the same {results.shared.n_videos} videos "
        f"is {signed(found)}; its interval {verdict}."
    )


def verdicts(results: Results, *, resamples: int) -> list[str]:
    """One sentence for each row without frames and each control: does vision matter, as far as ROUGE-1 and ROUGE-2 show?"""
    sentences = []
    clipsum = results.find("clipsum")
    for row in results.rows:
        title, origin = row.metrics.title, results.find(row.metrics.control_of) if row.metrics.control_of else None
        if origin is not None:
            action = {"swapped": "Swapping the frames", "none": "Taking the frames away"}.get(
                row.metrics.visual, f"The control {title}"
            )
            figures_text, direction = _two_metrics(row, origin, resamples)
            verdict = {
                -1: "the scores fall, so the summaries depend on what the frames show",
                0: "both intervals include zero, so there is no evidence that the summaries depend on what the frames show",
                1: "the scores rise, so the frames do not help",
                None: "the two do not agree, so this is no clear evidence either way",
            }[direction]
            sentences.append(f"{action} of {origin.metrics.title} changes {figures_text}: {verdict}.")
        elif clipsum is not None and row.metrics.visual == "none":
            figures_text, direction = _two_metrics(clipsum, row, resamples)
            verdict = {
                -1: "it scores lower than a system without frames",
                0: "both intervals include zero, so no gain over a system without frames is shown",
                1: "it scores higher than a system without frames",
                None: "the two do not agree, so this is no clear evidence either way",
            }[direction]
            sentences.append(f"{clipsum.metrics.title} differs from {title}, which sees no frames, in {figures_text}: {verdict}.")
    return sentences


def _two_metrics(a: Row, b: Row, resamples: int) -> tuple[str, int | None]:
    """`a - b` in ROUGE-1 and ROUGE-2 as text, and their common direction: 1, -1, 0 for neither, None where they disagree."""
    found = [paired_difference(a.rouge[name], b.rouge[name], resamples=resamples, seed=_SEED) for name in ("rouge1", "rouge2")]
    directions = {(1 if each.mean > 0 else -1) if each.excludes_zero else 0 for each in found}
    return f"R-1 by {signed(found[0])} and R-2 by {signed(found[1])}", directions.pop() if len(directions) == 1 else None


def signed(difference: Difference) -> str:
    """ "+1.10 [−0.20, +2.40]"."""
    mean, low, high = (_signed(value) for value in (difference.mean, difference.ci95_low, difference.ci95_high))
    return f"{mean} [{low}, {high}]"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", _MINUS)


def _system(row: Row) -> dict[str, Any]:
    scores = {
        name: (f"{score.mean:.1f}", f"{score.ci95_low:.1f}, {score.ci95_high:.1f}")
        for name, score in row.metrics.metrics.items()
        if name in tables.SHORT
    }
    control = row.metrics.control_of is not None
    return {
        "cells": tables.system_cells(row.metrics),
        "scores": scores,
        "paper": tables.paper_cells(row.metrics),
        "control": control,
    }


def _difference(reference: Row, row: Row, resamples: int) -> dict[str, Any]:
    found = {
        name: paired_difference(reference.rouge[name], row.rouge[name], resamples=resamples, seed=_SEED) for name in COMPARED
    }
    cells = [
        (signed(value), f"{value.p:.3f}" if value.p >= 0.001 else "< 0.001", value.excludes_zero) for value in found.values()
    ]
    return {"title": row.metrics.title, "cells": cells, "control": row.metrics.control_of is not None}


def _training(row: Row) -> Iterable[dict[str, str]]:
    for seed, epochs in sorted(row.metrics.history.items(), key=lambda item: int(item[0])):
        chosen = row.metrics.selection.get(seed)
        yield {
            "title": row.metrics.title,
            "seed": seed,
            "epochs": str(len(epochs)),
            "best": str(chosen.best_epoch) if chosen else tables.NO_VALUE,
            "validation": f"{chosen.val_rouge2:.1f}" if chosen else tables.NO_VALUE,
            "test": f"{row.metrics.metrics['rouge2'].per_seed[seed].mean:.1f}"
            if seed in row.metrics.metrics["rouge2"].per_seed
            else "",
            "seconds": f"{sum(epoch.seconds for epoch in epochs):.0f}",
        }


def _examples(results: Results) -> list[dict[str, Any]]:
    """Videos spread evenly over the sorted ids, each with its frames, its reference and every row's summary of the first seed."""
    summaries, boards = results.rows[0].summaries, results.storyboards
    places = [place for place, video in enumerate(summaries.videos) if boards is None or video in boards]
    chosen = (
        sorted({places[round(spot)] for spot in np.linspace(0, len(places) - 1, min(EXAMPLES, len(places)))}) if places else []
    )
    examples = []
    for place in chosen:
        video = summaries.videos[place]
        rows = [
            {
                "title": row.metrics.title,
                "summary": row.summaries.predictions[0][place],
                "rouge1": f"{row.rouge['rouge1'][0][place]:.0f}",
            }
            for row in results.rows
        ]
        frames = [_checked_image(image, video) for image in (boards or {}).get(video, [])]
        examples.append({"video": video, "frames": frames, "reference": summaries.references[place], "rows": rows})
    return examples


def _truncated(results: Results) -> list[str]:
    """Which rows cut how many test texts at their token limits."""
    counted = [(row.metrics.title, row.metrics.truncated) for row in results.trained]
    return [f"{title}: {_plain(counts)} cut at the token limit" for title, counts in counted if any(counts.values())]


def _checked_image(image: str, video: str) -> str:
    try:
        data = base64.b64decode(image, validate=True)
    except binascii.Error as error:
        raise ValueError(
            f"storyboards.json: video {video!r}: a frame is not base64 ({error}); run `dvc repro sample_frames`"
        ) from error
    if not data.startswith(b"\xff\xd8"):
        raise ValueError(f"storyboards.json: video {video!r}: a frame is not a JPEG; run `dvc repro sample_frames`")
    return image


def _protocol(results: Results) -> dict[str, Any]:
    """Training parameters: those that all trained rows share, and the others with a value per row."""
    rows = [row for row in results.trained if row.metrics.protocol]
    keys = list(dict.fromkeys(key for row in rows for key in row.metrics.protocol))
    values = {
        key: [_plain(row.metrics.protocol[key]) if key in row.metrics.protocol else tables.NO_VALUE for row in rows]
        for key in keys
    }
    common = [(key, values[key][0]) for key in keys if len(set(values[key])) == 1]
    different = [(key, values[key]) for key in keys if len(set(values[key])) > 1]
    return {"titles": [row.metrics.title for row in rows], "common": common, "different": different}


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
