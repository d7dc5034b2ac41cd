"""What the tests of tracking open, and how they read it back."""

from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
OPENING = {"study": "kitchen", "row": "clipsum", "stage": "train@clipsum", "fingerprint": "abc"}


def runs_of(client: Any, study: str = "kitchen") -> dict[str, Any]:
    runs = client.search_runs([client.get_experiment_by_name(study).experiment_id])
    assert len({run.info.run_name for run in runs}) == len(runs), "a run is there twice"
    return {run.info.run_name: run for run in runs}


def curve(client: Any, run: Any, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)]
