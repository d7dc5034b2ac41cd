"""A row of a chat model: asked for a summary of every test video, without any training, and scored like every other row.

It costs money, so nothing asks but stage `chat`, for rows that params.yaml names. No answer is paid twice
(`pipeline.evaluation.chat_answers`).
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from pipeline.base.chat_params import ChatRows
from pipeline.base.code import code_digest
from pipeline.base.files import write_json_lines
from pipeline.base.params import Params
from pipeline.base.paths import CORPUS, FRAMES, STUDIES, metrics_file, predictions_file
from pipeline.base.scratch import file_sha256, fingerprint
from pipeline.base.tracking import RowRun, row_run
from pipeline.base.tracking_traces import Traced, trace
from pipeline.corpus.answers import Answer
from pipeline.corpus.asking import KEY, Asking, Call, Found, Question, ask_all
from pipeline.corpus.coverage import check_losses
from pipeline.corpus.table import usable_parts
from pipeline.evaluation.chat_answers import answers_folder, line, take_back
from pipeline.evaluation.chat_message import KINDS, Frame, Kind, question, shown_frames
from pipeline.evaluation.controls import CONTROL_SEED, swap_videos
from pipeline.evaluation.external import log_scores
from pipeline.frames.stored import StoredFrames
from pipeline.scoring.entity import Entities, known_entities
from pipeline.scoring.metrics import signatures
from pipeline.scoring.record import Asked, Judged, RowRecord, Score, VideoScores, untrained_record, write_record
from pipeline.scoring.score import score_file

Place = tuple[str, int]  # video and draw
_REMEDY = "Run it again: answers are kept, and only what failed for the moment is asked again."


@dataclass(frozen=True)
class _Video:
    text: str
    summary: str
    frames: list[Frame]


def chat_row(name: str, params: Params) -> RowRecord:
    """Ask, then write predictions and record of the row `name`, one of `KINDS`.

    A video without an answer has an empty summary, which scores 0, and is counted. More of them than `chat.max_failed_share` are
    an error, and so is what `pipeline.corpus.asking.ask_all` refuses; answers that have come are kept.
    """
    settings, kind = params.current.chat, KINDS[name]
    if settings is None:
        raise ValueError(f"{STUDIES / params.study}.yaml: chat is missing, the endpoint that the row {name} asks; docs/chat.md")
    entities, most = known_entities(CORPUS, "test"), kind.most or settings.frames
    videos = _shown(kind, most, params, entities)
    seeds = params.current.seeds if settings.is_drawn else params.current.seeds[:1]
    questions = {
        (video_id, seed): question(video.text, video.frames, settings=settings, draw=seed)
        for seed in seeds
        for video_id, video in videos.items()
        if video.text or video.frames
    }
    about = {"title": _title(kind, settings), "model": settings.model, "temperature": settings.temperature, "frames": most}
    keys = fingerprint([each.key for each in questions.values()])
    with row_run(study=params.study, row=name, stage=f"chat@{name}", fingerprint=keys, params=about) as run:
        found = _ask(questions, settings, run, name)
        answers, failed = found.answers, dict(found.failed)
        failed |= {(video, seed): "it has no frames" for video in videos for seed in seeds if (video, seed) not in questions}
        total, limit = len(videos) * len(seeds), settings.max_failed_share
        check_losses(failed=len(failed), asked=total, limit=limit, what=f"answers of {name}{_first(failed)}", remedy=_REMEDY)
        rows = [
            {
                "video_id": video_id,
                "seed": seed,
                "prediction": "" if (video_id, seed) in failed else answers[video_id, seed].text,
                "reference": video.summary,
                **line(questions.get((video_id, seed)), answers.get((video_id, seed)), failed.get((video_id, seed))),
            }
            for seed in seeds
            for video_id, video in videos.items()
        ]
        write_json_lines(predictions_file(name), rows)
        scored = score_file(name, resamples=params.current.bootstrap_resamples, entities=entities)
        asked = _asked(settings, kind, most, found.spent, failed, videos, total)
        record = _record(name, params, asked, keys, seeds, *scored)
        write_record(metrics_file(name), record)
        log_scores(run, record)
    return record


def _ask(questions: Mapping[Place, Question], settings: ChatRows, run: RowRun, name: str) -> Found[Place]:
    """Ask what no earlier run has answered, here or wherever the predictions come from. Without a key, what failed there is not
    asked again.
    """
    before = take_back(predictions_file(name), {each.key for each in questions.values()})
    unasked = {} if os.environ.get(KEY) else {place: before[each.key] for place, each in questions.items() if each.key in before}
    if unasked:
        print(f"{name}: {len(unasked)} questions that failed before are not put again: {KEY} is not set")
    asking = Asking(settings, "chat.", name, "question", answers_folder(), told=partial(_trace, run, settings, name))
    found = ask_all({place: each for place, each in questions.items() if place not in unasked}, asking)
    return replace(found, failed=found.failed | unasked)


def _trace(run: RowRun, settings: ChatRows, name: str, call: Call) -> None:
    """Of an error only what kind it is: an endpoint may repeat in it what it was sent."""
    answer = call.answer or Answer("", 0, 0)
    traced = Traced(
        name=name,
        inputs=dict(call.question.about) | {"model": settings.model},
        outputs={"answer_sha256": hashlib.sha256(answer.text.encode()).hexdigest(), "words": len(answer.text.split())},
        tokens_in=answer.tokens_in,
        tokens_out=answer.tokens_out,
        started=call.started,
        ended=call.ended,
        problem=call.reason if call.answer is not None else call.reason.partition(":")[0],
    )
    trace(run, traced)


def _shown(kind: Kind, most: int, params: Params, entities: Entities | None) -> dict[str, _Video]:
    """What is shown of the test videos that have a text and a summary, those that every row of the table summarises."""
    parts = list(usable_parts(CORPUS, "test", source=params.current.text.source))
    texts: dict[str, tuple[str, str]] = {
        video_id: (text, summary)
        for part in parts
        for video_id, text, summary in zip(part["video_id"], part["source"], part["summary"], strict=True)
    }
    seen: Mapping[str, list[Frame]] = {}
    if kind.frames != "none":
        store = StoredFrames(FRAMES)
        known = set(store.video_ids)
        having = [video for video in texts if video in known]
        shown = having
        if kind.frames == "swapped":
            shown = swap_videos(having, {} if entities is None else entities.of, seed=CONTROL_SEED)
        seen = {video: shown_frames(store, other, most=most) for video, other in zip(having, shown, strict=True)}
    return {video: _Video(text if kind.text else "", summary, seen.get(video, [])) for video, (text, summary) in texts.items()}


def _asked(
    settings: ChatRows,
    kind: Kind,
    most: int,
    spent: Answer,
    failed: Mapping[Place, str],
    videos: Mapping[str, _Video],
    questions: int,
) -> Asked:
    address = urlsplit(settings.base_url)
    shows = kind.frames != "none"
    return Asked(
        endpoint=f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}",  # without a password, if it has one
        model=settings.model,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        prompt=settings.prompt,
        frames=max((len(video.frames) for video in videos.values()), default=0),
        frames_asked_for=most if shows else 0,
        without_frames=sum(not video.frames for video in videos.values()) if shows else 0,
        detail=settings.detail,
        questions=questions,
        failed={f"{video}, seed {seed}": reason for (video, seed), reason in sorted(failed.items())},
        tokens_in=spent.tokens_in,
        tokens_out=spent.tokens_out,
        cost=round(spent.cost(settings), 4),
    )


def _record(
    name: str, params: Params, asked: Asked, keys: str, seeds: list[int], scores: dict[str, Score], per_video: VideoScores
) -> RowRecord:
    study, kind = params.current, KINDS[name]
    assert study.chat is not None
    return untrained_record(
        row=name,
        title=_title(kind, study.chat),
        kind="chat",
        control_of="vlm" if kind.frames == "swapped" else None,
        frames=kind.frames,
        study=params.study,
        scale=study.scale,
        n_videos=len(per_video.videos),
        seeds=seeds,
        primary=Judged(**study.primary.model_dump()),
        metrics=scores,
        signatures=signatures(),
        per_video=per_video,
        made_from={
            "predictions": file_sha256(predictions_file(name)),
            "questions": keys,
            "code": code_digest("pipeline.evaluation.chat_message"),
        },
        asked=asked,
    )


def _title(kind: Kind, settings: ChatRows) -> str:
    """The model without the organisation that publishes it, and what it is shown."""
    return f"{settings.model.rpartition('/')[2]} ({kind.title})"


def _first(failed: Mapping[Place, str]) -> str:
    return f" (the first: {next(iter(failed.values()))})" if failed else ""
