"""The figures as SVG text: scores with intervals, training curves, ablations. Same results, same bytes.

Colours are from the palette of M. Okabe and K. Ito, "Color Universal Design", 2008, told apart by readers with any colour
vision; lines differ in dash as well.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.report.results import Results, Row
from pipeline.report.training_description import SHORT
from pipeline.scoring.metrics import Metric
from pipeline.scoring.record import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.report.ablations import Line
    from pipeline.report.calibration import Calibration

BLUE, GREY, VERMILION = "#0072B2", "#8C8C8C", "#D55E00"
SEED_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
_INK = "#222222"
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so the layout is the same everywhere
    "font.size": 8.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": "#999999",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#555555",
    "ytick.color": _INK,
    "xtick.labelsize": 7.5,
    "figure.facecolor": "white",
    "svg.fonttype": "path",
    "text.parse_math": False,  # a dollar sign in a title is a dollar sign
}


def draw_all(results: Results, lines: "Sequence[Line]", calibration: "Calibration") -> dict[str, str | None]:
    """Every figure by its name, None where there is nothing to draw. A template shows it as `<name>_figure`."""
    return {
        "scores": scores_svg(results),
        "frames_use": frames_use_svg(results),
        "dose": dose_svg(results, calibration),
        "curves": curves_svg(results),
        "ablations": ablations_svg(results, lines),
    }


def scores_svg(results: Results) -> str:
    """Horizontal bars, one panel a metric, one bar a system in table order, with the 95 % interval and the figure."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = results.rows
    with rc_context({**_STYLE, "svg.hashsalt": "scores"}):
        figure = Figure(figsize=(11.5, 0.8 + 0.34 * len(rows)), layout="constrained")
        panels = figure.subplots(1, len(results.headline), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, results.headline, strict=True):
            _score_panel(axes, rows, metric)
        panels[0].set_yticks(range(len(rows)), [row.title for row in rows])
        panels[0].set_ylim(len(rows) - 0.4, -0.6)
        return _render(figure)


def frames_use_svg(results: Results) -> str | None:
    """For every system that sees frames, its primary metric with its own frames and with another video's. None without any."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    pairs = [(row, other) for row in results.trained if (other := results.find(f"{row.name}_swapped")) is not None]
    if not pairs:
        return None
    key = results.primary.key
    with rc_context({**_STYLE, "svg.hashsalt": "frames_use"}):
        figure = Figure(figsize=(7.5, 0.9 + 0.3 * len(pairs)), layout="constrained")
        axes = figure.subplots()
        for position, (row, other) in enumerate(pairs):
            own, swapped = row.record.metrics[key], other.record.metrics[key]
            axes.plot([own.mean, swapped.mean], [position, position], color=GREY, linewidth=0.8)
            for score, colour, shift in ((own, BLUE, -0.1), (swapped, VERMILION, 0.1)):
                axes.plot([score.ci95_low, score.ci95_high], [position + shift] * 2, color=colour, linewidth=2.0)
                axes.plot([score.mean], [position + shift], "o", color=colour, markersize=5)
        axes.set_yticks(range(len(pairs)), [row.title for row, _ in pairs])
        axes.set_ylim(len(pairs) - 0.4, -0.6)
        axes.set_xlim(0, None)
        axes.set_xlabel(results.primary.title)
        axes.tick_params(axis="y", length=0)
        handles = [
            Line2D([], [], color=BLUE, marker="o", markersize=5, label="own frames"),
            Line2D([], [], color=VERMILION, marker="o", markersize=5, label="another video's frames"),
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False, fontsize=7.5)
        return _render(figure)


def dose_svg(results: Results, calibration: "Calibration") -> str | None:
    """What the oracle gains from its frames, by how much the text hides. None with fewer than two doses."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    gains, places = calibration.gains, {"none": 0.0, "half": 0.5, "full": 1.0}
    if len(gains) < 2:
        return None
    with rc_context({**_STYLE, "svg.hashsalt": "dose"}):
        figure = Figure(figsize=(4.6, 2.8), layout="constrained")
        axes = figure.subplots()
        margin = results.shared.primary.margin
        axes.axhspan(-margin, margin, color="#DDDDDD", linewidth=0)
        axes.plot([places[gain.dose] for gain in gains], [gain.mean for gain in gains], color=BLUE, linewidth=1.0)
        for gain in gains:
            axes.plot([places[gain.dose]] * 2, [gain.low, gain.high], color=BLUE, linewidth=2.0)
            axes.plot([places[gain.dose]], [gain.mean], "o", color=BLUE, markersize=5)
        axes.set_xticks(list(places.values()), ["everything named", "half of the study's", "the study's own"])
        axes.set_xlim(-0.15, 1.15)
        axes.set_xlabel("share of mentions that the text hides (grey: the margin)")
        axes.set_ylabel(f"gain, {results.primary.short}")
        return _render(figure)


def ablations_svg(results: Results, lines: "Sequence[Line]") -> str | None:
    """What each ablation costs its row in the primary metric, with its interval, beside what the paper says. None without any."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    drawn = [(line, line.found) for line in lines if line.found is not None]
    if not drawn:
        return None
    with rc_context({**_STYLE, "svg.hashsalt": "ablations"}):
        figure = Figure(figsize=(7.5, 0.9 + 0.3 * len(drawn)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color="#999999", linewidth=0.8)
        for position, (line, found) in enumerate(drawn):
            axes.plot([found.ci95_low, found.ci95_high], [position, position], color=BLUE, linewidth=2.0)
            axes.plot([found.mean], [position], "o", color=BLUE, markersize=5)
            if line.paper_gain is not None and results.primary.key == "rouge1":
                axes.plot([line.paper_gain], [position], "D", color=VERMILION, markersize=4)
        axes.set_yticks(range(len(drawn)), [line.ablation.label for line, _ in drawn])
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.set_xlabel(f"{results.primary.title} of the row minus that of the ablation: to the right of zero the ablation hurts")
        axes.tick_params(axis="y", length=0)
        handles = [
            Line2D([], [], color=BLUE, marker="o", markersize=5, label="ours, with its 95 % interval"),
        ]
        if results.primary.key == "rouge1":
            handles.append(Line2D([], [], color=VERMILION, marker="D", markersize=4, linestyle="none", label="the paper's"))
        figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False, fontsize=7.5)
        return _render(figure)


def curves_svg(results: Results) -> str | None:
    """Loss and validation score by epoch, a pair of panels per trained row, a line per seed, the same scale for all rows.

    None if no row has a history.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = [(row, training) for row in results.trained if (training := row.record.training) is not None and training.history]
    if not rows:
        return None
    epochs = [epoch for _, training in rows for history in training.history.values() for epoch in history]
    highest_loss = max(max(epoch.train_loss, epoch.val_loss) for epoch in epochs)
    highest_score = max(*(epoch.val_score for epoch in epochs), 1.0)
    columns = 4  # always, so that few rows are not drawn larger and the legend fits
    bands = -(-len(rows) // columns)
    with rc_context({**_STYLE, "svg.hashsalt": "curves"}):
        figure = Figure(figsize=(11.5, 3.2 * bands + 0.4), layout="constrained")
        panels = figure.subplots(2 * bands, columns, squeeze=False, sharex="col")
        for axes in panels.flat:
            axes.set_visible(False)
        for index, (row, training) in enumerate(rows):
            band, column = divmod(index, columns)
            loss, rouge = panels[2 * band][column], panels[2 * band + 1][column]
            _curve_panels(loss, rouge, row, training)
            loss.set_ylim(0, 1.05 * highest_loss)
            rouge.set_ylim(0, 1.05 * highest_score)
            rouge.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if column == 0:
                loss.set_ylabel("loss")
                rouge.set_ylabel(f"validation {SHORT[rows[0][1].select]}")
        _legend(figure, rows)
        return _render(figure)


def _score_panel(axes: "Axes", rows: tuple[Row, ...], metric: Metric) -> None:
    scores = [row.record.metrics[metric.key] for row in rows]
    colours = [VERMILION if row.name == "clipsum" else BLUE if row.record.kind == "system" else GREY for row in rows]
    top = max(max(score.ci95_high for score in scores), 1e-6)
    axes.barh(range(len(rows)), [score.mean for score in scores], height=0.62, color=colours)
    for position, score in enumerate(scores):
        axes.plot([score.ci95_low, score.ci95_high], [position, position], color=_INK, linewidth=1.0, solid_capstyle="butt")
        axes.text(score.ci95_high + 0.03 * top, position, f"{score.mean:.1f}", va="center", fontsize=7.5)
    axes.set_xlim(0, 1.22 * top)
    axes.set_title(metric.short, fontsize=9, loc="left")
    axes.tick_params(axis="y", length=0)


def _curve_panels(loss: "Axes", rouge: "Axes", row: Row, training: Training) -> None:
    for seed, epochs in training.history.items():
        colour = _seed_colour(row, seed)
        steps = [epoch.epoch for epoch in epochs]
        loss.plot(steps, [epoch.train_loss for epoch in epochs], color=colour, linewidth=0.9, linestyle=(0, (3, 1.5)))
        loss.plot(steps, [epoch.val_loss for epoch in epochs], color=colour, linewidth=1.1)
        rouge.plot(steps, [epoch.val_score for epoch in epochs], color=colour, linewidth=1.1)
        if seed in training.selection:
            best = training.selection[seed]
            rouge.plot([best.best_epoch], [best.val_score], marker="o", markersize=4, color=colour)
    for axes in (loss, rouge):
        axes.set_visible(True)
    loss.set_title(row.title, fontsize=9, loc="left")
    loss.tick_params(labelbottom=False)
    rouge.tick_params(labelbottom=True)
    rouge.set_xlabel("epoch", fontsize=7.5)


def _legend(figure: "Figure", rows: "Sequence[tuple[Row, Training]]") -> None:
    from matplotlib.lines import Line2D

    seeds = {seed: _seed_colour(row, seed) for row, training in rows for seed in training.history}
    handles = [Line2D([], [], color=colour, label=f"seed {seed}") for seed, colour in seeds.items()]
    handles += [
        Line2D([], [], color=_INK, linestyle=(0, (3, 1.5)), linewidth=0.9, label="training loss"),
        Line2D([], [], color=_INK, label="validation loss and score"),
        Line2D([], [], color=_INK, linestyle="none", marker="o", markersize=4, label="chosen epoch"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=7.5)


def _seed_colour(row: Row, seed: str) -> str:
    order = sorted(row.record.seeds)
    return SEED_COLOURS[order.index(int(seed)) % len(SEED_COLOURS)]


def _render(figure: "Figure") -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    # matplotlib leaves blanks at line ends, which version control reports
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"
