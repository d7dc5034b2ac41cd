"""A record of a row's results, for tests that need one and not its figures."""

from typing import Any

from pipeline.scoring.metrics import METRICS, signatures
from pipeline.scoring.record import RowRecord


def record(row: str, *, mean: float = 50.0, std: float | None = 1.0, **changes: Any) -> RowRecord:
    """One video, one seed, the same score everywhere."""
    interval = {"mean": mean, "ci95_low": mean, "ci95_high": mean}
    values: dict[str, Any] = {
        "row": row, "title": row, "kind": "system", "model": row, "text_model": "bart", "encoder": None, "tuning": "none",
        "control_of": None, "frames": "none", "study": "kitchen", "scale": "mini", "split": "test", "n_videos": 1, "seeds": [0],
        "feature_width": None, "parameters": {"trainable": 1, "total": 1}, "truncated": {},
        "primary": {"metric": "rouge1", "margin": 1.0},
        "metrics": {metric.key: interval | {"std": std, "per_seed": {"0": interval}} for metric in METRICS},
        "signatures": signatures(), "per_video": {"videos": ["a"], "seeds": [0], "scores": {}}, "training": None, "made_from": {},
    }  # fmt: skip
    return RowRecord.model_validate(values | changes)
