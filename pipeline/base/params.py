"""`params.yaml` and the file of its study as frozen, typed blocks.

Unknown keys, wrong types and impossible values are errors that name file and key. Every stage loads both files before it
works, so a slip anywhere stops the pipeline at once. The files say what each value means; here stand types and bounds.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.base.blocks import Block, Count, NonNegative, Positive, Rate, Share
from pipeline.base.chat_params import ChatRow, ChatRows
from pipeline.base.dataset_params import Dataset, External, ExtraMetric, MetricName, RowName, Speech
from pipeline.base.dial_checks import check_chat, check_external
from pipeline.base.encoder_names import check_encoder_name, check_more_encoders, check_text_side
from pipeline.base.files import listed
from pipeline.base.paths import PARAMS, STUDIES
from pipeline.base.slips import explain

B = TypeVar("B", bound=Block)


class Primary(Block):
    """The metric by which rows are judged, and the difference in it that does not matter, in its points."""

    metric: MetricName
    margin: Rate


class ReadyFeatures(Block):
    """`array` is the name of the features in `.npz` files. A video that has more than `frames.count` rows is an error; with
    `spread` that many of them are taken, evenly spaced.
    """

    path: str
    provenance: str
    array: str = ""
    spread: bool = False


class Frames(Block):
    count: Positive
    short_side: Positive
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
    videos_per_shard: Positive
    keep: bool
    max_failed_share: Share


class Text(Block):
    source: Literal["steps", "transcript", "both"]
    max_source_tokens: Positive
    max_target_tokens: Positive


class Model(Block):
    l2_normalise: bool
    temporal: bool
    pooling: Literal["none", "mean"]
    fusion: Literal["attention", "prefix"]
    temporal_layers: Positive
    temporal_heads: Positive
    temporal_feedforward: Positive
    fusion_layer: Positive
    common_width: Count
    text_bias: float
    dropout: Share


class Train(Block):
    epochs: Positive
    patience: Positive
    batch_size: Positive
    accumulation: Positive
    lr_pretrained: Rate
    lr_new: Rate
    warmup_epochs: NonNegative
    betas: Annotated[list[Share], Field(min_length=2, max_length=2)]
    weight_decay: NonNegative
    decay_factor: Share
    decay_every: Positive
    clip_norm: Rate
    select: MetricName
    validation_beams: Positive


class Finetune(Block):
    trainable_blocks: Count
    lora_rank: Count
    lr_encoder: Rate
    warmup_epochs: NonNegative


class Generate(Block):
    beams: Positive
    max_tokens: Positive
    no_repeat_ngram: Count


class Chosen(Block):
    """How the values of two blocks were chosen, in words, for the report."""

    train: str
    finetune: str


class RowSettings(Block):
    """What a row has in place of the study's values of these blocks."""

    model: dict[str, Any] = Field(default_factory=dict)
    train: dict[str, Any] = Field(default_factory=dict)
    finetune: dict[str, Any] = Field(default_factory=dict)


class Study(Block):
    """A file of `studies/`: dataset, scale, and every value that decides how models are trained and scored.

    `speech` is None where nothing is to be heard. `rows` has an entry for every row of `dvc.yaml`, by its name; `external` one
    for every row of somebody else's outputs. `chat` is None where there is no chat model to ask. `extra_metrics` are scored with
    models of their own.
    """

    dataset: Annotated[Dataset, Field(discriminator="name")]
    speech: Speech | None
    primary: Primary
    scale: Literal["mini", "full"]
    frames: Frames
    ready_features: dict[str, ReadyFeatures]
    text: Text
    model: Model
    train: Train
    finetune: Finetune
    generate: Generate
    rows: dict[str, RowSettings]
    chosen: Chosen
    seeds: Annotated[list[Count], Field(min_length=1)]
    bootstrap_resamples: Annotated[int, Field(ge=100)]  # fewer cannot tell the 2.5th percentile
    page_videos: Positive
    extra_metrics: list[ExtraMetric] = Field(default_factory=list)
    external: dict[RowName, External] = Field(default_factory=dict)
    chat: ChatRows | None = None

    @model_validator(mode="after")
    def _check(self) -> "Study":
        for name in self.ready_features:
            check_encoder_name(name, where=f"ready_features.{name}")
        steps = self.dataset.name in ("wikihow", "videoxum") or getattr(self.dataset, "summaries", "") == "steps"
        if steps and self.text.source != "transcript":
            raise ValueError(
                f"text.source: {self.text.source!r} would show what is to be written: the references of this {self.dataset.name} "
                "are its steps; take transcript"
            )
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds {self.seeds} repeat a value")
        if len(set(self.extra_metrics)) != len(self.extra_metrics):
            raise ValueError(f"extra_metrics {self.extra_metrics} repeat a name")
        for name in self.rows:
            self.of_row(name)
        return self

    def of_row(self, name: str) -> "Study":
        """The study with the values that the row `name` has of its own. A row without an entry is a `ValueError`."""
        if name not in self.rows:
            raise ValueError(f"rows.{name} is missing; add `{name}: {{}}` to `rows` of the study's file")
        return self.changed(self.rows[name].model_dump(), where=f"rows.{name}")

    def changed(self, changes: Mapping[str, Mapping[str, Any]], *, where: str) -> "Study":
        """The study with other values in its blocks, by block and key. Impossible ones are a `ValueError` that says `where`."""
        blocks = {}
        for block, values in changes.items():
            before: Block = getattr(self, block)
            try:
                blocks[block] = before.model_validate(before.model_dump() | dict(values))
            except ValidationError as error:
                raise ValueError("; ".join(explain(error, Study, before=(*where.split("."), block)))) from None
        return self.model_copy(update=blocks)


class SlurmSettings(Block):
    """Of the jobs that work on shards: `tasks` of an array at most, each with a core, so long and so much memory."""

    cluster: Literal["slurm", "local"]
    partition: str
    minutes: Positive
    memory_gb: Positive
    tasks: Positive


class Runtime(Block):
    """How to run, never what to compute: no stage lists these, so changing them re-runs nothing."""

    engine: Literal["local", "ray", "slurm"]
    workers: Count
    shards_in_flight: Count
    slurm: SlurmSettings
    device: Literal["auto", "cpu", "cuda"]
    processes_per_seed: Positive
    cores_per_gpu: Positive
    extraction_batch_size: Positive
    generation_batch_size: Positive
    cost_repeats: Positive

    @property
    def processes(self) -> int:
        """`workers`, or one per usable core."""
        return self.workers or len(os.sched_getaffinity(0))


class Dials(Block):
    """What `params.yaml` itself holds."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")]
    encoder: str
    more_encoders: list[str]
    external: list[str]
    chat: list[ChatRow]
    runtime: Runtime


@dataclass(frozen=True)
class Params:
    """`study` is the name of the study, `current` its values. Rows of `more_encoders` need no entry in its `rows`: they have one
    here, empty unless the file has one. `external` are the entries of its block `external` that are rows of the table, `chat` the
    rows of its chat model.
    """

    study: str
    encoder: str
    more_encoders: tuple[str, ...]
    runtime: Runtime
    current: Study
    external: tuple[str, ...] = ()
    chat: tuple[str, ...] = ()


def load_params(folder: Path = Path()) -> Params:
    """Parse and check `params.yaml` and the study that it names. Raises `ValueError` naming every bad key."""
    dials = parse_yaml(Dials, folder / PARAMS)
    study = load_study(dials.study, folder)
    check_encoder_name(dials.encoder, where=f"{folder / PARAMS}: encoder", scale=study.scale)
    if "clipscore" in study.extra_metrics:
        check_text_side(dials.encoder, where=f"{folder / STUDIES / f'{dials.study}.yaml'}: extra_metrics", scale=study.scale)
    more = tuple(dials.more_encoders)
    check_more_encoders(more, encoder=dials.encoder, where=f"{folder / PARAMS}: more_encoders", scale=study.scale)
    check_external(dials.external, study, where=f"{folder / PARAMS}: external", file=folder / STUDIES / f"{dials.study}.yaml")
    check_chat(dials.chat, study, where=f"{folder / PARAMS}: chat", file=folder / STUDIES / f"{dials.study}.yaml")
    rows = study.rows | {name: RowSettings() for name in more if name not in study.rows}
    current = study.model_copy(update={"rows": rows})
    return Params(dials.study, dials.encoder, more, dials.runtime, current, tuple(dials.external), tuple(dials.chat))


def load_study(name: str, folder: Path = Path()) -> Study:
    """Parse and check `studies/<name>.yaml`. An unknown study is a `ValueError` that lists those there are."""
    if name not in (known := study_names(folder)):
        raise ValueError(f"study: {name!r} is none of {', '.join(known)}; a study is a file {STUDIES}/<name>.yaml")
    return parse_yaml(Study, folder / STUDIES / f"{name}.yaml")


def study_names(folder: Path = Path()) -> list[str]:
    return [path.stem for path in listed(folder / STUDIES, "*.yaml")]


def read_yaml(path: Path) -> Any:
    """YAML 1.2, where `3e-5` is a number. A file that is missing or not YAML is a `ValueError` that names it."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; run stages from the project's top folder") from error
    except YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def parse_yaml(block: type[B], path: Path) -> B:
    """A YAML file as a block. Raises `ValueError` naming every bad key."""
    try:
        return block.model_validate(read_yaml(path))
    except ValidationError as error:
        raise ValueError("\n".join(f"{path}: {line}" for line in explain(error, block))) from None
