"""The JSON files in `metrics/`, as typed blocks: what the report reads, and nothing it does not need."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Interval(Block):
    mean: float
    ci95_low: float
    ci95_high: float


class Score(Interval):
    std: float | None
    per_seed: dict[str, Interval]


class Parameters(Block):
    trainable: int
    total: int


class Selection(Block):
    best_epoch: int
    val_rouge2: float


class Epoch(Block):
    epoch: int
    train_loss: float
    val_loss: float
    val_rouge2: float
    seconds: float


class Optimised(Block):
    """A group of the optimiser: how many parameters it changes, at which rate; of a tower, the names of the blocks."""

    parameters: int
    rate: float
    blocks: list[str] = Field(default_factory=list)


class Varied(Block):
    """What an ablation changes."""

    group: str
    setting: str
    overrides: dict[str, Any]


class Cost(Block):
    latency_ms: float
    latency_quartiles_ms: tuple[float, float]
    tower_ms: float | None
    memory_mb: float | None
    training_seconds: float


class Costs(Block):
    """All measured in one process, on one device."""

    device: str
    threads: int
    rows: dict[str, Cost]


class RowMetrics(Block):
    """One `metrics/<row>.json`. Keys of `selection` and `history` are seeds; a control has those of the row it controls."""

    row: str
    title: str
    model: str
    text: str
    encoder: str | None
    tuning: str
    control_of: str | None
    visual: Literal["own", "swapped", "shuffled", "first", "zeros", "none"]
    study: str
    scale: str
    split: str
    n_videos: int
    seeds: list[int]
    feature_width: int | None
    parameters: Parameters
    truncated: dict[str, int] = Field(default_factory=dict)
    metrics: dict[str, Score]
    signature: dict[str, Any]
    selection: dict[str, Selection] = Field(default_factory=dict)
    history: dict[str, Annotated[list[Epoch], Field(min_length=1)]] = Field(default_factory=dict)
    protocol: dict[str, Any] = Field(default_factory=dict)
    optimised: dict[str, Optimised] = Field(default_factory=dict)
    inputs: dict[str, Any] = Field(default_factory=dict)
    ablation: Varied | None = None

    @property
    def kind(self) -> Literal["system", "control", "floor"]:
        """Systems are trained; a control shows a system's checkpoints other frames; a floor needs no model at all."""
        if self.model == "floor":
            return "floor"
        return "system" if self.control_of is None else "control"


class Lost(Block):
    video_id: str
    split: str = ""
    reason: str


class Counts(Block):
    asked: int
    ok: int
    failed: int


class CorpusSummary(Block):
    study: str
    dataset: str
    splits: str
    coverage: dict[str, Counts]
    texts: dict[str, dict[str, int]]
    lost: list[Lost]

    @property
    def text_names(self) -> list[str]:
        return list(next(iter(self.texts.values()), {}))


class FramesSummary(Counts):
    frames: int
    count: int
    lost: list[Lost]
    notes: Any = None
