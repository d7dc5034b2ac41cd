"""The typed record of a row's results, `metrics/<row>.json`: written by `evaluate`, `control`, `floors`, `external`, `chat`.

The report reads it. It holds everything that the report says about a row: no score is computed again from the summaries.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.base.files import read_json, write_json

EXTRA_SCORES = "extra_scores.json"  # in `metrics/`


class Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


B = TypeVar("B", bound=Block)


class Interval(Block):
    mean: float
    ci95_low: float
    ci95_high: float


class Score(Interval):
    """`std` is over seeds; `per_seed` has intervals over videos only."""

    std: float | None
    per_seed: dict[str, Interval]


class VideoScores(Block):
    """`scores[metric][seed][video]`, for the metrics by which rows are compared; seeds and videos in the order given."""

    videos: list[str]
    seeds: list[int]
    scores: dict[str, list[list[float]]]


class Parameters(Block):
    """Counts over the whole system, a frozen image encoder included."""

    trainable: int
    total: int


class Selection(Block):
    """`val_score` is in the metric by which the epoch was chosen."""

    best_epoch: int
    val_score: float


class Judged(Block):
    """The study's primary metric, and the difference in it that does not matter."""

    metric: str
    margin: float


class Look(Block):
    """Whether a system could look, on validation videos: before training (new layers random) and after.

    `loss` is the cross-entropy per token. For systems with attention over frames, `entropy` is that of the weights over its
    largest value, 1 if every frame counts alike, and `update` the length of what fusion adds over that of the text's state.
    """

    loss: float
    entropy: float | None
    update: float | None


class Epoch(Block):
    epoch: int
    train_loss: float
    val_loss: float
    val_score: float
    lr: float
    lr_new: float | None = None
    lr_image_encoder: float | None = None


class Optimised(Block):
    """A group of the optimiser: how many parameters it changes and at which rate; for an encoder, also the blocks' names."""

    parameters: int
    rate: float
    blocks: list[str] = Field(default_factory=list)


class Training(Block):
    """How a row was trained. Keys of `selection`, `history` and `looks` are seeds; `settings` are the parameters that decided it.

    `select` is the metric by which the epoch was chosen; `looks` has what was measured `before` training and `after`.
    """

    select: str
    looks: dict[str, dict[str, Look]]
    selection: dict[str, Selection]
    history: dict[str, Annotated[list[Epoch], Field(min_length=1)]]
    settings: dict[str, Any]
    optimised: dict[str, Optimised]


class Varied(Block):
    """Which ablation this is, and the settings that it changes."""

    name: str
    overrides: dict[str, Any]


class Asked(Block):
    """How a chat model was asked for the summaries of a row, and what came of it.

    `frames` is the most that were sent of a video, `frames_asked_for` the most that the row may send, `without_frames` the number
    of videos that have none. `failed` has a reason for every summary that never came. Tokens and `cost`, by the study's prices,
    are of all answers, whenever they were paid, each question once.
    """

    endpoint: str
    model: str
    temperature: float | None
    max_tokens: int
    prompt: str
    frames: int
    frames_asked_for: int
    without_frames: int
    detail: str
    questions: int
    failed: dict[str, str]
    tokens_in: int
    tokens_out: int
    cost: float

    @property
    def is_drawn(self) -> bool:
        """Whether chance enters, so that another draw is another answer."""
        return self.temperature is None or self.temperature > 0.0


class RowRecord(Block):
    """`frames` is what the system was shown: its videos' own frames, none, or the name of a control.

    A row of the kind `external` is somebody else's outputs: `provenance` says whose, and what no file says of them is "unknown"
    or left out. One of the kind `chat` was written by a chat model, without training: `asked` says how. `made_from` has digests
    of what the scores were made from: predictions, code, corpus, weights, features.
    """

    row: str
    title: str
    kind: Literal["system", "chat", "external", "control", "floor"]
    model: str
    text_model: str
    encoder: str | None
    tuning: Literal["none", "frozen", "finetuned"]
    control_of: str | None
    frames: str
    study: str
    scale: Literal["mini", "full"]
    split: str
    n_videos: int
    seeds: list[int]
    feature_width: int | None
    parameters: Parameters
    truncated: dict[str, int]
    primary: Judged
    metrics: dict[str, Score]
    signatures: dict[str, str]
    per_video: VideoScores
    training: Training | None
    made_from: dict[str, str]
    ablation: Varied | None = None
    provenance: str | None = None
    asked: Asked | None = None

    @property
    def in_short(self) -> str:
        """One line for the terminal."""
        scores = ", ".join(f"{name} {self.metrics[name].mean:.2f}" for name in self.per_video.scores)
        return f"{self.row}: n {self.n_videos}, {scores}"


class ExtraRow(Block):
    """Of one row; `predictions` is the digest of the file of summaries that was scored."""

    predictions: str
    metrics: dict[str, Score]


class ExtraScores(Block):
    """`metrics/extra_scores.json`: by metric its signature and the number of videos scored, and the scores of every row."""

    signatures: dict[str, str]
    videos: dict[str, int]
    rows: dict[str, ExtraRow]


def untrained_record(**facts: Any) -> RowRecord:
    """The record of a row that nobody trained here: what only a training knows is left empty."""
    empty: dict[str, Any] = {
        "model": "", "text_model": "", "encoder": None, "tuning": "none", "control_of": None, "split": "test",
        "feature_width": None, "parameters": Parameters(trainable=0, total=0), "truncated": {}, "training": None,
    }  # fmt: skip
    return RowRecord.model_validate(empty | facts)


class Cost(Block):
    """A line of `reports/costs.csv`. `checkpoints` says whose figures they are, as `made_from` of a record does."""

    checkpoints: str
    parameters_trainable: int
    parameters_total: int
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    encoder_ms: float | None
    memory_mb: float | None
    device: str
    threads: int
    training_seconds: float | None


def write_record(path: Path, record: RowRecord) -> None:
    left_out = {key for key in ("provenance", "asked") if getattr(record, key) is None}  # of trained rows there is none to tell
    write_json(path, record.model_dump(mode="json", exclude=left_out))


def read_record(path: Path) -> RowRecord:
    """A file that is not such a record is a `ValueError` that names it and the keys that are wrong."""
    return parse(RowRecord, path)


def parse(model: type[B], path: Path) -> B:
    """A JSON file as a block."""
    try:
        return model.model_validate(read_json(path))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise ValueError(f"{path}: {problems}; run its stage again") from error
