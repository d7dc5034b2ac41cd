"""What a chat model is sent of a video: the row's text, sampled frames with their times, or both, in one message.

The same model, prompt and decoding in every row; what it is shown is all that differs. Frames are those of the store, byte for
byte: the server samples nothing.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.base.chat_params import SHOWN, ChatRows
from pipeline.base.scratch import fingerprint
from pipeline.corpus.asking import Question
from pipeline.frames.decoding import sample_positions
from pipeline.frames.stored import StoredFrames

_TEXT, _FRAMES, _TIME = "Its text:\n{text}\n", "Frames of it, each after its time:\n", "[{seconds:.1f} s]"


@dataclass(frozen=True)
class Kind:
    """What a row shows. `frames` is "own", "none", or "swapped": those of another video.

    At most `most` of them are sent; None: as many as the study says.
    """

    title: str
    text: bool
    frames: str
    most: int | None = None


KINDS = {
    "llm_text": Kind("text alone", True, "none"),
    "vlm": Kind("text and frames", True, "own"),
    "vlm_frames": Kind("frames alone", False, "own"),
    "vlm_swapped": Kind("text and another video's frames", True, "swapped"),
    **{f"vlm_{most}": Kind(f"text and at most {most} frames", True, "own", most) for most in (8, 16, 50)},
}


@dataclass(frozen=True)
class Frame:
    """A picture to be sent: its time in the video in seconds, and its JPEG file."""

    seconds: float
    jpeg: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.jpeg).hexdigest()


def question(text: str, frames: Sequence[Frame], *, settings: ChatRows, draw: int) -> Question:
    """A question about a video. `text` may be empty, and so may `frames`; another `draw` is another question if chance enters."""
    before, _, after = settings.prompt.partition(SHOWN)
    before += (_TEXT.format(text=text) if text else "") + (_FRAMES if frames else "")
    shown = [(_TIME.format(seconds=frame.seconds), frame.sha256) for frame in frames]
    asked = {name: getattr(settings, name) for name in ("base_url", "model", "temperature", "max_tokens")}
    asked |= {"detail": settings.detail} if frames else {}
    key = fingerprint(asked, before, shown, after, draw if settings.is_drawn else 0)
    about = {
        "question": key,
        "text_sha256": hashlib.sha256(text.encode()).hexdigest() if text else None,
        "frames_sha256": [digest for _, digest in shown],
        "seconds": [round(frame.seconds, 3) for frame in frames],
    }
    words = len((before + after).split()) + 2 * len(frames)
    content = partial(_content, before, frames, after, settings.detail)
    return Question(key, content, words, len(frames) * settings.tokens_per_frame, about)


def shown_frames(store: StoredFrames, video_id: str, *, most: int) -> list[Frame]:
    """At most so many of a video's sampled frames, evenly chosen, the first and the last among them."""
    jpegs, seconds = store.jpegs(video_id), store.pts_seconds(video_id).tolist()
    return [Frame(seconds[place], jpegs[place]) for place in sample_positions(len(jpegs), count=most)]


def _content(before: str, frames: Sequence[Frame], after: str, detail: str) -> str | list[Mapping[str, Any]]:
    """A text where there is no frame: an endpoint without vision may take nothing else."""
    if not frames:
        return before + after
    parts: list[Mapping[str, Any]] = [{"type": "text", "text": before}]
    for frame in frames:
        address = f"data:image/jpeg;base64,{base64.b64encode(frame.jpeg).decode()}"
        parts.append({"type": "text", "text": _TIME.format(seconds=frame.seconds)})
        parts.append({"type": "image_url", "image_url": {"url": address, "detail": detail}})
    return [*parts, {"type": "text", "text": after}] if after.strip() else parts
