"""One study: what it finds, what it prunes, where it is kept, how it goes on, and what it is refused for."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from test_specs import SPEC

from harness.errors import HarnessError
from harness.parameters import Among, Between
from harness.specs import Training
from harness.tuned_values import Budget
from harness.tuning import Arm, Study, storage_of

BUDGET = Budget(trials=4, sizes=(6, 12), replicates=2, pretrainings=3)


def made_arm(**space: Any) -> Arm:
    """An arm of `synthetic` as a study needs it, with a space of its own."""
    spec = dataclasses.replace(SPEC, training=Training(features=("lexical",), standardise=False), tuning=True)
    return Arm({"corpus": "toy", "encoder": "bilstm", "strategy": "none"}, spec, space, [{}])


SPACE = {
    "learning_rate": Between(0.005, 0.5, log=True),
    "l2": Between(1e-7, 1e-3, log=True),
    "epochs": Among((6, 12, 24)),
}


def planted(values: dict[str, Any]) -> float:
    """A dev score that is 90 at a learning rate of 0.3 and 6 epochs, and falls with the distance; L2 is no matter."""
    distance = float(abs(math.log10(values["learning_rate"] / 0.3)))
    return 90 - 20 * distance - 5 * float(values["epochs"] != 6)


def search(study: Study, objective: Any = planted, count: int | None = None) -> None:
    """Trials, each complete with the objective's score, until the budget is spent, or so many."""
    while not study.is_over and count != 0:
        trial = study.ask()
        study.complete(trial, objective(trial.params))
        count = None if count is None else count - 1


def params_of(study: Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def test_a_planted_optimum_is_found_within_the_budget() -> None:
    study = Study("made", made_arm(**SPACE), dataclasses.replace(BUDGET, trials=30), optuna.storages.InMemoryStorage())
    search(study)
    best = study.best()
    assert best is not None
    assert best.params["epochs"] == 6
    assert abs(math.log10(best.params["learning_rate"] / 0.3)) < 0.1
    by_chance, chosen = (np.mean([trial.value for trial in some]) for some in (study.trials[:10], study.trials[20:]))
    assert chosen > by_chance + 5


def test_of_equal_trials_the_first_is_the_best() -> None:
    study = Study("made", made_arm(**SPACE), BUDGET, optuna.storages.InMemoryStorage())
    search(study, lambda values: 50.0)
    best = study.best()
    assert best is not None
    assert best.number == 0


def test_more_trials_than_the_budget_has_do_not_count() -> None:
    storage = optuna.storages.InMemoryStorage()
    arm = made_arm(**SPACE)
    search(Study("made", arm, dataclasses.replace(BUDGET, trials=12), storage))
    few = Study("made", arm, dataclasses.replace(BUDGET, trials=3), storage)
    assert few.is_over
    assert [trial.number for trial in few.trials] == [0, 1, 2]
    assert few.counts() == {"complete": 3, "pruned": 0, "failed": 0}
    best = few.best()
    assert best is not None
    assert best.number < 3


def test_trials_are_pruned_below_the_median_and_the_grids_own_values_never() -> None:
    study = Study("made", made_arm(**SPACE), dataclasses.replace(BUDGET, trials=20), optuna.storages.InMemoryStorage())
    first = study.ask()
    assert not study.should_stop(first, 0, 1.0)
    study.complete(first, 1.0)
    for score in (60.0, 70.0, 80.0, 90.0):  # with trial 0 as many as are drawn before any is pruned
        trial = study.ask()
        assert not study.should_stop(trial, 0, score)
        study.complete(trial, score)
    above = study.ask()
    assert not study.should_stop(above, 0, 70.5)
    study.complete(above, 70.5)
    below = study.ask()
    assert study.should_stop(below, 0, 69.0)
    study.prune(below)
    assert study.counts() == {"complete": 6, "pruned": 1, "failed": 0}


# Kept, and gone on with


def test_a_study_that_was_killed_at_any_moment_goes_on_to_the_same_trials(tmp_path: Path) -> None:
    whole = Study("made", made_arm(**SPACE), dataclasses.replace(BUDGET, trials=13), storage_of(tmp_path / "whole"))
    search(whole)
    for number in range(13):
        again = Study(
            "made", made_arm(**SPACE), dataclasses.replace(BUDGET, trials=13), storage_of(tmp_path / "killed")
        )
        begun = again.ask()
        again.should_stop(begun, 0, 3.0)
        fresh = Study(
            "made", made_arm(**SPACE), dataclasses.replace(BUDGET, trials=13), storage_of(tmp_path / "killed")
        )
        trial = fresh.ask()
        assert (trial.number, trial.params) == (number, begun.params)
        fresh.should_stop(trial, 0, 3.0)  # again, as it does that goes on
        search(fresh, count=1)
    killed = Study("made", made_arm(**SPACE), dataclasses.replace(BUDGET, trials=13), storage_of(tmp_path / "killed"))
    assert params_of(killed) == params_of(whole)
    assert len({json.dumps(params) for params in params_of(whole)}) == 13


@pytest.mark.parametrize("where", ["sqlite:///studies.db", "studies.journal"])
def test_a_study_is_the_same_in_any_storage(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    search(Study("made", made_arm(**SPACE), BUDGET, storage_of(where)))
    again = Study("made", made_arm(**SPACE), BUDGET, storage_of(where))
    expected = Study("made", made_arm(**SPACE), BUDGET, optuna.storages.InMemoryStorage())
    search(expected)
    assert again.is_over
    assert params_of(again) == params_of(expected)


def test_a_name_too_long_for_a_database_is_cut_and_stays_its_own() -> None:
    arms = [dataclasses.replace(made_arm(**SPACE), names={"corpus": "x" * 600 + end}) for end in "ab"]
    storage = optuna.storages.InMemoryStorage()
    one, other = (Study("made", arm, BUDGET, storage) for arm in arms)
    assert len(one.name) <= 512
    assert one.name != other.name
    assert one.name == Study("made", arms[0], BUDGET, storage).name


# Refusals


def refused(storage: Any, arm: Arm, budget: Budget = BUDGET) -> str:
    with pytest.raises(HarnessError) as caught:
        Study("made", arm, budget, storage)
    return str(caught.value)


def test_a_study_that_was_begun_with_another_space_is_refused() -> None:
    storage = optuna.storages.InMemoryStorage()
    arm = made_arm(**SPACE)
    Study("made", arm, BUDGET, storage)
    Study("made", arm, dataclasses.replace(BUDGET, trials=99), storage)
    head, tail = (
        "the study 'made: toy, bilstm, none' was begun with ",
        "Take that back, or begin anew with another --storage",
    )
    other = made_arm(**SPACE | {"l2": Between(1e-6, 1e-3, log=True)})
    assert refused(storage, other) == (
        f"{head}space.l2 Between(low=1e-07, high=0.001, log=True); now it would go on with "
        f"space.l2 Between(low=1e-06, high=0.001, log=True). {tail}"
    )
    fewer = made_arm(learning_rate=SPACE["learning_rate"], l2=SPACE["l2"])
    assert refused(storage, fewer) == (
        f"{head}own.epochs 12, space.epochs Among(values=(6, 12, 24)); now it would go on with own.epochs nothing, "
        f"space.epochs nothing. {tail}"
    )
    sizes = dataclasses.replace(BUDGET, sizes=(6, 24))
    assert refused(storage, arm, sizes) == f"{head}sizes [6, 12]; now it would go on with sizes [6, 24]. {tail}"
    corpus = dataclasses.replace(arm.spec.corpus, digest="another")
    spec = dataclasses.replace(arm.spec, corpus=corpus)
    assert refused(storage, dataclasses.replace(arm, spec=spec)) == (
        f"{head}spec.corpus.digest 0123456789abcdef; now it would go on with spec.corpus.digest another. {tail}"
    )


def test_a_storage_that_can_not_be_used_is_told(tmp_path: Path) -> None:
    def told(where: str | Path) -> str:
        with pytest.raises(HarnessError) as caught:
            storage_of(where)
        return str(caught.value)

    expected = "expected a file, or an address of an Optuna storage (sqlite:///FILE), found: "
    assert told("nosuch://host/x").startswith(f"--storage nosuch://host/x: {expected}")
    assert told(f"sqlite:///{tmp_path}/no/x.db") == (
        f"--storage sqlite:///{tmp_path}/no/x.db: {expected}(sqlite3.OperationalError) unable to open database file"
    )
    assert told(tmp_path) == f"--storage {tmp_path}: {expected}[Errno 21] Is a directory: '{tmp_path}'"


@pytest.mark.parametrize("damage", ['{"op_code": 1, "worker', "not JSON\n", "[]\n", "12\n"])
def test_a_damaged_line_of_a_journal_is_told_with_its_number(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "studies.journal"
    search(Study("made", made_arm(**SPACE), BUDGET, storage_of(file)))
    lines = file.read_text().count("\n")
    with file.open("a") as stream:
        stream.write(damage)
    with pytest.raises(HarnessError) as caught:
        storage_of(file)
    found = damage.rstrip("\n")
    assert str(caught.value) == (
        f"{file}:{lines + 1}: expected a line of an Optuna journal, found '{found}'; remove the line, or begin anew "
        "with another --storage"
    )
