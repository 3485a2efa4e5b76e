"""A grid's experiment in a tracking store: opened, searched, and runs written whole."""

from __future__ import annotations

import dataclasses
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from harness.errors import HarnessError, without_passwords
from harness.tracked import (
    DIGEST,
    GRID,
    RUNNING,
    TUNING,
    Content,
    artifacts_of,
    database_of,
    default_uri,
)
from harness.tracking.views import LEADERBOARD, TRIALS, page_of, tags_of, tags_of_tuning


@dataclasses.dataclass(frozen=True)
class Store:
    """The experiment of one grid in the store at `uri`, by its ID."""

    uri: str
    client: MlflowClient
    experiment: str

    def pages(self, wanted: str = "") -> Iterator[list[Run]]:
        """The runs that a filter finds, by a thousand."""
        token: str | None = None
        while True:
            page = self.client.search_runs([self.experiment], wanted, max_results=1000, page_token=token)
            yield list(page)
            token = page.token
            if not token:
                return

    def make(self, content: Content, started: int, ended: int, tags: Mapping[str, str] | None = None) -> str:
        """Write a run, its digest last, and return its ID."""
        run = self.begin(content, started, ended, tags)
        self.client.set_tag(run, DIGEST, content.digest)
        return run

    def begin(self, content: Content, started: int, ended: int, tags: Mapping[str, str] | None = None) -> str:
        """Write a run that has no digest yet, and return its ID."""
        all_tags = {**content.tags, **(tags or {})}
        made = self.client.create_run(self.experiment, start_time=started, tags=all_tags, run_name=content.name)
        run = str(made.info.run_id)
        metrics = [Metric(name, value, ended, step) for name, value, step in content.metrics]
        self.client.log_batch(run, metrics, [Param(name, value) for name, value in content.parameters.items()])
        if content.status != RUNNING:
            self.end(run, content.status, ended)
        return run

    def extend(self, run: str, old: Content, new: Content, ended: int) -> None:
        """Let a run show more points of its metrics than it did, and its status; half-way it has no digest."""
        self.client.delete_tag(run, DIGEST)
        more = set(new.metrics) - set(old.metrics)
        self.client.log_batch(run, [Metric(name, value, ended, step) for name, value, step in more])
        if new.status != old.status:
            self.end(run, new.status, ended)
        self.client.set_tag(run, DIGEST, new.digest)

    def end(self, run: str, status: str, ended: int) -> None:
        """Let a run be of this status, and end then if it has ended."""
        if status == RUNNING:
            self.client.update_run(run, status)
        else:
            self.client.set_terminated(run, status, ended)


def open_store(uri: str, grid: Mapping[str, Any]) -> Store:
    """The grid's experiment, made where it is not there yet; HarnessError where the store can't be used."""
    return _open(uri, grid["name"], grid["name"], partial(tags_of, grid))


def open_tuning(uri: str, tuned: Mapping[str, Any]) -> Store:
    """The experiment of a grid's tuning, of which a tuned grid tells; as `open_store`."""
    return _open(uri, f"{tuned['grid']} tuning", tuned["grid"], partial(tags_of_tuning, tuned))


def _open(uri: str, name: str, grid: str, tags: Callable[[str], Mapping[str, str]]) -> Store:
    check(uri)
    create(uri)
    with told(uri):
        client = MlflowClient(tracking_uri=uri)
        return Store(uri, client, _experiment(client, uri, name, grid, tags))


def _experiment(client: MlflowClient, uri: str, name: str, grid: str, tags: Callable[[str], Mapping[str, str]]) -> str:
    """The ID of the experiment of this name, which is about a grid; `tags` are all of its tags, by its ID."""
    there = {GRID: grid}
    found = client.get_experiment_by_name(name)
    if found is None:
        # a place of its own: MLflow's default would be ./mlruns, wherever the command is typed
        artifacts = artifacts_of(uri)
        experiment = client.create_experiment(name, (artifacts / name).as_uri() if artifacts else None, there)
    else:
        experiment, there = str(found.experiment_id), found.tags
        if GRID not in there:
            raise HarnessError(
                f"the MLflow experiment '{name}' at {without_passwords(uri)} is none of Reprise's (it has no tag "
                f"{GRID}). Rename it there, or give the grid another name"
            )
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(experiment)
    for tag, value in tags(experiment).items():
        if there.get(tag) != value:
            client.set_experiment_tag(experiment, tag, value)
    return experiment


def leaderboards(uri: str) -> dict[str, str]:
    """The page of each grid's leaderboard, and of the trials of its tuning, relative to the server's address, by the
    name of the experiment.
    """
    with told(uri):
        found = MlflowClient(tracking_uri=uri).search_experiments(filter_string=f"tags.`{GRID}` != ''")
        return {
            experiment.name: page_of(experiment.experiment_id, TRIALS if TUNING in experiment.tags else LEADERBOARD)
            for experiment in found
        }


def check(uri: str) -> None:
    """Tell at once that an SQLite store can't be written: MLflow would make folders, or try for a minute and a half."""
    database = database_of(uri)
    if database is None:
        with told(uri):
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
        with told(uri):
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
def told(uri: str) -> Iterator[None]:
    """Say which store failed, how, and what to type next."""
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise HarnessError(
            f"the MLflow store at {without_passwords(uri)} can't be used: {reason(error)}\nThe records lack nothing. "
            "Once the store is there, type: python -m harness sync"
        ) from error


def reason(error: Exception) -> str:
    """The first line of what went wrong, without passwords."""
    return without_passwords(str(error)).strip().partition("\n")[0][:600]
