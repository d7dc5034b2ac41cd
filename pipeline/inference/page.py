"""A page for videos and their summaries: for each word of a summary, the frames and the words of the text it attended to.

One HTML file without any outside resource. `pipeline.evaluation.attended` says which attention is shown, and what it is not.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from pipeline.base.files import write_text
from pipeline.base.items import ItemErrors
from pipeline.base.params import Params
from pipeline.base.scratch import file_identity
from pipeline.base.templates import ROOMS, inline_script, render
from pipeline.evaluation.attended import attention_of_tokens
from pipeline.frames.store import jpeg_bytes
from pipeline.inference.files import CHANGED, TextError, Texts
from pipeline.inference.names import writable
from pipeline.inference.summarise import Seen, Summary, summarise_video
from pipeline.inference.trained import TrainedRow
from pipeline.training.looking import watching

MOST_VIDEOS = 50  # on one page
IGNORED = 0.98  # entropy of attention over frames, of log M: beyond it every frame counts nearly alike
_WIDTH, _QUALITY, _DIGITS = 220, 85, 3
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Attention:
    """For each word of the summary, weights of the words of the text and of the frames; none where there is no such path.

    `entropy` is that of the attention over frames while the text was read, 1 if every frame counts alike; None without any.
    """

    words: list[str]
    source: list[str]
    of_source: list[list[float]]
    of_frames: list[list[float]]
    entropy: float | None


def write_page(out: Path, trained: TrainedRow, videos: Sequence[Path], texts: Texts, params: Params) -> None:
    """Write the page for the first `MOST_VIDEOS` videos. One that has no summary stands there with its reason."""
    errors = ItemErrors()
    entries = [_entry(trained, path, texts, params, errors) for path in videos[:MOST_VIDEOS]]
    write_text(out, page_of(trained, entries, left_out=len(videos) - len(entries)))


def page_of(trained: TrainedRow, entries: Sequence[dict[str, Any]], *, left_out: int = 0) -> str:
    """The page, as HTML, of what `entry_of` gives for each video."""
    return render(
        "inference/templates/page.html.jinja",
        trained=trained,
        entries=entries,
        left_out=left_out,
        ignored=IGNORED,
        **inline_script(ROOMS / "inference" / "templates" / "page.js"),
    )


def entry_of(trained: TrainedRow, name: str, origin: str, found: Summary) -> dict[str, Any]:
    """What the page shows of the video `name`: of a summary that was made with `keep_pictures`, or the reason why there is none.

    `origin` says where the text comes from.
    """
    if found.reason or found.seen is None:
        return {"video": name, "reason": found.reason}
    shots = [
        {"image": _encoded(picture), "seconds": f"{seconds:.1f} s"}
        for picture, seconds in zip(found.seen.pictures, found.seen.seconds, strict=True)
    ]
    attention = attention_of(trained, found.seen, found.text)
    return {"video": name, "reason": "", "note": found.note, "origin": origin, "shots": shots, "attention": attention}


def _entry(trained: TrainedRow, path: Path, texts: Texts, params: Params, errors: ItemErrors) -> dict[str, Any]:
    name = writable(path.name)
    try:
        before, source = file_identity(path), texts.of(path)
        found = summarise_video(trained, path, source, params, keep_pictures=True)
        errors.passed()
    except TextError as error:
        return {"video": name, "reason": writable(str(error))}
    except Exception as error:  # noqa: BLE001 - whatever one file provokes is its reason, as in the lines
        return {"video": name, "reason": errors.reason(error)}
    if not found.reason and file_identity(path) != before:
        return {"video": name, "reason": CHANGED}
    return entry_of(trained, name, writable(source.origin), found)


def attention_of(trained: TrainedRow, seen: Seen, summary: str) -> Attention:
    """What the row attends to while it says `summary` word for word."""
    tokens = trained.tokenizer([summary], return_offsets_mapping=True)
    (source,) = seen.examples.sources
    spoken = replace(seen.examples, targets=tokens["input_ids"])
    batch = spoken.batch([0], seen.frame_inputs).to(trained.device)
    with torch.inference_mode():
        with watching(trained.system) as watched:
            trained.system.encode(batch)
        text_BLS, frames_BLM = attention_of_tokens(trained.system, batch)
    source_words, owners = _words_of_tokens(trained, source.tolist())
    places = [(word.start(), word.end()) for word in _WORD.finditer(summary)]
    inside = [
        [n for n, (start, end) in enumerate(tokens["offset_mapping"][0]) if start < last and end > first]
        for first, last in places
    ]
    of_source = text_BLS[0].cpu() if text_BLS.shape[-1] == len(source) else None
    of_frames = None if frames_BLM is None else frames_BLM[0].cpu()
    return Attention(
        words=[summary[first:last] for first, last in places],
        source=source_words,
        of_source=[] if of_source is None else [_shares(of_source[n].mean(dim=0), owners, len(source_words)) for n in inside],
        of_frames=[] if of_frames is None else [_rounded(of_frames[n].mean(dim=0)) for n in inside],
        entropy=watched.means["entropy"],
    )


def _words_of_tokens(trained: TrainedRow, ids: Sequence[int]) -> tuple[list[str], list[int | None]]:
    """The words that the row has read, and the word of each token; marks of beginning and end have none."""
    special = set(trained.tokenizer.all_special_ids)
    words: list[str] = []
    owners: list[int | None] = []
    for token in ids:
        piece = "" if token in special else trained.tokenizer.convert_ids_to_tokens(token)
        text = "" if token in special else trained.tokenizer.decode([token])
        if not text.strip():
            owners.append(None)
            continue
        if not words or piece[:1] in ("Ġ", "▁") or text[:1].isspace():  # how the two kinds of tokenizer mark a new word
            words.append(text.strip())
        else:
            words[-1] += text
        owners.append(len(words) - 1)
    return words, owners


def _shares(weights_T: torch.Tensor, owners: Sequence[int | None], words: int) -> list[float]:
    shares = torch.zeros(words)
    for weight, owner in zip(weights_T, owners, strict=True):
        if owner is not None:
            shares[owner] += weight
    return _rounded(shares)


def _rounded(values: torch.Tensor) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]


def _encoded(image: Image.Image) -> str:
    if image.width > _WIDTH:
        image = image.resize((_WIDTH, max(1, round(image.height * _WIDTH / image.width))))
    return base64.b64encode(jpeg_bytes(image, quality=_QUALITY)).decode("ascii")
