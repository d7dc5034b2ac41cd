"""CLIPScore: does a summary go with the frames of its video? 2.5 times the cosine, not below 0. Times 100, so 0 to 250.

Source: J. Hessel et al., CLIPScore: A Reference-free Evaluation Metric for Image Captioning, 2021 (arXiv 2104.08718), which is
about one picture: texts begin with "A photo depicts", and no reference is looked at. Here the picture is the mean of the video's
frames, each at unit length, as in CLIP4Clip (H. Luo et al. 2021, arXiv 2104.08860, "mean pooling").

The frozen features of the encoder under study are read, and its text side is taken from the file that the image side came from.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.base.encoder_names import check_text_side
from pipeline.base.files import read_json
from pipeline.base.hub import fetch_files
from pipeline.base.scratch import file_sha256
from pipeline.encoders.encoder import EncoderSpec, read_spec
from pipeline.features.frame_inputs import FrameInputs, open_features
from pipeline.scoring.statistics import Floats

WEIGHT = 2.5
PROMPT = "A photo depicts "
_TEXTS = 64  # at a time

Embed = Callable[[Sequence[str]], Floats]


class ClipScorer:
    """`embed` gives the vectors `[texts, D]` of texts; `encoder` and `digest` name the features and the weights."""

    def __init__(self, frames: FrameInputs, embed: Embed, *, encoder: str, digest: str) -> None:
        self._embed = embed
        self._videos = {video: _pooled(frames, video) for video in frames.starts}
        self.signature = (
            f"own code, version 1 | {encoder}, weights sha256 {digest} | 2.5 * max(cos, 0) | '{PROMPT.strip()}' + the summary, "
            "cut to the text encoder's length | mean of the video's own frames, each of unit length | mean over videos | "
            "times 100, so 0 to 250"
        )

    def has(self, video: str) -> bool:
        """Whether the video has frames: without any, there is nothing to compare a summary with."""
        return video in self._videos

    def score(self, predictions: Sequence[str], videos: Sequence[str]) -> list[float]:
        """One figure for each summary, against its own video's frames; an empty one scores 0."""
        texts = _unit(self._embed([PROMPT + text for text in predictions]))
        cosines = [float(text @ self._videos[video]) for text, video in zip(texts, videos, strict=True)]
        return [100 * WEIGHT * max(0.0, cos) if text.strip() else 0.0 for cos, text in zip(cosines, predictions, strict=True)]


def open_clipscore(weights: Path, features: Path, device: torch.device) -> ClipScorer:
    """For the encoder whose weights and features lie in these folders. One without a text side is a `ValueError` that says so."""
    spec, frames = read_spec(weights), open_features(features)
    _check_readable(spec)
    if frames.width != spec.dim:
        raise ValueError(f"{features}: features of width {frames.width}, the text side of {spec.name} has {spec.dim}")
    older = "open_clip_pytorch_model.bin"  # what older repositories have
    (path,) = fetch_files(spec.repository, [(spec.file, older)]).values()
    digest, expected = file_sha256(path), read_json(weights / "encoder.json")["source"]["sha256"]
    if digest != expected:
        raise RuntimeError(
            f"{path}: sha256 is {digest}, the image side came from {expected}; run `dvc repro -f weights@{spec.name}`"
        )
    embed = open_text_side(spec, path, device)
    return ClipScorer(frames, embed, encoder=f"{spec.repository} ({spec.architecture})", digest=digest)


def _check_readable(spec: EncoderSpec) -> None:
    import open_clip

    check_text_side(spec.name, where="extra_metrics", scale=spec.scale)
    if "hf_tokenizer_name" in (open_clip.get_model_config(spec.architecture) or {}).get("text_cfg", {}):
        raise ValueError(
            f"extra_metrics: clipscore of {spec.name} needs a tokenizer that open_clip does not bring along; take clipscore "
            "out of the study's extra_metrics, or choose a CLIP such as clip_vit_b32"
        )


def open_text_side(spec: EncoderSpec, path: Path, device: torch.device) -> Embed:
    """The text encoder in the published file of a CLIP of open_clip, with open_clip's own tokenizer."""
    import open_clip

    model: Any = open_clip.create_model(spec.architecture, pretrained=str(path), precision="fp32", weights_only=True)
    model.visual = nn.Identity()
    model.eval().to(device)
    tokenizer: Any = open_clip.get_tokenizer(spec.architecture)

    @torch.inference_mode()
    def embed(texts: Sequence[str]) -> Floats:
        parts = [tokenizer(list(texts[start : start + _TEXTS])).to(device) for start in range(0, len(texts), _TEXTS)]
        return np.concatenate([model.encode_text(part).double().cpu().numpy() for part in parts])

    return embed


def _pooled(frames: FrameInputs, video: str) -> Floats:
    start = frames.starts[video]
    values = frames.values[start : start + frames.lengths[video]].astype(np.float64)
    return _unit(_unit(values).mean(axis=0))


def _unit(values: Floats) -> Floats:
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    unit: Floats = values / np.where(lengths == 0, 1.0, lengths)
    return unit
