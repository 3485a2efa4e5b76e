"""Tuned values: the file as it is written, read, changed by hand and damaged; grids, runs and tables that have them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import GRID, set_up
from conftest import MakePlugin, Printed

from harness.cli import main
from harness.errors import DataError, GridError
from harness.grid import ResolvedGrid, resolve
from harness.records import RecordStore
from harness.report.results import resolved_grid_file
from harness.specs import RunSpec
from harness.tuned_files import parse_tuned, read_tuned, tuned_file, write_tuned
from harness.tuned_values import Budget, TunedArm, TunedValues, names_of, short_names

BUDGET = Budget(20, (200, 800), 2, 4)
TOLD = "20 trials an arm, each by dev at 200 and 800 labels over 2 replicates of its own, with at most 4 pre-trainings"
NAMES = {
    "corpus": "small, split paper, no_relation dropped",
    "encoder": "bilstm",
    "strategy": "lm",
    "text": "small (whole)",
    "vectors": "small.txt",
    "settings": "hidden=4, min_updates=10, max_updates=10",
}
ARM = TunedArm(
    names=NAMES,
    study="small: an arm",
    trial=7,
    dev=61.25,
    own_dev=58.5,
    counts={"complete": 15, "pruned": 4, "failed": 1},
    pretrainings=3,
    seconds=80.0,
    pretraining_seconds=900.0,
    values={
        "training": {"features": ("lexical",), "l2": 1e-06, "dropout": 0.2, "batch_size": 16},
        "encoder": {},
        "strategy": {"epochs": 3, "learning_rate": 0.125},
    },
)

FILE = f"""# Tuned values of the grid small: {TOLD}.
# Made by `python -m harness tune`, read by `run --tuned`. Scores are in percent, of dev alone.
grid = "small"
trials = 20
sizes = [200, 800]
replicates = 2
pretrainings = 4
commit = "c0ffee"

[[arms]]
corpus = "small, split paper, no_relation dropped"
encoder = "bilstm"
strategy = "lm"
text = "small (whole)"
vectors = "small.txt"
settings = "hidden=4, min_updates=10, max_updates=10"
study = "small: an arm"
trial = 7
dev = 61.25
own_dev = 58.5
complete = 15
pruned = 4
failed = 1
pretrainings = 3
seconds = 80
pretraining_seconds = 900
[arms.values.training]
features = ["lexical"]
l2 = 1e-06
dropout = 0.2
batch_size = 16
[arms.values.strategy]
epochs = 3
learning_rate = 0.125
"""


@pytest.fixture
def folder(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the corpus `small` installed, its vectors, and the grid small.toml."""
    return set_up(tmp_path, make_plugin, monkeypatch)


def arms_in(grid: ResolvedGrid) -> dict[str, RunSpec]:
    """A run of each arm of a grid, by its strategy."""
    return {spec.strategy.name: spec for spec in grid.runs.values()}


def written(file: Path, *arms: TunedArm) -> TunedValues:
    write_tuned(TunedValues(file, "small", BUDGET, arms), {"commit": "c0ffee"})
    return read_tuned(file)


def of_all(grid: ResolvedGrid, **values: Any) -> list[TunedArm]:
    """An arm of the file for each of a grid, with these values of training."""
    label = grid.plain["corpora"][0]["label"]
    made = {"training": values, "encoder": {}, "strategy": {}}
    arms = {name: names_of(spec, label) for name, spec in arms_in(grid).items()}
    return [dataclasses.replace(ARM, names=names, values=made) for names in arms.values()]


# The file


def test_the_file_is_this_text_and_comes_back_as_it_went(tmp_path: Path) -> None:
    file = tmp_path / "tuned" / "small.toml"
    found = written(file, ARM)
    assert file.read_text() == FILE
    features = ARM.values["training"] | {"features": ["lexical"]}
    assert found.arms == [dataclasses.replace(ARM, values=ARM.values | {"training": features})]
    assert (found.file, found.grid, found.budget, found.text) == (file, "small", BUDGET, FILE)
    assert tomllib.loads(FILE)["arms"][0]["values"]["strategy"] == {"epochs": 3, "learning_rate": 0.125}


def test_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    values = {"training": {"dropout": None, "l2": 0.5}, "encoder": {}, "strategy": {}}
    (arm,) = written(tmp_path / "x.toml", dataclasses.replace(ARM, own_dev=None, values=values)).arms
    assert arm.own_dev is None
    assert arm.values == {"training": {"l2": 0.5}, "encoder": {}, "strategy": {}}


def test_the_place_of_the_file_is_beside_the_grid() -> None:
    grids = Path(__file__).parents[1] / "benchmarks" / "grids"
    assert tuned_file("kbp37") == grids / "tuned" / "kbp37.toml"
    assert tuned_file("mine.toml") == Path("tuned/mine.toml")
    assert tuned_file("grids/mine.toml") == Path("grids/tuned/mine.toml")


HEAD, _, REST = FILE.partition("\n[[arms]]\n")
DAMAGE = [
    ("grid = [", ": expected tuned values in TOML, found Invalid value (at end of document)"),
    (FILE.replace("trials = 20\n", ""), ": expected trials, a whole number; found nothing"),
    (FILE.replace("trials = 20", "trials = 2.5"), ", trials: expected a whole number, found 2.5"),
    (FILE.replace("pretrainings = 4", "pretrainings = true"), ", pretrainings: expected a whole number, found True"),
    (FILE.replace('grid = "small"', "grid = 3"), ", grid: expected a string, found 3"),
    (f"{HEAD}\narms = 3\n", ": expected tables [[arms]], found 3"),
    (FILE.replace("trial = 7\n", ""), ", arm 1: expected trial, a whole number; found nothing"),
    (FILE.replace("dev = 61.25", 'dev = "61"'), ", arm 1, dev: expected a number, found '61'"),
    (
        FILE.replace("own_dev", "owndev"),
        ", arm 1: no key 'owndev'; did you mean 'own_dev'? Known: complete, corpus, dev, encoder, failed, own_dev, "
        "pretraining_seconds, pretrainings, pruned, seconds, settings, strategy, study, text, trial, values, vectors",
    ),
    (
        FILE.replace("values.training", "values.trainings"),
        ", arm 1, values: no section 'trainings'; did you mean 'training'? Known: encoder, strategy, training",
    ),
    (
        re.sub(r"\[arms.values.training\](.|\n)*", "values = 3\n", FILE),
        ", arm 1: expected a table of values, found 3",
    ),
    (f"{FILE}\n[[arms]]\n{REST}", f", arm 2: expected each arm once, found {', '.join(NAMES.values())} again"),
]


@pytest.mark.parametrize(("text", "told"), DAMAGE)
def test_what_is_wrong_with_a_file_is_told(text: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_tuned(text, Path("tuned/small.toml"))
    assert str(caught.value) == f"tuned/small.toml{told}"


def test_a_file_that_is_not_there_is_told_with_what_makes_it(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    with pytest.raises(DataError) as caught:
        read_tuned(file, "my/small.toml")
    assert str(caught.value) == (
        f"{file}: expected tuned values, found no such file; make it: python -m harness tune --grid my/small.toml"
    )
    with pytest.raises(DataError) as caught:
        read_tuned(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: expected tuned values, found what can't be read: [Errno 21] Is a directory: '{tmp_path}'"
    )


def test_arms_are_called_by_what_tells_them_apart() -> None:
    one, other = NAMES, NAMES | {"strategy": "none"}
    assert short_names([one, other]) == ["bilstm, lm", "bilstm, none"]
    assert short_names([one, one | {"corpus": "b"}]) == [f"{NAMES['corpus']}, bilstm, lm", "b, bilstm, lm"]
    assert short_names([one, one | {"settings": "hidden=5"}])[1] == "bilstm, lm, hidden=5"


# A grid with them


def test_a_grid_has_the_tuned_values_and_another_name(folder: Path, tmp_path: Path) -> None:
    untuned = resolve("small", GRID, folder)
    tuned = written(tmp_path / "small.toml", ARM, *of_all(untuned, epochs=6, dropout=0.5)[:2])
    grid = resolve("small", GRID, folder, tuned=tuned)
    assert grid.plain["name"] == "small-tuned"
    assert grid.plain["tuned"]["grid"] == "small"
    assert grid.plain["tuned"]["file"] == "small.toml"
    assert grid.plain["tuned"]["budget"] == TOLD
    assert grid.plain["tuned"]["text"] == tuned.text
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
    tuned = written(tmp_path / "small.toml", *of_all(untuned, features=("collocations", "lexical")))
    grid = resolve("small", text, folder, tuned=tuned)
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
    tuned = written(tmp_path / "small.toml", *arms)
    with pytest.raises(GridError) as caught:
        resolve("small", GRID, folder, tuned=tuned)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"{tuned.file}: {', '.join(arms[1].names.values())}, {told}")


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
    tuned = resolve("small", text, folder, tuned=written(tmp_path / "small.toml", arm))
    assert tuned.runs == grid.runs


def test_values_by_hand_may_be_truth_values_and_an_encoders(folder: Path, tmp_path: Path) -> None:
    grid = resolve("small", GRID, folder)
    arms = of_all(grid, features=True)
    arms[0] = dataclasses.replace(arms[0], values=arms[0].values | {"encoder": {"hidden": 6}})
    found = arms_in(resolve("small", GRID, folder, tuned=written(tmp_path / "small.toml", *arms)))
    assert {spec.training.features for spec in found.values()} == {("lexical", "collocations")}
    assert [spec.encoder.parameters["hidden"] for spec in found.values()] == [6, 4, 4]


def test_arms_that_the_file_lacks_are_told_all_at_once(folder: Path, tmp_path: Path) -> None:
    tuned = written(tmp_path / "small.toml", *of_all(resolve("small", GRID, folder))[1:2])
    with pytest.raises(GridError) as caught:
        resolve("small", GRID, folder, tuned=tuned)
    rest = "hidden=4, min_updates=10, max_updates=10; tune it: python -m harness tune --grid small"
    corpus = "small, split paper, no_relation dropped"
    assert list(caught.value.mistakes) == [
        f"{tuned.file} has no values of {corpus}, bilstm, none, small.txt, {rest}",
        f"{tuned.file} has no values of {corpus}, bilstm, lm, small (whole), small.txt, {rest}",
    ]


# The command line


TUNE = ["tune", "--workers", "0", "--grid", "small.toml", "--trials", "2", "--tuning-sizes", "6"]


def home(folder: Path) -> list[str]:
    return ["--home", str(folder / "home")]


def test_from_tune_to_a_table_that_says_tuned(folder: Path, printed: Printed) -> None:
    assert main([*TUNE, *home(folder)]) == 0
    out, err = printed()
    assert re.fullmatch(
        r"(bilstm, (none|stepwise|lm): trial [01], dev [\d.]+ % \(the grid's own values: [\d.]+ %\); 2 complete; "
        r"\d+ s of runs(, \d+ s of [12] pre-trainings)?\n){3}"
        r"Tuned values: tuned/small.toml; python -m harness run --grid small.toml --tuned reads them\n",
        out,
    ), out
    budget = "2 trials an arm, each by dev at 6 labels over 2 replicates of its own, with at most 4 pre-trainings"
    assert f"Tuning small: {budget}; studies: {folder}/home/tuning/small.journal" in err
    assert re.search(r"^bilstm, lm: trial 1 \(of 2\): dev [\d.]+ %$", err, re.MULTILINE)
    assert main(["run", "--grid", "small.toml", "--tuned", "--workers", "0", "--no-mlflow", *home(folder)]) == 0
    assert f"Values: tuned, {budget}." in printed()[0]
    grid = json.loads((folder / "results" / "small-tuned" / "grid.json").read_text())
    text = (folder / "tuned" / "small.toml").read_text()
    assert grid["tuned"]["text"] == text
    arms = {arm.names["strategy"]: arm for arm in parse_tuned(text, Path()).arms}
    store = RecordStore(folder / "home" / "records")
    records = list(store.each(store.keys()))
    assert len(records) == 6
    for record in records:
        training = {
            name: record["spec"]["training"][name]
            for name in arms[record["spec"]["strategy"]["name"]].values["training"]
        }
        assert training == arms[record["spec"]["strategy"]["name"]].values["training"]
        assert "test" in record["scores"]
    assert not (folder / "results" / "small").exists()
    # one run of it is repeated by its key, without the file, and the grid stays what it was
    (folder / "tuned" / "small.toml").unlink()
    assert (
        main(["run", "--run", records[0]["key"], "--rerun", "all", "--workers", "0", "--no-mlflow", *home(folder)]) == 0
    )
    assert json.loads(resolved_grid_file(folder / "home", "small-tuned").read_text()) == grid


def test_arms_that_are_tuned_one_by_one_come_together(folder: Path, printed: Printed) -> None:
    assert main([*TUNE, *home(folder), "--strategy", "none"]) == 0
    assert main([*TUNE, *home(folder), "--strategy", "stepwise"]) == 0
    assert [arm.names["strategy"] for arm in read_tuned(Path("tuned/small.toml")).arms] == ["none", "stepwise"]
    printed()
    longer = [*TUNE, *home(folder), "--strategy", "none", "--trials", "3"]
    assert main(longer) == 0
    assert "trial 0 (of 3)" not in printed()[1]
    assert [arm.names["strategy"] for arm in read_tuned(Path("tuned/small.toml")).arms] == ["none"]


def test_the_same_command_again_runs_nothing(folder: Path, printed: Printed) -> None:
    words = [*TUNE, *home(folder), "--strategy", "none", "--out", "mine.toml", "--storage", "sqlite:///studies.db"]
    assert main(words) == 0
    once = read_tuned(Path("mine.toml"))
    assert "--tuned mine.toml reads them" in printed()[0]
    assert main(words) == 0
    assert "trial" not in printed()[1].partition("studies: ")[2]
    assert read_tuned(Path("mine.toml")).arms == once.arms


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--corpus", "small"], "--tuned: expected --grid beside it, for values are a grid's"),
        (["--run", "abc"], "--tuned: expected --grid beside it, for values are a grid's"),
        (
            ["--bundle", "x.zip"],
            "--tuned: the bundle holds the values of its grid; give the flag to python -m harness bundle",
        ),
        (
            ["--grid", "small.toml"],
            "tuned/small.toml: expected tuned values, found no such file; make it: python -m harness tune --grid small.toml",
        ),
    ],
)
def test_tuned_where_it_has_no_meaning_is_told(folder: Path, printed: Printed, words: list[str], told: str) -> None:
    assert main(["run", *home(folder), *words, "--tuned"]) == 2
    assert printed()[1] == f"harness: {told}\n"


def test_a_grid_that_is_called_like_a_tuned_one_is_refused(folder: Path, printed: Printed) -> None:
    Path("small-tuned.toml").write_text(GRID, encoding="utf-8")
    assert main(["run", *home(folder), "--grid", "small-tuned.toml"]) == 2
    assert printed()[1].endswith(
        "harness: grid 'small-tuned', name: expected one that does not end in -tuned, which is what the grid 'small' "
        "with tuned values is called; rename the file\n"
    )


def test_a_bundle_takes_the_tuned_values_along(folder: Path, printed: Printed) -> None:
    written(Path("tuned/small.toml"), *of_all(resolve("small", GRID, folder), epochs=6))
    assert main(["bundle", "small.toml", "small.zip", "--tuned", *home(folder)]) == 0
    assert "6 runs of the grid small-tuned" in printed()[0]
    assert main(["run", "--bundle", "small.zip", "--home", str(folder / "there"), "--workers", "0", "--no-mlflow"]) == 0
    store = RecordStore(folder / "there" / "records")
    assert {record["spec"]["training"]["epochs"] for record in store.each(store.keys())} == {6}
    assert f"Values: tuned, {TOLD}." in printed()[0]
