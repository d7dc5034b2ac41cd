"""The first screen of MLflow's pages: the rows of a study, sorted by its primary metric, with their scores.

MLflow opens in the mode that a browser used last, which at first is the other one, and shows no metric in its list of runs. The
address says which page and which mode. Mode and columns that stay as one goes on are kept by the browser: `browser_defaults` is a
script that fills them in where the project's own server gives out the page.
"""

import json
from typing import Any
from urllib.parse import quote

from pipeline.base.tracking_words import FURTHER, HEADLINE, experiment_tags

MODE = "workflowType=machine_learning"
_SECTION = "Model metrics"  # what MLflow calls charts of metrics without a prefix


def describe_experiment(client: Any, experiment_id: str, *, study: str, primary: str) -> None:
    """Set what the page of an experiment says; runs are left alone."""
    metric = "mlflow.experiment.primaryMetric"
    for key, value in (experiment_tags(study) | {f"{metric}.name": primary, f"{metric}.greaterIsBetter": "True"}).items():
        client.set_experiment_tag(experiment_id, key, value)


def first_screen(server: str, experiment_id: str) -> str:
    """The address of the list of runs; `server` is such as `http://127.0.0.1:5000`."""
    return f"{server}/?{MODE}#/experiments/{quote(experiment_id)}/runs?{MODE}"


def browser_defaults(experiment_id: str, primary: str) -> str:
    """JavaScript that tells a browser once, until any of it changes, what to show. What a reader chooses afterwards stays."""
    state = {
        "orderByKey": f"metrics.`{primary}`",
        "orderByAsc": False,
        "searchFilter": "tags.`mlflow.parentRunId` IS NULL and params.shows IS NULL",  # rows, without their seeds and controls
        "selectedColumns": [*(f"metrics.`{name}`" for name in dict.fromkeys((primary, *HEADLINE))), "params.`encoder`"],
        "compareRunCharts": [],
        "compareRunSections": [
            _section(name, display=name == _SECTION) for name in (_SECTION, FURTHER.rstrip("/"), "System metrics")
        ],
        "isAccordionReordered": True,  # else MLflow puts the sections in alphabetical order
    }
    kept = {
        "mlflow.workflowType_v1": json.dumps("machine_learning"),
        "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": json.dumps(True),
        f'MLflowLocalStorage-1.1-ExperimentPage-["{experiment_id}"]-ReactComponentState': json.dumps(state),
    }
    script = (
        f"const kept = {json.dumps(kept)}, mark = JSON.stringify(kept);"
        "if (localStorage.getItem('project.defaults') !== mark) {"
        "for (const [key, value] of Object.entries(kept)) localStorage.setItem(key, value);"
        "localStorage.setItem('project.defaults', mark);}"
    )
    return script.replace("</", "<\\/")


def _section(name: str, *, display: bool) -> dict[str, Any]:
    return {"uuid": name, "name": name, "display": display, "isReordered": False, "deleted": False, "isGenerated": True}
