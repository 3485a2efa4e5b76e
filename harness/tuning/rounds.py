"""The rounds of tuning: in each, every arm whose budget is not spent has one trial, and all run together.

What is asked in a round stands on the rounds before alone, and not on which run was the first to finish, so that the
same grid comes to the same trials on any number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial

from harness.errors import in_words
from harness.grid import ResolvedGrid
from harness.records import COMPLETE, Record, RecordStore
from harness.runner import Outcome
from harness.scheduler.carry_out import Rules, Watcher, carry_out
from harness.scheduler.executors import Pool
from harness.specs import RunSpec
from harness.tuned_values import Budget, TunedArm
from harness.tuning.arms import arms_of
from harness.tuning.study import Study

RECORDS = Path("tuning") / "records"
"""Where the records of trials are in a home: apart from those of evaluations, and without predictions."""

Tell = Callable[[str], object]


def tune(
    grid: ResolvedGrid, budget: Budget, home: Path, pool: Pool, rules: Rules, storage: BaseStorage, tell: Tell
) -> list[TunedArm]:
    """Tune every arm of a grid; `tell` is told of each trial. What is finished is kept, and the same call goes on."""
    studies = [Study(grid.plain["name"], arm, budget, storage) for arm in arms_of(grid, budget.pretrainings)]
    runs = _Runs(grid, home, pool, rules, tell)
    while open_ones := [study for study in studies if not study.is_over]:
        _round({study: study.ask() for study in open_ones}, runs, budget, tell)
    return [_tuned(study, runs, budget) for study in studies]


class _Runs:
    """Makes the runs of trials that have no record yet."""

    def __init__(self, grid: ResolvedGrid, home: Path, pool: Pool, rules: Rules, tell: Tell) -> None:
        self._grid, self._home, self._pool, self._rules, self._tell = grid, home, pool, rules, tell
        self.store = RecordStore(home / RECORDS)

    def make(self, specs: Sequence[RunSpec]) -> None:
        """Run those that have not been run."""
        todo = {spec.key: spec for spec in specs if self.store.read(spec.key) is None}

        def finished(outcome: Outcome) -> None:
            self.store.write(outcome.record, None, None)

        watcher = Watcher(finished, told=lambda line: None)
        carry_out(list(todo.values()), self._grid, self._home, self._pool, watcher, self._rules, lambda task: 1.0)

    def dev(self, specs: Sequence[RunSpec]) -> tuple[float, str]:
        """The mean dev score of runs by the corpus's headline metric, in percent; NaN, and why, where one failed."""
        scores = []
        for spec in specs:
            record = self.store.read(spec.key)
            assert record is not None, "carry_out brings a record of every run"
            if record["status"] != COMPLETE:
                return math.nan, in_words(record["error"])
            scores.append(100 * record["scores"]["dev"][self._grid.scored(spec)[0]])
        return fmean(scores), ""


def _round(asked: dict[Study, Trial], runs: _Runs, budget: Budget, tell: Tell) -> None:
    """One trial of each study, replicate by replicate: what is behind after one is not run over the others."""
    so_far: dict[Study, list[float]] = {study: [] for study in asked}
    for replicate in range(budget.replicates):
        of_study = {study: study.arm.runs(trial.params, budget.sizes, replicate) for study, trial in asked.items()}
        runs.make([spec for specs in of_study.values() for spec in specs])
        for study, trial in list(asked.items()):
            dev, why = runs.dev(of_study[study])
            name = f"{study.arm.name}, trial {trial.number}"
            if math.isnan(dev):
                study.tell(trial, None)
                tell(f"{name}: failed: {why}")
                del asked[study]
                continue
            so_far[study].append(dev)
            last = replicate == budget.replicates - 1
            if not last and study.should_stop(trial, replicate, fmean(so_far[study])):
                study.tell(trial, None, pruned=True)
                tell(f"{name}: dev {fmean(so_far[study]):.1f} % over {replicate + 1} replicates, behind others: pruned")
                del asked[study]
    for study, trial in asked.items():
        study.tell(trial, fmean(so_far[study]))
        tell(f"{study.arm.name}, trial {trial.number}: dev {fmean(so_far[study]):.1f} %")


def _tuned(study: Study, runs: _Runs, budget: Budget) -> TunedArm:
    """The outcome of a study, with what it cost."""
    best, trials = study.best(), study.trials
    records = {record["key"]: record for trial in trials for record in _records(study, trial, runs, budget)}
    pretrainings: dict[Any, float] = {}
    for record in records.values():
        if told := record.get("pretraining"):
            pretrainings[repr({name: value for name, value in told.items() if name != "seconds"})] = told["seconds"]
    first = trials[0].value if trials[0].value is not None else None
    return TunedArm(
        names=study.arm.names,
        trial=best.number,
        dev=float(best.value or 0.0),
        own_dev=first,
        counts=study.counts(),
        seconds=math.fsum(record["seconds"].get("total", 0.0) for record in records.values()),
        pretraining_seconds=math.fsum(pretrainings.values()),
        values=study.arm.values(best.params),
    )


def _records(study: Study, trial: FrozenTrial, runs: _Runs, budget: Budget) -> list[Record]:
    specs = (
        spec for replicate in range(budget.replicates) for spec in study.arm.runs(trial.params, budget.sizes, replicate)
    )
    return list(runs.store.each(spec.key for spec in specs))
