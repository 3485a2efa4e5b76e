"""Grids with tuned values: what they run, what they refuse, what they are called and what their tables say."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import GRID, set_up
from conftest import MakePlugin, run_here
from test_tuned_values import ARM, TOLD, written
from test_tuning import grid_of, tuned

from harness.errors import GridError
from harness.grid import ResolvedGrid, resolve
from harness.records import RecordStore
from harness.report.leaderboard import render
from harness.specs import TUNABLE, RunSpec
from harness.tuned_files import parse_tuned, read_tuned, write_tuned
from harness.tuned_values import Budget, TunedArm, TunedValues, Values, key_of_arm, names_of, with_values
from harness.tuning import arms_of

CORPUS = "small, split paper, no_relation dropped"
SETTINGS = "hidden=4, min_updates=10, max_updates=10"


@pytest.fixture
def folder(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the corpus `small` installed, its vectors, and the grid small.toml."""
    return set_up(tmp_path, make_plugin, monkeypatch)


def arms_in(grid: ResolvedGrid) -> dict[str, RunSpec]:
    """A run of each arm of a grid, by its strategy."""
    return {spec.strategy.name: spec for spec in grid.runs.values()}


def made_arm(spec: RunSpec, label: str, values: Values) -> TunedArm:
    """The arm of the file for a spec, with these values; `label` is that of its corpus."""
    key = key_of_arm(with_values(spec, values, "", []))
    return dataclasses.replace(ARM, names=names_of(spec, label), key=key, values=values)


def of_all(grid: ResolvedGrid, **training: Any) -> list[TunedArm]:
    """An arm of the file for each of a grid, with these values of training."""
    values = {"training": training, "encoder": {}, "strategy": {}}
    return [made_arm(spec, grid.plain["corpora"][0]["label"], values) for spec in arms_in(grid).values()]


# Values


def test_a_grid_has_the_tuned_values_and_another_name(folder: Path, tmp_path: Path) -> None:
    untuned = resolve("small", GRID, folder)
    found = written(tmp_path / "small.toml", ARM, *of_all(untuned, epochs=6, dropout=0.5)[:2])
    grid = resolve("small", GRID, folder, tuned=found)
    assert grid.plain["name"] == "small-tuned"
    assert grid.plain["tuned"]["grid"] == "small"
    assert grid.plain["tuned"]["file"] == "small.toml"
    assert grid.plain["tuned"]["budget"] == TOLD
    assert grid.plain["tuned"]["text"] == found.text
    assert grid.plain["tuned"]["sha256"] == hashlib.sha256((tmp_path / "small.toml").read_bytes()).hexdigest()
    before, after = arms_in(untuned), arms_in(grid)
    for name in ("none", "stepwise"):
        training = dataclasses.replace(before[name].training, epochs=6, dropout=0.5)
        assert after[name] == dataclasses.replace(before[name], training=training)
    lm = before["lm"]
    training = dataclasses.replace(lm.training, features=("lexical",), l2=1e-06, dropout=0.2, batch_size=16)
    strategy = dataclasses.replace(
        lm.strategy, parameters={**lm.strategy.parameters, "epochs": 3, "learning_rate": 0.125}
    )
    assert after["lm"] == dataclasses.replace(lm, training=training, strategy=strategy)
    assert resolve("small", GRID, folder).plain["tuned"] is None
    assert resolve("small", GRID, folder).runs == untuned.runs


def test_arms_that_differ_in_what_is_tuned_become_one(folder: Path, tmp_path: Path) -> None:
    text = GRID.replace("features    = false", "features    = [false, true]")
    untuned = resolve("small", text, folder)
    found = written(tmp_path / "small.toml", *of_all(untuned, features=("collocations", "lexical")))
    grid = resolve("small", text, folder, tuned=found)
    assert len(untuned.plain["cells"]) == 6
    assert len(grid.plain["cells"]) == 3
    assert {spec.training.features for spec in grid.runs.values()} == {("lexical", "collocations")}
    assert {cell["variant"] for cell in grid.plain["cells"]} == {""}


WRONG = [
    ({"l22": 1.0}, "training: no parameter 'l22'; did you mean 'l2'? Known: "),
    ({"l2": -1.0}, "training.l2: must be at least 0, found -1.0"),
    ({"dropout": 0.95}, "training.dropout: must be at most 0.9, found 0.95"),
    ({"batch_size": "16"}, "training.batch_size: expected a whole number, found '16'"),
    ({"features": ("lexica",)}, "training.features: no group 'lexica'; did you mean 'lexical'? Known: "),
    (
        {"features": ("dependency",)},
        "training.features: 'dependency' needs parses, and the corpus has none; leave it out",
    ),
]


@pytest.mark.parametrize(("values", "told"), WRONG)
def test_what_is_wrong_with_a_value_is_told_with_its_arm(
    folder: Path, tmp_path: Path, values: Mapping[str, Any], told: str
) -> None:
    grid = resolve("small", GRID, folder)
    arms = of_all(grid, epochs=6)
    arms[1] = dataclasses.replace(arms[1], values={"training": dict(values), "encoder": {}, "strategy": {}})
    found = written(tmp_path / "small.toml", *arms)
    with pytest.raises(GridError) as caught:
        resolve("small", GRID, folder, tuned=found)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"{found.file}: {', '.join(arms[1].names.values())}, {told}")


def test_an_encoder_of_features_alone_keeps_some(folder: Path, tmp_path: Path) -> None:
    text = GRID.replace('{name = "bilstm", hidden = 4}', '"handcrafted"').replace(
        "features    = false", "features = true"
    )
    grid = resolve("small", text, folder)
    (arm,) = of_all(grid, features=())
    with pytest.raises(GridError) as caught:
        resolve("small", text, folder, tuned=written(tmp_path / "small.toml", arm))
    assert str(caught.value) == (
        f"{tmp_path}/small.toml: {', '.join(arm.names.values())}, training.features: expected some, for handcrafted has "
        "nothing but the features; found none"
    )
    (arm,) = of_all(grid, standardise=True)
    found = resolve("small", text, folder, tuned=written(tmp_path / "small.toml", arm))
    assert found.runs == grid.runs


def test_values_by_hand_may_be_truth_values_and_an_encoders(folder: Path, tmp_path: Path) -> None:
    grid = resolve("small", GRID, folder)
    arms = of_all(grid, features=True)
    arms[0] = dataclasses.replace(arms[0], values=arms[0].values | {"encoder": {"hidden": 6}})
    found = arms_in(resolve("small", GRID, folder, tuned=written(tmp_path / "small.toml", *arms)))
    assert {spec.training.features for spec in found.values()} == {("lexical", "collocations")}
    assert [spec.encoder.parameters["hidden"] for spec in found.values()] == [6, 4, 4]


# What was tuned


@pytest.fixture
def really(folder: Path) -> TunedValues:
    """The grid `small` tuned: of every arm trial 0, which has the grid's own values."""
    budget = Budget(1, (6,), 2, 2)
    arms = tuned(grid_of(folder), folder / "home", budget)
    write_tuned(TunedValues(folder / "small.toml", "small", budget, arms), {})
    return read_tuned(folder / "small.toml")


def test_all_that_is_tried_is_written_also_where_the_grids_own_values_win(folder: Path, really: TunedValues) -> None:
    for arm, spec in zip(really.arms, arms_in(grid_of(folder)).values(), strict=True):
        own = dataclasses.asdict(spec.training)
        assert arm.trial == 0
        assert arm.values["training"] == {**{name: own[name] for name in TUNABLE}, "features": [], "dropout": 0.0}
        assert arm.values["encoder"] == {}
    none, stepwise, lm = (arm.values["strategy"] for arm in really.arms)
    assert none == {}
    assert stepwise == {"skipgram_epochs": 1, "skipgram_learning_rate": 0.001}
    assert lm == {"learning_rate": 0.1, "epochs": 2, "negatives": 10, **stepwise}


def test_a_trial_that_wins_with_pre_training_0_has_the_strategys_own_values(folder: Path) -> None:
    arm = arms_of(grid_of(folder), 3)[2]
    own, other = (arm.values({**arm.own, "epochs": 6, "pretraining": place}) for place in (0, 1))
    assert own["training"]["epochs"] == 6
    assert own["strategy"] == {name: arm.spec.strategy.parameters[name] for name in own["strategy"]}
    assert other["strategy"] == dict(arm.pretrainings[1])
    assert own["strategy"].keys() == other["strategy"].keys()


CHANGED = GRID.replace("features    = false", "features = true\nl2 = 0.5\nbatch_size = 7\ndropout = 0.4").replace(
    "epochs = 2, skipgram_epochs = 1", "epochs = 5, skipgram_epochs = 3, learning_rate = 0.3"
)


def test_a_grid_whose_own_values_change_still_runs_with_the_tuned_ones(folder: Path, really: TunedValues) -> None:
    before, after = (resolve("small", text, folder, tuned=really) for text in (GRID, CHANGED))
    assert after.runs == before.runs
    assert resolve("small", CHANGED, folder).runs.keys().isdisjoint(after.runs)
    assert before.plain["tuned"]["otherwise"] == after.plain["tuned"]["otherwise"] == []


OTHERWISE = [
    ("", "", "", "", []),
    ("replicates = 2", "replicates = 3", "", "", []),
    ("", "", "l2 = 1e-05", "l2 = 0.00001", []),
    ("", "", "l2 = 1e-05", "l2 = 1e-06", ["bilstm, none"]),
    (
        "",
        "",
        "[arms.values.strategy]",
        "[arms.values.encoder]\nhidden = 6\n[arms.values.strategy]",
        ["bilstm, stepwise"],
    ),
    ("sizes ", 'vary = ["subset"]\nsizes ', "", "", ["bilstm, none", "bilstm, stepwise", "bilstm, lm"]),
]


@pytest.mark.parametrize(("before", "after", "value", "by_hand", "arms"), OTHERWISE)
def test_what_is_not_as_it_was_tuned_is_said_in_every_table(
    folder: Path, really: TunedValues, before: str, after: str, value: str, by_hand: str, arms: list[str]
) -> None:
    values = parse_tuned(really.text.replace(value, by_hand, 1), really.file)
    grid = resolve("small", GRID.replace(before, after, 1), folder, tuned=values).plain
    assert grid["tuned"]["otherwise"] == arms
    said = f"Values: tuned, {values.budget.told()}"
    changed = f". Not as they were tuned, by other values, data or settings: {'; '.join(arms)}" if arms else ""
    for form in ("md", "terminal", "latex"):
        text = " ".join(render(grid, RecordStore(folder / "none"), form).split())
        assert f"{said}{changed}." in text.replace("\\_", "_")


# Arms without values


def test_arms_that_the_file_lacks_are_refused_with_the_reason(folder: Path, tmp_path: Path) -> None:
    untuned = resolve("small", GRID, folder)
    values = written(tmp_path / "small.toml", *of_all(untuned)[1:2])
    grid = resolve("small", GRID, folder, tuned=values)
    assert {spec.strategy.name for spec in grid.runs.values()} == {"stepwise"}
    rest = f"small.txt, {SETTINGS}; `tune` of the same grid adds them"
    reasons = {
        "none": f"{values.file.name} has no values of {CORPUS}, bilstm, none, {rest}",
        "lm": f"{values.file.name} has no values of {CORPUS}, bilstm, lm, small (whole), {rest}",
    }
    assert grid.plain["refusals"] == [
        {
            "corpus": CORPUS,
            "encoder": "bilstm",
            "strategy": name,
            "variant": SETTINGS,
            "reason": reason,
            "untuned": True,
        }
        for name, reason in reasons.items()
    ]
    table = render(grid.plain, RecordStore(folder / "none"), "md")
    for name, reason in reasons.items():
        assert f"bilstm with {name}, {SETTINGS}: {reason}" in table.replace("\\", "")


def test_a_file_without_any_of_the_grids_arms_is_an_error(folder: Path, tmp_path: Path) -> None:
    other = grid_of(folder, encoders='["mean"]')
    values = written(tmp_path / "small.toml", *of_all(other))
    assert len(values.arms) == 2
    with pytest.raises(GridError) as caught:
        resolve("small", GRID, folder, tuned=values)
    assert str(caught.value) == (
        f"{values.file}: expected values of the arms of small, found none of any; tune the grid first"
    )


@pytest.mark.parametrize(("file", "name"), [("small.toml", "small-tuned"), ("part.toml", "small-part-tuned")])
def test_a_grid_is_called_after_a_file_of_another_name(folder: Path, tmp_path: Path, file: str, name: str) -> None:
    values = written(tmp_path / file, *of_all(resolve("small", GRID, folder)))
    plain = resolve("small", GRID, folder, tuned=values).plain
    assert (plain["name"], plain["tuned"]["untuned"], plain["tuned"]["file"]) == (name, "small", file)


# Variants

VARIANTS = (
    GRID.replace("hidden = 4", "hidden = [4, 6]")
    .replace('{name = "stepwise", skipgram_epochs = 1}', '"avg-embed"')
    .replace("sizes      = [8]", "sizes = [6, 12]")
)


def each_its_own(grid: ResolvedGrid, file: Path) -> TunedValues:
    """Values for every arm of a grid, no two alike."""
    label, specs = grid.plain["corpora"][0]["label"], dict[str, RunSpec]()
    for spec in grid.runs.values():
        specs.setdefault(str(names_of(spec, label)), spec)
    arms = []
    for place, spec in enumerate(specs.values()):
        values: Values = {
            "training": {"features": place % 2 > 0, "learning_rate": 0.05 + place / 100, "l2": 1e-6, "batch_size": 16},
            "encoder": {},
            "strategy": {"epochs": 3 + place} if spec.strategy.name == "lm" else {},
        }
        arms.append(made_arm(spec, label, values))
    return written(file, *arms)


def test_a_variant_of_a_tuned_grid_names_nothing_that_tuning_has_set(folder: Path, tmp_path: Path) -> None:
    grid = resolve("small", VARIANTS, folder)
    values = each_its_own(grid, tmp_path / "small.toml")
    assert len(values.arms) == 6
    plain = resolve("small", VARIANTS, folder, tuned=values).plain
    assert [(cell["strategy"], cell["size"], cell["variant"]) for cell in plain["cells"]] == [
        (cell["strategy"], cell["size"], cell["variant"]) for cell in grid.plain["cells"]
    ]
    assert {cell["variant"] for cell in plain["cells"]} == {"hidden=4", "hidden=6"}
    assert plain["tuned"]["otherwise"] == []


def test_label_efficiency_is_told_within_each_variant_as_in_the_untuned_grid(folder: Path, tmp_path: Path) -> None:
    text = "\n".join(
        'strategies = ["avg-embed", "none"]' if line.startswith("strategies") else line
        for line in VARIANTS.splitlines()
        if not line.startswith("texts")
    )
    untuned = resolve("small", text, folder)
    grid = resolve("small", text, folder, tuned=each_its_own(untuned, tmp_path / "small.toml"))
    told = []
    for one in (untuned, grid):
        store = RecordStore(folder / "records")
        for outcome in run_here(one, folder / "home"):
            store.write(outcome.record, outcome.gold, outcome.predicted)
        assert "Label efficiency against avg-embed" in render(one.plain, store, "md")
        table = list(csv.DictReader(render(one.plain, store, "csv").splitlines()))
        told.append([(row["strategy"], row["variant"], row["size"], bool(row["efficiency"])) for row in table])
    assert told[0] == told[1]
    assert [row for row in told[0] if row[-1]] == [
        ("none", variant, size, True) for variant in ("hidden=4", "hidden=6") for size in ("6", "12")
    ]
