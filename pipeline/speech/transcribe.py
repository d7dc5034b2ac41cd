"""Texts for videos that have none, from their own sound."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.base.code import code_digest
from pipeline.base.dataset_params import Speech
from pipeline.base.engines.engine import Engine
from pipeline.base.items import ItemErrors
from pipeline.base.resumable import run_shards, split_into_shards
from pipeline.base.scratch import file_identity, fingerprint, publish, scratch_folder
from pipeline.corpus.subtitles import without_sounds
from pipeline.speech.recogniser import Recogniser, Segment, open_recogniser, recogniser_module
from pipeline.speech.sound import SoundError, read_sound
from pipeline.speech.store import open_writer, write_heard

VIDEOS_PER_SHARD = 8  # some minutes of work on one core; as many alike faults as `ItemErrors` takes for ours
_ASR = "asr:"


def origin_of(recogniser: Recogniser) -> str:
    """What the corpus calls a text that `recogniser` has heard."""
    return _ASR + recogniser.label


def hear_videos(
    videos: Iterable[tuple[str, str]], out: Path, *, settings: Speech, device: str, workers: int, engine: Engine | None = None
) -> tuple[str, list[dict[str, Any]]]:
    """Hear every video, (id, path), into the store `out`; returns the origin of the texts and what is known of each video:
    `video_id, status, reason, note`.

    A video in which nothing is said is a row with a reason. Each worker is a process with one thread, so how many there are
    changes nothing. Wherever a call is killed, the next one resumes after the last finished shard.
    """
    recogniser = open_recogniser(settings, device=device)
    rows = [{"video_id": video_id, "video_path": path} for video_id, path in videos]
    work = partial(_hear_shard, recogniser=recogniser, max_seconds=settings.max_seconds)
    code = code_digest("pipeline.speech.transcribe", recogniser_module(settings))
    seen = [[*row.values(), *file_identity(Path(row["video_path"]))] for row in rows]
    key = fingerprint(dict(recogniser.about), settings.max_seconds, code, VIDEOS_PER_SHARD, seen)
    shards = split_into_shards(rows, size=VIDEOS_PER_SHARD)
    with scratch_folder("transcribe", key) as folder:
        parts = run_shards(
            work,
            shards,
            folder=folder,
            workers=workers,
            unit="video",
            title=f"hear with {recogniser.label}",
            engine=engine,
            gpus=1 if device == "cuda" else 0,
        )
        publish(folder, [shard.name for shard in shards], out)
    return origin_of(recogniser), [video for part in parts for video in part["videos"]]


def hear_video(path: Path, recogniser: Recogniser, *, max_seconds: float) -> tuple[list[Segment], str]:
    """What is said in a video, and a note on what was amiss. Sounds in brackets are left out, and what loops.

    Raises `SoundError` where nothing is said.
    """
    sound, note = read_sound(path, max_seconds=max_seconds)
    segments = recogniser.hear(sound)
    said = [
        Segment(segment.start_seconds, segment.end_seconds, text, segment.words)
        for segment in segments
        if not segment.loops and (text := " ".join(without_sounds(segment.text).replace("♪", " ").split()))
    ]
    if not said:
        raise SoundError(_nothing_said(segments))
    if loops := sum(segment.loops for segment in segments):
        told = f"{loops} of {len(segments)} sentences repeat themselves and are left out"
        note = f"{note}; {told}" if note else told
    return said, note


def _nothing_said(segments: Sequence[Segment]) -> str:
    if not segments:
        return "nothing is said: no speech was found in its sound"
    heard = segments[0].text[:40]
    return f"nothing is said: what was heard {'repeats itself' if segments[0].loops else 'are sounds'}, such as {heard!r}"


def _hear_shard(rows: Sequence[dict[str, str]], path: Path, *, recogniser: Recogniser, max_seconds: float) -> dict[str, Any]:
    videos: list[dict[str, Any]] = []
    errors = ItemErrors()
    with open_writer(path, recogniser.about) as writer:
        for row in rows:
            segments: list[Segment] = []
            reason = note = ""
            try:
                segments, note = hear_video(Path(row["video_path"]), recogniser, max_seconds=max_seconds)
                errors.passed()
            except SoundError as error:
                reason = str(error)
                errors.passed()
            except Exception as error:  # noqa: BLE001 - whatever one file provokes is its reason
                reason = errors.reason(error)
            write_heard(writer, row["video_id"], segments, reason)
            videos.append({"video_id": row["video_id"], "status": "failed" if reason else "ok", "reason": reason, "note": note})
    return {"videos": videos}
