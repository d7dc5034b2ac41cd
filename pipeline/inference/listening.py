"""What is said in a video that has no text: heard by the recogniser of the study, or by the usual one if somebody asks."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.device import choose_device
from pipeline.base.params import Params
from pipeline.base.scratch import fingerprint
from pipeline.speech.recogniser import USUAL, Recogniser, open_recogniser
from pipeline.speech.sound import SoundError
from pipeline.speech.transcribe import hear_video, origin_of


class SilentError(ValueError):
    """Why nothing is heard, in words for a line."""


@dataclass(frozen=True)
class Ear:
    """`key` changes with all that decides what is heard."""

    recogniser: Recogniser
    max_seconds: float

    @property
    def origin(self) -> str:
        return origin_of(self.recogniser)

    @property
    def key(self) -> str:
        return fingerprint(dict(self.recogniser.about), self.max_seconds)

    def hear(self, path: Path) -> tuple[str, str]:
        """What is said, and a note on what was amiss. Raises `SilentError`."""
        try:
            segments, note = hear_video(path, self.recogniser, max_seconds=self.max_seconds)
        except SoundError as error:
            raise SilentError(str(error)) from error
        return " ".join(segment.text for segment in segments), note


def open_ear(params: Params, *, listen: bool) -> Ear | None:
    """None where the study has no `speech` and nobody asks to `listen`. Raises `RuntimeError` if the model cannot be had."""
    settings = params.current.speech or (USUAL if listen else None)
    if settings is None:
        return None
    device = choose_device(params.runtime.device).type
    recogniser = open_recogniser(settings, device=device, threads=len(os.sched_getaffinity(0)))
    return Ear(recogniser, settings.max_seconds)
