"""Summarise the test split with a trained row, or with a control of it, and score it.

Only this module, `pipeline.scoring.floors` and `pipeline.evaluation.external` read the test split. Summaries and scores are kept
in scratch, each under what decides it: new resamples need no new summaries, and an edit that concerns neither is answered in
seconds.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.base import tracking
from pipeline.base.code import code_digest
from pipeline.base.files import read_json, write_text
from pipeline.base.params import Params
from pipeline.base.paths import CORPUS, MODELS, metrics_file, predictions_file
from pipeline.base.resumable import Shard, all_done, run_shards, start_server
from pipeline.base.scratch import file_sha256, fingerprint, keep_only, scratch_folder
from pipeline.evaluation.controls import CONTROL_SEED, CONTROLS, controlled
from pipeline.scoring.record import Epoch, RowRecord, Score, VideoScores, write_record
from pipeline.scoring.score import score_file
from pipeline.training.table_row import Row, checkpoint_digest, read_row, seen_digests, short_digests
from pipeline.training.train_row import TEXT_LIBRARIES

OWN, NOTHING = "own", "none"
PRELOAD = ("pipeline.evaluation.summarise", "transformers.generation")
NEEDED_LATER = ("rouge_score.rouge_scorer", "nltk.translate.meteor_score", "sacrebleu.metrics", "mlflow")


@dataclass(frozen=True)
class Subject:
    """What is evaluated: the checkpoints of the row `trained`, under the name and title of a row or of a control.

    `control` is the name of a control of `pipeline.evaluation.controls`, or None for the videos' own frames.
    """

    name: str
    title: str
    trained: Row
    facts: dict[str, Any]
    control: str | None

    @property
    def frames(self) -> str:
        """What the system is shown."""
        return self.control or (NOTHING if self.trained.sees is None else OWN)

    @property
    def seeds(self) -> list[int]:
        return [result["seed"] for result in self.facts["seeds"]]


def read_subject(name: str, *, title: str) -> Subject:
    """A row with its own frames; its seeds lie in `models/`."""
    path = MODELS / name / "row.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; run `dvc repro train@{name}` (or train_text@, train_more@) first")
    facts = read_json(path)
    return Subject(name, title, read_row(facts["row"]), facts, control=None)


def control_of(subject: Subject, control: str) -> Subject:
    """The same checkpoints under a control. For a row that sees no frames it is a `ValueError`."""
    row = subject.trained
    if row.sees is None:
        raise ValueError(f"dvc.yaml, control {control} of {row.name}: that row sees no frames, so there is nothing to change")
    title = f"{subject.title}, {CONTROLS[control].title}"
    return replace(subject, name=f"{row.name}_{control}", title=title, control=control)


def evaluate(subjects: Sequence[Subject], params: Params) -> list[RowRecord]:
    """Write predictions and record of subjects of one row, and add both to their MLflow runs.

    While the seeds of a subject are summarised, by other processes if there is no GPU, the subject before is scored here.
    """
    with ThreadPoolExecutor(1) as scorer:
        marks, scored = [], []
        for subject in subjects:
            print(f"{subject.name}: seeds {', '.join(map(str, subject.seeds))} summarise the test split", flush=True)
            marks.append(summarise_test(subject, params, scorer))
            scored.append(scorer.submit(_score, subject, params))
        scores = [each.result() for each in scored]
    return [_finish(subject, params, mark, *found) for subject, mark, found in zip(subjects, marks, scores, strict=True)]


def _finish(
    subject: Subject, params: Params, marks: Sequence[dict[str, Any]], scores: dict[str, Score], per_video: VideoScores
) -> RowRecord:
    record = make_record(subject, params, marks, scores, per_video)
    write_record(metrics_file(subject.name), record)
    _track(subject, params, record)
    return record


def _score(subject: Subject, params: Params) -> tuple[dict[str, Score], VideoScores]:
    from pipeline.scoring.entity import known_entities

    entities = known_entities(CORPUS, "test")
    return score_file(subject.name, resamples=params.current.bootstrap_resamples, entities=entities)


def summarise_test(subject: Subject, params: Params, scorer: Executor) -> list[dict[str, Any]]:
    """Write `predictions/<name>.jsonl`; returns for each seed how many videos there are and how many texts were cut.

    `scorer` is what will score them: where there is something to summarise, it imports meanwhile what scoring needs.
    """
    study = params.current
    decided_by = (
        checkpoint_digest(subject.trained, subject.seeds),
        file_sha256(CORPUS),
        seen_digests(subject.trained.sees),
        study.generate.model_dump(),
    )
    device = params.runtime.device
    key = fingerprint(
        *decided_by, study.text.model_dump(), subject.trained.reads, subject.control, CONTROL_SEED, device, summary_code(subject)
    )
    shards = [Shard(name=f"{seed}.jsonl", items=[seed]) for seed in subject.seeds]
    with scratch_folder(f"summarise.{subject.name}", key) as scratch:
        workers = 1 if all_done(shards, scratch) else _start_workers(subject.trained, params, scorer)
        work = partial(_summarise_seed, subject=subject, params=params, single=workers > 1)
        marks = run_shards(
            work, shards, folder=scratch, workers=workers, unit="seed", title=f"evaluate {subject.name}", forked=True
        )
        texts = [(scratch / shard.name).read_text(encoding="utf-8") for shard in shards]
        write_text(predictions_file(subject.name), "".join(texts))
        keep_only(scratch)
    return marks


def _start_workers(row: Row, params: Params, scorer: Executor) -> int:
    """How many processes summarise seeds. What takes seconds to import is imported by the server that they are forked from, and
    what scoring needs by the scorer: a second thread that enters NLTK while it is being imported sees half of it.
    """
    if params.runtime.device != "cuda":
        start_server([*PRELOAD, f"pipeline.models.{row.model}", *TEXT_LIBRARIES.get(row.text, [])])
    scorer.submit(lambda: [import_module(name) for name in NEEDED_LATER])
    from pipeline.base.device import choose_device

    return params.runtime.processes if choose_device(params.runtime.device).type == "cpu" else 1


def summary_code(subject: Subject) -> str:
    """A digest of the code that decides what a trained seed says; that of controls concerns controls only."""
    controls = () if subject.control is None else ("pipeline.evaluation.controls",)
    return code_digest("pipeline.evaluation.summarise", f"pipeline.models.{subject.trained.model}", *controls)


def make_record(
    subject: Subject, params: Params, marks: Sequence[dict[str, Any]], scores: dict[str, Score], per_video: VideoScores
) -> RowRecord:
    """Everything the report says of the row."""
    from pipeline.scoring.metrics import signatures

    row, facts = subject.trained, subject.facts
    select = f"val_{facts['settings']['train.select']}"
    histories = {
        str(seed): [
            {key: value for key, value in epoch.items() if key in Epoch.model_fields} | {"val_score": epoch[select]}
            for epoch in read_json(row.folder / str(seed) / "history.json")
        ]
        for seed in subject.seeds
    }
    made_from = {
        "predictions": file_sha256(predictions_file(subject.name)),
        "checkpoints": checkpoint_digest(row, subject.seeds),
        "code": fingerprint(row.code, summary_code(subject)),
        **short_digests(facts["made_from"]),
    }
    return RowRecord.model_validate(
        {
            "row": subject.name,
            "title": subject.title,
            "kind": "system" if subject.control is None else "control",
            "model": row.model,
            "text_model": row.text,
            "encoder": row.encoder,
            "tuning": row.tuning,
            "control_of": None if subject.control is None else row.name,
            "frames": subject.frames,
            "study": params.study,
            "scale": params.current.scale,
            "split": "test",
            "n_videos": marks[0]["videos"],
            "seeds": subject.seeds,
            "feature_width": read_json(row.folder / str(subject.seeds[0]) / "config.json")["feature_width"],
            "parameters": facts["parameters"],
            "truncated": marks[0]["truncated"],
            "primary": params.current.primary.model_dump(),
            "metrics": scores,
            "signatures": signatures(),
            "per_video": per_video,
            "training": {
                "selection": {
                    str(result["seed"]): {key: result[key] for key in ("best_epoch", "val_score")} for result in facts["seeds"]
                },
                "select": facts["settings"]["train.select"],
                "looks": {str(result["seed"]): result["looks"] for result in facts["seeds"]},
                "history": histories,
                "settings": facts["settings"],
                "optimised": facts["optimised"],
            },
            "made_from": made_from,
        }
    )


def _summarise_seed(items: Sequence[int], path: Path, *, subject: Subject, params: Params, single: bool) -> dict[str, Any]:
    """`single`: in a process beside others, hence with one thread."""
    import torch

    from pipeline.evaluation.summarise import summarise_seed  # PyTorch, which takes seconds to import

    if single:
        torch.set_num_threads(1)
    if subject.control is None:
        return summarise_seed(subject.trained, items[0], path, params=params, change=None)
    change = partial(controlled, control=subject.control)
    return summarise_seed(subject.trained, items[0], path, params=params, change=change, draws=CONTROLS[subject.control].draws)


def _track(subject: Subject, params: Params, record: RowRecord) -> None:
    """Add test metrics and artifacts to the row's run; a control, which trains nothing, has a run of its own."""
    stage = f"{'evaluate' if subject.control is None else 'control'}@{subject.name}"
    about = {"title": subject.title} | ({} if subject.control is None else {"shows": subject.control, "of": subject.trained.name})
    run = tracking.row_run(
        study=params.study, row=subject.name, stage=stage, fingerprint=subject.facts["fingerprint"], params=about
    )
    with run as row_run:
        row_run.dataset(name=params.study, path=CORPUS, digest=file_sha256(CORPUS), context="test")
        row_run.scores({metric: score.mean for metric, score in record.metrics.items()}, primary=record.primary.metric)
        if subject.control is None and record.training is not None:
            row_run.mean_curves([[epoch.model_dump() for epoch in epochs] for epochs in record.training.history.values()])
        row_run.table("predictions.json", _table(subject, record))
        for seed in subject.seeds:
            with row_run.seed_run(seed) as seed_run:
                means = {metric: score.per_seed[str(seed)].mean for metric, score in record.metrics.items()}
                seed_run.scores(means, primary=record.primary.metric)
                seed_run.artifact(subject.trained.folder / str(seed) / "history.json")
        for path in (predictions_file(subject.name), metrics_file(subject.name)):
            row_run.artifact(path)


def _table(subject: Subject, record: RowRecord) -> dict[str, list[Any]]:
    """Columns: each summary beside its reference, and its scores. Of several draws it is the first, and without scores: those are
    means over draws.
    """
    from pipeline.scoring.predictions import read_predictions

    said = read_predictions(predictions_file(subject.name))
    scores = record.per_video.scores if len(said.draws) == 1 else {}
    columns: dict[str, list[Any]] = {
        "video_id": [*said.videos] * len(said.seeds),
        "seed": [seed for seed in said.seeds for _ in said.videos],
        "prediction": [text for texts in said.predictions for text in texts],
        "reference": [*said.references] * len(said.seeds),
    }
    return columns | {metric: [round(value, 1) for values in table for value in values] for metric, table in scores.items()}
