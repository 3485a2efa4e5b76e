"""MLflow, derived from the records: an experiment for a grid, a parent run for a cell, a child run for a replicate.

Nothing here is true by itself: delete the database, `sync`, and the same tables are back. Every run carries a digest
of what it shows, written last, so that one search finds what is missing, changed or half-written, and the rest is left
alone. MLflow takes no parameter and no metric back: a run that must lose one is deleted and made anew. Scores are
in percent.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from harness.analysis import summarise
from harness.errors import HarnessError
from harness.records import COMPLETE
from harness.tracked import (
    CELL,
    DIGEST,
    FAILED,
    FINISHED,
    GRID,
    KEY,
    PARENT,
    RUNNING,
    Cell,
    Content,
    artifacts_of,
    database_of,
    default_uri,
    experiment_tags,
    shown,
    shown_cell,
    shown_replicate,
    times_of,
)

# MLflow reads these from the environment, some of them while it is imported. What a person has set stays, and no other
# variable is written: other threads are about.
os.environ.update(
    {
        name: value
        for name, value in {
            "MLFLOW_DISABLE_TELEMETRY": "true",  # what a person measures is not reported to anyone
            "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what goes wrong is raised here and told once, without tracebacks
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # of seven: minutes until a server that is not there is told
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # the server's own queue of jobs, of no use here
        }.items()
        if name not in os.environ
    }
)

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.exceptions import MlflowException

logging.getLogger("urllib3").setLevel(logging.ERROR)  # it announces each retry


class Counts(NamedTuple):
    """Child runs that a synchronisation wrote, removed because neither grid nor records know them, and left alone."""

    written: int
    removed: int
    unchanged: int


def sync(uri: str, grid: Mapping[str, Any], records: Mapping[str, dict[str, Any]]) -> Counts:
    """Make the grid's experiment show these records and no others; HarnessError where the store can't be used."""
    tracker = Tracker(uri, grid)
    removed = tracker.prune(records)
    written = tracker.log(records)
    shown = {key for cell in grid["cells"] for key in cell["keys"] if key in records}
    return Counts(written, removed, len(shown) - written)


class Tracker:
    """Writes the runs of one resolved grid to the store at `uri`; logging a record again changes nothing.

    One process writes. Opening makes the database and the experiment where they are not there yet. `answered` is
    called again and again as the store answers, with the number of records that it shows in full since. Every method
    raises HarnessError where the store can't be used; the records lack nothing then, and `sync` catches up later.
    """

    def __init__(
        self, uri: str, grid: Mapping[str, Any], answered: Callable[[int], None] = lambda records: None
    ) -> None:
        self._uri = uri
        self._answered = answered
        self._cells = [shown_cell(cell, grid["corpora"][cell["corpus"]]) for cell in grid["cells"]]
        self._cell_of = {key: cell for cell in self._cells for key in cell.keys}
        self._parents: dict[str, _Parent] = {}
        self._children: dict[str, _Child] = {}
        check(uri)
        create(uri)
        answered(0)
        with _told(uri):
            self._client = MlflowClient(tracking_uri=uri)
            self._experiment = self._find_or_make(grid)
            self._read()

    def log(self, records: Mapping[str, dict[str, Any]]) -> int:
        """Write the child runs of those records that are missing or changed, and what their parents then show.

        Records that are none of the grid's are passed over. Returns the number of child runs written. The time is that
        of the records' cells, however many others the grid has; many records of a cell take less than one by one.
        """
        by_cell: dict[str, dict[str, dict[str, Any]]] = {}
        for key in records:
            if key in self._cell_of:
                by_cell.setdefault(self._cell_of[key].key, {})[key] = records[key]
        written = 0
        with _told(self._uri):
            for mine in by_cell.values():
                cell = self._cell_of[next(iter(mine))]
                written += self._log_replicates(cell, mine)
                self._summarise(cell)
                self._answered(len(mine))
        return written

    def prune(self, records: Mapping[str, Any]) -> int:
        """Delete the runs that the grid or `records` no longer know; returns the number of child runs deleted."""
        known = [cell for cell in self._cells if not records.keys().isdisjoint(cell.keys)]
        lost = self._children.keys() - {key for cell in known for key in cell.keys if key in records}
        with _told(self._uri):
            for key in lost:
                self._client.delete_run(self._children.pop(key).run)
            for cell in self._parents.keys() - {cell.key for cell in known}:
                self._client.delete_run(self._parents.pop(cell).run)
        return len(lost)

    def _find_or_make(self, grid: Mapping[str, Any]) -> str:
        """The ID of the grid's experiment."""
        name, tags = grid["name"], experiment_tags(grid)
        found = self._client.get_experiment_by_name(name)
        if found is None:
            # a place of its own: MLflow's default would be ./mlruns, wherever the command is typed
            artifacts = artifacts_of(self._uri)
            return self._client.create_experiment(name, (artifacts / name).as_uri() if artifacts else None, tags)
        if GRID not in found.tags:
            raise HarnessError(
                f"the MLflow experiment '{name}' at {shown(self._uri)} is none of Reprise's (it has no tag {GRID}). "
                "Rename it there, or give the grid another name"
            )
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        for tag, value in tags.items():
            if found.tags.get(tag) != value:
                self._client.set_experiment_tag(found.experiment_id, tag, value)
        return str(found.experiment_id)

    def _read(self) -> None:
        """Learn what the experiment holds; what was killed half-way, or written twice, is deleted."""
        useless = []
        for run in self._search():
            tags, metrics = run.data.tags, run.data.metrics
            digest, cell, key = (tags.get(name) for name in (DIGEST, CELL, KEY))
            if cell is None:
                continue  # not ours
            if digest is None or key in self._children or (key is None and cell in self._parents):
                useless.append(run.info.run_id)
            elif key is None:
                self._parents[cell] = _Parent(run.info.run_id, digest, run.info.status, metrics)
            else:
                score = metrics.get(f"test_{self._cell_of[key].headline}") if key in self._cell_of else None
                times = run.info.start_time, run.info.end_time
                self._children[key] = _Child(run.info.run_id, digest, tags.get(PARENT, ""), score, *times)
        for identifier in useless:  # now that all are read: a deletion moves the pages
            self._client.delete_run(identifier)
            self._answered(0)

    def _search(self) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs([self._experiment], max_results=1000, page_token=token)
            self._answered(0)
            yield from page
            token = page.token
            if not token:
                return

    def _log_replicates(self, cell: Cell, records: Mapping[str, dict[str, Any]]) -> int:
        times = {key: times_of(record) for key, record in records.items()}
        parent = self._parents.get(cell.key)
        if parent is None or parent.digest != cell.content.digest:
            parent = self._make_parent(cell, min(started for started, _ in times.values()))
        written = 0
        for key, record in records.items():
            content = shown_replicate(cell, record)
            old = self._children.get(key)
            if old is not None and old.digest == content.digest:
                continue
            if old is not None:
                self._client.delete_run(self._children.pop(key).run)
            run = self._make(content, *times[key], {PARENT: parent.run})
            score = 100 * record["scores"]["test"][cell.headline] if record["status"] == COMPLETE else None
            self._children[key] = _Child(run, content.digest, parent.run, score, *times[key])
            written += 1
            self._answered(0)
        return written

    def _summarise(self, cell: Cell) -> None:
        """Let the cell's parent show what its children come to: the mean only when all planned replicates are there."""
        children = [self._children[key] for key in cell.keys if key in self._children]
        scores = [child.score for child in children if child.score is not None]
        figures = {"n": float(len(scores))}
        if len(scores) == len(cell.keys):
            summary = summarise(scores, crossed=cell.crossed)
            values = {"mean": summary.mean, "sd": summary.sd, "ci_low": summary.low, "ci_high": summary.high}
            figures |= {f"test_{cell.headline}_{name}": value for name, value in values.items() if math.isfinite(value)}
        failed, missing = len(children) - len(scores), len(cell.keys) - len(children)
        status = FAILED if failed else RUNNING if missing else FINISHED

        parent = self._parents[cell.key]
        kept = {name: value for name, value in parent.figures.items() if name != "n"}
        if kept.items() - figures.items() or parent.figures.get("n", 0) > len(scores):
            parent = self._make_parent(cell, min(child.started for child in children))
        for child in children:
            if child.parent != parent.run:
                self._client.set_tag(child.run, PARENT, parent.run)
                child.parent = parent.run
        ended = max(child.ended for child in children)
        new = [item for item in figures.items() if item not in parent.figures.items()]
        if new:
            # of several values of a metric MLflow shows that of the highest step
            metrics = [Metric(name, value, ended, len(scores) if name == "n" else 0) for name, value in new]
            self._client.log_batch(parent.run, metrics=metrics)
            parent.figures = figures
        if status != parent.status:
            if status == RUNNING:
                self._client.update_run(parent.run, status)
            else:
                self._client.set_terminated(parent.run, status, ended)
            parent.status = status

    def _make_parent(self, cell: Cell, started: int) -> _Parent:
        """A parent run that shows no figures yet, in place of the one that may be there."""
        old = self._parents.pop(cell.key, None)
        if old is not None:
            self._client.delete_run(old.run)
        run = self._make(cell.content, started, started)
        self._parents[cell.key] = _Parent(run, cell.content.digest, RUNNING, {})
        return self._parents[cell.key]

    def _make(self, content: Content, started: int, ended: int, tags: Mapping[str, str] | None = None) -> str:
        """Write a run and return its ID."""
        all_tags = {**content.tags, **(tags or {})}
        made = self._client.create_run(self._experiment, start_time=started, tags=all_tags, run_name=content.name)
        run = str(made.info.run_id)
        metrics = [Metric(name, value, ended, step) for name, value, step in content.metrics]
        self._client.log_batch(run, metrics, [Param(name, value) for name, value in content.parameters.items()])
        if content.status != RUNNING:
            self._client.set_terminated(run, content.status, ended)
        self._client.set_tag(run, DIGEST, content.digest)
        return run


@dataclasses.dataclass
class _Parent:
    """A parent run as it stands in the store."""

    run: str
    digest: str
    status: str
    figures: Mapping[str, float]


@dataclasses.dataclass
class _Child:
    """A child run as it stands in the store; `score` is its headline score in percent, None where it failed."""

    run: str
    digest: str
    parent: str
    score: float | None
    started: int
    ended: int


def check(uri: str) -> None:
    """Tell at once that an SQLite store can't be written: MLflow would make folders, or try for a minute and a half."""
    database = database_of(uri)
    if database is None:
        with _told(uri):
            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
        return
    if not database.parent.is_dir():
        raise HarnessError(
            f"MLflow's database {database} can't be opened: there is no folder {database.parent}. "
            f"Make it: mkdir -p {database.parent}"
        )
    with _writing(database), closing(sqlite3.connect(database, timeout=5)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()


def create(uri: str) -> None:
    """Give an SQLite store its tables, all or none: MLflow opens none again whose making was cut off half-way."""
    database = database_of(uri)
    if database is None or (database.exists() and database.stat().st_size):
        return
    with _writing(database), tempfile.TemporaryDirectory(dir=database.parent, prefix=".unfinished-") as folder:
        with _told(uri):
            MlflowClient(tracking_uri=default_uri(Path(folder))).search_experiments(max_results=1)
        with closing(sqlite3.connect(f"{folder}/mlflow.db")) as whole, closing(sqlite3.connect(database)) as store:
            whole.backup(store)


@contextmanager
def _writing(database: Path) -> Iterator[None]:
    """Say that an SQLite store can't be written, why, and what to type next."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise HarnessError(
            f"MLflow's database {database} can't be written: {error}. Nothing is in it that the records don't hold: "
            "free it or move it away, then type: python -m harness sync"
        ) from error


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Say which store failed, how, and what to type next."""
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        reason = shown(str(error)).strip().partition("\n")[0][:600]
        raise HarnessError(
            f"the MLflow store at {shown(uri)} can't be used: {reason}\nThe records lack nothing. "
            "Once the store is there, type: python -m harness sync"
        ) from error
