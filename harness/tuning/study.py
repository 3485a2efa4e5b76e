"""The Optuna study of an arm: trials are asked for and told in this process, and none is lost with it.

Each trial has a sampler of its own, seeded by the study's name and the trial's number, so that a study that was killed
goes on to the same trials as one that was not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from harness.errors import HarnessError
from harness.parameters import Among, Search
from harness.seeding import seed
from harness.tuned_values import Budget
from harness.tuning.arms import PRETRAINING, Arm

RANDOM = 5
"""Trials that are drawn at random before TPE (Bergstra et al. 2011) chooses, the grid's own values among them."""

SPACE = "space"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

optuna.logging.set_verbosity(optuna.logging.WARNING)


def storage_of(where: str | Path) -> BaseStorage:
    """A journal file, which stands a kill, or what an address of Optuna's (sqlite:///...) names.

    Raises HarnessError where it can't be used.
    """
    try:
        if "://" in str(where):
            return RDBStorage(str(where))
        path = Path(where)
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    except Exception as error:  # whatever a driver raises
        raise HarnessError(
            f"--storage {where}: expected a file, or an address of an Optuna storage (sqlite:///FILE), found {error}"
        ) from error


class Study:
    """The study of one arm. Trial 0 has the grid's own values."""

    def __init__(self, grid: str, arm: Arm, budget: Budget, storage: BaseStorage) -> None:
        self.arm = arm
        self._budget = budget
        self._name = f"{grid}: {arm.name}"
        self._study = optuna.create_study(
            study_name=self._name,
            storage=storage,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=RANDOM),
            load_if_exists=True,
        )
        self._check(_told(arm, budget))
        if not self._study.get_trials(deepcopy=False):
            self._study.enqueue_trial(dict(arm.own))

    def _check(self, space: str) -> None:
        """Raise HarnessError where the study was begun with another space."""
        before = self._study.user_attrs.get(SPACE)
        if before is None:
            self._study.set_user_attr(SPACE, space)
        elif before != space:
            raise HarnessError(
                f"the study '{self._name}' was begun with another space. It was {before}; it is {space}. Take it back, "
                "or begin anew with another --storage"
            )

    @property
    def trials(self) -> list[FrozenTrial]:
        """Those that have ended, in order."""
        return self._study.get_trials(states=ENDED)

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent."""
        return len(self.trials) >= self._budget.trials

    def ask(self) -> Trial:
        """The next trial; one that was begun and not ended, in a process that was killed, before all others."""
        for begun in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            return Trial(self._study, begun._trial_id)
        number = len(self._study.get_trials(deepcopy=False)) if self.trials else 0
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed("trial", self._name, number) % 2**32, n_startup_trials=RANDOM
        )
        return self._study.ask(_distributions(self.arm))

    def should_stop(self, trial: Trial, step: int, dev: float) -> bool:
        """Report the mean dev score over the first replicates; whether others were better at this point."""
        trial.report(dev, step)
        return trial.number > 0 and trial.should_prune()

    def tell(self, trial: Trial, dev: float | None, pruned: bool = False) -> None:
        """End a trial: with its mean dev score, as pruned, or, with none, as failed, which never wins."""
        if pruned:
            self._study.tell(trial, state=TrialState.PRUNED)
        elif dev is None or not math.isfinite(dev):
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, dev)

    def best(self) -> FrozenTrial:
        """The complete trial with the best dev score, of equal ones the first; HarnessError where there is none."""
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        if not complete:
            raise HarnessError(f"no trial of '{self._name}' is complete; its failures are told above")
        return max(complete, key=lambda trial: (trial.value, -trial.number))

    def counts(self) -> dict[str, int]:
        """Trials by what became of them."""
        names = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
        states = [trial.state for trial in self.trials]
        return {name: states.count(state) for state, name in names.items()}


def _distributions(arm: Arm) -> dict[str, BaseDistribution]:
    found = {name: _distribution(search) for name, search in arm.space.items()}
    if len(arm.pretrainings) > 1:
        found[PRETRAINING] = CategoricalDistribution(tuple(range(len(arm.pretrainings))))
    return found


def _distribution(search: Search) -> BaseDistribution:
    if isinstance(search, Among):
        return CategoricalDistribution(search.values)
    return FloatDistribution(search.low, search.high, log=search.log)


def _told(arm: Arm, budget: Budget) -> str:
    """All that decides what a trial is, in one line; the number of trials does not."""
    space: Mapping[str, Any] = {
        "space": {name: {type(search).__name__: asdict(search)} for name, search in arm.space.items()},
        "pretrainings": list[Any](arm.pretrainings),
        "own": dict(arm.own),
        "sizes": budget.sizes,
        "replicates": budget.replicates,
    }
    return json.dumps(space, sort_keys=True)


def parameters_of(trials: Sequence[FrozenTrial]) -> list[Mapping[str, Any]]:
    """The values of trials."""
    return [trial.params for trial in trials]
