"""Whisper by faster-whisper and CTranslate2, int8 on a CPU and float16 on a GPU.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022. What is not speech is taken out first by
Silero's voice activity detector. Each half minute is heard by itself, and the likeliest text is taken: whoever lets Whisper go on
from its own text, or try again at a higher temperature, gets sentences that nobody said, and other ones each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from pipeline.base.dataset_params import Speech
from pipeline.base.hub import fetch_files, revision_of
from pipeline.base.pins import compare_digests
from pipeline.speech.recogniser import Segment, Word

_REQUIRED = (("model.bin",), ("config.json",), ("tokenizer.json",), ("vocabulary.txt", "vocabulary.json"))
_OPTIONAL = ("preprocessor_config.json",)
_COMPUTE: dict[str, str] = {"cpu": "int8", "cuda": "float16"}
_LOOPING = 2.4  # compression ratio; the paper's own sign of a text that repeats itself
_PACKAGES = ("faster-whisper", "ctranslate2", "onnxruntime")


@dataclass(frozen=True)
class FasterWhisper:
    """A folder in CTranslate2's layout; see `pipeline.speech.recogniser.Recogniser`."""

    label: str
    about: Mapping[str, str]
    folder: str
    device: str
    threads: int
    options: Mapping[str, Any]

    def hear(self, sound: np.ndarray) -> list[Segment]:
        segments, _ = _loaded(self.folder, self.device, self.threads).transcribe(sound, **self.options)
        return [
            Segment(
                float(segment.start),
                float(segment.end),
                segment.text.strip(),
                [
                    Word(word.word.strip(), float(word.start), float(word.end), float(word.probability))
                    for word in segment.words or []
                ],
                loops=segment.compression_ratio > _LOOPING,
            )
            for segment in segments
        ]


def open_recogniser(settings: Speech, *, device: str, threads: int) -> FasterWhisper:
    """Get the model for `device` from `data/inputs/weights/<repository>/` or the hub. Raises `RuntimeError`."""
    try:
        import faster_whisper  # noqa: F401 - whether it is there is said now, and not in a process of many
    except ImportError as error:
        raise RuntimeError(
            f"speech.recogniser: faster-whisper cannot be imported ({error}). `make setup` installs it, as the extra asr of "
            "pyproject.toml"
        ) from error
    repository = settings.models[device]
    paths = fetch_files(repository, _REQUIRED, optional=_OPTIONAL)
    revision = revision_of(paths["model.bin"])
    digests, _ = compare_digests(repository, paths, revision=revision)
    options = {
        "language": settings.language,
        "beam_size": settings.beams,
        "temperature": 0.0,
        "condition_on_previous_text": False,
        "vad_filter": True,
        "word_timestamps": True,
    }
    about = {"recogniser": "faster_whisper", "model": repository, "revision": revision, "compute": _COMPUTE[device]}
    about |= {f"sha256 of {name}": digest for name, digest in sorted(digests.items())}
    about |= {f"version of {name}": version(name) for name in _PACKAGES} | {name: str(value) for name, value in options.items()}
    folder = str(paths["model.bin"].parent)
    return FasterWhisper(repository.rpartition("/")[2], about, folder, device, threads, options)


@cache  # once a process
def _loaded(folder: str, device: str, threads: int) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(folder, device=device, compute_type=_COMPUTE[device], cpu_threads=threads, local_files_only=True)
