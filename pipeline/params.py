"""`params.yaml` as frozen, typed blocks: unknown keys, wrong types and impossible values are errors that name the key.

Every stage loads the whole file before it works, so a slip anywhere stops the pipeline at once. `params.yaml` says what
each value means; here stand only types and bounds.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.encoders import check_encoder_name

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class KitchenDataset(Block):
    name: Literal["kitchen"]
    seed: Count
    train: Positive
    validation: Positive
    test: Positive
    deictic_share: Share
    width: Positive
    height: Positive
    fps: Positive
    max_failed_share: Share


class FolderDataset(Block):
    name: Literal["folder"]
    table: str
    videos: str
    max_failed_share: Share


class Frames(Block):
    count: Positive
    short_side: Positive
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
    max_failed_share: Share


class Pretrain(Block):
    seed: Count
    pictures: Positive
    clip_epochs: Positive
    resnet_epochs: Positive
    recipes: Positive
    bart_epochs: Positive
    vocabulary: Positive


class Text(Block):
    source: Literal["steps", "transcript"]
    max_source_tokens: Positive
    max_target_tokens: Positive


class Model(Block):
    l2_normalise: bool
    temporal_layers: Positive
    temporal_heads: Positive
    temporal_feedforward: Positive
    fusion_layer: Positive
    dropout: Share


class Train(Block):
    epochs: Positive
    patience: Positive
    batch_size: Positive
    accumulation: Positive
    lr_pretrained: Rate
    lr_new: Rate
    betas: Annotated[list[Share], Field(min_length=2, max_length=2)]
    weight_decay: NonNegative
    decay_factor: Share
    decay_every: Positive
    clip_norm: Rate
    validation_beams: Positive


class Finetune(Block):
    trainable_blocks: Count
    lr_tower: Rate
    warmup_epochs: Count


class Generate(Block):
    beams: Positive
    max_tokens: Positive
    no_repeat_ngram: Count


class Study(Block):
    """One complete block of parameters: a dataset, a scale and a protocol."""

    dataset: Annotated[KitchenDataset | FolderDataset, Field(discriminator="name")]
    scale: Literal["mini", "full"]
    pretrain: Pretrain | None
    frames: Frames
    text: Text
    model: Model
    train: Train
    finetune: Finetune
    generate: Generate
    seeds: Annotated[list[Count], Field(min_length=1)]
    bootstrap_resamples: Positive

    @model_validator(mode="after")
    def _check(self) -> "Study":
        if self.scale == "mini" and self.pretrain is None:
            raise ValueError("scale 'mini' needs a `pretrain` block: its towers are pretrained here")
        if self.scale == "full" and self.pretrain is not None:
            raise ValueError("scale 'full' takes published weights: set `pretrain: null`")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds {self.seeds} repeat a value")
        return self


class Runtime(Block):
    """How to run, never what to compute: no stage lists these, so changing them re-runs nothing."""

    workers: Count
    device: Literal["auto", "cpu", "cuda"]
    extraction_batch_size: Positive
    generation_batch_size: Positive

    @property
    def processes(self) -> int:
        """`workers`, or one per usable core."""
        return self.workers or len(os.sched_getaffinity(0))


class Params(Block):
    study: str
    encoder: str
    studies: dict[str, Study]
    runtime: Runtime

    @model_validator(mode="after")
    def _check(self) -> "Params":
        if self.study not in self.studies:
            raise ValueError(f"study: {self.study!r} is none of {', '.join(sorted(self.studies))}")
        check_encoder_name(self.encoder, where="encoder")
        return self

    @property
    def current(self) -> Study:
        """The block of the study that is selected."""
        return self.studies[self.study]


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Parse and check the whole file. YAML 1.2, where `3e-5` is a number. Raises `ValueError` naming every bad key."""
    try:
        raw: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; run stages from the project's top folder") from error
    except YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from error
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise ValueError("\n".join([f"{path}:", *(_explain(problem) for problem in error.errors())])) from error


def _explain(problem: Any) -> str:
    location = [str(part) for part in problem["loc"]]
    if len(location) > 3 and location[2] == "dataset" and location[3] in ("kitchen", "folder"):
        del location[3]  # the tag of the union is not a key of the file
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        message = "unknown key; remove it or check its spelling"
    given = problem.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"  {'.'.join(location) + ': ' if location else ''}{message}{shown}"
