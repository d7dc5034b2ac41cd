"""The table of systems as Markdown, CSV, LaTeX and plain text. All four show `metrics/<row>.json`, nothing else."""

import csv
import io
import json
from collections.abc import Sequence

from pipeline.metrics import METRICS
from pipeline.report.paper import LABEL, paper_figures
from pipeline.report.paper import METRICS as PAPER_METRICS
from pipeline.report.results import Results, Row, RowMetrics, Score

SHORT = {"rouge1": "R-1", "rouge2": "R-2", "rougeL": "R-L", "bleu4": "BLEU-4", "meteor": "METEOR"}
NO_VALUE = "–"
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
}


def with_interval(score: Score) -> str:
    """ "33.0 [31.2, 34.8]"."""
    return f"{score.mean:.1f} [{score.ci95_low:.1f}, {score.ci95_high:.1f}]"


def system_cells(row: RowMetrics) -> dict[str, str]:
    """What a row says about its system: name, encoder, feature width, n, split, parameters in millions and latency, as text."""
    total, trainable = row.parameters.total / 1e6, row.parameters.trainable / 1e6
    digits = 1 if total >= 100 else 2
    return {
        "System": row.title,
        "Encoder": row.encoder if row.encoder and row.visual != "none" else NO_VALUE,
        "Width": str(row.feature_width) if row.feature_width is not None else NO_VALUE,
        "n": str(row.n_videos),
        "Split": row.split,
        "Parameters (M)": f"{total:.{digits}f}",
        "Trained (M)": f"{trainable:.{digits}f}",
        "Latency (ms)": f"{row.latency_ms:.0f}" if row.latency_ms >= 10 else f"{row.latency_ms:.1f}",
    }


def paper_cells(row: RowMetrics) -> dict[str, str]:
    """The paper's figure for each of its metrics, or a dash."""
    figures = paper_figures(row.row, encoder=row.encoder)
    return {name: f"{figures[name]:.1f}" if name in figures else NO_VALUE for name in PAPER_METRICS}


def caption(results: Results) -> list[str]:
    """Sentences that go with every form of the table."""
    shared = results.shared
    seeds = ", ".join(str(seed) for seed in shared.seeds)
    sentences = [
        f"Study {shared.study}, {shared.split} split, n = {shared.n_videos} videos, seeds {seeds}.",
        "Mean over seeds with a 95 % interval: percentile bootstrap over videos; training seeds are not resampled.",
        f"Scale 0 to 100; METEOR is nltk's without WordNet. Latency: one summary, batch 1{_devices(results)}.",
        LABEL,
    ]
    if shared.scale == "mini":
        what = "on drawn videos" if shared.study == "kitchen" else "pretrained on drawn pictures"
        sentences.insert(1, f"Mini models {what}: comparable to nothing outside this table.")
    return sentences


def markdown(results: Results) -> str:
    rows = _cells(results)
    header = list(rows[0])
    lines = [
        f"| {' | '.join(header)} |",
        f"|{'|'.join(' --- ' if name in ('System', 'Encoder', 'Split') else ' ---: ' for name in header)}|",
    ]
    lines += [f"| {' | '.join(_escape_markdown(cell) for cell in row.values())} |" for row in rows]
    return "\n".join([*lines, "", " ".join(caption(results)), ""])


def comma_separated(results: Results) -> str:
    """Every metric of every row, unrounded: `<metric>`, `<metric>_low`, `<metric>_high`; the paper's as `paper_<metric>`."""
    stream = io.StringIO()
    names = [*METRICS, *sorted(set(results.shared.metrics) - set(METRICS))]
    records = [_record(row, names) for row in results.rows]
    writer = csv.DictWriter(stream, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


def latex(results: Results) -> str:
    """A `table*` that needs the packages booktabs and graphicx."""
    rows = _cells(results)
    header = [_escape_latex(name) for name in rows[0]]
    alignment = "".join("l" if name in ("System", "Encoder", "Split") else "r" for name in rows[0])
    body = [" & ".join(_escape_latex(cell) for cell in row.values()) + r" \\" for row in rows]
    first_control = next((index for index, row in enumerate(results.rows) if row.metrics.control_of is not None), None)
    if first_control:
        body.insert(first_control, r"\midrule")
    lines = [
        "% needs \\usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{_escape_latex(' '.join(caption(results)))}}}",
        rf"\label{{tab:{_label(results.shared.study)}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        " & ".join(header) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def headline_scores(results: Results) -> str:
    """A few means per row as JSON: what `dvc metrics diff` and `dvc exp show` compare."""
    scores = {
        row.metrics.row: {name: round(row.metrics.metrics[name].mean, 4) for name in PAPER_METRICS[:3]} for row in results.rows
    }
    return json.dumps(scores, indent=2) + "\n"


def curves(results: Results) -> str:
    """One line per row, seed and epoch as CSV: what `dvc plots` draws. Controls are not trained and have none."""
    lines = ["row,seed,epoch,train_loss,val_loss,val_rouge2"]
    for row in results.rows:
        if row.metrics.control_of is None:
            for seed, history in row.metrics.history.items():
                lines += [
                    f"{row.metrics.row},{seed},{e.epoch},{e.train_loss:.6f},{e.val_loss:.6f},{e.val_rouge2:.4f}" for e in history
                ]
    return "\n".join(lines) + "\n"


def plain_text(results: Results) -> str:
    """A compact table for the terminal: system, encoder, R-1, R-2, R-L with intervals."""
    header = ["system", "encoder", "R-1", "R-2", "R-L"]
    lines = [header]
    for row in results.rows:
        cells = system_cells(row.metrics)
        lines.append(
            [cells["System"], cells["Encoder"], *(with_interval(row.metrics.metrics[name]) for name in PAPER_METRICS[:3])]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    shared = results.shared
    return "\n".join(
        [*text, f"{shared.study}, {shared.split} split, n = {shared.n_videos}, {len(shared.seeds)} seeds; [95 % interval]"]
    )


def _devices(results: Results) -> str:
    devices = sorted({row.metrics.device for row in results.rows} - {""})
    return (
        f", on {devices[0]}" if len(devices) == 1 else f"; not all on the same device ({', '.join(devices)})" if devices else ""
    )


def _cells(results: Results) -> list[dict[str, str]]:
    rows = []
    for row in results.rows:
        system, paper = system_cells(row.metrics), paper_cells(row.metrics)
        cells = {name: system[name] for name in ("System", "Encoder", "Width", "n", "Split")}
        for name, short in SHORT.items():
            cells[short] = with_interval(row.metrics.metrics[name])
            cells[f"{short} paper"] = paper[name]
        rows.append(cells | {name: system[name] for name in ("Parameters (M)", "Trained (M)", "Latency (ms)")})
    return rows


def _record(row: Row, names: Sequence[str]) -> dict[str, object]:
    metrics = row.metrics
    record: dict[str, object] = metrics.model_dump(
        include={"row", "title", "model", "encoder", "feature_width", "tuning", "control_of", "visual", "study", "scale"}
    )
    record |= {"split": metrics.split, "n_videos": metrics.n_videos, "seeds": " ".join(str(seed) for seed in metrics.seeds)}
    for name in names:
        score = metrics.metrics[name]
        record |= {name: score.mean, f"{name}_low": score.ci95_low, f"{name}_high": score.ci95_high}
    figures = paper_figures(row.name, encoder=metrics.encoder)
    record |= {f"paper_{name}": figures.get(name) for name in PAPER_METRICS}
    return record | {
        "parameters_total": metrics.parameters.total,
        "parameters_trainable": metrics.parameters.trainable,
        "latency_ms": metrics.latency_ms,
        "device": metrics.device,
    }


def _escape_markdown(text: str) -> str:
    for character in "\\`*_<|":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", " ")


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _label(study: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in study)
