"""The report of a table of others' outputs: scores and tests as files of text, and no summary in any of them.

Tables are those of `pipeline.report.tables`. Tests are those of the report, of the pairs that the study names, corrected within
the study's families; each metric by itself.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipeline.base.files import write_text
from pipeline.base.released_params import Released
from pipeline.evaluation.released import ALSO
from pipeline.report import ranks, tables, text
from pipeline.report.evidence import OTHERS_SHARE, difference
from pipeline.report.families import Pair, Tested, correct_within
from pipeline.report.load import load_results
from pipeline.report.results import Results
from pipeline.scoring.metrics import METRICS, Metric

VERDICTS = {"a": "better", "b": "worse", "equal": "equal", "open": "open"}
_DECIMALS = 4


def write_released(out: Path, released: Released, *, root: Path) -> list[Path]:
    """Check the results below `root`, then write tables and tests into `out`; returns the files. The same inputs give the same
    bytes. Results that do not belong together are a `ValueError`.
    """
    results = load_results(root, declared=list(released.external))
    order = list(released.external)
    rows = tuple(sorted(results.rows, key=lambda row: order.index(row.name)))
    if len(rows) != len(order):
        raise ValueError(
            f"{root}: no record of {', '.join(sorted(set(order) - {row.name for row in rows}))}; score all rows first"
        )
    results = Results(**{**vars(results), "rows": rows})
    tested = {metric.key: _tested(results, released, metric) for metric in tested_metrics(results)}
    files = {
        "table.md": tables.markdown(results),
        "table.csv": tables.comma_separated(results),
        "table.tex": tables.latex(results),
        "conventions.md": tables.conventions_markdown(results),
        "ranks.md": ranks.ranks_markdown(ranks.ranked(results)),
        "ranks.csv": ranks.ranks_csv(ranks.ranked(results)),
        "tests.md": tests_markdown(results, released, tested),
        "tests.csv": tests_csv(released, tested),
    }
    for name, content in files.items():
        write_text(out / name, content)
    return [out / name for name in files]


def tested_metrics(results: Results) -> list[Metric]:
    """The primary one first."""
    return [*results.compared, *(metric for metric in METRICS if metric.key in ALSO)]


def tests_markdown(results: Results, released: Released, tested: Mapping[str, Mapping[Pair, Tested]]) -> str:
    """Every comparison in the primary metric, then in the others in short."""
    primary = results.primary
    parts = [f"# {released.title}: comparisons", text.sentences("released_tests", primary=primary, shared=results.shared)]
    for family, pairs in released.compared.items():
        named = [_pair(pair) for pair in pairs]
        parts += [f"## {family[0].upper()}{family[1:]} ({len(named)} comparisons)", f"{primary.title}:"]
        parts.append(text.as_markdown(_in_full(results, named, tested[primary.key])))
        others = [metric for metric in tested_metrics(results) if metric != primary]
        parts += ["By other metrics:", text.as_markdown(_in_short(results, named, others, tested))]
    return "\n\n".join(parts) + "\n"


def tests_csv(released: Released, tested: Mapping[str, Mapping[Pair, Tested]]) -> str:
    """Every figure of every comparison, a line for each metric."""
    lines = [
        {
            "family": family, "metric": metric, "a": pair[0], "b": pair[1], "difference": found.found.mean,
            "ci95_low": found.found.ci95_low, "ci95_high": found.found.ci95_high, "corrected_low": found.low,
            "corrected_high": found.high, "p_bootstrap": found.found.p_bootstrap,
            "p_randomisation": found.found.p_randomisation, "p_corrected": found.p, "p_equal": found.p_equal,
            "effect_size": found.found.effect_size, "detectable": found.detectable, "verdict": VERDICTS[found.outcome],
        }
        for family, pairs in released.compared.items()
        for metric, by_pair in tested.items()
        for pair, found in ((_pair(each), by_pair[_pair(each)]) for each in pairs)
    ]  # fmt: skip
    return str(pd.DataFrame(lines).round(_DECIMALS).to_csv(index=False, lineterminator="\n"))


def _tested(results: Results, released: Released, metric: Metric) -> dict[Pair, Tested]:
    families = {family: [_pair(pair) for pair in pairs] for family, pairs in released.compared.items()}
    drawn = released.bootstrap_resamples if metric == results.primary else -(-released.bootstrap_resamples // OTHERS_SHARE)
    rows = {row.name: row for row in results.rows}
    pairs = [pair for members in families.values() for pair in members]
    found = {(a, b): difference(rows[a], rows[b], metric.key, resamples=drawn) for a, b in pairs}
    return correct_within(families, found, margin=released.primary.margin)


def _in_full(results: Results, pairs: Sequence[Pair], tested: Mapping[Pair, Tested]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "System": _titles(results, pair),
            "Difference [95 %]": text.signed(each.found),
            "Corrected interval": f"[{text.number(each.low)}, {text.number(each.high)}]",
            "p, bootstrap": text.p_text(each.found.p_bootstrap),
            "p, randomisation": text.p_text(each.found.p_randomisation),
            "p, corrected": text.p_text(each.p),
            "p, equal": text.p_text(each.p_equal),
            "d": text.number(each.found.effect_size),
            "Detectable": f"{each.detectable:.2f}",
            "Verdict": VERDICTS[each.outcome],
        }
        for pair, each in ((pair, tested[pair]) for pair in pairs)
    )


def _in_short(
    results: Results, pairs: Sequence[Pair], metrics: Sequence[Metric], tested: Mapping[str, Mapping[Pair, Tested]]
) -> pd.DataFrame:
    return pd.DataFrame(
        {"System": _titles(results, pair)}
        | {
            metric.short: f"{text.signed(tested[metric.key][pair].found)}, {VERDICTS[tested[metric.key][pair].outcome]}"
            for metric in metrics
        }
        for pair in pairs
    )


def _titles(results: Results, pair: Pair) -> str:
    titles = {row.name: row.title for row in results.rows}
    return f"{titles[pair[0]]} − {titles[pair[1]]}"


def _pair(names: Sequence[str]) -> Pair:
    return names[0], names[1]
