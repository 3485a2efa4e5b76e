"""What of a selection of runs has a record, what is to be done, how long that takes and how much disk."""

from __future__ import annotations

import heapq
import itertools
import json
import shutil
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness import provenance, stages
from harness.artifacts import META, ArtifactStore
from harness.datasets.vectors import OWN, find_file
from harness.grid import ResolvedGrid
from harness.records import FAILED, RecordStore
from harness.scheduler.carry_out import Rules
from harness.scheduler.disk import LOGGED, UNREADABLE, Disk, Sizes, a_run, a_runs_hidden, missing
from harness.scheduler.estimates import Basis, Estimates, Extent
from harness.scheduler.executors import Pool
from harness.scheduler.graph import HERE, RUN, Schedule, Task, tasks_of
from harness.scheduler.quantities import core_time, duration, in_bytes, listed
from harness.scheduler.trials import measure
from harness.specs import RunSpec

Rerun = Literal["missing", "failed", "stale", "all"]

WORTH = 5000
"""Updates of which no record tells, or batches of pre-training, from which on measuring them is worth some seconds."""

STARTING = 4.0
"""Seconds in which worker processes of this machine start."""

OWN_VECTORS = 6.0
"""Seconds in which a corpus's own word vectors are trained."""

LOADING = {".gz": 2.5e-7, ".bin": 6e-8}
"""Seconds a byte in which a file of word vectors is read, by what its name ends in."""

LOADING_TEXT = 1e-7
"""The same of a file of text that is not packed."""


@dataclass(frozen=True)
class Plan:
    """What a selection of runs comes to: those to do, and how many are complete, failed and stale as recorded.

    `tasks` are the runs to do, and what they stand on and is not there; `estimates` tell how long each takes.
    """

    todo: tuple[RunSpec, ...]
    complete: int
    failed: int
    stale: int
    tasks: tuple[Task, ...]
    estimates: Estimates
    disk: Disk

    def seconds(self, workers: int) -> float:
        """Seconds of one processor for the runs, what they stand on, and the start of as many worker processes.

        Prepared data, which this process makes beside them, is in the wall-clock alone.
        """
        made = [task for task in self.tasks if task.kind not in HERE]
        processes = min(max(1, workers), len(made))
        return sum(map(self.estimates.seconds, made)) + processes * self.estimates.first

    def wall(self, workers: int) -> float:
        """Seconds until all is done; without workers, this process does one thing after another."""
        start = self.estimates.first + (STARTING if workers else 0)
        return start + makespan(self.tasks, self.estimates.seconds, workers)

    def told(self, workers: int) -> str:
        """The plan in a sentence or two."""
        counts = f"{len(self.todo):,} to run, {self.complete:,} complete, {self.failed:,} failed"
        stale = f", {self.stale:,} stale (the code has changed since; --rerun stale repeats them)" if self.stale else ""
        if not self.todo:
            return f"Nothing to run: {counts}{stale}."
        time = f"{core_time(self.seconds(workers))}, {duration(self.wall(workers))} with {max(1, workers)} at a time"
        kinds = ", ".join(self.disk.unknown)
        without = f", not counting {kinds}, of which there are none here" if kinds else ""
        disk = f"{in_bytes(self.disk.foretold)} of disk{without}"
        return f"{counts}{stale}. About {time}; {disk} ({self._stands_on()})."

    def warning(self, home: Path) -> str:
        """That the disk of the home folder has too little room; empty where it has enough."""
        free = shutil.disk_usage(home).free
        if free >= self.disk.foretold:
            return ""
        return (
            f"Warning: {in_bytes(self.disk.foretold)} are expected to be written, and the disk of {home} has "
            f"{in_bytes(free)} free. Free some space, or choose another folder with --home"
        )

    def spent(self, artifacts: ArtifactStore) -> float:
        """Seconds that what the runs stand on took, as its artifacts tell; of none that is not there."""
        seconds = 0.0
        for task in self.tasks:
            file = artifacts.folder(*task.id) / META
            if task.kind in (stages.VECTORS, stages.PRETRAINED) and file.is_file():
                with suppress(*UNREADABLE):
                    meta = json.loads(file.read_text(encoding="utf-8"))
                    seconds += meta.get("told", meta)["seconds"]
        return seconds

    def compared(self, seconds: float, wall: float, workers: int, written: float) -> str:
        """What it took, beside what was foretold: seconds of processors and of the clock, and bytes."""
        core = _beside(seconds, self.seconds(workers), core_time, " foretold")
        clock = _beside(wall, self.wall(workers), duration)
        disk = _beside(max(0, written), self.disk.foretold, in_bytes, of=" of disk")
        if self.disk.unknown:
            disk = f"{in_bytes(max(0, written))} of disk (not all of it was foretold)"
        return f"It took {core}, {clock} and {disk}."

    def _stands_on(self) -> str:
        """What the estimates stand on, in words."""
        names: dict[Basis, dict[str, None]] = {basis: {} for basis in Basis}
        for task in sorted({_alike(task): task for task in self.tasks}.values(), key=self._basis, reverse=True):
            if not any(_name(task) in weaker for weaker in names.values()):
                names[self._basis(task)][_name(task)] = None
        told = ["by the records here"] if names[Basis.RECORDS] else []
        for basis, words in ((Basis.MEASURED, "measured in small"), (Basis.GUESSED, "guessed")):
            if names[basis]:
                told.append(f"{words}: {listed(list(names[basis]))}")
        return "; ".join(told)

    def _basis(self, task: Task) -> Basis:
        return self.estimates.of(task).basis


def plan(
    grid: ResolvedGrid,
    runs: Mapping[str, RunSpec],
    store: RecordStore,
    artifacts: ArtifactStore,
    rerun: Rerun,
    *,
    device: str = "cpu",
    stack: int = 1,
    pool: Callable[[], AbstractContextManager[Pool]] | None = None,
    logs: bool = False,
    told: Callable[[str], None] = lambda line: None,
) -> Plan:
    """Compare runs of a grid with their records, and estimate what is to do by all records and artifacts of the home.

    `rerun` adds to what is missing: the failed, the stale, or all. Of what no record of the `device` tells, a little is
    measured by the workers of `pool`, in stacks of so many runs; without workers it is guessed. `logs` says whether the
    runs are logged to a file, too.
    """
    estimates = Estimates(Extent.of(grid, _loading(grid, artifacts.root.parent)), "" if device == "auto" else device)
    found: dict[str, bool] = {}
    stale: set[str] = set()
    for record in store.each(runs):
        estimates.learn(record)
        found[record["key"]] = record["status"] == FAILED
        if provenance.is_stale(record):
            stale.add(record["key"])
    failed = {key for key, has_failed in found.items() if has_failed}
    again = {"missing": set(), "failed": failed, "stale": stale, "all": found.keys()}[rerun]
    todo = {key: spec for key, spec in runs.items() if key not in found or key in again}
    counts = len(found) - len(failed), len(failed), len(stale)
    if not todo:
        return Plan((), *counts, (), estimates, Disk())
    others = RecordStore(store.root)  # what is damaged among them is no matter of these runs
    for record in others.each(itertools.filterfalse(runs.__contains__, store.keys())):
        estimates.learn(record)
    sizes = Sizes(estimates)
    sizes.learn(artifacts, Basis.RECORDS)
    tasks = tasks_of(todo.values(), _LookedFor(artifacts.root))
    unknown = _unknown(tasks, estimates)
    if pool is not None and grid.corpora and _updates(unknown, estimates) >= WORTH:
        told(f"Measuring a little of what no record tells of: {listed(list(dict.fromkeys(map(_name, unknown))))}")
        measure(unknown, grid, artifacts.root.parent, pool, Rules(device, stack), estimates, sizes)
    makes = {one: sizes.of(one[0], spec) for one, spec in missing(tasks, artifacts)}
    paths = (store.path, store.predictions_path, store.hidden_path)
    records = (path(key) for key in todo for path in paths)
    new = [spec for key, spec in todo.items() if key not in found]
    written = len(new) * a_run(store) + len(todo) * LOGGED * logs
    written += sum(spec.save_hidden for spec in new) * a_runs_hidden(store)
    disk = Disk(makes, written, (*(artifacts.folder(*one) for one in makes), *records))
    return Plan(tuple(todo.values()), *counts, tuple(tasks), estimates, disk)


def makespan(tasks: Iterable[Task], length: Callable[[Task], float], workers: int) -> float:
    """Seconds until the tasks are done that take so long each, as they are handed out to so many workers.

    Without workers, this process does one after another.
    """
    tasks = list(tasks)
    if not workers:
        return sum(map(length, tasks))
    schedule, number = Schedule(tasks, length), itertools.count()
    idle, busy, now = {True: 1, False: workers}, list[tuple[float, int, Task]](), 0.0
    while len(schedule):
        for here in idle:
            while idle[here] and (taken := schedule.take(here)):
                heapq.heappush(busy, (now + length(taken[0]), next(number), taken[0]))
                idle[here] -= 1
        now, _, task = heapq.heappop(busy)
        schedule.done(task)
        idle[task.kind in HERE] += 1
    return now


class _LookedFor(ArtifactStore):
    """Artifacts that are looked for and not read, so that a plan changes nothing, not even when they were last used."""

    def has(self, kind: str, key: str) -> bool:
        return self.folder(kind, key).is_dir()


def _alike(task: Task) -> Hashable:
    """Equal for tasks of a grid that take the same time, but for their size."""
    spec = task.specs[0]
    parts = (spec.corpus, spec.vectors, spec.text, spec.encoder, spec.strategy, spec.training)
    return task.kind, *map(id, parts)


def _unknown(tasks: Iterable[Task], estimates: Estimates) -> list[Task]:
    """Those of which only a guess tells how long they take."""
    known: dict[Hashable, bool] = {}
    found = []
    for task in tasks:
        if (alike := _alike(task)) not in known:
            known[alike] = estimates.knows(task)
        if not known[alike]:
            found.append(task)
    return found


def _updates(tasks: Iterable[Task], estimates: Estimates) -> float:
    """Updates of runs and of pre-trainings."""
    total = 0.0
    for task in tasks:
        spec = task.specs[0]
        if task.kind == RUN:
            total += spec.training.updates(spec.size)
        else:
            settings = stages.make_strategy(spec.strategy).parameters
            total += settings.epochs * estimates.mentions(spec) / settings.batch_size
    return total


def _loading(grid: ResolvedGrid, home: Path) -> dict[str, float]:
    """Seconds in which each of the grid's word vectors are read or trained, by their digest."""
    seconds = {}
    for digest, source in grid.vectors.items():
        file = None if source.name == OWN else find_file(source.name, home)
        seconds[digest] = LOADING.get(file.suffix, LOADING_TEXT) * file.stat().st_size if file else OWN_VECTORS
    return seconds


def _beside(found: float, foretold: float, told: Callable[[float], str], after: str = "", of: str = "") -> str:
    """What was found beside what was foretold."""
    share = f"{100 * found / foretold:,.0f} % of {told(foretold)}{after}" if foretold else "where none was foretold"
    return f"{told(found)}{of} ({share})"


def _name(task: Task) -> str:
    spec = task.specs[0]
    if task.kind in HERE:
        return "prepared data"
    if task.kind == stages.VECTORS:
        return f"entity vectors of {spec.strategy.name}"
    return spec.encoder.name if task.kind == RUN else f"{spec.encoder.name} by {spec.strategy.name}"
