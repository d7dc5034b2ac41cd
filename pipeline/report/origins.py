"""Scores apart by who wrote down what is said: people, subtitles, or a recogniser of speech."""

from collections import Counter
from typing import Any

import pandas as pd

from pipeline.report.evidence import SEED
from pipeline.report.results import Results
from pipeline.report.text import NO_VALUE
from pipeline.scoring.statistics import bootstrap_interval

FEWEST = 5  # videos of an origin; the interval of fewer says nothing


def origins_of(results: Results) -> dict[str, str]:
    """The origin of each video's transcript, where the rows have read one; empty if all have the same, or nobody knows."""
    training = results.trained[0].record.training if results.trained else None
    if results.known is None or training is None or training.settings.get("text.source") == "steps":
        return {}
    origins = {video: results.known.origins[video] for video in results.shared_videos}
    return origins if len(set(origins.values())) > 1 else {}


def origin_table(results: Results, *, resamples: int) -> pd.DataFrame | None:
    """The primary metric of every row on the test videos of each origin, with intervals; None if all have the same."""
    origins = origins_of(results)
    if not origins:
        return None
    counts = Counter(origins.values())
    table = []
    for row in results.rows:
        cells: dict[str, Any] = {"System": row.title}
        scores = row.scores(results.primary.key)
        for origin, count in sorted(counts.items()):
            places = [place for place, video in enumerate(row.summaries.videos) if origins[video] == origin]
            text = NO_VALUE
            if count >= FEWEST:
                found = bootstrap_interval(scores[:, places], resamples=resamples, seed=SEED)
                text = f"{found.mean:.1f} [{found.ci95_low:.1f}, {found.ci95_high:.1f}]"
            cells[f"{origin or 'no transcript'} (n = {count})"] = text
        table.append(cells)
    return pd.DataFrame(table)
