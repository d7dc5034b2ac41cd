"""A row of somebody else's outputs: aligned to the study's test videos and scored like every other row. Nothing is trained.

What only whoever made them knows (parameters, what was read and seen) is left out of its record, which says whose they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.base.code import code_digest
from pipeline.base.dataset_params import External
from pipeline.base.files import write_json_lines
from pipeline.base.params import Params, Primary
from pipeline.base.paths import CORPUS, INPUTS, STUDIES, metrics_file, predictions_file
from pipeline.base.scratch import file_sha256
from pipeline.base.tracking import RowRun, row_run
from pipeline.corpus.table import usable_parts
from pipeline.evaluation.external_files import Outputs, Texts, check_same_references, read_outputs, read_references
from pipeline.scoring.entity import Entities, known_entities
from pipeline.scoring.metrics import signatures
from pipeline.scoring.record import Judged, RowRecord, untrained_record, write_record
from pipeline.scoring.score import score_file


@dataclass(frozen=True)
class Scoring:
    """What all rows of a table share. `root` is the folder with its `metrics/` and `predictions/`; `also` are metrics whose
    scores are kept video by video, beside those by which rows are compared anyway.
    """

    study: str
    scale: Literal["mini", "full"]
    primary: Primary
    resamples: int
    entities: Entities | None = None
    root: Path = Path()
    also: tuple[str, ...] = ()


def external_row(name: str, params: Params) -> RowRecord:
    """Write predictions and record of the entry `name` of the study's block `external`. Paths in messages are as in that block.

    Its videos are the test videos that have a text and a summary, the ones that every row of the table summarises.
    """
    study = params.current
    if name not in study.external:
        raise ValueError(
            f"{STUDIES / params.study}.yaml: external.{name} is missing; it has {', '.join(study.external) or 'none'}"
        )
    entry, folder = study.external[name], INPUTS / params.study
    test = {
        video: summary
        for part in usable_parts(CORPUS, "test", source=study.text.source)
        for video, summary in zip(part["video_id"], part["summary"], strict=True)
    }
    if entry.references is not None:
        given = read_references(folder / entry.references, order=_order(folder, entry, entry.references))
        check_same_references(given, test, whose=f"the test videos of study {params.study}")
    scoring = Scoring(params.study, study.scale, study.primary, study.bootstrap_resamples, known_entities(CORPUS, "test"))
    record = score_external(name, entry, folder, references=test, scoring=scoring)
    about = {"title": entry.title, "provenance": entry.provenance}
    digest = record.made_from["file"]
    with row_run(study=params.study, row=name, stage=f"external@{name}", fingerprint=digest, params=about) as run:
        log_scores(run, record)
    return record


def log_scores(run: RowRun, record: RowRecord) -> None:
    """Add scores and files of a row that nobody trained here to its MLflow run."""
    run.dataset(name=record.study, path=CORPUS, digest=file_sha256(CORPUS), context="test")
    run.scores({metric: score.mean for metric, score in record.metrics.items()}, primary=record.primary.metric)
    for path in (predictions_file(record.row), metrics_file(record.row)):
        run.artifact(path)


def score_external(
    name: str, entry: External, folder: Path, *, references: Texts | Mapping[str, str], scoring: Scoring
) -> RowRecord:
    """Write `predictions/<name>.jsonl` and `metrics/<name>.json` below the scoring's root, of a file of `folder`."""
    outputs = read_outputs(folder / entry.file, references=references, order=_order(folder, entry, entry.file))
    if outputs.empty:
        print(f"{name}: {outputs.empty} of {len(outputs.rows)} summaries are empty, and scored as such")
    path = scoring.root / predictions_file(name)
    write_json_lines(path, outputs.rows)
    record = _record(name, entry, outputs, folder, scoring)
    write_record(scoring.root / metrics_file(name), record)
    return record


def _order(folder: Path, entry: External, file: str) -> Path | None:
    return None if entry.order is None or file.endswith(".jsonl") else folder / entry.order


def _record(name: str, entry: External, outputs: Outputs, folder: Path, scoring: Scoring) -> RowRecord:
    scores, per_video = score_file(
        name, resamples=scoring.resamples, entities=scoring.entities, root=scoring.root, also=scoring.also
    )
    return untrained_record(
        row=name,
        title=entry.title,
        kind="external",
        frames="unknown",
        study=scoring.study,
        scale=scoring.scale,
        n_videos=len(per_video.videos),
        seeds=per_video.seeds,
        primary=Judged(**scoring.primary.model_dump()),
        metrics=scores,
        signatures=signatures(),
        per_video=per_video,
        made_from={
            "predictions": file_sha256(scoring.root / predictions_file(name)),
            "file": file_sha256(folder / entry.file),
            "code": code_digest("pipeline.evaluation.external_files"),
        },
        provenance=entry.provenance,
    )
