"""`docs/full_size.md`: what was measured, as tables, and hours by the formula. No score is in it: weights are random."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from pipeline.base.templates import render
from pipeline.encoders.pretrained_weights import TEXT_MODELS
from pipeline.rehearsal.disk import FOLDERS, whole_study
from pipeline.rehearsal.hours import Assumed, preparing_hours, row_hours
from pipeline.rehearsal.measure import RowCost
from pipeline.rehearsal.rehearse import Rehearsal
from pipeline.rehearsal.watched import StageUse

NONE = "–"
EPOCHS = (30, 100)
OF_A_ROW = ("train", "train_text", "evaluate", "evaluate_text")
TEMPLATE = "rehearsal/full_size.md.jinja"


def as_document(done: Rehearsal, assumed: Assumed | None = None) -> str:
    """The whole page, Markdown."""
    assumed = assumed or Assumed()
    preparing = preparing_hours(done.costs, done.study, assumed)
    whole = whole_study(done.disk, done.study, videos=done.handful.videos)
    return render(
        TEMPLATE,
        handful=done.handful,
        study=done.study,
        assumed=assumed,
        cores=done.cores,
        epochs=EPOCHS,
        repositories=[repository for repository, _ in TEXT_MODELS.values()],
        tokens=_range(cost.source_tokens for cost in done.costs) + " to " + _range(cost.target_tokens for cost in done.costs),
        rows=rows_table(done),
        from_file=file_table(done.costs),
        work=work_table(done),
        hours=hours_table(done, assumed, preparing),
        disk=disk_table(done.disk, whole),
        stages=stage_table(done.uses),
        whole_gigabytes=round(sum(whole.values()) / 1e3 + _resume_gigabytes(done.uses)),
    )


def rows_table(done: Rehearsal) -> str:
    heads = ("System", "Parameters (M)", "Trained (M)", "Training (GB)", "Evaluation (GB)", "Step (s)", "Summary (s)")
    return _table(
        heads,
        [
            (
                cost.title,
                f"{cost.total / 1e6:.1f}",
                f"{cost.trainable / 1e6:.1f}",
                _memory(done.uses, "train", cost.name),
                _memory(done.uses, "evaluate", cost.name),
                _number(cost.step),
                _number(cost.summarise),
            )
            for cost in done.costs
        ],
    )


def file_table(costs: Sequence[RowCost]) -> str:
    heads = ("System", "Decode (s)", "Embed (s)", "Summarise (s)", "From file (s)")
    seen = [cost for cost in costs if cost.from_file is not None]
    return _table(
        heads,
        [(cost.title, *(_number(value) for value in (cost.decode, cost.embed, cost.summarise, cost.from_file))) for cost in seen],
    )


def work_table(done: Rehearsal) -> str:
    heads = ("System", "Step (TFLOP)", "Frame (GFLOP)", "Reading (ms)", "Checkpoint (MB)", "To go on from (MB)")
    return _table(
        heads,
        [
            (
                cost.title,
                _number(cost.step_teraflop),
                NONE if cost.encoder_teraflop is None else _number(1000 * cost.encoder_teraflop),
                _number(1000 * cost.load),
                _number(done.checkpoints[cost.name]),
                _number(_use(done.uses, "train", cost.name).resume_mb),
            )
            for cost in done.costs
        ],
    )


def hours_table(done: Rehearsal, assumed: Assumed, preparing: tuple[float, float]) -> str:
    short, long = EPOCHS
    lines: list[tuple[str, ...]] = []
    totals = [0.0, 0.0, 0.0]
    for cost in done.costs:
        few, many = (row_hours(cost, done.study, assumed, epochs=epochs) for epochs in EPOCHS)
        for place, value in enumerate((few.training, many.training, few.evaluation)):
            totals[place] += value
        lines.append((cost.title, _hours(few.training), _hours(many.training), _hours(few.evaluation)))
    frames, features = preparing
    lines.append(("All rows", *(_hours(value) for value in totals)))
    lines.append(("Frames and features", *2 * (_hours(frames + features),), NONE))
    prepared = frames + features + totals[2]
    lines.append(("**Everything**", f"**{_hours(totals[0] + prepared)}**", f"**{_hours(totals[1] + prepared)}**", ""))
    return _table(("System", f"{short} epochs (h)", f"{long} epochs (h)", "Evaluation (h)"), lines)


def disk_table(here: dict[str, float], whole: dict[str, float]) -> str:
    lines = [(f"`{name}`", f"{here[name]:.0f}", f"{whole[name] / 1e3:.1f}") for name in FOLDERS]
    lines.append(("**All**", f"**{sum(here.values()):.0f}**", f"**{sum(whole.values()) / 1e3:.1f}**"))
    return _table(("Folder", "Here (MB)", "Whole study (GB)"), lines)


def stage_table(uses: dict[str, StageUse]) -> str:
    """Every stage that is not a row's own."""
    lines = [
        (f"`{name}`", _number(use.seconds), _number(use.memory_gb))
        for name, use in uses.items()
        if name.partition("@")[0] not in OF_A_ROW
    ]
    return _table(("Stage", "Here (s)", "Memory (GB)"), lines)


def _use(uses: dict[str, StageUse], kind: str, row: str) -> StageUse:
    """Of a stage of the row; a text row's has another name."""
    found = uses.get(f"{kind}@{row}") or uses.get(f"{kind}_text@{row}")
    if found is None:
        raise ValueError(f"stage {kind} of row {row} was not seen running; remove .scratch/rehearsal and begin anew")
    return found


def _memory(uses: dict[str, StageUse], kind: str, row: str) -> str:
    return _number(_use(uses, kind, row).memory_gb)


def _resume_gigabytes(uses: dict[str, StageUse]) -> float:
    return max((use.resume_mb for use in uses.values()), default=0.0) / 1e3


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    sides = ("left", *("right" for _ in heads[1:]))
    return tabulate(lines, headers=heads, tablefmt="pipe", colalign=sides, disable_numparse=True)


def _number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return NONE
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _hours(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _range(values: Iterable[int]) -> str:
    found = sorted(set(values))
    return str(found[0]) if len(found) == 1 else f"{found[0]}–{found[-1]}"
