"""The file of tuned values, as it is written, read, changed by hand and damaged."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from harness.errors import DataError
from harness.tuned_files import is_as_tuned, parse_tuned, read_tuned, tuned_file, write_tuned
from harness.tuned_values import Budget, TunedArm, TunedValues, short_names

BUDGET = Budget(20, (200, 800), 2, 4)
TOLD = (
    "20 trials an arm, each by dev at 200 and 800 labels over 2 replicates of its own, with at most 4 settings of "
    "pre-training"
)
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
    key="0123456789abcdef",
    values={
        "training": {"features": ("lexical",), "l2": 1e-06, "dropout": 0.2, "batch_size": 16},
        "encoder": {},
        "strategy": {"epochs": 3, "learning_rate": 0.125},
    },
)

OF_ARMS = """[[arms]]
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
key = "0123456789abcdef"
[arms.values.training]
features = ["lexical"]
l2 = 1e-06
dropout = 0.2
batch_size = 16
[arms.values.strategy]
epochs = 3
learning_rate = 0.125
"""
FILE = f"""# Tuned values of the grid small: {TOLD}.
# Made by `python -m harness tune`, read by `run --tuned`. Scores are in percent, of dev alone.
grid = "small"
trials = 20
sizes = [200, 800]
replicates = 2
pretrainings = 4
commit = "c0ffee"
arms_sha256 = "{hashlib.sha256(OF_ARMS.strip().encode()).hexdigest()}"

{OF_ARMS}"""


def written(file: Path, *arms: TunedArm) -> TunedValues:
    write_tuned(TunedValues(file, "small", BUDGET, arms), {"commit": "c0ffee"})
    return read_tuned(file)


def test_the_file_is_this_text_and_comes_back_as_it_went(tmp_path: Path) -> None:
    file = tmp_path / "tuned" / "small.toml"
    found = written(file, ARM)
    assert file.read_text() == FILE
    features = ARM.values["training"] | {"features": ["lexical"]}
    assert found.arms == [dataclasses.replace(ARM, values=ARM.values | {"training": features})]
    assert (found.file, found.grid, found.budget, found.text) == (file, "small", BUDGET, FILE)
    assert found.arms_sha256 == hashlib.sha256(OF_ARMS.strip().encode()).hexdigest()
    assert write_tuned(found, {}) == found.arms_sha256
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


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("", "", True),
        ("# Made by", "# Looked at by me. Made by", True),
        ('commit = "c0ffee"', 'commit = "another"', True),
        ("l2 = 1e-06", "l2 = 1e-05", False),
        ("l2 = 1e-06", "l2 = 0.000001", False),
        ("dev = 61.25", "dev = 99.0", False),
        ("key = ", "# mine\nkey = ", False),
        ("[arms.values.strategy]", "[arms.values.encoder]\nhidden = 6\n[arms.values.strategy]", False),
    ],
)
def test_a_file_is_as_it_was_tuned_to_the_letter_of_its_arms(
    tmp_path: Path, before: str, after: str, same: bool
) -> None:
    written(tmp_path / "small.toml", ARM)
    text = (tmp_path / "small.toml").read_text().replace(before, after, 1)
    assert is_as_tuned(parse_tuned(text, tmp_path / "small.toml")) == same


def test_a_file_with_more_or_fewer_arms_is_not_as_it_was_tuned(tmp_path: Path) -> None:
    both = written(tmp_path / "small.toml", ARM, dataclasses.replace(ARM, names=NAMES | {"strategy": "none"}))
    assert is_as_tuned(both)
    head, first, second = both.text.split("[[arms]]")
    assert not is_as_tuned(parse_tuned(f"{head}[[arms]]{first}", both.file))
    assert not is_as_tuned(parse_tuned(f"{head}[[arms]]{second}[[arms]]{first}", both.file))


HEAD, _, REST = FILE.partition("\n[[arms]]\n")
DAMAGE = [
    ("grid = [", ": expected tuned values in TOML, found Invalid value (at end of document)"),
    (FILE.replace("trials = 20\n", ""), ": expected trials, a whole number; found nothing"),
    (FILE.replace("trials = 20", "trials = 2.5"), ", trials: expected a whole number, found 2.5"),
    (FILE.replace("pretrainings = 4", "pretrainings = true"), ", pretrainings: expected a whole number, found True"),
    (FILE.replace('grid = "small"', "grid = 3"), ", grid: expected a string, found 3"),
    (FILE.replace("arms_sha256", "# arms"), ": expected arms_sha256, a string; found nothing"),
    (FILE.replace("trials = 20", "trials = 0"), ", trials: expected 1 or more, found 0"),
    (FILE.replace("replicates = 2", "replicates = 0"), ", replicates: expected 1 or more, found 0"),
    (FILE.replace("pretrainings = 4", "pretrainings = -1"), ", pretrainings: expected 1 or more, found -1"),
    (FILE.replace("[200, 800]", "[]"), ", sizes: expected counts of labels, found []"),
    (FILE.replace("[200, 800]", "[0, 800]"), ", sizes: expected counts of labels, found [0, 800]"),
    (
        FILE.replace("complete = 15", "complete = 14"),
        ", arm 1: expected 20 trials, as many as every arm has, found 14 complete, 4 pruned, 1 failed",
    ),
    (FILE.replace('key = "0123456789abcdef"\n', ""), ", arm 1: expected key, a string; found nothing"),
    (f"{HEAD}\narms = 3\n", ": expected tables [[arms]], found 3"),
    (FILE.replace("trial = 7\n", ""), ", arm 1: expected trial, a whole number; found nothing"),
    (FILE.replace("dev = 61.25", 'dev = "61"'), ", arm 1, dev: expected a number, found '61'"),
    (
        FILE.replace("own_dev", "owndev"),
        ", arm 1: no key 'owndev'; did you mean 'own_dev'? Known: complete, corpus, dev, encoder, failed, key, own_dev, "
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
