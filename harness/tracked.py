"""What MLflow shows of a grid, its cells, arms and records: names, tags, parameters and metrics; where it keeps them.

Free of mlflow. Scores and shares are in percent. A child run carries its cell's parameters too, or filters would lose
it; the parameter `level` says what a run stands for. An arm is the cells that differ in their size alone: its metrics
are theirs, by step, so that MLflow draws its learning curve.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import tuned_trials
from harness.records import COMPLETE

GRID, CELL, KEY, DIGEST = "reprise.grid", "reprise.cell", "reprise.key", "reprise.digest"
ARM, RESULTS = "reprise.arm", "reprise.results"
TRIAL, TUNING = "reprise.trial", "reprise.tuning"
PARENT, NOTE, SOURCE = "mlflow.parentRunId", "mlflow.note.content", {"mlflow.source.name": "reprise"}
LEVEL = "level"
"""The parameter that says what a run stands for: `cell`, `replicate`, `arm` or `results`; of tuning, `trial`."""
CURVES = ("mean", "sd")
"""The figures of its cells that an arm shows, by the number of training labels, which is the step."""
RUNNING, FINISHED, FAILED = "RUNNING", "FINISHED", "FAILED"
OF_STATE = {tuned_trials.COMPLETE: FINISHED, tuned_trials.PRUNED: "KILLED", tuned_trials.FAILED: FAILED}
"""MLflow's status of a trial, by what became of it."""
LONGEST, LONGEST_OF_EXPERIMENT = 8000, 5000
"""Characters that MLflow stores of a run's tag, and of an experiment's, in the oldest version that is allowed."""
SHARES = ("linked", "often")
"""Of what a record says of a text, the shares; the rest are counts."""


@dataclasses.dataclass(frozen=True)
class Content:
    """What an MLflow run shows; metrics as (name, value, step)."""

    name: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: tuple[tuple[str, float, int], ...] = ()
    status: str = RUNNING

    @cached_property
    def digest(self) -> str:
        """sha256 of all that the run shows."""
        shown = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = json.dumps(shown, sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of the grid and what its parent run shows, figures aside; `arm` is the name of its arm.

    `crossed` is the number of initialisations that each text sample meets; None where replicates are not crossed.
    """

    key: str
    keys: tuple[str, ...]
    headline: str
    arm: str
    content: Content
    crossed: int | None = None


def shown_cell(cell: Mapping[str, Any], corpus: Mapping[str, Any]) -> Cell:
    """What the parent run of a cell of a resolved grid shows; `corpus` is its entry there."""
    arm = [cell["encoder"], cell["strategy"], cell["text"], cell["variant"]]
    name = _named(*arm, f"n={cell['size']}", corpus["label"])
    parameters = _flatten(cell["spec"]) | {
        LEVEL: "cell",
        "cell": name,
        "corpus": corpus["name"],
        "corpus.label": corpus["label"],
        "split": str(corpus["split"]),
        "encoder": cell["encoder"],
        "strategy": cell["strategy"],
        "variant": cell["variant"],
        "size": str(cell["size"]),
        "text": cell["text"] or "",
        **({"text.name": cell["spec"]["text"]["name"]} if cell["text"] else {}),
    }
    tags = {CELL: cell["cell"], **SOURCE}
    if corpus["notice"]:
        tags[NOTE] = corpus["notice"][:LONGEST]
    crossed = cell["spec"].get("crossed") if cell["text"] else None
    return Cell(
        key=cell["cell"],
        keys=tuple(cell["keys"]),
        headline=corpus["metric"],
        arm=_named(*arm, corpus["label"]),
        content=Content(name, tags, parameters),
        crossed=crossed,
    )


def _named(*words: str | None) -> str:
    return " · ".join(word for word in words if word)


def named_figure(figure: str, headline: str) -> str:
    """The metric that is a figure, such as the mean, of a cell's headline scores; what tells them apart comes first, as
    columns are narrow.
    """
    return f"{figure}_test_{headline}"


def shown_arm(cells: Sequence[Cell], figures: Mapping[str, Mapping[str, float]], status: str) -> Content:
    """What the run of an arm shows: what its cells have in common, and each figure of theirs at their size.

    `figures` are those that the parent runs show, by the key of the cell.
    """
    common = set.intersection(*(set(cell.content.parameters.items()) for cell in cells))
    metrics = [
        (named_figure(f"{figure}_by_labels", cell.headline), figures[cell.key][name], _size(cell))
        for cell in sorted(cells, key=_size)
        for figure in CURVES
        if (name := named_figure(figure, cell.headline)) in figures.get(cell.key, ())
    ]
    tags = {name: value for name, value in cells[0].content.tags.items() if name != CELL}
    arm = cells[0].arm
    return Content(arm, {**tags, ARM: arm}, {**dict(common), LEVEL: "arm"}, tuple(metrics), status)


def _size(cell: Cell) -> int:
    return int(cell.content.parameters["size"])


def shown_results(grid: Mapping[str, Any]) -> Content:
    """What the run that carries the files of the grid's results shows, files aside."""
    told = "The leaderboard, the figures and the page of this grid: see Artifacts. `report` draws, `sync` brings here."
    tags = {RESULTS: grid["name"], NOTE: told, **SOURCE}
    return Content(f"results of {grid['name']}", tags, {LEVEL: "results"}, status=FINISHED)


def shown_replicate(cell: Cell, record: Mapping[str, Any]) -> Content:
    """What the child run of a record shows."""
    environment = {name: value for name, value in record["environment"].items() if isinstance(value, str)}
    tags = {**cell.content.tags, KEY: record["key"], "reprise.finished": record["finished"]}
    tags |= {f"reprise.{name}": value for name, value in environment.items()}
    if error := record["error"]:
        told = f"{error['type']}: {error['message']}"
        tags["reprise.error"] = told[:LONGEST]
        # the end of a traceback says what went wrong
        trace = f"\n\n```\n{error['traceback'][-LONGEST // 2 :]}\n```" if error["traceback"] else ""
        tags[NOTE] = told[: LONGEST // 4] + trace
    replicate = record["spec"]["replicate"]
    return Content(
        name=f"replicate {replicate} · {cell.content.name}",
        tags=tags,
        parameters={**cell.content.parameters, LEVEL: "replicate", "replicate": str(replicate)},
        metrics=tuple(_metrics(record, cell.headline)),
        status=FINISHED if record["status"] == COMPLETE else FAILED,
    )


def _metrics(record: Mapping[str, Any], headline: str) -> Iterator[tuple[str, float, int]]:
    """Name, value and step of all that a record measured; of a failed one, what there is."""
    for part, scores in (record.get("scores") or {}).items():
        for metric, fraction in (scores or {}).items():
            yield f"{part}_{metric}", 100 * fraction, 0
    curve = record.get("curve") or {"update": [], "loss": [], "dev": []}
    for update, loss, fraction in zip(curve["update"], curve["loss"], curve["dev"], strict=True):
        yield "curve_loss", loss, update
        yield f"curve_dev_{headline}", 100 * fraction, update
    if record.get("best_update") is not None:
        yield "best_update", record["best_update"], 0
    for name, value in (record.get("text") or {}).items():
        yield f"text_{name}", 100 * value if name in SHARES else value, 0
    if pretraining := record.get("pretraining"):
        yield from _pretraining(pretraining)
    for time in ("before", "after") if record.get("hidden") else ():
        for name in ("knn", "silhouette"):
            if record["hidden"][time][name] is not None:
                yield f"hidden_{name}_{time}", record["hidden"][time][name], 0
    for group in ("counts", "seconds"):
        for name, value in (record.get(group) or {}).items():
            yield f"{group}_{name}", value, 0


def _pretraining(pretraining: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    """The losses by epoch, that of the mentions held out from before the first one on, and what else was measured."""
    for epoch, loss in enumerate(pretraining["loss"], start=1):
        yield "pretraining_loss", loss, epoch
    for epoch, loss in enumerate(pretraining["held_out"]):
        yield "pretraining_held_out", loss, epoch
    for name in ("mentions", "best_epoch", "seconds"):
        yield f"pretraining_{name}", pretraining[name], 0


def shown_trial(arm: Mapping[str, Any], trial: Mapping[str, Any]) -> Content:
    """What the run of a trial shows; `arm` is the trial's, as a tuned grid tells of it."""
    names = arm["names"]
    others = [value for what, value in names.items() if what != "corpus"]
    name = _named(f"trial {trial['trial']}", *others, names["corpus"])
    tags = {TRIAL: name, **SOURCE}
    if trial["error"]:
        tags[NOTE] = trial["error"][:LONGEST]
    pretraining = {} if trial["pretraining"] is None else arm["pretrainings"][trial["pretraining"]]
    parameters = {
        **_flatten({"training": trial["values"], "strategy": {"parameters": pretraining}}),
        **{"corpus.label" if what == "corpus" else what: value for what, value in names.items()},
        LEVEL: "trial",
        "trial": str(trial["trial"]),
        "state": trial["state"],
        "best": json.dumps(trial["trial"] == arm["best"]),
    }
    if trial["pretraining"] is not None:
        parameters["pretraining"] = str(trial["pretraining"])
    scores = [("dev_by_replicate", dev, replicate) for replicate, dev in enumerate(trial["dev_by_replicate"])]
    mean = [] if trial["dev"] is None else [("dev", trial["dev"], 0)]
    metrics = (*mean, *scores, ("seconds", trial["seconds"], 0))
    return Content(name, tags, parameters, metrics, OF_STATE[trial["state"]])


def _flatten(spec: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A spec as parameters: `encoder`, `encoder.hidden`, `training.learning_rate`, ...; what is null is left out.

    A name stands for the thing that it names, and a plugin's parameters stand right below it.
    """
    flat: dict[str, str] = {}
    for name, value in spec.items():
        path = prefix if name in ("name", "parameters") and prefix else f"{prefix}.{name}".lstrip(".")
        if isinstance(value, Mapping):
            flat |= _flatten(value, path)
        elif value is not None:
            flat[path] = value if isinstance(value, str) else json.dumps(value)
    return flat


def experiment_tags(grid: Mapping[str, Any]) -> dict[str, str]:
    """That the experiment is Reprise's, the grid as written, and what a reader should know: notices and refusals."""
    told = ["Scores are in percent. A parent run shows means once all its planned replicates are complete."]
    told += [f"{corpus['label']}: {corpus['notice']}" for corpus in grid["corpora"] if corpus["notice"]]
    for text in grid.get("texts") or ():
        for label, (shared, sentences) in text.get("shared", {}).items():
            if shared:
                told.append(f"{label}: {shared:,} of {sentences:,} dev and test sentences stand in {text['name']}")
    for refusal in grid["refusals"]:
        words = (refusal[name] for name in ("encoder", "strategy", "variant", "corpus"))
        told.append(f"Refused: {' · '.join(word for word in words if word)}: {refusal['reason']}")
    tags = {GRID: grid["name"], "reprise.source": grid["source"], NOTE: "\n\n".join(told)}
    return {name: value[:LONGEST_OF_EXPERIMENT] for name, value in tags.items()}


def tuning_tags(tuned: Mapping[str, Any]) -> dict[str, str]:
    """That an experiment is one of Reprise's tuning, of which grid, and what a reader should know."""
    told = f"{tuned['budget']}. Scores are in percent, of dev alone. A pruned trial (KILLED) lacks replicates."
    return {GRID: tuned["grid"], TUNING: tuned["grid"], NOTE: told[:LONGEST_OF_EXPERIMENT]}


def default_uri(home: Path) -> str:
    """The database in the home folder."""
    return f"sqlite:///{home.absolute()}/mlflow.db"


def database_of(uri: str) -> Path | None:
    """The file of an SQLite store."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]).absolute()


def artifacts_of(uri: str) -> Path | None:
    """Where artifacts of an SQLite store belong: beside the database. A server knows its own place."""
    database = database_of(uri)
    return database.parent / "mlflow-artifacts" if database else None


def times_of(record: Mapping[str, Any]) -> tuple[int, int]:
    """When a run began and ended, in milliseconds of the epoch."""
    ended = datetime.fromisoformat(record["finished"]).timestamp()
    return round(1000 * (ended - record["seconds"]["total"])), round(1000 * ended)
