"""What a grid's studies tried, as plain data: every trial with its scores, values and cost, and what mattered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from harness.grid import ResolvedGrid
from harness.seeding import seed
from harness.tuned_trials import write_arms
from harness.tuned_values import Budget, TunedArm
from harness.tuning.arms import PRETRAINING, Arm, arms_of
from harness.tuning.study import COST, DEV, STATES, WHY, Study

FEWEST = 10
"""Complete trials of which importance is told: of fewer, a forest over some ten parameters says nothing."""

DECIMALS = 4


def write_trials(
    file: Path, digest: str, grid: ResolvedGrid, budget: Budget, tuned: Sequence[TunedArm], storage: BaseStorage
) -> list[dict[str, Any]]:
    """Write all trials of the tuned arms beside the file of their values, whose arms have this digest, and return them:
    the same bytes for the same studies.
    """
    outcomes = {tuple(arm.names.items()): arm for arm in tuned}
    told = []
    for arm in arms_of(grid, budget.pretrainings):
        study, outcome = Study(grid.plain["name"], arm, budget, storage), outcomes[tuple(arm.names.items())]
        shares, why = importance(study.trials, study.name)
        told.append(
            {
                "names": dict(arm.names),
                "best": outcome.trial,
                "seconds": round(outcome.seconds, 1),
                "pretraining_seconds": round(outcome.pretraining_seconds, 1),
                "importance": shares,
                "no_importance": why,
                "pretrainings": [dict(one) for one in arm.pretrainings],
                "trials": [_trial(arm, trial) for trial in study.trials],
            }
        )
    write_arms(told, file, digest)
    return told


def last_ended(grid: ResolvedGrid, budget: Budget, storage: BaseStorage) -> str:
    """When the last trial of a grid's studies ended, in UTC."""
    studies = [Study(grid.plain["name"], arm, budget, storage) for arm in arms_of(grid, budget.pretrainings)]
    return max(_ended(trial) for study in studies for trial in study.trials)


def importance(trials: Sequence[FrozenTrial], name: str) -> tuple[dict[str, float] | None, str]:
    """The share of each parameter in the variance of the dev scores of complete trials, the largest first, by fANOVA
    (Hutter et al. 2014), seeded by the study's `name`; or None, and why there is none.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if len(complete) < FEWEST:
        return None, f"{len(complete)} trials are complete, and {FEWEST} are the fewest that tell"
    if len({trial.value for trial in complete}) == 1:
        return None, f"all {len(complete)} complete trials have the same dev score"
    study = optuna.create_study(direction="maximize")
    study.add_trials(complete)
    evaluator = FanovaImportanceEvaluator(seed=seed("importance", name) % 2**32)
    shares = get_param_importances(study, evaluator=evaluator)
    return {parameter: round(share, DECIMALS) for parameter, share in shares.items()}, ""


def _trial(arm: Arm, trial: FrozenTrial) -> dict[str, Any]:
    """A trial as `harness.tuned_trials.OF_TRIAL` says."""
    scores = trial.user_attrs[DEV]
    dev = fmean(scores) if trial.state == TrialState.PRUNED else trial.value
    return {
        "trial": trial.number,
        "state": STATES[trial.state],
        "dev": None if dev is None else round(dev, DECIMALS),
        "dev_by_replicate": [round(score, DECIMALS) for score in scores],
        "values": arm.values(trial.params)["training"],
        "pretraining": trial.params.get(PRETRAINING),
        "seconds": round(trial.user_attrs[COST]["seconds"], 1),
        "ended": _ended(trial),
        "error": trial.user_attrs.get(WHY),
    }


def _ended(trial: FrozenTrial) -> str:
    assert trial.datetime_complete is not None, "it has ended"
    return trial.datetime_complete.astimezone(UTC).isoformat(timespec="seconds")
