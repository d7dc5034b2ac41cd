"""Reading the results: every record with its predictions, checked against each other, and the optional files beside them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.base.encoder_names import ENCODERS
from pipeline.base.files import listed, read_json
from pipeline.base.paths import CORPUS, COSTS, FRAMES, METRICS, PREDICTIONS, STORYBOARDS
from pipeline.evaluation.repeats import HALF
from pipeline.frames.shown import shown_places
from pipeline.frames.store import SUMMARY, FrameStore, is_kept
from pipeline.report.attention import read_attended
from pipeline.report.checks import check_ablation, check_alone, check_rows
from pipeline.report.costs import read_costs
from pipeline.report.coverage import CorpusSummary, FramesSummary, Probes, SpeechSummary, read_summary
from pipeline.report.families import REFERENCE
from pipeline.report.marks import read_known
from pipeline.report.paper import SYSTEMS
from pipeline.report.results import Results, Row, remedy
from pipeline.scoring.predictions import Summaries, read_predictions
from pipeline.scoring.record import EXTRA_SCORES, ExtraScores, RowRecord, parse, read_record

ROW_ORDER = (*SYSTEMS, "vit_labels", *ENCODERS, "oracle", "oracle_named")  # rows of `more_encoders` are called like encoders
ABLATIONS, EVIDENCE, TRANSFER = "ablations", "evidence", "transfer"  # the folders of their records and predictions
_DOSED = ("corpus", "seen")  # what another dose changes


def load_results(root: Path = Path(), *, declared: Collection[str] | None = None, most_shown: int | None = None) -> Results:
    """Read and check the results below `root`. An inconsistency is a `ValueError` that names the row and, if any, the video.

    Rows that are not `declared` are left out, with their controls: what a row that is gone leaves behind belongs to no table. At
    most `most_shown` videos are to be shown one by one; None: all.
    """
    left_out = [] if declared is None else undeclared(root / METRICS, declared)
    found = _read_rows(root / METRICS, root / PREDICTIONS, left_out)
    if not found:
        raise ValueError(f"{root / METRICS}: no row to report; run `dvc repro`, which evaluates every row first")
    rows = tuple(sorted(found, key=_position))
    check_rows(rows, root / PREDICTIONS)
    ablations = tuple(_read_rows(root / METRICS / ABLATIONS, root / PREDICTIONS / ABLATIONS))
    for ablation in ablations:
        check_ablation(ablation, root / PREDICTIONS / ABLATIONS)
    repeated = _read_rows(root / METRICS / EVIDENCE, root / PREDICTIONS / EVIDENCE)
    for row in repeated:
        check_alone(row, root / PREDICTIONS / EVIDENCE / f"{row.name}.jsonl")
    moved = _read_rows(root / METRICS / TRANSFER, root / PREDICTIONS / TRANSFER)
    for row in moved:
        check_alone(row, root / PREDICTIONS / TRANSFER / f"{row.name}.jsonl")
    storyboards, sources = (root / STORYBOARDS, root / METRICS / "sources.json")
    boards = read_json(storyboards) if storyboards.exists() else None
    videos = rows[0].summaries.videos
    evidence = {row.name: row for row in repeated if _repeats(row, rows)}
    rows = _with_extra(rows, root / METRICS / EXTRA_SCORES)
    return Results(
        rows=rows,
        shown=shown_places(videos, len(videos) if most_shown is None else most_shown, first=boards or ()),
        ablations=ablations,
        evidence=evidence,
        transfers={row.name: row for row in moved},
        probes=_probes(root / METRICS, rows),
        corpus=read_summary(CorpusSummary, root / METRICS / "corpus.json"),
        frames=read_summary(FramesSummary, root / METRICS / "frames.json"),
        speech=read_summary(SpeechSummary, root / METRICS / "speech.json"),
        storyboards=boards,
        pictures=FrameStore(root / FRAMES) if (root / FRAMES / SUMMARY).exists() and is_kept(root / FRAMES) else None,
        known=read_known(root / CORPUS, rows[0].summaries),
        attended=next((read_attended(root, row.record) for row in rows if row.name == REFERENCE), None),
        costs=read_costs(root / COSTS),
        sources=read_json(sources) if sources.exists() else {},
    )


def undeclared(metrics: Path, declared: Collection[str]) -> list[str]:
    """Rows with a record in the folder `metrics` that are neither declared nor controls of such rows, nor floors."""
    records = [record for path in listed(metrics, "*.json") if _is_record(record := read_json(path))]
    trained = [each for each in records if each.get("kind") != "floor"]
    return [each["row"] for each in trained if (each.get("control_of") or each["row"]) not in declared]


def _with_extra(rows: Sequence[Row], path: Path) -> tuple[Row, ...]:
    """The rows with the scores that models gave their summaries, if the study names any."""
    extra = parse(ExtraScores, path) if path.exists() else ExtraScores(signatures={}, videos={}, rows={})
    if not extra.signatures:
        return tuple(rows)
    for row in rows:
        scored = extra.rows.get(row.name)
        if scored is None or scored.predictions != row.record.made_from.get("predictions"):
            which = "has no scores of row" if scored is None else "has scores of other summaries of row"
            raise ValueError(f"{path} {which} {row.name!r}; run `dvc repro extra_scores`")
    return tuple(
        replace(
            row,
            record=row.record.model_copy(
                update={
                    "metrics": row.record.metrics | extra.rows[row.name].metrics,
                    "signatures": row.record.signatures | extra.signatures,
                }
            ),
        )
        for row in rows
    )


def _probes(metrics: Path, rows: Sequence[Row]) -> Probes | None:
    """The probe of the table's encoders, and of those with a probe of their own, on the same frames."""
    probes = read_summary(Probes, metrics / "probes.json")
    if probes is None:
        return None
    accuracy = dict(probes.accuracy)
    for row in rows:
        more = read_summary(Probes, metrics / f"probe_{row.name}.json")
        if more is not None and more.test_frames == probes.test_frames:
            accuracy |= more.accuracy
    return probes.model_copy(update={"accuracy": accuracy})


def _repeats(repeated: Row, rows: Sequence[Row]) -> bool:
    """Whether a row is one of the table's own, run again: made of the same, but for what a dose changes. If not, it is left
    out.
    """
    name, dosed = repeated.name.replace(f"_{HALF}", ""), f"_{HALF}" in repeated.name
    base = next((row for row in rows if row.name == name), None)
    if base is None:
        return False
    mine, theirs = base.record, repeated.record
    parts = {"code", "text_model", "encoder"} | (set() if dosed else set(_DOSED))
    return (
        all(getattr(mine, key) == getattr(theirs, key) for key in ("study", "scale", "split", "encoder", "tuning", "signatures"))
        and all(mine.made_from.get(part) == theirs.made_from.get(part) for part in parts)
        and (None if mine.training is None else mine.training.settings)
        == (None if theirs.training is None else theirs.training.settings)
        and (base.summaries.videos, base.summaries.references) == (repeated.summaries.videos, repeated.summaries.references)
    )


def _read_rows(metrics: Path, predictions: Path, left_out: Collection[str] = ()) -> list[Row]:
    """All rows of a folder but those that are left out."""
    paths = [path for path in listed(metrics, "*.json") if path.stem not in left_out and _is_record(read_json(path))]
    records = {path.stem: read_record(path) for path in paths}
    for stem, record in records.items():
        name = record.row if record.ablation is None else record.ablation.name
        if stem != name:
            raise ValueError(f"{metrics / stem}.json: describes row {name!r}; file and row must have the same name")
    for path in listed(predictions, "*.jsonl"):
        if path.stem not in records and path.stem not in left_out:
            raise ValueError(f"{path}: row {path.stem!r} has no {metrics / path.stem}.json; evaluate the row or delete the file")
    return [Row(record, _read_summaries(predictions / f"{stem}.jsonl", record)) for stem, record in records.items()]


def _read_summaries(path: Path, record: RowRecord) -> Summaries:
    if not path.exists():
        raise ValueError(f"row {record.row!r}: {path} is missing; {remedy(record)}")
    try:
        return read_predictions(path)
    except ValueError as error:
        raise ValueError(f"row {record.row!r}: {error}") from error


def _is_record(content: Any) -> bool:
    """Other files that stages write to `metrics/` say nothing of a row."""
    return isinstance(content, dict) and "row" in content


def _position(row: Row) -> tuple[int, int, str]:
    place = ROW_ORDER.index(row.name) if row.name in ROW_ORDER else len(ROW_ORDER)
    return ("system", "chat", "external", "control", "floor").index(row.record.kind), place, row.name
