"""The runs of a grid: a parent for a cell, a child for a replicate, and one for an arm."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mlflow.entities import Metric

from harness.analysis import summarise
from harness.records import COMPLETE
from harness.tracked import (
    ARM,
    CELL,
    DIGEST,
    FAILED,
    FINISHED,
    KEY,
    PARENT,
    RUNNING,
    Cell,
    Content,
    named_figure,
    shown_arm,
    shown_cell,
    shown_replicate,
    times_of,
)
from harness.tracking.store import open_store, told


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
        self._answered = answered
        self._cells = [shown_cell(cell, grid["corpora"][cell["corpus"]]) for cell in grid["cells"]]
        self._cell_of = {key: cell for cell in self._cells for key in cell.keys}
        self._arm_of: dict[str, list[Cell]] = {}
        for cell in self._cells:
            self._arm_of.setdefault(cell.arm, []).append(cell)
        self._parents: dict[str, _Parent] = {}
        self._children: dict[str, _Child] = {}
        self._arms: dict[str, _Arm] = {}
        self._store = open_store(uri, grid)
        self._client = self._store.client
        answered(0)
        with told(uri):
            self._read()

    def log(self, records: Mapping[str, dict[str, Any]]) -> int:
        """Write the child runs of those records that are missing or changed, and what parents and arms then show.

        Records that are none of the grid's are passed over. Returns the number of child runs written. The time is that
        of the records' cells, however many others the grid has; many records of a cell take less than one by one.
        """
        by_cell: dict[str, dict[str, dict[str, Any]]] = {}
        for key in records:
            if key in self._cell_of:
                by_cell.setdefault(self._cell_of[key].key, {})[key] = records[key]
        written, arms = 0, dict[str, None]()
        with told(self._store.uri):
            for mine in by_cell.values():
                cell = self._cell_of[next(iter(mine))]
                written += self._log_replicates(cell, mine)
                self._summarise(cell)
                self._answered(len(mine))
                arms[cell.arm] = None
            for arm in arms:
                self._show_arm(arm)
                self._answered(0)
        return written

    def prune(self, records: Mapping[str, Any]) -> int:
        """Delete the runs that the grid or `records` no longer know; returns the number of child runs deleted."""
        known = [cell for cell in self._cells if not records.keys().isdisjoint(cell.keys)]
        lost = self._children.keys() - {key for cell in known for key in cell.keys if key in records}
        with told(self._store.uri):
            for key in lost:
                self._client.delete_run(self._children.pop(key).run)
            for cell in self._parents.keys() - {cell.key for cell in known}:
                self._client.delete_run(self._parents.pop(cell).run)
            for arm in self._arms.keys() - {cell.arm for cell in known}:
                self._client.delete_run(self._arms.pop(arm).run)
        return len(lost)

    def _read(self) -> None:
        """Learn what the experiment holds; what was killed half-way, or written twice, is deleted."""
        useless = []
        for page in self._store.pages():
            self._answered(0)
            for run in page:
                tags, metrics = run.data.tags, run.data.metrics
                digest, cell, key, arm = (tags.get(name) for name in (DIGEST, CELL, KEY, ARM))
                if cell is None and arm is None:
                    continue  # not ours, or the files of the results
                twice = key in self._children or arm in self._arms or (key is None and cell in self._parents)
                if digest is None or twice:
                    useless.append(run.info.run_id)
                elif arm is not None:
                    self._arms[arm] = _Arm(run.info.run_id, digest)
                elif key is not None:
                    score = metrics.get(f"test_{self._cell_of[key].headline}") if key in self._cell_of else None
                    times = run.info.start_time, run.info.end_time
                    self._children[key] = _Child(run.info.run_id, digest, tags.get(PARENT, ""), score, *times)
                elif cell is not None:
                    self._parents[cell] = _Parent(run.info.run_id, digest, run.info.status, metrics)
        for identifier in useless:  # now that all are read: a deletion moves the pages
            self._client.delete_run(identifier)
            self._answered(0)

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
            run = self._store.make(content, *times[key], {PARENT: parent.run})
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
            figures |= {
                named_figure(name, cell.headline): value for name, value in values.items() if math.isfinite(value)
            }
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
            self._store.end(parent.run, status, ended)
            parent.status = status

    def _make_parent(self, cell: Cell, started: int) -> _Parent:
        """A parent run that shows no figures yet, in place of the one that may be there."""
        old = self._parents.pop(cell.key, None)
        if old is not None:
            self._client.delete_run(old.run)
        run = self._store.make(cell.content, started, started)
        self._parents[cell.key] = _Parent(run, cell.content.digest, RUNNING, {})
        return self._parents[cell.key]

    def _show_arm(self, arm: str) -> None:
        """Let the run of an arm show the means that its cells have; there is none before the first."""
        cells = self._arm_of[arm]
        parents = {cell.key: self._parents[cell.key] for cell in cells if cell.key in self._parents}
        statuses = {parent.status for parent in parents.values()} | ({RUNNING} if len(parents) < len(cells) else set())
        status = next(status for status in (FAILED, RUNNING, FINISHED) if status in statuses)
        content = shown_arm(cells, {key: parent.figures for key, parent in parents.items()}, status)
        old = self._arms.get(arm)
        if old is not None and old.digest == content.digest:
            old.content = content
            return
        children = [self._children[key] for cell in cells for key in cell.keys if key in self._children]
        started, ended = min(child.started for child in children), max(child.ended for child in children)
        if old is not None and (old.content is None or set(old.content.metrics) - set(content.metrics)):
            self._client.delete_run(self._arms.pop(arm).run)
            old = None
        if old is not None and old.content is not None:
            self._store.extend(old.run, old.content, content, ended)
            self._arms[arm] = _Arm(old.run, content.digest, content)
        elif content.metrics:
            self._arms[arm] = _Arm(self._store.make(content, started, ended), content.digest, content)


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


@dataclasses.dataclass
class _Arm:
    """The run of an arm as it stands in the store, which tells of a curve its last point alone: None where it was read
    there.
    """

    run: str
    digest: str
    content: Content | None = None
