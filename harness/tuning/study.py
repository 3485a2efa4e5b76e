"""The Optuna study of an arm: trials are asked for and told in this process, and none is lost with it.

Each trial has a sampler of its own, seeded by the study's name and the trial's number, so that a study that was killed
goes on to the same trials as one that was not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from harness.errors import HarnessError
from harness.parameters import Among, Search
from harness.scheduler.interrupts import uninterrupted
from harness.seeding import seed
from harness.specs import key_of
from harness.tuned_trials import COMPLETE, FAILED, PRUNED
from harness.tuned_values import Budget
from harness.tuning.arms import PRETRAINING, Arm

RANDOM = 10
"""Trials, the grid's own values among them, before TPE (Bergstra et al. 2011) chooses: with fewer, one of two values is
often never drawn, and TPE stays with the other.
"""

UNPRUNED = 5
"""Complete trials before any is pruned."""

SPACE, WHY, DEV, COST = "space", "why", "dev_by_replicate", "cost"
"""What Optuna calls what a study was begun with; why a trial has failed; its dev scores; what it took, `Cost`."""

Cost = Mapping[str, Any]
"""What a trial took: `seconds` of its runs, `made`, the seconds of what they stand on, by key; and the digest of the
`code` that ran it.
"""

STATES = {TrialState.COMPLETE: COMPLETE, TrialState.PRUNED: PRUNED, TrialState.FAIL: FAILED}
"""What becomes of a trial, in Optuna's words and in ours."""

LONGEST = 500
"""Characters of a study's name; a database has room for 512."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Study:
    """The study of one arm. Trial 0 has the grid's own values.

    Raises HarnessError where the storage has it, begun with another space, or for other runs.
    """

    def __init__(self, grid: str, arm: Arm, budget: Budget, storage: BaseStorage) -> None:
        self.arm = arm
        self.name = study_name(grid, arm)
        self._budget = budget
        self._study = optuna.create_study(
            study_name=self.name,
            storage=storage,
            direction="maximize",
            sampler=optuna.samplers.RandomSampler(),  # never asked: see `_next`
            pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
            load_if_exists=True,
        )
        self._check(_begun_with(arm, budget))

    def _check(self, now: Mapping[str, Any]) -> None:
        before = self._study.user_attrs.get(SPACE)
        if before is None:
            self._study.set_user_attr(SPACE, json.dumps(now, sort_keys=True))
            return
        was, told = _flat(json.loads(before)), _flat(json.loads(json.dumps(now)))
        differ = [name for name in {**was, **told} if was.get(name) != told.get(name)]
        if differ:
            first, second = (
                ", ".join(f"{name} {one.get(name, 'nothing')}" for name in differ) for one in (was, told)
            )  # fmt: skip
            raise HarnessError(
                f"the study '{self.name}' was begun with {first}; now it would go on with {second}. Take that back, or "
                "begin anew with another --storage"
            )

    @property
    def trials(self) -> list[FrozenTrial]:
        """Those that have ended, in order; of more than the budget has, the first."""
        return self._study.get_trials(states=tuple(STATES))[: self._budget.trials]

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent."""
        return len(self.trials) >= self._budget.trials

    def ask(self) -> Trial:
        """The next trial; before all others one that was begun, and not ended, in a process that was killed."""
        begun = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if not begun:
            distributions = _distributions(self.arm)
            params = self._next(distributions)
            with uninterrupted():
                self._study.add_trial(
                    create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
                )
            begun = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return Trial(self._study, begun[0]._trial_id)

    def _next(self, distributions: dict[str, BaseDistribution]) -> dict[str, Any]:
        """The values of the next trial, asked of a copy in memory: a trial enters the storage whole, or not at all."""
        number = len(self._study.get_trials(deepcopy=False))
        if number == 0:
            return dict(self.arm.own)
        sampler = optuna.samplers.TPESampler(seed=seed("trial", self.name, number) % 2**32, n_startup_trials=RANDOM)
        copy = optuna.create_study(direction="maximize", sampler=sampler)
        copy.add_trials([_for_tpe(trial) for trial in self._study.get_trials(deepcopy=False, states=tuple(STATES))])
        return copy.ask(distributions).params

    def should_stop(self, trial: Trial, step: int, dev: float) -> bool:
        """Report the mean dev score over the first replicates; whether it is below the median of others at this step.

        The grid's own values never are: they come before any trial may be pruned.
        """
        if step not in self._study.get_trials(deepcopy=False)[trial.number].intermediate_values:
            with self._written(trial):
                trial.report(dev, step)
        return trial.should_prune()

    def complete(self, trial: Trial, scores: Sequence[float], cost: Cost) -> None:
        """End a trial with its dev scores by replicate, in percent, of which the mean is its own."""
        self._end(trial, TrialState.COMPLETE, scores, cost)

    def prune(self, trial: Trial, scores: Sequence[float], cost: Cost) -> None:
        """End a trial before its last replicate."""
        self._end(trial, TrialState.PRUNED, scores, cost)

    def fail(self, trial: Trial, why: str, scores: Sequence[float], cost: Cost) -> None:
        """End a trial without a score: it never wins."""
        with self._written(trial):
            trial.set_user_attr(WHY, why)
        self._end(trial, TrialState.FAIL, scores, cost)

    def _end(self, trial: Trial, state: TrialState, scores: Sequence[float], cost: Cost) -> None:
        with self._written(trial):
            trial.set_user_attr(DEV, list(scores))
            trial.set_user_attr(COST, dict(cost))
            self._study.tell(trial, fmean(scores) if state == TrialState.COMPLETE else None, state)

    @contextmanager
    def _written(self, trial: Trial) -> Iterator[None]:
        """What is written of a trial is written whole; HarnessError where the trial is no longer this process's."""
        try:
            with uninterrupted():  # within Optuna's lock of a journal an interrupt would be another error
                yield
        except (ValueError, UpdateFinishedTrialError) as error:
            raise HarnessError(
                f"{self.name}: trial {trial.number} has ended elsewhere: another process tunes in the same storage. "
                "Let it end, or choose another --storage"
            ) from error

    def best(self) -> FrozenTrial | None:
        """The complete trial with the best dev score, of equal ones the first; None where none is complete."""
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)

    def counts(self) -> dict[str, int]:
        """Trials by what became of them."""
        states = [trial.state for trial in self.trials]
        return {name: states.count(state) for state, name in STATES.items()}


def is_finished(grid: str, arm: Arm, budget: Budget, storage: BaseStorage) -> bool:
    """Whether a storage has the study of an arm, begun as it would be now, its budget spent, with a complete trial."""
    if study_name(grid, arm) not in optuna.get_all_study_names(storage):
        return False
    try:
        study = Study(grid, arm, budget, storage)
    except HarnessError:
        return False
    return study.is_over and study.best() is not None


def study_name(grid: str, arm: Arm) -> str:
    """What the study of an arm is called."""
    name = f"{grid}: {arm.name}"
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 20]}... {key_of({'name': name})[:16]}"


def _for_tpe(trial: FrozenTrial) -> FrozenTrial:
    """A trial as TPE is to see it, which passes failed ones over: as one that was pruned before it had a score, the
    worst there is, so that it keeps away from where runs fail.
    """
    if trial.state != TrialState.FAIL:
        return trial
    return create_trial(state=TrialState.PRUNED, params=trial.params, distributions=trial.distributions)


def _distributions(arm: Arm) -> dict[str, BaseDistribution]:
    found = {name: _distribution(search) for name, search in arm.space.items()}
    if len(arm.pretrainings) > 1:
        found[PRETRAINING] = CategoricalDistribution(tuple(range(len(arm.pretrainings))))
    return found


def _distribution(search: Search) -> BaseDistribution:
    if isinstance(search, Among):
        return CategoricalDistribution(search.values)
    return FloatDistribution(search.low, search.high, log=search.log)


def _begun_with(arm: Arm, budget: Budget) -> dict[str, Any]:
    """All that decides what a trial is and what it scores; how many there are does not."""
    return {
        "space": {name: str(search) for name, search in arm.space.items()},
        "pretrainings": {str(place): dict(one) for place, one in enumerate(arm.pretrainings)},
        "own": dict(arm.own),
        "sizes": list(budget.sizes),
        "replicates": budget.replicates,
        "spec": {name: value for name, value in arm.spec.as_dict().items() if name not in ("size", "replicate")},
    }


def _flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Values within values by their dotted names, in words."""
    found: dict[str, str] = {}
    for name, value in plain.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            found[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return found
