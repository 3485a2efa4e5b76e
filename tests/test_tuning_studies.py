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


COST = {"seconds": 1.5, "made": {}, "code": "c0ffee"}

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
        study.complete(trial, [objective(trial.params)], COST)
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
    study.complete(first, [1.0, 1.0], COST)
    for score in (60.0, 70.0, 80.0, 90.0):  # with trial 0 as many as are drawn before any is pruned
        trial = study.ask()
        assert not study.should_stop(trial, 0, score)
        study.complete(trial, [score, score], COST)
    above = study.ask()
    assert not study.should_stop(above, 0, 70.5)
    study.complete(above, [70.5, 70.5], COST)
    below = study.ask()
    assert study.should_stop(below, 0, 69.0)
    study.prune(below, [69.0], COST)
    assert study.counts() == {"complete": 6, "pruned": 1, "failed": 0}


def test_tpe_keeps_away_from_where_trials_fail() -> None:
    study = Study("made", made_arm(**SPACE), dataclasses.replace(BUDGET, trials=40), optuna.storages.InMemoryStorage())
    while not study.is_over:
        trial = study.ask()
        if trial.params["learning_rate"] > 0.1:  # and the higher it is up to there, the better
            study.fail(trial, "the loss became nan", [], COST)
        else:
            study.complete(trial, [planted(trial.params)], COST)
    chosen = [trial.state.name for trial in study.trials[20:]]
    assert chosen.count("FAIL") < 10  # a sampler that passes failed trials over comes to 19
    best = study.best()
    assert best is not None
    assert 0.07 < best.params["learning_rate"] <= 0.1


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


@pytest.mark.parametrize("how", ["complete", "prune", "fail", "report"])
@pytest.mark.parametrize("where", ["sqlite:///studies.db", "studies.journal"])
def test_a_trial_that_another_process_has_ended_is_told(
    where: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = (Study("made", made_arm(**SPACE), BUDGET, storage_of(where)) for _ in range(2))
    first, second = one.ask(), other.ask()
    assert first.number == second.number == 0
    one.complete(first, [50.0, 60.0], COST)
    ends: dict[str, Any] = {
        "complete": lambda: other.complete(second, [70.0, 70.0], COST),
        "prune": lambda: other.prune(second, [70.0], COST),
        "fail": lambda: other.fail(second, "the loss became nan", [], COST),
        "report": lambda: other.should_stop(second, 0, 70.0),
    }
    with pytest.raises(HarnessError) as caught:
        ends[how]()
    assert str(caught.value) == (
        "made: toy, bilstm, none: trial 0 has ended elsewhere: another process tunes in the same storage. Let it end, "
        "or choose another --storage"
    )
    (trial,) = other.trials
    assert (trial.value, trial.user_attrs["dev_by_replicate"]) == (55.0, [50.0, 60.0])
    assert "why" not in trial.user_attrs


@pytest.mark.parametrize("text", [b"my notes\nand their last line", b"SQLite format 3\x00\n\x01\x02"])
def test_a_file_that_is_no_journal_stays_as_it_is(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "notes"
    file.write_bytes(text)
    with pytest.raises(HarnessError, match=":1: expected a line of an Optuna journal"):
        storage_of(file)
    assert file.read_bytes() == text


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


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_storage_that_ends_with_the_process_is_refused(address: str) -> None:
    with pytest.raises(HarnessError) as caught:
        storage_of(address)
    assert str(caught.value) == (
        f"--storage {address}: expected a file, or an address of an Optuna storage (sqlite:///FILE), found: a database "
        "in memory, which ends with the process"
    )


def test_the_password_of_an_address_is_not_told() -> None:
    with pytest.raises(HarnessError) as caught:
        storage_of("nosuch://me:secret@host/studies")
    assert str(caught.value) == (
        "--storage nosuch://host/studies: expected a file, or an address of an Optuna storage (sqlite:///FILE), found: "
        "Can't load plugin: sqlalchemy.dialects:nosuch"
    )


@pytest.mark.parametrize("damage", ["not JSON\n", "[]\n", "12\n", '{"op_code": 1, "worker\n'])
def test_a_damaged_line_of_a_journal_is_told_with_its_number(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "studies.journal"
    search(Study("made", made_arm(**SPACE), BUDGET, storage_of(file)))
    lines = file.read_text().splitlines(keepends=True)
    text = "".join([*lines[:-1], damage, lines[-1]])
    file.write_text(text)
    with pytest.raises(HarnessError) as caught:
        storage_of(file)
    found = damage.rstrip("\n")
    assert str(caught.value) == (
        f"{file}:{len(lines)}: expected a line of an Optuna journal, found '{found}'; remove the line, or begin anew "
        "with another --storage"
    )
    assert file.read_text() == text


@pytest.mark.parametrize("whole", [0, 1, 9, 15])
def test_a_last_line_that_a_kill_has_cut_short_is_taken_away_and_the_study_goes_on(whole: int, tmp_path: Path) -> None:
    expected = Study("made", made_arm(**SPACE), BUDGET, storage_of(tmp_path / "whole.journal"))
    search(expected)
    lines = (tmp_path / "whole.journal").read_bytes().splitlines(keepends=True)
    file = tmp_path / "cut.journal"
    file.write_bytes(b"".join(lines[:whole]) + lines[whole][:-1])  # cut where it would be whole but for its end
    storage = storage_of(file)
    assert file.read_bytes() == b"".join(lines[:whole])
    cut = Study("made", made_arm(**SPACE), BUDGET, storage)
    search(cut)
    assert params_of(cut) == params_of(expected)
    assert [trial.value for trial in cut.trials] == [trial.value for trial in expected.trials]
    storage_of(file)  # every line of it is whole
