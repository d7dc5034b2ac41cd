"""ClipSum with one thing changed: Table 2 of the paper, and what it leaves out. What has not been run is named."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import pandas as pd

from pipeline.evaluation import ablations as registry
from pipeline.evaluation.ablations import Ablation
from pipeline.report.evidence import SEED, difference
from pipeline.report.families import REFERENCE, Tested, correct
from pipeline.report.paper import METRICS, PAPERS_ENCODER, TABLE_2
from pipeline.report.results import Results, Row
from pipeline.report.text import NO_VALUE, NOT_RUN, as_markdown, p_text, sentences, signed
from pipeline.scoring.statistics import Comparison, compare

OUTDATED: Final = "outdated"
IS_CLIPSUM: Final = "is ClipSum"
State = Literal["run", "not run", "outdated"]
_OF_ROW = ("study", "scale", "split", "encoder")  # what makes it an ablation of this row, and not of one of another experiment


@dataclass(frozen=True)
class Line:
    """An ablation with the row that has its setting, and the row that is varied minus it in the primary metric, corrected
    within the family of ablations. `state` says why there is no row.

    `videos` is on how many videos that holds, where it is not all. `paper` has the paper's figures by metric. `is_base`: the
    setting is ClipSum's own, and `row` is ClipSum.
    """

    ablation: Ablation
    paper: dict[str, float]
    row: Row | None
    state: State
    is_base: bool = False
    found: Comparison | None = None
    tested: Tested | None = None
    videos: int | None = None

    @property
    def paper_gain(self) -> float | None:
        """What the paper's ClipSum gains over this setting in ROUGE-1."""
        return round(TABLE_2["CLIP"]["frozen"][0] - self.paper["rouge1"], 1) if self.paper else None


def ablation_lines(results: Results, *, resamples: int) -> list[Line]:
    """Every ablation that concerns the study, in the order of their list."""
    listens = results.speech is not None and bool(results.speech.origin)
    listed = [ablation for ablation in registry.ABLATIONS if listens or not ablation.texts]
    lines = [_line(results, ablation, resamples=resamples) for ablation in listed]
    made = {(line.ablation.of, line.ablation.name): line.found for line in lines if line.found is not None}
    tested = correct(made, margin=results.shared.primary.margin)
    return [replace(line, tested=tested.get((line.ablation.of, line.ablation.name))) for line in lines]


def _line(results: Results, ablation: Ablation, *, resamples: int) -> Line:
    base = results.find(ablation.of)
    papers_own = base is None or (base.name == REFERENCE and base.record.encoder == PAPERS_ENCODER)
    place = ablation.paper if papers_own else None
    paper = {} if place is None else dict(zip(METRICS, TABLE_2[place[0]][place[1]], strict=False))
    if base is None or base.record.training is None:
        return Line(ablation, paper, None, NOT_RUN)
    if not ablation.texts and not ablation.varies(base.record.training.settings):
        return Line(ablation, paper, base, "run", is_base=True)
    row, state = _find(results, base, base.record.training.settings, ablation)
    if row is None:
        return Line(ablation, paper, None, state)
    if not ablation.texts:
        return Line(ablation, paper, row, state, found=difference(base, row, results.primary.key, resamples=resamples))
    mine, theirs = _common(base, row)
    scores = (each.scores(results.primary.key)[:, places] for each, places in ((base, mine), (row, theirs)))
    found = compare(*scores, resamples=resamples, seed=SEED, same_checkpoints=False)
    return Line(ablation, paper, row, state, found=found, videos=len(mine))


def _find(results: Results, base: Row, settings: dict[str, Any], ablation: Ablation) -> tuple[Row | None, State]:
    """Its row. One that was made of other data, code, seeds or parameters than the present `clipsum` is outdated. One of another
    study or encoder says nothing of this row, for which it has not been run.
    """
    if ablation.row is not None:
        row = results.find(ablation.row)
        return row, NOT_RUN if row is None else "run"
    overrides = ablation.overrides(settings)
    for row in results.ablations:
        of_row = all(getattr(base.record, key) == getattr(row.record, key) for key in _OF_ROW)
        if of_row and row.record.ablation is not None and row.record.ablation.name == ablation.name:
            comparable = _comparable(base, row, ablation, "frames.count" in overrides)
            made = row.record.ablation.overrides if ablation.texts else overrides  # of a dataset no training says anything
            changed = {} if ablation.texts else overrides
            same = row.record.training is not None and row.record.training.settings == settings | changed and made == overrides
            return (row, "run") if comparable and same else (None, OUTDATED)
    return None, NOT_RUN


def _comparable(base: Row, row: Row, ablation: Ablation, other_frames: bool) -> bool:
    """The same seeds, videos and references, made from the same; what it sees may differ if the frames are `other`, and the
    corpus and some of the videos if its texts are.
    """
    mine, theirs = base.record, row.record
    results_of_it = {"predictions", "checkpoints"} | ({"seen"} if other_frames else set())
    results_of_it |= {"corpus", "seen"} if ablation.texts else set()
    parts = (mine.made_from.keys() | theirs.made_from.keys()) - results_of_it
    return (
        mine.seeds == theirs.seeds
        and all(mine.made_from.get(part) == theirs.made_from.get(part) for part in parts)
        and (
            bool(_common(base, row)[0])
            if ablation.texts
            else (base.summaries.videos, base.summaries.references) == (row.summaries.videos, row.summaries.references)
        )
    )


def _common(a: Row, b: Row) -> tuple[list[int], list[int]]:
    """The places in `a` and in `b` of the videos that both have summarised, with the same reference."""
    places = {pair: place for place, pair in enumerate(zip(b.summaries.videos, b.summaries.references, strict=True))}
    pairs = enumerate(zip(a.summaries.videos, a.summaries.references, strict=True))
    both = [(place, places[pair]) for place, pair in pairs if pair in places]
    return [mine for mine, _ in both], [theirs for _, theirs in both]


def ablation_table(results: Results, lines: Sequence[Line]) -> pd.DataFrame:
    """Scores of every setting, beside the paper's."""
    table = []
    for line in lines:
        cells = {"Setting": line.ablation.label}
        for metric in results.compared:
            cells[metric.short] = line.state if line.row is None else f"{line.row.record.metrics[metric.key].mean:.1f}"
            if metric.key in METRICS:
                cells[f"{metric.short} paper"] = f"{line.paper[metric.key]:.1f}" if metric.key in line.paper else NO_VALUE
        gain = IS_CLIPSUM if line.is_base else signed(line.found) if line.found else NO_VALUE
        table.append(
            cells | {f"Row minus this, {results.primary.short}": gain, "p": p_text(line.tested.p) if line.tested else NO_VALUE}
        )
    return pd.DataFrame(table)


def ablation_caption(results: Results, lines: Sequence[Line]) -> str:
    common = {line.ablation.setting: line.videos for line in lines if line.videos is not None}
    return sentences("ablations", shared=results.shared, states={line.state for line in lines}, common=common)


def ablation_markdown(results: Results, lines: Sequence[Line]) -> str:
    return f"{as_markdown(ablation_table(results, lines))}\n\n{ablation_caption(results, lines)}\n"


def ablation_csv(results: Results, lines: Sequence[Line]) -> str:
    """The same unrounded, with the difference's interval and p value."""
    table = []
    for line in lines:
        cells: dict[str, Any] = {"name": line.ablation.name, "group": line.ablation.group, "setting": line.ablation.setting}
        cells |= {"state": line.state}
        for metric in results.compared:
            cells[metric.key] = line.row.record.metrics[metric.key].mean if line.row is not None else None
        cells |= {f"paper_{metric.key}": line.paper.get(metric.key) for metric in results.compared}
        found = line.found
        gain = (found.mean, found.ci95_low, found.ci95_high, found.p) if found is not None else (None,) * 4
        cells |= dict(zip(("gain", "gain_low", "gain_high", "p"), gain, strict=True))
        table.append(cells | {"p_corrected": None if line.tested is None else line.tested.p})
    return str(pd.DataFrame(table, dtype=object).to_csv(index=False, lineterminator="\n"))
