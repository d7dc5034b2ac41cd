"""Ranks by every metric: ties, oracles beside them, controls and floors left out, and how alike metrics order systems."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scipy.stats import kendalltau

from pipeline.report.ranks import Ranks, rank_table, ranked, ranks_caption, ranks_csv, ranks_markdown, tau_table
from pipeline.scoring.metrics import METRICS
from tests.report_inputs import add_external, load

BY_KEY = {metric.key: metric for metric in METRICS}
FOUR = ("rouge1", "rouge2", "bleu4", "cider")


def rows(**scores: tuple[float, ...]) -> list[Any]:
    """Rows whose titles are their names, with a figure for each of `FOUR`."""
    return [
        SimpleNamespace(
            name=name,
            title=name,
            record=SimpleNamespace(metrics={key: SimpleNamespace(mean=mean) for key, mean in zip(FOUR, means, strict=True)}),
        )
        for name, means in scores.items()
    ]


def four(oracle: Mapping[str, tuple[float, ...]] | None = None, **scores: tuple[float, ...]) -> Ranks:
    return Ranks(rows(**scores), rows(**(oracle or {})), [BY_KEY[key] for key in FOUR])


@pytest.fixture
def ranks() -> Ranks:
    """ROUGE-2 swaps two, BLEU-4 has the opposite order, CIDEr sees no difference between the first two."""
    return four({"truth": (95, 65, 0, 850)}, a=(90, 60, 1, 800), b=(80, 70, 2, 800), c=(70, 50, 3, 700), d=(60, 40, 4, 600))


def test_equal_figures_share_a_rank_and_oracles_take_none_away(ranks: Ranks) -> None:
    table = rank_table(ranks)
    assert list(table["System"]) == ["a", "b", "c", "d", "truth", "tau with R-1"]
    assert list(table["R-1"]) == ["1", "2", "3", "4", "(1)", "+1.00"]
    assert list(table["R-2"]) == ["2", "1", "3", "4", "(2)", "+0.67"]
    assert list(table["BLEU-4"]) == ["4", "3", "2", "1", "(5)", "−1.00"]
    assert list(table["CIDEr"]) == ["1", "1", "3", "4", "(1)", "+0.91"]


def test_tau_by_hand(ranks: Ranks) -> None:
    """Of six pairs ROUGE-2 swaps one, and BLEU-4 all; CIDEr ties one: 5 / sqrt(6 * 5)."""
    assert ranks.tau["rouge1", "rouge2"] == pytest.approx(4 / 6, abs=1e-6)
    assert ranks.tau["bleu4", "rouge1"] == -1
    assert ranks.tau["rouge1", "cider"] == pytest.approx(5 / 30**0.5, abs=1e-6)
    assert list(tau_table(ranks).set_index("Metric").loc["R-2"]) == ["+0.67", "+1.00", "−0.67", "+0.91"]


def test_metrics_that_rank_alike_are_one_column_and_named() -> None:
    found = four(a=(3, 3, 1, 9), b=(2, 2, 2, 8), c=(1, 1, 3, 7))
    assert list(tau_table(found)["Metric"]) == list(rank_table(found))[1:] == ["R-1 (+ 2)", "BLEU-4"]
    assert "Metrics that rank all alike share a column: R-1 with R-2 / CIDEr." in ranks_caption(found)
    apart = four({"truth": (4, 0, 4, 8.5)}, a=(3, 3, 1, 9), b=(2, 2, 2, 8), c=(1, 1, 3, 7))
    assert list(rank_table(apart))[1:] == ["R-1", "R-2", "BLEU-4", "CIDEr"], "the oracle would stand elsewhere by each"


def test_the_caption_says_who_wins_by_what_and_which_two_differ_most(ranks: Ranks) -> None:
    text = ranks_caption(ranks)
    winners = "a is first by R-1; b is first by R-2; d is first by BLEU-4; a and b are first by CIDEr."
    assert f"Ranks of 4 systems by 4 metrics, 1 for the highest figure: {winners}" in text
    assert "the least −1.00, between R-1 and BLEU-4" in text
    assert "oracles, which see the truth, stand in brackets" in text
    assert "a is first by all of them." in ranks_caption(four(a=(3, 3, 3, 9), b=(2, 2, 2, 8), c=(1, 1, 1, 7)))


def test_too_few_systems_have_no_tau() -> None:
    two = four(a=(2, 2, 2, 2), b=(1, 1, 1, 1))
    assert set(two.tau.values()) == {None}
    assert "Fewer than three systems have no order that could agree or not." in ranks_markdown(two)
    assert "Kendall" not in ranks_markdown(two) and rank_table(two).iloc[-1].tolist() == ["tau with R-1", "–"]
    assert ranks_markdown(four()) == "No system competes, so there is nothing to rank.\n"
    assert ranks_csv(four()).startswith("metric,")


def test_a_metric_that_tells_no_rows_apart_has_no_tau() -> None:
    flat = four(a=(2, 5, 1, 2), b=(1, 5, 2, 1), c=(0, 5, 3, 0))
    assert flat.tau["rouge1", "rouge2"] is None and flat.tau["rouge1", "bleu4"] == -1


def test_of_a_report_systems_and_others_outputs_are_ranked_by_what_has_a_better(inputs: Path) -> None:
    add_external(inputs)
    results = load(inputs)
    found = ranked(results)
    assert {row.name for row in found.rows} == {row.name for row in results.rows if row.record.kind in ("system", "external")}
    assert "theirs" in {row.name for row in found.rows} and "clipsum_swapped" not in {row.name for row in found.rows}
    keys = [metric.key for metric in found.metrics]
    assert keys[0] == "rouge1" and "cider" in keys and not {"length_ratio", "repetition"} & set(keys)
    lines = {line["metric"]: line for line in csv.DictReader(io.StringIO(ranks_csv(found)))}
    means = {key: [row.record.metrics[key].mean for row in found.rows] for key in ("rouge1", "cider")}
    assert float(lines["rouge1"]["tau_cider"]) == pytest.approx(kendalltau(means["rouge1"], means["cider"]).statistic, abs=1e-6)
    best = max(found.rows, key=lambda row: row.record.metrics["rouge1"].mean)
    assert lines["rouge1"][f"rank_{best.name}"] == "1"
