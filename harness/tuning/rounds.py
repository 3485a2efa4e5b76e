"""The rounds of tuning: in each, every arm whose budget is not spent has one trial, and all run together.

What is asked in a round stands on the rounds before alone, and not on which run was the first to finish, so that the
same grid comes to the same trials on any number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from optuna.storages import BaseStorage
from optuna.trial import Trial

from harness import provenance, stages
from harness.artifacts import ArtifactStore
from harness.errors import GridError
from harness.grid import ResolvedGrid
from harness.records import COMPLETE, Record, RecordStore
from harness.scheduler.carry_out import Rules, Watcher, carry_out
from harness.scheduler.executors import Pool
from harness.specs import RunSpec, key_of
from harness.tuned_trials import RECORDS
from harness.tuned_values import Budget, TunedArm, names_of, short_names
from harness.tuning.arms import PRETRAINING, arms_of
from harness.tuning.study import COST, WHY, Cost, Study, is_finished

STAGES = (stages.VECTORS, stages.PRETRAINED)

Tell = Callable[[str], None]


def tune(
    grid: ResolvedGrid, budget: Budget, home: Path, pool: Pool, rules: Rules, storage: BaseStorage, tell: Tell
) -> list[TunedArm]:
    """Tune every arm of a grid; `tell` is told of each trial. What is finished is kept, and the same call goes on.

    Raises HarnessError where an arm has no complete trial, once all have spent their budget.
    """
    arms = arms_of(grid, budget.pretrainings)
    studies = [Study(grid.plain["name"], arm, budget, storage) for arm in arms]
    called = dict(zip(studies, short_names([arm.names for arm in arms]), strict=True))
    runs = _Runs(grid, home, pool, rules, tell)
    _tell_of_other_code(called, tell)
    while open_ones := [study for study in studies if not study.is_over]:
        _round({study: study.ask() for study in open_ones}, called, runs, budget, tell)
    if lacking := [f"{called[study]}: {_failures(study)}" for study in studies if study.best() is None]:
        raise GridError(lacking)
    return [_tuned(study) for study in studies]


def narrowed(grid: ResolvedGrid, runs: Collection[str], budget: Budget, storage: BaseStorage) -> ResolvedGrid:
    """A grid of those arms alone that have any of these runs, or are tuned in the storage, by this budget, already."""
    name = grid.plain["name"]
    there = [arm.names for arm in arms_of(grid, budget.pretrainings) if is_finished(name, arm, budget, storage)]
    kept = []
    for cell in grid.plain["cells"]:
        names = names_of(grid.runs[cell["keys"][0]], grid.plain["corpora"][cell["corpus"]]["label"])
        if names in there or any(key in runs for key in cell["keys"]):
            kept.append(cell)
    return replace(grid, plain={**grid.plain, "cells": kept})


class _Runs:
    """Makes the runs of trials that have no complete record yet."""

    def __init__(self, grid: ResolvedGrid, home: Path, pool: Pool, rules: Rules, tell: Tell) -> None:
        self._grid, self._home, self._pool, self._rules, self._tell = grid, home, pool, rules, tell
        self.store = RecordStore(home / RECORDS)
        self.artifacts = ArtifactStore(home / "artifacts")

    def make(self, specs: Sequence[RunSpec]) -> None:
        """Run those that this code has not run, and those that have failed in another study, or before a kill."""
        todo = list({spec.key: spec for spec in specs if not _is_good(self.store.read(spec.key))}.values())
        watcher = Watcher(lambda outcome: self.store.write(outcome.record, None, None), told=self._tell)
        carry_out(todo, self._grid, self._home, self._pool, watcher, self._rules, lambda task: 1.0)

    def record(self, spec: RunSpec) -> Record:
        """That of a run which has been made."""
        record = self.store.read(spec.key)
        assert record is not None, "carry_out brings a record of every run"
        return record

    def dev(self, specs: Sequence[RunSpec]) -> tuple[float, str]:
        """The mean dev score of runs by the corpus's headline metric, in percent; NaN, and why, where one failed."""
        scores = []
        for spec in specs:
            record = self.record(spec)
            if record["status"] != COMPLETE:
                told = f"{record['error']['message']}; see python -m harness records show {spec.key[:12]}"
                return math.nan, f"at {spec.size:,} labels: {told}"
            scores.append(100 * record["scores"]["dev"][self._grid.scored(spec)[0]])
        return fmean(scores), ""

    def cost(self, specs: Sequence[RunSpec]) -> Cost:
        """What runs took, what their pre-trainings took, and by which code they were run."""
        made = {(kind, key) for spec in specs for kind in STAGES if (key := stages.key_of_stage(kind, spec))}
        return {
            "seconds": math.fsum(self.record(spec)["seconds"]["total"] for spec in specs),
            "made": {key: _seconds(self.artifacts, kind, key) for kind, key in sorted(made)},
            "code": code_of(specs[0]),
        }


def _is_good(record: Record | None) -> bool:
    return record is not None and record["status"] == COMPLETE and not provenance.is_stale(record)


def code_of(spec: RunSpec) -> str:
    """The digest of the code that runs a spec."""
    return key_of(dict(provenance.sources(spec.encoder.name, spec.strategy.name, spec.corpus.plugin)))


def _tell_of_other_code(called: Mapping[Study, str], tell: Tell) -> None:
    for study, name in called.items():
        trials, now = study.trials, code_of(study.arm.spec)
        if others := sum(trial.user_attrs[COST]["code"] != now for trial in trials):
            tell(
                f"{name}: {others} of {len(trials)} trials were run by code that has changed since; to have all by "
                "today's, begin anew with another --storage"
            )


def _round(asked: dict[Study, Trial], called: dict[Study, str], runs: _Runs, budget: Budget, tell: Tell) -> None:
    """One trial of each study, replicate by replicate: what is behind after one is not run over the others."""
    so_far: dict[Study, list[float]] = {study: [] for study in asked}
    made: dict[Study, list[RunSpec]] = {study: [] for study in asked}

    def told(study: Study, line: str) -> None:
        tell(f"{called[study]}: trial {asked[study].number} (of {budget.trials}): {line}")

    open_ones = list(asked)
    for replicate in range(budget.replicates):
        of_study = {study: study.arm.runs(asked[study].params, budget.sizes, replicate) for study in open_ones}
        runs.make([spec for specs in of_study.values() for spec in specs])
        for study, specs in of_study.items():
            trial, (dev, why), scores = asked[study], runs.dev(specs), so_far[study]
            made[study] += specs
            if why:
                study.fail(trial, why, scores, runs.cost(made[study]))
                told(study, f"failed {why}")
                open_ones.remove(study)
                continue
            scores.append(dev)
            mean = fmean(scores)
            if replicate == budget.replicates - 1:
                study.complete(trial, scores, runs.cost(made[study]))
                told(study, f"dev {mean:.1f} %")
            elif study.should_stop(trial, replicate, mean):
                study.prune(trial, scores, runs.cost(made[study]))
                told(study, f"dev {mean:.1f} % after {replicate + 1} of {budget.replicates} replicates: pruned")
                open_ones.remove(study)


def _failures(study: Study) -> str:
    last = study.trials[-1]
    return (
        f"none of its {len(study.trials)} trials is complete; the last one failed {last.user_attrs.get(WHY)}. Mend "
        "that and tune with another --storage, or leave the arm out by --encoder and --strategy"
    )


def _tuned(study: Study) -> TunedArm:
    """The outcome of a study with a complete trial, and what it cost."""
    best, trials, arm = study.best(), study.trials, study.arm
    assert best is not None
    assert best.value is not None
    made = {key: seconds for trial in trials for key, seconds in trial.user_attrs[COST]["made"].items()}
    return TunedArm(
        names=arm.names,
        study=study.name,
        trial=best.number,
        dev=best.value,
        own_dev=trials[0].value,
        counts=study.counts(),
        pretrainings=len({trial.params.get(PRETRAINING) for trial in trials}) if made else 0,
        seconds=math.fsum(trial.user_attrs[COST]["seconds"] for trial in trials),
        pretraining_seconds=math.fsum(made.values()),
        key=arm.key(best.params),
        values=arm.values(best.params),
    )


def _seconds(artifacts: ArtifactStore, kind: str, key: str) -> float:
    """What making an artifact took; 0 where that failed."""
    made = artifacts.read(kind, key)
    return float(made.meta.get("told", made.meta)["seconds"]) if made else 0.0
