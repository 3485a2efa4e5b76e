"""From tasks to records: whatever is ready is handed to the workers, one task each, until nothing is left."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import provenance, stages
from harness.artifacts import ArtifactStore
from harness.errors import DataError, GoneError, HarnessError, WorkerDied, as_record, in_words
from harness.grid import ResolvedGrid
from harness.records import FAILED
from harness.runner import Outcome, failed
from harness.scheduler import work
from harness.scheduler.executors import InAThread, InThisProcess, Pool
from harness.scheduler.graph import RUN, TEXT, Schedule, Task, tasks_of
from harness.scheduler.preparing import prepare, sample
from harness.scheduler.work import Home, HomeUnseen, Made, Terms
from harness.specs import RunSpec

TRIES = 3
"""Times in a row that what is gone from the disk is made again, with no run finished between."""

TICK = 1.0
"""Seconds after which the loop looks at the clock, where nothing is finished."""

MARK = ".seen-"
"""What the name of the file begins with by which a worker tells that it sees the home folder."""


class RunTimeout(HarnessError):
    """A run took longer than it may."""


@dataclass(frozen=True)
class Watcher:
    """Who is told what happens: a run has come to its record; so many tasks are with the workers, and that share of all
    the work is done; something else to know.
    """

    finished: Callable[[Outcome], None]
    in_hand: Callable[[int, float], None] = lambda count, share: None
    told: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Rules:
    """How runs are carried out: device, runs that may train as one stack, seconds that a task may take, and whether
    the first failed run ends all.
    """

    device: str = "cpu"
    stack: int = 1
    timeout: float | None = None
    fail_fast: bool = False


def carry_out(
    todo: Sequence[RunSpec],
    grid: ResolvedGrid,
    home: Path,
    pool: Pool,
    watcher: Watcher,
    rules: Rules,
    length: Callable[[Task], float],
) -> None:
    """Run `todo`, and make before what the runs stand on and what is not there yet; each outcome goes to `watcher`.

    `length` says how long a task takes, in any unit: the longest come first. Raises HarnessError where nothing can go
    on: the disk is full, the workers' code is another one, the cluster is gone.
    """
    store = ArtifactStore(home / "artifacts")
    left = {spec.key: spec for spec in todo}

    def finished(outcome: Outcome) -> None:
        del left[outcome.record["key"]]
        watcher.finished(outcome)

    with _marked(home) as marked:
        terms = Terms(marked, rules.device, provenance.git_commit())
        tries = 0
        while left:
            before = len(left)
            schedule = Schedule(tasks_of(left.values(), store), length)
            try:
                loop = _Loop(
                    grid, store, pool, _preparer(pool), replace(watcher, finished=finished), rules, terms, schedule
                )
                loop.run()
            except GoneError as error:
                tries = tries + 1 if len(left) == before else 0
                if tries == TRIES:
                    raise
                watcher.told(f"{error}; it is made again")


@contextmanager
def _marked(home: Path) -> Iterator[Home]:
    """The home folder with a mark in it that no other folder has; marks that killed processes left are removed."""
    mark = home / f"{MARK}{uuid.uuid4().hex}"
    try:
        for old in home.glob(f"{MARK}*"):
            old.unlink(missing_ok=True)
        mark.touch()
    except OSError as error:
        raise HarnessError(
            f"can't write {mark}: {error.strerror}. Free some space, or choose another folder with --home"
        ) from error
    try:
        yield Home(home.absolute(), mark.name)
    finally:
        with suppress(OSError):
            mark.unlink()


def _preparer(pool: Pool) -> Executor:
    """What does the tasks of this process: a thread beside the loop, so that runs go on meanwhile."""
    return InThisProcess() if pool.here else InAThread()


@dataclass
class _Loop:
    """The tasks in hand, and what becomes of them."""

    grid: ResolvedGrid
    store: ArtifactStore
    pool: Pool
    preparer: Executor
    watcher: Watcher
    rules: Rules
    terms: Terms
    schedule: Schedule
    in_hand: dict[Future[Any], list[Task]] = field(default_factory=dict)
    """With the workers: what makes one thing, or several runs that train as one stack."""
    prepared: dict[Future[Any], list[Task]] = field(default_factory=dict)
    """With the preparer, one at most."""
    stopped: bool = False
    """A run has failed, and the first failure is to end all; what is finished with it is taken in."""

    def run(self) -> None:
        """Until no task is open; FailedFast where a failed run ends it before."""
        try:
            while len(self.schedule) and not self.stopped:
                self._hand_out()
                self.watcher.in_hand(len(self.in_hand), self.schedule.share)
                done, _ = wait([*self.in_hand, *self.prepared], timeout=TICK, return_when=FIRST_COMPLETED)
                for future in done:
                    tasks = self.in_hand.pop(future, None) or self.prepared.pop(future)
                    self._take_in(future, tasks)
                self._end_what_hangs()
            self.watcher.in_hand(len(self.in_hand), self.schedule.share)
        finally:
            for future in self.in_hand:
                future.cancel()
        if self.stopped:
            raise FailedFast

    def _hand_out(self) -> None:
        """Give every worker something to do, one task each: a kill or a lost worker costs no more than those."""
        if not self.prepared and (tasks := self.schedule.take(here=True)):
            arguments = tasks[0], self.grid, self.store, self.watcher.told
            self.prepared[self.preparer.submit(prepare, *arguments)] = tasks
        while len(self.in_hand) < self.pool.width():
            tasks = self.schedule.take(here=False, stack=self.rules.stack)
            if not tasks:
                return
            self.in_hand[self._submit(tasks)] = tasks

    def _submit(self, tasks: Sequence[Task]) -> Future[Any]:
        first = tasks[0]
        spec, reads = first.specs[0], tuple(dict.fromkeys(one for task in tasks for one in task.reads))
        rest = reads, self.terms, work.code_of(spec)
        if first.kind == RUN:
            specs = tuple(task.specs[0] for task in tasks)
            return self.pool.submit(work.run, (specs, self.grid.scored(spec), *rest), reads)
        return self.pool.submit(work.make, (first.id, spec, *rest), reads)

    def _take_in(self, future: Future[Any], tasks: Sequence[Task]) -> None:
        """What has become of tasks that are no longer in hand."""
        error = future.exception()
        if error is None:
            self._done(future.result(), tasks)
        elif isinstance(error, HomeUnseen):
            self.pool.send()
            for task in tasks:
                self.schedule.give_back(task)
        elif isinstance(error, WorkerDied) or (isinstance(error, DataError) and tasks[0].kind == TEXT):
            self._failed(tasks, error)
        elif isinstance(error, HarnessError):
            raise error
        else:
            raise HarnessError(
                f"a worker can't do its task: {type(error).__name__}: {in_words(error)}. Is the same version of "
                "Reprise, and of its plugins, installed where the workers are?"
            ) from error

    def _done(self, found: list[Outcome] | Made | None, tasks: Sequence[Task]) -> None:
        if isinstance(found, list):
            for task, outcome in zip(tasks, found, strict=True):
                self.schedule.done(task)
                self._finished(outcome)
            return
        (task,) = tasks
        if found is not None and found.error is not None:
            self._give_up(task, found.error)
            return
        if found is not None:
            if found.packed is not None:
                work.unpack(self.store, task.kind, task.key, found.packed)
            self.watcher.told(f"[{task.kind}] {found.told}")
        self.schedule.done(task)

    def _failed(self, tasks: Sequence[Task], error: Exception) -> None:
        """Nothing came of tasks; runs that were in one stack are tried again, each alone."""
        if len(tasks) > 1:
            for task in tasks:
                self.schedule.give_back(task, alone=True)
            return
        self._give_up(tasks[0], as_record(error))

    def _give_up(self, task: Task, error: Mapping[str, Any]) -> None:
        """The run of a task, or all that stand on it, have failed."""
        lost = self.schedule.failed(task)
        runs = [task] if task.kind == RUN else [one for one in lost if one.kind == RUN]
        if task.kind != RUN:
            self.watcher.told(f"[{task.kind}] {_name(task)}: its runs fail ({len(runs):,}): {error['message']}")
        for run in runs:
            environment = provenance.environment(run.specs[0], self.terms.device, self.terms.commit)
            self._finished(failed(run.specs[0], error, environment))

    def _end_what_hangs(self) -> None:
        if self.rules.timeout is None:
            return
        for future, tasks in list(self.in_hand.items()):
            if self.pool.overdue(future, self.rules.timeout * len(tasks)) and not future.done():
                del self.in_hand[future]
                self.pool.end(future)
                message = (
                    f"it took longer than the {self.rules.timeout:g} s that --run-timeout allows; expected it to end. "
                    "Is something in it hanging? Else allow more"
                )
                self._failed(tasks, RunTimeout(message))

    def _finished(self, outcome: Outcome) -> None:
        self.watcher.finished(outcome)
        self.stopped |= self.rules.fail_fast and outcome.record["status"] == FAILED


class FailedFast(Exception):
    """A run has failed, and the first failure was to end all."""


def _name(task: Task) -> str:
    spec = task.specs[0]
    if task.kind == stages.PRETRAINED:
        return f"{spec.encoder.name} by {spec.strategy.name} on {sample(spec)}"
    if task.kind == stages.VECTORS:
        return f"{spec.strategy.name} on {sample(spec)}"
    return f"{sample(spec)}, with {spec.corpus.name}" if spec.text else spec.corpus.name
