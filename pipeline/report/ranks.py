"""Where metrics disagree about who wins: the rank of every system by every metric, and how alike metrics order them.

Systems, rows of a chat model and others' outputs are ranked by the figures of the table, best first; equal ones share a rank.
Floors and controls are not ranked. Oracles see the truth and compete with nobody: they are shown in brackets, with the rank that
they would have.

Source: M. G. Kendall, The treatment of ties in ranking problems, 1945: tau-b, by scipy.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd

from pipeline.report.results import Results, Row
from pipeline.report.text import NO_VALUE, as_markdown, number, sentences
from pipeline.scoring.metrics import Metric

COMPETING = ("system", "chat", "external")
FEWEST = 3  # of fewer systems, two orders are the same or the other way round
TAU = "Kendall's tau-b between metrics"
_DECIMALS = 6


@dataclass(frozen=True)
class Ranks:
    """`rows` are ranked, `oracles` shown beside them; `metrics` are those by which something is better, the primary one first."""

    rows: Sequence[Row]
    oracles: Sequence[Row]
    metrics: Sequence[Metric]

    def of(self, row: Row, metric: Metric) -> int:
        """1 for the best; one more than the number of ranked rows that score higher."""
        return 1 + sum(_mean(other, metric) > _mean(row, metric) for other in self.rows)

    def first(self, metric: Metric) -> list[Row]:
        return [row for row in self.rows if self.of(row, metric) == 1]

    @cached_property
    def tau(self) -> Mapping[tuple[str, str], float | None]:
        """Kendall's tau-b of every two metrics, in either order; None where one tells no rows apart, or rows are too few."""
        from scipy.stats import kendalltau

        means = {metric.key: np.array([_mean(row, metric) for row in self.rows]) for metric in self.metrics}
        found: dict[tuple[str, str], float | None] = {}
        for a, b in combinations_with_replacement(means, 2):
            value = kendalltau(means[a], means[b], variant="b").statistic if len(self.rows) >= FEWEST else math.nan
            found[a, b] = found[b, a] = None if math.isnan(value) else round(float(value), _DECIMALS)
        return found


def ranked(results: Results) -> Ranks:
    """The rows of the table that compete, and the metrics by which they do."""
    competing = [row for row in results.rows if row.record.kind in COMPETING and row.record.control_of is None]
    metrics = sorted((metric for metric in results.scored if metric.ranks), key=lambda metric: metric.key != results.primary.key)
    return Ranks([row for row in competing if not row.is_calibration], [row for row in competing if row.is_calibration], metrics)


def alike(ranks: Ranks) -> list[list[Metric]]:
    """Metrics that give every system and oracle the same rank, together; the one with the primary metric first."""
    found: dict[tuple[int, ...], list[Metric]] = {}
    for metric in ranks.metrics:
        found.setdefault(tuple(ranks.of(row, metric) for row in (*ranks.rows, *ranks.oracles)), []).append(metric)
    return list(found.values())


def rank_table(ranks: Ranks) -> pd.DataFrame:
    """A line a system, a column for metrics that rank alike, named after the first; below them tau with the primary metric."""
    groups = alike(ranks)
    lines = [{"System": row.title} | {_name(group): str(ranks.of(row, group[0])) for group in groups} for row in ranks.rows]
    lines += [{"System": row.title} | {_name(group): f"({ranks.of(row, group[0])})" for group in groups} for row in ranks.oracles]
    primary = ranks.metrics[0]
    lines.append({"System": f"tau with {primary.short}"} | {_name(group): _tau(ranks, primary, group[0]) for group in groups})
    return pd.DataFrame(lines)


def tau_table(ranks: Ranks) -> pd.DataFrame:
    """Every metric against every other, those that rank alike as one."""
    groups = alike(ranks)
    return pd.DataFrame({"Metric": _name(a)} | {_name(b): _tau(ranks, a[0], b[0]) for b in groups} for a in groups)


def ranks_caption(ranks: Ranks) -> str:
    """A few sentences: who is first by how many metrics, which two metrics differ most, and what a rank is not."""
    by_winner: dict[tuple[str, ...], list[str]] = {}
    for metric in ranks.metrics:
        by_winner.setdefault(tuple(row.title for row in ranks.first(metric)), []).append(metric.short)
    winners = sorted(by_winner.items(), key=lambda each: -len(each[1]))
    known = [(value, a, b) for a, b in combinations(ranks.metrics, 2) if (value := ranks.tau[a.key, b.key]) is not None]
    values: dict[str, Any] = {
        "systems": len(ranks.rows),
        "few": len(ranks.rows) < FEWEST,
        "metrics": len(ranks.metrics),
        "winners": winners,
        "least": min(known, key=lambda each: each[0], default=None),
        "median": float(np.median([value for value, _, _ in known])) if known else None,
        "oracles": len(ranks.oracles),
        "groups": [[metric.short for metric in group] for group in alike(ranks) if len(group) > 1],
    }
    return sentences("ranks", number=number, **values)


def ranks_markdown(ranks: Ranks) -> str:
    if not ranks.rows:
        return f"{ranks_caption(ranks)}\n"
    parts = [as_markdown(rank_table(ranks)), ranks_caption(ranks)]
    if len(ranks.rows) >= FEWEST:
        parts += [f"{TAU}:", as_markdown(tau_table(ranks))]
    return "\n\n".join(parts) + "\n"


def ranks_csv(ranks: Ranks) -> str:
    """A line a metric: `rank_<row>`, of oracles the rank that they would have, and `tau_<metric>`."""
    lines = [
        {"metric": a.key}
        | {f"rank_{row.name}": ranks.of(row, a) for row in (*ranks.rows, *ranks.oracles)}
        | {f"tau_{b.key}": ranks.tau[a.key, b.key] for b in ranks.metrics}
        for a in ranks.metrics
    ]
    return str(pd.DataFrame(lines).to_csv(index=False, lineterminator="\n"))


def _name(group: Sequence[Metric]) -> str:
    return group[0].short + (f" (+ {len(group) - 1})" if len(group) > 1 else "")


def _tau(ranks: Ranks, a: Metric, b: Metric) -> str:
    value = ranks.tau[a.key, b.key]
    return NO_VALUE if value is None else number(value)


def _mean(row: Row, metric: Metric) -> float:
    return round(row.record.metrics[metric.key].mean, _DECIMALS)
