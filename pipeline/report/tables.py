"""The table of systems as Markdown, CSV, LaTeX and plain text. Every system of the paper is in it, run or not."""

import csv
import io
import json
from collections.abc import Sequence

from pipeline.metrics import METRICS
from pipeline.report.paper import LABEL, SYSTEMS, paper_figures
from pipeline.report.paper import METRICS as PAPER_METRICS
from pipeline.report.results import Results, Row
from pipeline.report.schema import Cost, RowMetrics, Score

SHORT = {"rouge1": "R-1", "rouge2": "R-2", "rougeL": "R-L", "bleu4": "BLEU-4", "meteor": "METEOR"}
CONVENTIONS = {
    **{f"rouge{kind}{suffix}": f"R-{kind}{title}"
       for suffix, title in (("", ""), ("_stem", " stem"), ("_ws", " white space"), ("_ws_stem", " white space, stem"))
       for kind in ("1", "2", "L")},
    **{f"bleu{order}": f"BLEU-{order}" for order in (1, 2, 3, 4)},
    "meteor": "METEOR",
}  # fmt: skip
COSTS = ("Parameters (M)", "Trained (M)", "Frames (ms)", "Summary (ms)", "Memory (MB)", "Training (s)")
TEXT_COLUMNS = ("System", "Encoder", "Split")
NO_VALUE = "–"
NOT_RUN = "not run"
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
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "−": r"\ensuremath{-}",
    "±": r"\ensuremath{\pm}",
}


def with_interval(score: Score) -> str:
    """ "33.0 ± 0.4 [31.2, 34.8]": mean, standard deviation of the seeds, 95 % interval."""
    deviation = f" ± {score.std:.1f}" if score.std is not None else ""
    return f"{score.mean:.1f}{deviation} [{score.ci95_low:.1f}, {score.ci95_high:.1f}]"


def system_cells(row: RowMetrics, cost: Cost | None) -> dict[str, str]:
    """What a row says about its system, as text: name, encoder, feature width, n, split, parameters in millions, and costs."""
    total, trainable = row.parameters.total / 1e6, row.parameters.trainable / 1e6
    digits = 1 if total >= 100 else 2
    cells = {
        "System": row.title,
        "Encoder": row.encoder if row.encoder and row.visual != "none" else NO_VALUE,
        "Width": str(row.feature_width) if row.feature_width is not None else NO_VALUE,
        "n": str(row.n_videos),
        "Split": row.split,
        **dict.fromkeys(COSTS, NO_VALUE),
    }
    if row.kind != "floor":
        cells |= {"Parameters (M)": f"{total:.{digits}f}", "Trained (M)": f"{trainable:.{digits}f}"}
    if row.kind == "system" and cost is not None:
        cells |= {
            "Frames (ms)": _number(cost.tower_ms),
            "Summary (ms)": f"{_number(cost.latency_ms)} [{', '.join(map(_number, cost.latency_quartiles_ms))}]",
            "Memory (MB)": _number(cost.memory_mb),
            "Training (s)": _number(cost.training_seconds),
        }
    return cells


def not_run_cells(name: str) -> dict[str, str]:
    """The same for a system of the paper that has not been run."""
    return {"System": SYSTEMS[name], **dict.fromkeys(("Encoder", "Width", "n", "Split", *COSTS), NO_VALUE)}


def paper_cells(row: str, *, encoder: str | None) -> dict[str, str]:
    """The paper's figure for each of its metrics, or a dash."""
    figures = paper_figures(row, encoder=encoder)
    return {name: f"{figures[name]:.1f}" if name in figures else NO_VALUE for name in PAPER_METRICS}


def caption(results: Results) -> list[str]:
    """Sentences that go with every form of the table."""
    shared, costs = results.shared, results.costs
    seeds = ", ".join(str(seed) for seed in shared.seeds)
    sentences = [
        f"Study {shared.study}, {shared.split} split, n = {shared.n_videos} videos, seeds {seeds}.",
        "Mean over seeds ± their standard deviation, with a 95 % interval: percentile bootstrap over videos and training seeds; "
        "stretched by Student's t for few seeds."
        if len(shared.seeds) > 1
        else "One seed, with a 95 % interval: percentile bootstrap over videos alone.",
        "Scale 0 to 100; METEOR is nltk's without WordNet.",
        LABEL,
    ]
    if shared.scale == "mini":
        what = "on drawn videos" if shared.study == "kitchen" else "pretrained on drawn pictures"
        sentences.insert(1, f"Mini models {what}: comparable to nothing outside this table.")
    if costs is not None:
        sentences.append(
            "Frames: embedding one video's frames. Summary: that and the summary, batch 1, median and quartiles. Memory: the "
            f"most one summary needs, with weights. All in one process on {costs.device}, {costs.threads} threads. Training: one "
            "seed, by the clock, while the row's other seeds trained beside it."
        )
    if results.not_run:
        sentences.append("Not run: `make table` runs the rows that `make demo` has no time for.")
    return sentences


def footer(results: Results) -> list[str]:
    """The signatures of the metrics in the table: package, version, flags."""
    return [f"{short}: {results.shared.signature[name]}." for name, short in SHORT.items() if name in results.shared.signature]


def markdown(results: Results) -> str:
    lines = [
        *_markdown_table(_cells(results)),
        "",
        " ".join(caption(results)),
        "",
        *(f"- {line}" for line in footer(results)),
        "",
    ]
    return "\n".join(lines)


def conventions_markdown(results: Results) -> str:
    """The same summaries under both ways to count ROUGE, stemmed and not, and the other metrics."""
    lines = [
        *_markdown_table(convention_cells(results)), "",
        "Words: lower case, runs of a-z and 0-9 (rouge-score), or what white space separates. A figure is comparable only to "
        "others of its column. BLEU is corpus BLEU (sacrebleu).", "",
    ]  # fmt: skip
    return "\n".join(lines)


def convention_cells(results: Results) -> list[dict[str, str]]:
    cells = [
        {"System": row.metrics.title} | {short: f"{row.metrics.metrics[name].mean:.1f}" for name, short in CONVENTIONS.items()}
        for row in results.rows
    ]
    return cells + [{"System": SYSTEMS[name], **dict.fromkeys(CONVENTIONS.values(), NOT_RUN)} for name in results.not_run]


def comma_separated(results: Results) -> str:
    """Every metric of every row, unrounded: `<metric>`, `<metric>_low`, `<metric>_high`; the paper's as `paper_<metric>`."""
    stream = io.StringIO()
    names = [*METRICS, *sorted(set(results.shared.metrics) - set(METRICS))]
    records = [_record(results, row, names) for row in results.rows]
    missing: dict[str, object] = dict.fromkeys(records[0])
    records += [
        missing
        | {"row": name, "title": SYSTEMS[name], "status": NOT_RUN}
        | {f"paper_{metric}": value for metric, value in paper_figures(name, encoder=None).items()}
        for name in results.not_run
    ]
    writer = csv.DictWriter(stream, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


def latex(results: Results) -> str:
    """A `table*` that needs the packages booktabs and graphicx."""
    rows, kinds = _cells(results), _kinds(results)
    header = [_escape_latex(name) for name in rows[0]]
    alignment = "".join("l" if name in TEXT_COLUMNS else "r" for name in rows[0])
    body = [" & ".join(_escape_latex(cell) for cell in row.values()) + r" \\" for row in rows]
    for index in range(len(kinds) - 1, 0, -1):
        if kinds[index] != kinds[index - 1]:
            body.insert(index, r"\midrule")
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
        r"\par\footnotesize " + _escape_latex(" ".join(footer(results))),
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
        if row.metrics.kind == "system":
            for seed, history in row.metrics.history.items():
                lines += [
                    f"{row.metrics.row},{seed},{e.epoch},{e.train_loss:.6f},{e.val_loss:.6f},{e.val_rouge2:.4f}" for e in history
                ]
    return "\n".join(lines) + "\n"


def plain_text(results: Results) -> str:
    """A compact table for the terminal: system, encoder, R-1, R-2, R-L with intervals."""
    columns = ("System", "Encoder", *(SHORT[name] for name in PAPER_METRICS[:3]))
    lines = [list(columns), *([row[name] for name in columns] for row in _cells(results))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    shared = results.shared
    about = f"{shared.study}, {shared.split} split, n = {shared.n_videos}, {len(shared.seeds)} seeds"
    return "\n".join([*text, f"{about}; ± over seeds, [95 % interval]"])


def _cells(results: Results) -> list[dict[str, str]]:
    """One line a system in the paper's order, run or not, then controls and floors."""
    lines = []
    for entry in in_order(results):
        if isinstance(entry, str):
            system, ours = not_run_cells(entry), dict.fromkeys(SHORT, NOT_RUN)
            paper = paper_cells(entry, encoder=None)
        else:
            system = system_cells(entry.metrics, results.cost(entry.metrics))
            ours = {name: with_interval(entry.metrics.metrics[name]) for name in SHORT}
            paper = paper_cells(entry.name, encoder=entry.metrics.encoder)
        cells = {name: system[name] for name in ("System", "Encoder", "Width", "n", "Split")}
        for name, short in SHORT.items():
            cells |= {short: ours[name], f"{short} paper": paper[name]}
        lines.append(cells | {name: system[name] for name in COSTS})
    return lines


def in_order(results: Results) -> list[Row | str]:
    """Rows in table order, and in their place the names of those systems of the paper that have not been run."""
    systems: list[Row | str] = [results.find(name) or name for name in SYSTEMS]
    return systems + [row for row in results.rows if row.name not in SYSTEMS]


def _kinds(results: Results) -> list[str]:
    return ["system" if isinstance(entry, str) else entry.metrics.kind for entry in in_order(results)]


def _markdown_table(rows: Sequence[dict[str, str]]) -> list[str]:
    header = list(rows[0])
    return [
        f"| {' | '.join(header)} |",
        f"|{'|'.join(' --- ' if name in TEXT_COLUMNS else ' ---: ' for name in header)}|",
        *(f"| {' | '.join(_escape_markdown(cell) for cell in row.values())} |" for row in rows),
    ]


def _record(results: Results, row: Row, names: Sequence[str]) -> dict[str, object]:
    metrics, cost = row.metrics, results.cost(row.metrics)
    described = {"row", "title", "model", "encoder", "feature_width", "tuning", "control_of", "visual", "study", "scale"}
    record: dict[str, object] = metrics.model_dump(include=described) | {"status": "run"}
    record |= {"split": metrics.split, "n_videos": metrics.n_videos, "seeds": " ".join(str(seed) for seed in metrics.seeds)}
    for name in names:
        score = metrics.metrics[name]
        record |= {name: score.mean, f"{name}_std": score.std, f"{name}_low": score.ci95_low, f"{name}_high": score.ci95_high}
    figures = paper_figures(row.name, encoder=metrics.encoder)
    record |= {f"paper_{name}": figures.get(name) for name in PAPER_METRICS}
    record |= {"parameters_total": metrics.parameters.total, "parameters_trainable": metrics.parameters.trainable}
    return record | (cost.model_dump() if cost is not None else dict.fromkeys(Cost.model_fields))


def _number(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _escape_markdown(text: str) -> str:
    for character in "\\`*_<|":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", " ")


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _label(study: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in study)
