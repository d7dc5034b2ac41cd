"""The figures as SVG text: scores with intervals, training curves, ablations. Same results, same bytes.

Systems have the order of the table and the colours of `pipeline.report.palette` in all of them. A score is a dot on its interval.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.report.palette import AXIS, BAND, BLUE, GREEN, GREY, INK, OF_SEEDS, PAPER, SOFT, VERMILION, colour_of
from pipeline.report.results import Results, Row
from pipeline.report.training_description import SHORT
from pipeline.scoring.metrics import Metric
from pipeline.scoring.record import Interval, Training
from pipeline.scoring.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.report.ablations import Line
    from pipeline.report.calibration import Calibration

_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so the layout is the same everywhere
    "font.size": 8.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": AXIS,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "xtick.labelsize": 7.5,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
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
    """One panel a metric, one line a system in table order: a dot on its 95 % interval, and the score in figures."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = results.rows
    with rc_context({**_STYLE, "svg.hashsalt": "scores"}):
        figure = Figure(figsize=(11.5, 0.8 + 0.26 * len(rows)), layout="constrained")
        panels = figure.subplots(1, len(results.headline), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, results.headline, strict=True):
            _score_panel(axes, rows, metric)
        _name_lines(panels[0], [row.title for row in rows])
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
            _interval(axes, own, position - 0.1, colour_of(row))
            _interval(axes, swapped, position + 0.1, GREY, hollow=True)
        _name_lines(axes, [row.title for row, _ in pairs])
        axes.set_xlim(-2, None)  # a dot at zero is seen whole
        axes.set_xlabel(results.primary.title)
        handles = [
            Line2D([], [], color=INK, marker="o", markersize=5, label="own frames"),
            Line2D([], [], color=GREY, marker="o", markersize=5, markerfacecolor=PAPER, label="another video's frames"),
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
        axes.axhspan(-margin, margin, color=BAND, linewidth=0)
        axes.plot([places[gain.dose] for gain in gains], [gain.mean for gain in gains], color=GREEN, linewidth=1.0)
        for gain in gains:
            axes.plot([places[gain.dose]] * 2, [gain.low, gain.high], color=GREEN, linewidth=2.0)
            axes.plot([places[gain.dose]], [gain.mean], "o", color=GREEN, markersize=5)
        axes.set_xticks(list(places.values()), ["everything\nnamed", "half of\nthe study's", "the study's\nown"])
        axes.set_xlim(-0.15, 1.15)
        axes.set_xlabel("share of mentions that the text hides\n(grey: the margin)")
        axes.set_ylabel(f"gain, {results.primary.short}")
        return _render(figure)


def ablations_svg(results: Results, lines: "Sequence[Line]") -> str | None:
    """What each ablation costs its row in the primary metric, with its interval, beside what the paper says. None without any."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    drawn = [(line, line.found) for line in lines if line.found is not None]
    with_papers = results.primary.key == "rouge1" and results.shared.scale == "full"  # else its gains are no yardstick
    if not drawn:
        return None
    with rc_context({**_STYLE, "svg.hashsalt": "ablations"}):
        figure = Figure(figsize=(7.5, 0.9 + 0.3 * len(drawn)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=AXIS, linewidth=0.8)
        for position, (line, found) in enumerate(drawn):
            _interval(axes, found, position, VERMILION)
            if line.paper_gain is not None and with_papers:
                axes.plot([line.paper_gain], [position], "D", color=BLUE, markersize=4)
        _name_lines(axes, [line.ablation.label for line, _ in drawn])
        axes.set_xlabel(f"{results.primary.title}: the row minus the ablation\n(right of zero: the ablation hurts)")
        handles = [
            Line2D([], [], color=VERMILION, marker="o", markersize=5, label="ours, with its 95 % interval"),
        ]
        if with_papers:
            handles.append(Line2D([], [], color=BLUE, marker="D", markersize=4, linestyle="none", label="the paper's"))
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
    top = max(max(score.ci95_high for score in scores), 1e-6)
    for position, (row, score) in enumerate(zip(rows, scores, strict=True)):
        _interval(axes, score, position, colour_of(row))
        axes.text(score.ci95_high + 0.05 * top, position, f"{score.mean:.1f}", va="center", fontsize=7.5)
    axes.set_xlim(-0.04 * top, 1.3 * top)  # a dot at zero is seen whole
    axes.tick_params(axis="y", length=0)
    axes.set_title(metric.short, fontsize=9, loc="left")


def _interval(axes: "Axes", found: Interval | Estimate, position: float, colour: str, *, hollow: bool = False) -> None:
    """A dot on the line of its interval, both ends of which are seen."""
    axes.plot([found.ci95_low, found.ci95_high], [position] * 2, color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot([found.mean], [position], "o", color=colour, markersize=4.5, markerfacecolor=PAPER if hollow else colour)


def _name_lines(axes: "Axes", names: Sequence[str]) -> None:
    """The first line on top."""
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.4, -0.6)
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
        Line2D([], [], color=INK, linestyle=(0, (3, 1.5)), linewidth=0.9, label="training loss"),
        Line2D([], [], color=INK, label="validation loss and score"),
        Line2D([], [], color=INK, linestyle="none", marker="o", markersize=4, label="chosen epoch"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=7.5)


def _seed_colour(row: Row, seed: str) -> str:
    order = sorted(row.record.seeds)
    return OF_SEEDS[order.index(int(seed)) % len(OF_SEEDS)]


def _render(figure: "Figure") -> str:
    stream = io.StringIO()
    # A tight box is as large as what is drawn: no label is cut.
    figure.savefig(
        stream,
        format="svg",
        bbox_inches="tight",
        pad_inches=0.05,
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    # matplotlib leaves blanks at line ends, which version control reports
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"
