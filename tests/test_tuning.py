"""Studies: their spaces, seeds and budgets; what a kill, a failure and another number of workers leave as it was."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from commands import GRID, command, set_up
from conftest import MakePlugin, Printed

from harness.cli import main
from harness.errors import HarnessError
from harness.grid import ResolvedGrid, resolve
from harness.parameters import Among, Between
from harness.records import RecordStore
from harness.runner import execute, label_split
from harness.scheduler import pools
from harness.scheduler.carry_out import Rules
from harness.seeding import numpy_stream
from harness.specs import Training
from harness.tuned_values import Budget, TunedArm
from harness.tuning import Arm, Study, arms_of, storage_of, tune
from harness.tuning.rounds import RECORDS

BUDGET = Budget(trials=4, sizes=(6, 12), replicates=2, pretrainings=3)

Trials = list[tuple[int, str, dict[str, Any], float | None, dict[int, float]]]


@pytest.fixture
def folder(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the corpus `small` installed, its vectors, and the grid small.toml."""
    return set_up(tmp_path, make_plugin, monkeypatch)


def grid_of(home: Path, text: str = GRID, **axes: str) -> ResolvedGrid:
    """The grid `small`, some of its lines replaced."""
    lines = text.splitlines()
    for name, value in axes.items():
        lines = [f"{name} = {value}" if line.split("=")[0].strip() == name else line for line in lines]
    return resolve("small", "\n".join(lines), home)


def tuned(
    grid: ResolvedGrid, home: Path, budget: Budget = BUDGET, workers: int = 0, told: list[str] | None = None
) -> list[TunedArm]:
    home.mkdir(exist_ok=True)
    storage = storage_of(home / "studies.journal")
    lines = [] if told is None else told
    with pools.local(workers, lambda line: None) if workers else pools.here() as pool:
        return tune(grid, budget, home, pool, Rules(), storage, lines.append)


def trials_of(home: Path) -> dict[str, Trials]:
    """The trials of all studies in a home, but for the time."""
    storage = storage_of(home / "studies.journal")
    found = {}
    for name in optuna.get_all_study_names(storage):
        trials = optuna.load_study(study_name=name, storage=storage).get_trials()
        found[name] = [(t.number, t.state.name, t.params, t.value, t.intermediate_values) for t in trials]
    return found


# What is tried, and what may be spent


def test_every_arm_has_the_same_budget_and_the_same_space(folder: Path) -> None:
    grid = grid_of(folder, encoders='[{name = "bilstm", hidden = 4}, "mean", "handcrafted"]', features="true")
    arms = arms_of(grid, BUDGET.pretrainings)
    assert [(arm.spec.encoder.name, arm.spec.strategy.name) for arm in arms] == [
        ("bilstm", "none"), ("bilstm", "stepwise"), ("bilstm", "lm"), ("mean", "none"), ("mean", "stepwise"),
        ("handcrafted", "none"),
    ]  # fmt: skip
    whole = {
        name: search for name, search in arms[0].space.items() if name not in ("features", "standardise", "dropout")
    }
    assert all(arm.space == arms[0].space for arm in arms[:-1])
    assert arms[-1].space == whole
    assert {len(arm.pretrainings) for arm in arms} == {1, 3}
    found = tuned(grid, folder / "home")
    assert len(found) == len(arms)
    for one, trials in zip(found, trials_of(folder / "home").values(), strict=True):
        assert sum(one.counts.values()) == len(trials) == BUDGET.trials
        assert [number for number, *_ in trials] == [0, 1, 2, 3]
        assert {name: one.names[name] for name in ("encoder", "strategy")}
    store = RecordStore(folder / "home" / RECORDS)
    by_arm: dict[Any, set[str]] = {}
    for record in store.each(store.keys()):
        spec = record["spec"]
        key = json.dumps(spec["strategy"], sort_keys=True)
        by_arm.setdefault((spec["encoder"]["name"], spec["strategy"]["name"]), set()).add(key)
    assert set(by_arm) == {(arm.spec.encoder.name, arm.spec.strategy.name) for arm in arms}
    assert all(len(settings) <= BUDGET.pretrainings for settings in by_arm.values())
    assert {arm.names["strategy"]: arm.pretrainings > 0 for arm in found} == {
        "none": False, "stepwise": True, "lm": True,
    }  # fmt: skip
    assert all(arm.pretrainings <= BUDGET.pretrainings for arm in found)
    assert all((arm.pretraining_seconds > 0) == (arm.pretrainings > 0) for arm in found)


def test_pretrainings_are_the_same_for_every_encoder_and_the_first_is_the_grids_own(folder: Path) -> None:
    grid = grid_of(folder, encoders='[{name = "bilstm", hidden = 4}, {name = "bilstm", hidden = 5}]')
    arms = [arm for arm in arms_of(grid, 4) if arm.spec.strategy.name == "lm"]
    one, other = (arm.pretrainings for arm in arms)
    assert one == other
    assert one[0] == {}
    assert len({json.dumps(values, sort_keys=True) for values in one}) == 4
    assert all(values.keys() == one[1].keys() >= {"learning_rate", "epochs", "negatives"} for values in one[1:])
    assert arms[0].runs({"pretraining": 0, **arms[0].own}, [8], 0)[0].strategy == arms[0].spec.strategy
    (single,) = [arm for arm in arms_of(grid_of(folder), 1) if arm.spec.strategy.name == "lm"]
    assert single.pretrainings == [{}]
    assert "pretraining" not in single.own


def test_trial_0_has_the_grids_own_values_even_outside_of_what_is_tried(folder: Path) -> None:
    own = "[training]\nl2 = 0\nbatch_size = 7\nlearning_rate = 2.0\nfeatures = [['lexical', 'collocations']]\n"
    grid = grid_of(folder, GRID.replace("[training]\nfeatures    = false\n", own))
    arm = arms_of(grid, 1)[0]
    assert (arm.own["l2"], arm.own["batch_size"], arm.own["learning_rate"], arm.own["features"]) == (
        1e-7,
        16,
        0.5,
        True,
    )
    (run,) = arm.runs(arm.own, [8], 1)
    spec = next(iter(grid.runs.values()))
    assert run == dataclasses.replace(spec, size=8, replicate=1, tuning=True)
    (other,) = arm.runs(arm.own | {"epochs": 6}, [8], 1)
    assert other.training == dataclasses.replace(
        spec.training, epochs=6, l2=1e-7, batch_size=16, learning_rate=0.5, dropout=0.0
    )
    tuned(grid, folder / "home", dataclasses.replace(BUDGET, trials=1, pretrainings=1))
    store = RecordStore(folder / "home" / RECORDS)
    assert {record["spec"]["training"]["l2"] for record in store.each(store.keys())} == {0.0}
    assert [trials[0][2] for trials in trials_of(folder / "home").values()] == [arm.own] * 3


def test_features_are_the_grids_own_groups_or_the_usual_ones(folder: Path) -> None:
    off, on = (arms_of(grid_of(folder, features=value), 1)[0] for value in ("false", "[['lexical']]"))
    assert [arm.own["features"] for arm in (off, on)] == [False, True]
    assert off.values(off.own | {"epochs": 6, "features": True})["training"]["features"] == ("lexical", "collocations")
    assert on.values(on.own | {"epochs": 6})["training"]["features"] == ("lexical",)
    assert on.values(on.own | {"features": False})["training"]["features"] == ()


@pytest.mark.parametrize(
    ("axes", "studies"),
    [
        ({"features": "[true, false]"}, 3),
        ({"strategies": '["none", {name = "stepwise", skipgram_epochs = [1, 2]}]'}, 2),
        ({"strategies": '["none", {name = "stepwise", skipgram_window = [4, 5]}]'}, 3),
        ({"encoders": '[{name = "bilstm", hidden = 4, cell = ["torch", "vinyals"]}]'}, 6),
        ({"max_updates": "[10, 20]"}, 6),
    ],
)
def test_arms_that_differ_in_what_is_tuned_alone_are_one_study(
    folder: Path, axes: dict[str, str], studies: int
) -> None:
    arms = arms_of(grid_of(folder, **axes), 4)
    assert len(arms) == len({arm.name for arm in arms}) == studies


def test_texts_of_one_name_are_refused(folder: Path) -> None:
    texts = '[{name = "small", selection = "whole", distance = [20, 3]}]'
    with pytest.raises(HarnessError) as caught:
        arms_of(grid_of(folder, texts=texts), 4)
    assert str(caught.value) == (
        "texts: two of small (whole) would be tuned under one name; call one otherwise, as = '...'"
    )


# Seeds


def test_seeds_are_none_of_an_evaluations_but_the_text_samples(folder: Path) -> None:
    grid = grid_of(folder)
    arm = arms_of(grid, 1)[0]
    runs = [arm.runs(arm.own, [8], replicate)[0] for replicate in range(5)]
    evaluated = [dataclasses.replace(runs[0], tuning=False, replicate=replicate) for replicate in range(10_000)]
    for stream in ("subset", "initialisation", "order"):
        seen = {spec.stream(stream) for spec in evaluated}
        assert seen.isdisjoint({spec.stream(stream) for spec in runs})
        assert len({spec.stream(stream) for spec in runs}) == 5
        draws = {tuple(numpy_stream(stream, spec.stream(stream)).integers(0, 2**60, 2)) for spec in runs}
        assert len(draws) == 5
    assert [spec.stream("sample") for spec in runs] == [0, 1, 2, 3, 4]
    still = dataclasses.replace(runs[3], vary=("subset",))
    assert still.stream("sample") == 0
    assert still.stream("subset") == runs[3].stream("subset")


def test_crossed_grids_and_those_that_save_hidden_vectors_tune_too(folder: Path) -> None:
    crossed = GRID.replace("replicates = 2\n", "save_hidden = true\n") + "[crossed]\nsamples = 2\ninitialisations = 2\n"
    grid = grid_of(folder, crossed)
    assert len(tuned(grid, folder / "home", dataclasses.replace(BUDGET, trials=2))) == 3
    store = RecordStore(folder / "home" / RECORDS)
    records = list(store.each(store.keys()))
    assert {record["status"] for record in records} == {"complete"}
    assert not any(record["spec"]["crossed"] or record["spec"].get("save_hidden") for record in records)
    assert not list((folder / "home" / RECORDS).rglob("*.npz"))


# The test split is out of sight


def jsonl(folder: Path, *, scrambled: bool) -> Path:
    """The corpus `mine`: 60 mentions a part, labelled by their verb; of test, if asked, labelled in another order."""
    folder.mkdir()
    for part in ("train", "dev", "test"):
        labels = [f"is_{at % 3}" for at in range(60)]
        words = [label[-1] for label in labels]
        if part == "test" and scrambled:
            labels = list(np.random.default_rng(1).permutation(labels))
        lines = [
            {"id": f"{part}-{at}", "tokens": [f"A{at % 7}", f"verb{word}", f"B{at % 5}", f"{part}{at}"], "first": [0, 1],
             "second": [2, 3], "label": label}
            for at, (label, word) in enumerate(zip(labels, words, strict=True))
        ]  # fmt: skip
        (folder / f"{part}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return folder


MINE = """
corpora    = {{name = "jsonl", path = "{}", as = "mine", split = "official"}}
encoders   = ["mean", "handcrafted"]
strategies = ["avg-embed", "none"]
vectors    = {{name = "vectors.txt", unknown = "zero"}}
sizes      = [12]
replicates = 2
[training]
features    = {}
min_updates = 20
max_updates = 20
"""


def mine(folder: Path, features: str = "true", *, scrambled: bool = False) -> ResolvedGrid:
    """A grid over `mine`, whose word vectors are all zero: nothing but the features knows a label."""
    words = [*(f"a{at}" for at in range(7)), *(f"b{at}" for at in range(5)), *(f"verb{at}" for at in range(3))]
    (folder / "vectors.txt").write_text("\n".join(f"{word} 0.0 0.0 0.0" for word in words) + "\n", encoding="utf-8")
    data = jsonl(folder / f"mine-{scrambled}", scrambled=scrambled)
    return resolve("mine", MINE.format(data, features), folder)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_labels_of_test_change_no_trial_to_the_bit(alone: Path) -> None:
    budget = Budget(12, (12,), 2, 1)
    for name, scrambled in (("home", False), ("other", True)):
        grid = mine(alone, scrambled=scrambled)
        tuned(grid, alone / name, budget)
    trials, others = trials_of(alone / "home"), trials_of(alone / "other")
    assert trials == others
    assert len(trials) == 3
    scores = {value for found in trials.values() for *_, value, _ in found}
    assert len(scores) > 3


def test_a_run_of_a_study_has_no_test_mention_and_tells_of_none(alone: Path) -> None:
    grid, budget = mine(alone), Budget(1, (12,), 2, 1)
    tuned(grid, alone / "home", budget)
    store = RecordStore(alone / "home" / RECORDS)
    records = list(store.each(store.keys()))
    assert len(records) == 6
    for record in records:
        assert record["spec"]["tuning"]
        assert record["scores"].keys() == {"dev"}
        assert record["counts"]["test"] == 0
        assert "gold" not in record
    assert not list((alone / "home" / RECORDS).rglob("*.npz"))


def test_the_object_that_a_study_trains_on_has_no_label_of_test(alone: Path) -> None:
    from harness.artifacts import ArtifactStore
    from harness.datasets.prepared import mentions_key

    grid, budget = mine(alone), Budget(1, (12,), 1, 1)
    tuned(grid, alone / "home", budget)
    arm = arms_of(grid, 1)[0]
    artifacts = ArtifactStore(alone / "home" / "artifacts")
    mentions = artifacts.read("mentions", mentions_key(arm.spec.corpus))
    assert mentions is not None
    whole = label_split(arm.spec.corpus, mentions, None)
    hidden = whole.without_test()
    assert len(whole.split.test) == 60
    assert len(hidden.split.test) == 0
    assert set(hidden.outputs.gold[whole.split.test]) == {-1}
    rest = np.concatenate([whole.split.train, whole.split.dev])
    assert np.array_equal(hidden.outputs.gold[rest], whole.outputs.gold[rest])
    outcome = execute(arm.runs(arm.own, [12], 0)[0], artifacts, "cpu", "accuracy", None, "")
    assert (outcome.record["status"], outcome.gold, outcome.predicted) == ("complete", None, None)


# What is found


def test_features_that_alone_know_the_labels_are_found(alone: Path) -> None:
    grid = mine(alone, features="false")
    by_strategy = {arm.names["strategy"]: arm for arm in tuned(grid, alone / "home", Budget(10, (12,), 2, 1))}
    for arm in by_strategy.values():
        assert arm.values["training"]["features"] == ("lexical", "collocations")
        assert arm.own_dev is not None
        assert arm.own_dev < 50 < 90 < arm.dev
        assert arm.trial > 0


def made_arm(**space: Any) -> Arm:
    """An arm of `synthetic` as a study needs it, with a space of its own."""
    from test_specs import SPEC

    spec = dataclasses.replace(SPEC, training=Training(features=("lexical",), standardise=False), tuning=True)
    return Arm({"corpus": "toy", "encoder": "bilstm", "strategy": "none"}, spec, space, [{}])


SPACE = {
    "learning_rate": Between(0.005, 0.5, log=True),
    "l2": Between(1e-7, 1e-3, log=True),
    "epochs": Among((6, 12, 24)),
}


def planted(values: dict[str, Any]) -> float:
    """A dev score that is 90 at a learning rate of 0.3 and 6 epochs, and falls with the distance; L2 is no matter."""
    return 90 - 20 * abs(math.log10(values["learning_rate"] / 0.3)) - 5 * (values["epochs"] != 6)


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


# Kills and workers


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


def test_the_trials_are_the_same_on_any_number_of_workers(folder: Path) -> None:
    grid = grid_of(folder)
    budget = dataclasses.replace(BUDGET, trials=3)
    for workers in (0, 1, 2):
        tuned(grid, folder / f"home{workers}", budget, workers)
    here, one, two = (trials_of(folder / f"home{workers}") for workers in (0, 1, 2))
    assert here == one == two
    assert len(here) == 3


TUNE = ("--trials", "4", "--tuning-sizes", "6", "12", "--out", "tuned.toml", "--storage", "studies.journal")


@pytest.mark.slow
def test_a_kill_in_the_middle_changes_no_trial(folder: Path) -> None:
    journal = folder / "killed" / "studies.journal"
    words = ["tune", "--grid", "small.toml", "--workers", "1", *TUNE[:-1], str(journal), "--home", "killed"]
    with command(*words) as one:
        one.until(lambda: journal.is_file() and journal.read_text().count('"op_code":6') >= 4)
        one.process.send_signal(signal.SIGKILL)
    done = {name: len(found) for name, found in trials_of(folder / "killed").items()}
    assert done
    with command(*words) as one:
        assert one.ended() == 0, one.err
    tuned(grid_of(folder), folder / "whole", Budget(4, (6, 12), 2, 4))
    assert trials_of(folder / "killed") == trials_of(folder / "whole")


# Failures


FLAKY = """
    from dataclasses import dataclass
    import torch
    from harness.contracts import *
    from harness.parameters import Among, parameter

    class Flaky(Strategy):
        "No vectors where it is told to fail."

        @dataclass(frozen=True)
        class Parameters:
            "One."
            fails: bool = parameter({own}, "whether it fails", search=Among((True, False)))

        needs = frozenset({{Capability.VECTORS}})

        def entity_vectors(self):
            return _Vectors(fails=self.parameters.fails)

    @dataclass(frozen=True)
    class _Vectors(EntityVectors):
        fails: bool = False

        def of_names(self, names, generator):
            if self.fails:
                raise ValueError("told to fail")
            return torch.zeros(len(names.entity_words), names.word_vectors.shape[1])
"""


def test_a_failed_trial_is_told_and_never_wins_even_the_first(folder: Path, make_plugin: MakePlugin) -> None:
    make_plugin("strategy", "flaky", FLAKY.format(own=True))
    text = "\n".join(line for line in GRID.splitlines() if not line.startswith("texts"))
    grid = grid_of(folder, text, strategies='["flaky"]', encoders='["mean"]')
    told: list[str] = []
    (arm,) = tuned(grid, folder / "home", dataclasses.replace(BUDGET, trials=6, pretrainings=4), told=told)
    assert arm.own_dev is None
    assert arm.counts["failed"] >= 1
    assert sum(arm.counts.values()) == 6
    assert arm.values["strategy"] == {"fails": False}
    assert told[0] == "mean, flaky: trial 0 (of 6): failed at 6 labels: told to fail"
    assert len([line for line in told if "failed" in line]) == arm.counts["failed"]


def test_an_arm_without_a_complete_trial_is_an_error_and_the_others_are_kept(
    folder: Path, make_plugin: MakePlugin, printed: Printed
) -> None:
    make_plugin("strategy", "flaky", FLAKY.format(own=True).replace("(True, False)", "(True, True)"))
    text = "\n".join(line for line in GRID.splitlines() if not line.startswith("texts"))
    strategies, encoders = ('strategies = ["none", "flaky"]', 'encoders   = ["mean"]')
    lines = [line for line in text.splitlines() if not line.startswith(("strategies", "encoders"))]
    (folder / "flaky.toml").write_text("\n".join([strategies, encoders, *lines]))
    words = ["tune", "--grid", "flaky.toml", "--home", str(folder / "home"), "--workers", "0", *TUNE]
    assert main(words) == 2
    assert printed()[1].splitlines()[-1] == (
        "harness: mean, flaky: none of its 4 trials is complete; the last one failed at 6 labels: told to fail. Mend "
        "that and tune with another --storage, or leave the arm out by --encoder and --strategy"
    )
    assert not (folder / "tuned.toml").exists()
    assert main([*words, "--strategy", "none"]) == 0
    assert "mean, none: trial" in printed()[0]
    assert (folder / "tuned.toml").read_text().count("[[arms]]") == 1


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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--tuning-sizes", "6", "900"],
            ["--tuning-sizes, with small, split paper, no_relation dropped: asks for 900 training mentions, but the split has 51"],
        ),
        (["--encoder", "bilsmt"], ["--encoder: no encoder in this grid 'bilsmt'; did you mean 'bilstm'? Known: bilstm"]),
        (["--workers", "0", "--run-timeout", "5"], [
            "--run-timeout: expected worker processes that can be ended, found --workers 0; use --workers 1 or more"
        ]),
    ],
)  # fmt: skip
def test_what_can_not_be_tuned_is_told(
    folder: Path, printed: Printed, words: Sequence[str], told: Sequence[str]
) -> None:
    assert main(["tune", "--home", str(folder / "home"), "--grid", "small.toml", *words]) == 2
    assert [line for line in printed()[1].splitlines() if "(once)" not in line] == [f"harness: {line}" for line in told]


def test_too_few_text_samples_for_the_replicates_are_told(folder: Path, printed: Printed) -> None:
    text = GRID.replace('selection = "whole"', 'selection = "random", sentences = 40').replace(
        "replicates = 2", "replicates = 1"
    )
    (folder / "few.toml").write_text(text)
    words = ["--tuning-sizes", "6", "--tuning-replicates", "3"]
    assert main(["tune", "--home", str(folder / "home"), "--grid", "few.toml", *words]) == 2
    assert printed()[1].splitlines()[-1] == (
        "harness: --tuning-replicates, with texts.small: asks for random samples of 40 sentences, 3 of which are to be "
        "disjoint, and there are 80; take smaller ones, sentences = N, or fewer replicates, or vary without 'sample'"
    )
