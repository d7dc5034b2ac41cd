"""`docs/search_<study>.md`: what was searched, what was found for every row, and every trial."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from pipeline.base.files import write_text
from pipeline.base.params import Params
from pipeline.base.templates import render
from pipeline.report.text import NO_VALUE, as_markdown
from pipeline.scoring.metrics import METRICS
from pipeline.training.search import Trial, best_of
from pipeline.training.space import SPACE, value_of


def write_document(titles: Mapping[str, str], trials: Mapping[str, Sequence[Trial]], params: Params) -> Path:
    """Write the document of a search over the rows of `titles` (name to title), and return its path."""
    path = Path("docs") / f"search_{params.study}.md"
    study = params.current
    text = render(
        "report/templates/search.md.jinja",
        study=params.study,
        scale=study.scale,
        metric=next(metric.title for metric in METRICS if metric.key == study.primary.metric),
        seed=study.seeds[0],
        epochs=study.train.epochs,
        space=SPACE,
        own={dimension.key: value_of(study, dimension.key) for dimension in SPACE},
        trials=max(len(each) for each in trials.values()),
        minutes=sum(trial.seconds for each in trials.values() for trial in each) / 60,
        summary=as_markdown(pd.DataFrame([_summary(titles[row], each) for row, each in trials.items()])),
        rows=[{"title": titles[row], "table": as_markdown(_all_trials(each))} for row, each in trials.items()],
    )
    write_text(path, text)
    return path


def _summary(title: str, trials: Sequence[Trial]) -> dict[str, str]:
    """One line: what the study's own values gave, the best, the middle and the middle half of the scores, what was chosen."""
    scores = sorted(trial.score for trial in trials if trial.score is not None)
    best = best_of(trials)
    quarter = pd.Series(scores).quantile([0.25, 0.75]).tolist()
    return {
        "Row": title,
        "Trials": str(len(trials)),
        "Stopped": str(len(trials) - len(scores)),
        "Study's own": _number(trials[0].score),
        "Best": _number(best.score),
        "Median": _number(median(scores)),
        "Middle half": f"{_number(quarter[0])} to {_number(quarter[1])}",
        "Setting": _changes(best.values, trials[0].values) or "the study's own",
    }


def _all_trials(trials: Sequence[Trial]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Trial": str(trial.number),
            "By epoch": " ".join(_number(value) for value in trial.curve),
            "Score": NO_VALUE if trial.score is None else _number(trial.score),
            "Ended": trial.state,
            "Setting": ", ".join(f"{key} {value:g}" for key, value in trial.values.items()),
        }
        for trial in trials
    )


def _changes(values: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value:g}" for key, value in values.items() if value != own[key])


def _number(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.1f}"
