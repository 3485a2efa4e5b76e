"""The views of an experiment that MLflow's pages offer by name, and the links to them.

A view is a tag of the experiment, `mlflow.sharedViewState.ID`, in the form in which the page of MLflow 3.17 saves one:
its name, its age, and the state of the page as JSON, deflated, since older servers store 5,000 characters. Pages that
know no views by name show all runs instead.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from harness.tracked import CURVES, LEVEL, LONGEST_OF_EXPERIMENT, NOTE, experiment_tags, named_figure, tuning_tags

VIEW = "mlflow.sharedViewState."
LEADERBOARD = {"viewStateShareKey": "leaderboard"}
TRIALS = {"viewStateShareKey": "trials"}
LINKS = {
    "Leaderboard": LEADERBOARD,
    "Learning curves": {"viewStateShareKey": "curves", "compareRunsMode": "CHART"},
    "Replicates": {"viewStateShareKey": "replicates"},
    "Figures and tables": {"searchFilter": f"params.{LEVEL} = 'results'"},
}
"""What the experiment's description links to, by the words of the link."""


def tags_of(grid: Mapping[str, Any], experiment: str) -> dict[str, str]:
    """All tags of the grid's experiment, whose ID is `experiment`: its description begins with links to its views."""
    tags = experiment_tags(grid)
    links = " · ".join(f"[{words}]({page_of(experiment, view)})" for words, view in LINKS.items())
    tags[NOTE] = f"{links}\n\n{tags[NOTE]}"[:LONGEST_OF_EXPERIMENT]
    views = [
        ("leaderboard", "Leaderboard", _leaderboard(grid)),
        ("curves", "Learning curves", _curves(grid)),
        ("replicates", "Replicates", _replicates(grid)),
    ]
    for place, (identifier, name, state) in enumerate(views):
        tags[VIEW + identifier] = _view(name, len(views) - place, state)  # the youngest is offered first
    return tags


def tags_of_tuning(tuned: Mapping[str, Any], experiment: str) -> dict[str, str]:
    """All tags of the experiment of a grid's tuning, whose ID is `experiment`: its one view is a table of trials."""
    tags = tuning_tags(tuned)
    tags[NOTE] = f"[Trials]({page_of(experiment, TRIALS)})\n\n{tags[NOTE]}"[:LONGEST_OF_EXPERIMENT]
    names = dict.fromkeys(name for arm in tuned["trials"] for name in arm["names"] if name != "corpus")
    values = dict.fromkeys(name for arm in tuned["trials"] for one in arm["trials"] for name in one["values"])
    columns = [*(f"params.`{name}`" for name in (*names, "trial", "state", "best")), *_metrics("dev", "seconds")]
    columns += [f"params.`training.{name}`" for name in values]
    return tags | {f"{VIEW}trials": _view("Trials", 1, _table(f"params.{LEVEL} = 'trial'", columns, "metrics.`dev`"))}


def _view(name: str, age: int, state: Mapping[str, Any]) -> str:
    """A view of this state, as the tag of an experiment."""
    packed = "deflate;" + b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": name, "createdAt": age, "updatedAt": age, "state": packed})


def page_of(experiment: str, view: Mapping[str, str]) -> str:
    """A view of an experiment's runs, relative to the server's address. MLflow's page is for training or for agents."""
    return f"#/experiments/{experiment}/runs?" + urlencode({"workflowType": "machine_learning", **view})


def _leaderboard(grid: Mapping[str, Any]) -> dict[str, Any]:
    """The cells, the best mean first."""
    metrics = _headlines(grid)
    figures = [named_figure(figure, metric) for metric in metrics for figure in ("mean", "sd", "ci_low", "ci_high")]
    columns = [*_parameters(grid, "size"), *_metrics(*figures[:2], "n", *figures[2:])]
    return _table(f"params.{LEVEL} = 'cell'", columns, f"metrics.`{figures[0]}`")


def _replicates(grid: Mapping[str, Any]) -> dict[str, Any]:
    """The cells and their replicates, those of a cell together: MLflow nests them only where the newest come first, and
    of a hundred runs at a time.
    """
    scores = [name for metric in _headlines(grid) for name in (f"test_{metric}", named_figure("mean", metric))]
    columns = [*_parameters(grid, "size", "replicate"), *_metrics(*scores, "seconds_total")]
    wanted = f"params.{LEVEL} != 'arm' and params.{LEVEL} != 'results'"
    return _table(wanted, columns, "params.`cell`") | {"orderByAsc": True}


def _curves(grid: Mapping[str, Any]) -> dict[str, Any]:
    """The arms, and a chart of each figure: the number of training labels is the step, on a logarithmic axis."""
    names = [named_figure(f"{figure}_by_labels", metric) for metric in _headlines(grid) for figure in CURVES]
    section = {"uuid": "curves", "name": "By training labels (the step)", "display": True, "isReordered": False}
    state = _table(f"params.{LEVEL} = 'arm'", [*_parameters(grid), *_metrics(*names)], "attributes.start_time")
    charts = [_chart(name, section["uuid"]) for name in names]
    return {**state, "compareRunSections": [section], "compareRunCharts": charts, "runsHiddenMode": "SHOW_ALL"}


def _chart(metric: str, section: object) -> dict[str, Any]:
    """A line chart by step, as MLflow's page configures one."""
    return {
        "type": "LINE", "uuid": metric, "metricSectionId": section, "isGenerated": False, "deleted": False,
        "metricKey": metric, "selectedMetricKeys": [metric], "displayName": metric, "displayPoints": True,
        "xAxisKey": "step", "xAxisScaleType": "log", "useGlobalXaxisKey": False, "selectedXAxisMetricKey": "",
        "scaleType": "linear", "range": {}, "yAxisKey": "metric", "yAxisExpressions": [], "ignoreOutliers": False,
        "lineSmoothness": 0, "useGlobalLineSmoothing": False,
    }  # fmt: skip


def _table(wanted: str, columns: list[str], order: str) -> dict[str, Any]:
    """The state of the page that shows these columns of the runs that are wanted, the largest first."""
    return {
        "searchFilter": wanted, "orderByKey": order, "orderByAsc": False, "startTime": "ALL",
        "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
        "selectedColumns": columns, "columnOrder": columns, "columnWidths": {"params.`size`": 70, "metrics.`n`": 50},
    }  # fmt: skip


def _parameters(grid: Mapping[str, Any], *more: str) -> list[str]:
    """Columns of what tells the grid's cells apart."""
    told = [name for name in ("text", "variant") if any(cell[name] for cell in grid["cells"])]
    corpora = ["corpus.label"] if len(grid["corpora"]) > 1 else []
    return [f"params.`{name}`" for name in ("encoder", "strategy", *told, *more, *corpora)]


def _metrics(*names: str) -> list[str]:
    return [f"metrics.`{name}`" for name in names]


def _headlines(grid: Mapping[str, Any]) -> list[str]:
    """The headline metrics of the grid's corpora, each once."""
    corpora: Iterable[Mapping[str, Any]] = grid["corpora"]
    return list(dict.fromkeys(corpus["metric"] for corpus in corpora))
