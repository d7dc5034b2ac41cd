"""What hears speech, behind one interface: a file of `recognisers/` with `open_recogniser(settings, device, threads)`.

Sound comes in as float32 [samples], mono, `RATE` samples a second; sentences with their times go out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np

from pipeline.base.dataset_params import Speech

RATE = 16_000  # what recognisers of speech are trained on
USUAL = Speech(  # for whoever wants to listen and has no study that says how
    recogniser="faster_whisper",
    models={"cpu": "Systran/faster-whisper-small.en", "cuda": "mobiuslabsgmbh/faster-whisper-large-v3-turbo"},
    language="en",
    beams=5,
    max_seconds=7200.0,
    max_failed_share=0.5,
)


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds, and how sure the recogniser is of it, from 0 to 1."""

    word: str
    start_seconds: float
    end_seconds: float
    probability: float


@dataclass(frozen=True)
class Segment:
    """A sentence, more or less. `loops`: the recogniser says the same again and again, which people do not."""

    start_seconds: float
    end_seconds: float
    text: str
    words: Sequence[Word]
    loops: bool = False


class Recogniser(Protocol):
    """`label` names recogniser and model in few words; `about` is all that decides what is heard, for footers and keys."""

    label: str
    about: Mapping[str, str]

    def hear(self, sound: np.ndarray) -> list[Segment]:
        """The segments of `sound`, float32 [samples] at `RATE`, in order of time; none where nothing is said."""
        ...


def open_recogniser(settings: Speech, *, device: str, threads: int = 1) -> Recogniser:
    """The recogniser that a study names. `device` is cpu or cuda; `threads` are those of a CPU.

    It can be sent to another process. Its model is there when this returns, and is loaded when something is to be heard.
    Raises `RuntimeError` that says what to install, or where to put the model.
    """
    module = import_module(recogniser_module(settings))
    recogniser: Recogniser = module.open_recogniser(settings, device=device, threads=threads)
    return recogniser


def recogniser_module(settings: Speech) -> str:
    """The dotted name of the recogniser's file."""
    return f"pipeline.speech.recognisers.{settings.recogniser}"
