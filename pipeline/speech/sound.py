"""The sound of a video as one array, whatever its codec, channels and rate. A file without sound is a reason, never silence."""

from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np

from pipeline.frames.opening import Deadline, VideoError, check_file, opened_container, read_packets
from pipeline.speech.recogniser import RATE


class SoundError(Exception):
    """Why a video has nothing to hear, in a few words for a table."""


def read_sound(path: Path, *, max_seconds: float) -> tuple[np.ndarray, str]:
    """The sound of the stream that a player would take, float32 [samples] at `RATE`, mono, and a note on what was amiss.

    At most `max_seconds` of it are read: an hour takes 230 MB. Of a damaged file what was read before the damage counts.
    Raises `SoundError`.
    """
    try:
        check_file(path)
        with opened_container(path) as container:
            return _decode(container, _stream(container), Deadline(path), max_seconds)
    except VideoError as error:
        raise SoundError(str(error)) from error


def _stream(container: Any) -> Any:
    streams = container.streams.audio
    if not streams:
        raise SoundError("no sound: the file has no audio stream")
    stream = container.streams.best("audio") or streams[0]
    if stream.codec_context is None:
        raise SoundError("no decoder for the codec of its sound")
    stream.codec_context.thread_count = 1
    return stream


def _decode(container: Any, stream: Any, deadline: Deadline, max_seconds: float) -> tuple[np.ndarray, str]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    parts: list[np.ndarray] = []
    samples, most = 0, round(max_seconds * RATE)
    broken: list[str] = []
    for packet in chain(read_packets(container, [stream], deadline, broken), [None]):  # at last what the decoder holds back
        try:
            frames = stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            broken.append(error.strerror)
            continue  # sound goes on after a packet that is damaged
        for frame in frames:
            frame.pts = None  # gaps and jumps in the times of a stream would stop the resampler
            for piece in resampler.resample(frame):
                parts.append(piece.to_ndarray().reshape(-1))
                samples += len(parts[-1])
        if samples >= most:
            return np.concatenate(parts)[:most], f"only the first {max_seconds:.0f} seconds were heard"
    parts += [piece.to_ndarray().reshape(-1) for piece in resampler.resample(None)]
    sound = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not len(sound):
        raise SoundError(f"its sound cannot be decoded: {broken[0]}" if broken else "no sound: its audio stream is empty")
    if not np.isfinite(sound).all():
        raise SoundError("its sound has values that are no numbers")
    return sound, f"its sound is damaged: {broken[0]}" if broken else ""
