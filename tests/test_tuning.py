"""Studies: their spaces, seeds and budgets; what a kill and another number of workers leave as it was."""

from __future__ import annotations

import dataclasses
import json
import signal
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
from harness.locks import locked
from harness.records import RecordStore
from harness.runner import execute, label_split
from harness.scheduler import pools
from harness.scheduler.carry_out import Rules
from harness.seeding import numpy_stream
from harness.tuned_trials import RECORDS
from harness.tuned_values import Budget, TunedArm
from harness.tuning import arms_of, storage_of, tune

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
    assert [arm.names for arm in found] == [arm.names for arm in arms]
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


@pytest.mark.parametrize("others", [1, 3, 5])
def test_pretrainings_are_spread_over_all_that_is_tried(folder: Path, others: int) -> None:
    arm = next(arm for arm in arms_of(grid_of(folder), others + 1) if arm.spec.strategy.name == "lm")
    rates = sorted(values["learning_rate"] for values in arm.pretrainings[1:])
    parts = np.log(np.divide(rates, 0.01)) / np.log(0.5 / 0.01) * others
    assert np.floor(parts).tolist() == list(range(others))
    negatives = {values["negatives"] for values in arm.pretrainings[1:]}
    assert negatives <= {5, 10, 20}
    assert len(negatives) == min(others, 3)


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
    (other,) = arm.runs({**arm.own, "epochs": 6}, [8], 1)
    assert other.training == dataclasses.replace(spec.training, epochs=6, l2=1e-7, batch_size=16, learning_rate=0.5)
    tuned(grid, folder / "home", dataclasses.replace(BUDGET, trials=1, pretrainings=1))
    store = RecordStore(folder / "home" / RECORDS)
    assert {record["spec"]["training"]["l2"] for record in store.each(store.keys())} == {0.0}
    assert [trials[0][2] for trials in trials_of(folder / "home").values()] == [arm.own] * 3


def test_features_are_the_grids_own_groups_or_the_usual_ones(folder: Path) -> None:
    off, on = (arms_of(grid_of(folder, features=value), 1)[0] for value in ("false", "[['lexical']]"))
    assert [arm.own["features"] for arm in (off, on)] == [False, True]
    assert off.values({**off.own, "epochs": 6, "features": True})["training"]["features"] == ("lexical", "collocations")
    assert on.values({**on.own, "epochs": 6})["training"]["features"] == ("lexical",)
    assert on.values({**on.own, "features": False})["training"]["features"] == ()


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
encoders   = {}
strategies = ["avg-embed", "none"]
vectors    = {{name = "vectors.txt", unknown = "zero"}}
sizes      = [12]
replicates = 2
[training]
features    = {}
min_updates = 20
max_updates = 20
"""


def mine(
    folder: Path, features: str = "true", encoders: str = '["mean", "handcrafted"]', *, scrambled: bool = False
) -> ResolvedGrid:
    """A grid over `mine`, whose word vectors are all zero: nothing but the features knows a label."""
    words = [*(f"a{at}" for at in range(7)), *(f"b{at}" for at in range(5)), *(f"verb{at}" for at in range(3))]
    (folder / "vectors.txt").write_text("\n".join(f"{word} 0.0 0.0 0.0" for word in words) + "\n", encoding="utf-8")
    data = jsonl(folder / f"mine-{scrambled}", scrambled=scrambled)
    return resolve("mine", MINE.format(data, encoders, features), folder)


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


# Kills and workers


def test_the_trials_are_the_same_on_any_number_of_workers(folder: Path) -> None:
    grid = grid_of(folder)
    budget = dataclasses.replace(BUDGET, trials=3)
    for workers in (0, 1, 2):
        tuned(grid, folder / f"home{workers}", budget, workers)
    here, one, two = (trials_of(folder / f"home{workers}") for workers in (0, 1, 2))
    assert here == one == two
    assert len(here) == 3


TUNE = "--no-mlflow --trials 4 --tuning-sizes 6 12 --out tuned.toml --storage studies.journal".split()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_end_in_the_middle_changes_no_trial(folder: Path, how: signal.Signals) -> None:
    journal = folder / "killed" / "studies.journal"
    words = ["tune", "--grid", "small.toml", "--workers", "1", *TUNE[:-1], str(journal), "--home", "killed"]
    with command(*words) as one:
        one.until(lambda: journal.is_file() and journal.read_text().count('"op_code":6') >= 4)
        one.process.send_signal(how)
        if how != signal.SIGKILL:
            assert one.ended() == 130, one.err
            kept = "The finished runs and trials are kept; the same command goes on with the rest."
            assert one.err.splitlines()[-2:] == [kept, "harness: interrupted"]
        one.process.wait()
    assert sum(map(len, trials_of(folder / "killed").values())) < 3 * 4
    with command(*words) as one:
        assert one.ended() == 0, one.err
    tuned(grid_of(folder), folder / "whole", Budget(4, (6, 12), 2, 4))
    assert trials_of(folder / "killed") == trials_of(folder / "whole")


def test_another_process_in_the_home_is_told(folder: Path, printed: Printed) -> None:
    with locked(folder / "home", "records", "run --grid other"):
        assert main(["tune", "--grid", "small.toml", *TUNE, "--workers", "0", "--home", str(folder / "home")]) == 2
    assert "another process writes the records of" in printed()[1].splitlines()[-1]
    assert not (folder / "studies.journal").exists()
