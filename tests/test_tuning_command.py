"""`tune` from the command line, and `run --tuned`: files, storages, selections, what is refused and what is told."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import GRID, set_up
from conftest import MakePlugin, Printed
from test_tuned_values import TOLD, written
from test_tuning import MINE, mine
from test_tuning_grids import of_all

from harness.cli import main
from harness.grid import resolve
from harness.records import RecordStore
from harness.report.facts import commands
from harness.report.results import resolved_grid_file
from harness.tuned_files import parse_tuned, read_tuned

TUNE = ["tune", "--no-mlflow", "--workers", "0", "--trials", "2", "--tuning-sizes", "6", "--grid", "small.toml"]
RUN = ["run", "--no-mlflow", "--workers", "0", "--grid", "small.toml"]


@pytest.fixture
def folder(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the corpus `small` installed, its vectors, and the grid small.toml."""
    return set_up(tmp_path, make_plugin, monkeypatch)


@pytest.fixture
def home(folder: Path) -> list[str]:
    return ["--home", str(folder / "home")]


def test_from_tune_to_a_table_that_says_tuned(folder: Path, home: list[str], printed: Printed) -> None:
    assert main([*TUNE, *home]) == 0
    out, err = printed()
    assert re.fullmatch(
        r"(bilstm, (none|stepwise|lm): trial [01], dev [\d.]+ % \(the grid's own values: [\d.]+ %\); 2 complete; "
        r"\d+ s of runs(, \d+ s of pre-training, in (1 setting|2 settings))?\n){3}"
        r"Tuned values: tuned/small.toml; python -m harness run --grid small.toml --tuned reads them\n",
        out,
    ), out
    budget = (
        "2 trials an arm, each by dev at 6 labels over 2 replicates of its own, with at most 4 settings of pre-training"
    )
    assert f"Tuning small: {budget}; studies: {folder}/home/tuning/small.journal" in err
    assert re.search(r"^bilstm, lm: trial 1 \(of 2\): dev [\d.]+ %$", err, re.MULTILINE)
    assert main([*RUN, "--tuned", *home]) == 0
    assert f"Values: tuned, {budget}.\n" in printed()[0]
    grid = json.loads((folder / "results" / "small-tuned" / "grid.json").read_text())
    text = (folder / "tuned" / "small.toml").read_text()
    assert grid["tuned"]["text"] == text
    arms = {arm.names["strategy"]: arm for arm in parse_tuned(text, Path()).arms}
    store = RecordStore(folder / "home" / "records")
    records = list(store.each(store.keys()))
    assert len(records) == 6
    for record in records:
        wanted = arms[record["spec"]["strategy"]["name"]].values["training"]
        training = {name: record["spec"]["training"][name] for name in wanted}
        assert {**training, "dropout": training["dropout"] or 0.0} == wanted
        assert "test" in record["scores"]
    assert not (folder / "results" / "small").exists()
    # one run of it is repeated by its key, without the file, and the grid stays what it was
    (folder / "tuned" / "small.toml").unlink()
    assert main(["run", "--run", records[0]["key"], "--rerun", "all", "--workers", "0", "--no-mlflow", *home]) == 0
    assert json.loads(resolved_grid_file(folder / "home", "small-tuned").read_text()) == grid


def test_arms_that_are_tuned_one_by_one_come_together(folder: Path, home: list[str], printed: Printed) -> None:
    file = Path("tuned/small.toml")
    for strategy in ("none", "stepwise"):
        assert main([*TUNE, *home, "--strategy", strategy]) == 0
    assert [arm.names["strategy"] for arm in read_tuned(file).arms] == ["none", "stepwise"]
    assert "no longer" not in printed()[1]
    assert main([*TUNE, *home, "--strategy", "none", "--trials", "3"]) == 0
    told = printed()[1].splitlines()
    assert "bilstm, none: trial 0 (of 3)" not in "".join(told)
    assert told[-1] == (
        "tuned/small.toml no longer has what was not tuned with this budget in this storage: small, split paper, "
        "no_relation dropped, bilstm, stepwise, small (whole), small.txt, hidden=4, min_updates=10, max_updates=10"
    )
    assert [arm.names["strategy"] for arm in read_tuned(file).arms] == ["none"]


@pytest.mark.parametrize("where", ["sqlite:///studies.db", "studies.journal"])
def test_the_same_command_again_runs_nothing_and_writes_the_same_bytes(
    folder: Path, home: list[str], printed: Printed, where: str
) -> None:
    words = [*TUNE, "--strategy", "stepwise", "--out", "mine.toml", "--storage", where]
    files = Path("mine.toml"), Path("mine.trials.json")
    assert main([*words, *home]) == 0
    once = [file.read_bytes() for file in files]
    out, err = printed()
    assert "--tuned mine.toml reads them" in out
    assert "bilstm, stepwise: trial 1 (of 2): dev " in err
    tuning = next(line for line in err.splitlines() if line.startswith("Tuning small: "))
    # the second time from a home that has neither records nor artifacts: a study tells all that the files say
    for again in (home, ["--home", str(folder / "elsewhere")]):
        for file in files:
            file.unlink()
        assert main([*words, *again]) == 0
        out_again, err_again = printed()
        assert out_again == out
        assert [line for line in err_again.splitlines() if "(once)" not in line] == [tuning]
        assert [file.read_bytes() for file in files] == once
    there = folder / "home", folder / "elsewhere"
    assert [(path / "tuning" / "records").exists() for path in there] == [True, False]
    assert [(path / "artifacts" / "entity-vectors").exists() for path in there] == [True, False]


def test_a_selection_that_leaves_nothing_is_told(folder: Path, home: list[str], printed: Printed) -> None:
    text = GRID.replace("[{name", '["handcrafted", {name', 1).replace("features    = false", "features = true")
    Path("small.toml").write_text(text, encoding="utf-8")
    assert main([*TUNE, *home, "--encoder", "handcrafted", "--strategy", "lm"]) == 2
    assert printed()[1].splitlines()[-1] == (
        "harness: expected an arm to tune, found none of small that --encoder and the like leave"
    )
    assert not Path("tuned/small.toml").exists()


def test_a_file_that_was_changed_by_hand_is_not_written_over(folder: Path, home: list[str], printed: Printed) -> None:
    file = Path("tuned/small.toml")
    assert main([*TUNE, *home, "--strategy", "none"]) == 0
    file.write_text(f"# looked at\n{file.read_text()}")
    assert main([*TUNE, *home, "--strategy", "none"]) == 0  # a comment above the arms is no value
    text = file.read_text().replace("batch_size = ", "batch_size = 1")
    file.write_text(text)
    printed()
    assert main([*TUNE, *home, "--strategy", "none", "--trials", "3"]) == 2
    assert printed() == ("", (
        "harness: tuned/small.toml: its values have been changed since they were tuned, and would be written over; "
        "write elsewhere, --out FILE, or delete the file\n"
    ))  # fmt: skip
    assert file.read_text() == text
    assert main([*TUNE, *home, "--strategy", "none", "--out", "other.toml"]) == 0
    file.unlink()
    assert main([*TUNE, *home, "--strategy", "none"]) == 0
    assert read_tuned(file).arms == read_tuned(Path("other.toml")).arms


@pytest.mark.parametrize(
    ("out", "told"),
    [
        (".", "--out .: expected a file NAME.toml that can be written, found a folder"),
        ("folder/", "--out folder: expected a file NAME.toml that can be written, found another name"),
        ("folder.toml", "--out folder.toml: expected a file NAME.toml that can be written, found a folder"),
        ("x.json", "--out x.json: expected a file NAME.toml that can be written, found another name"),
        ("small.txt/x.toml", "--out small.txt/x.toml: expected a file NAME.toml that can be written, found small.txt, "
         "which is no folder"),
    ],
)  # fmt: skip
def test_a_place_that_can_not_be_written_is_told_before_anything_runs(
    folder: Path, home: list[str], printed: Printed, out: str, told: str
) -> None:
    Path("folder.toml").mkdir()
    assert main([*TUNE, *home, "--out", out]) == 2
    assert printed() == ("", f"harness: {told}\n")
    assert not (folder / "home").exists()


def test_a_grid_that_is_not_there_leaves_no_folder(folder: Path, home: list[str], printed: Printed) -> None:
    assert main(["tune", "--grid", "smal.toml", *home]) == 2
    assert printed() == ("", (
        "harness: the grid file smal.toml can't be read: [Errno 2] No such file or directory: 'smal.toml'\n"
    ))  # fmt: skip
    assert not Path("tuned").exists()


@pytest.mark.parametrize("storage", ["sqlite://", "nosuch://me:secret@host/studies"])
def test_a_storage_that_can_not_be_used_is_told_before_anything_runs(
    folder: Path, home: list[str], printed: Printed, storage: str
) -> None:
    assert main([*TUNE, *home, "--storage", storage]) == 2
    out, err = printed()
    shown = storage.replace("me:secret@", "")
    assert out == ""
    assert err.splitlines()[-1].startswith(f"harness: --storage {shown}: expected a file, or an address of an Optuna ")
    assert "secret" not in err
    assert not (folder / "home" / "tuning").exists()
    assert not Path("tuned/small.toml").exists()


def test_a_password_is_neither_told_nor_written(folder: Path, home: list[str], printed: Printed) -> None:
    Path("studies").mkdir()
    # a file whose path has the form of such an address, for it takes no server
    assert main([*TUNE, *home, "--strategy", "none", "--storage", "studies//me:secret@host.journal"]) == 0
    assert Path("studies/me:secret@host.journal").is_file()
    out, err = printed()
    assert "; studies: studies//host.journal\n" in err
    assert 'storage = "studies//host.journal"\n' in Path("tuned/small.toml").read_text()
    for text in (out, err, Path("tuned/small.toml").read_text(), Path("tuned/small.trials.json").read_text()):
        assert "secret" not in text


def test_a_run_needs_no_more_arms_than_are_tuned(folder: Path, home: list[str], printed: Printed) -> None:
    text = GRID.replace("[{name", '["handcrafted", {name').replace("features    = false", "features = true")
    Path("small.toml").write_text(text, encoding="utf-8")
    assert main([*TUNE, *home, "--encoder", "handcrafted", "--out", "part.toml"]) == 0
    assert main([*RUN, "--tuned", "part.toml", *home]) == 0
    out, _ = printed()
    assert "# Leaderboard: small-part-tuned\n\n2 of 2 runs complete, 0 failed." in out
    store = RecordStore(folder / "home" / "records")
    assert {record["spec"]["encoder"]["name"] for record in store.each(store.keys())} == {"handcrafted"}
    reason = "part.toml has no values of small, split paper, no_relation dropped, bilstm, none, small.txt, hidden=4"
    assert reason in (folder / "results" / "small-part-tuned" / "leaderboard.md").read_text().replace("\\", "")
    assert not (folder / "results" / "small-tuned").exists()


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
def test_tuned_where_it_has_no_meaning_is_told(home: list[str], printed: Printed, words: list[str], told: str) -> None:
    assert main(["run", *home, *words, "--tuned"]) == 2
    assert printed()[1] == f"harness: {told}\n"


def test_a_grid_that_is_called_like_a_tuned_one_is_refused(folder: Path, home: list[str], printed: Printed) -> None:
    Path("small-tuned.toml").write_text(GRID, encoding="utf-8")
    assert main(["run", *home, "--grid", "small-tuned.toml"]) == 2
    assert printed()[1].endswith(
        "harness: grid 'small-tuned', name: expected one that does not end in -tuned, which is what the grid 'small' "
        "with tuned values is called; rename the file\n"
    )


def test_a_bundle_takes_the_tuned_values_along(folder: Path, home: list[str], printed: Printed) -> None:
    written(Path("tuned/small.toml"), *of_all(resolve("small", GRID, folder), epochs=6))
    assert main(["bundle", "small.toml", "small.zip", "--tuned", *home]) == 0
    assert "6 runs of the grid small-tuned" in printed()[0]
    assert main(["run", "--bundle", "small.zip", "--home", str(folder / "there"), "--workers", "0", "--no-mlflow"]) == 0
    store = RecordStore(folder / "there" / "records")
    assert {record["spec"]["training"]["epochs"] for record in store.each(store.keys())} == {6}
    assert f"Values: tuned, {TOLD}." in printed()[0]


def test_labels_that_change_after_tuning_are_told_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    mine(tmp_path)
    mine(tmp_path, scrambled=True)  # the same corpus, some of its labels changed
    grid = Path("mine.toml")
    run = [*RUN[:-1], "mine.toml", "--tuned", "--home", "home"]
    grid.write_text(MINE.format(tmp_path / "mine-False", '["handcrafted"]', "true"), encoding="utf-8")
    assert main([*TUNE[:-1], "mine.toml", "--home", "home"]) == 0
    assert main(run) == 0
    assert "Not as they were tuned" not in printed()[0]
    grid.write_text(MINE.format(tmp_path / "mine-True", '["handcrafted"]', "true"), encoding="utf-8")
    assert main(run) == 0
    changed = ". Not as they were tuned, by other values, data or settings: handcrafted, none."
    budget = "over 2 replicates of its own, with at most 4 settings of pre-training"
    assert f"{budget}{changed}\n" in printed()[0]
    assert f"{budget}{changed}\n" in (tmp_path / "results" / "mine-tuned" / "leaderboard.md").read_text()


# Refusals


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--tuning-sizes", "6", "900"],
            ["--tuning-sizes, with small, split paper, no_relation dropped: asks for 900 training mentions, but the split has 51"],
        ),
        (["--encoder", "bilsmt"], ["--encoder: no encoder in this grid 'bilsmt'; did you mean 'bilstm'? Known: bilstm"]),
        (["--tuning-replicates", "1", "--tuning-sizes", "6"], [
            "--tuning-replicates: expected 2 or more, for one tells nothing of chance, found 1"
        ]),
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


@pytest.mark.parametrize("out", ["small.toml", "typo.toml"])
def test_a_file_that_has_no_tuned_values_is_not_written_over(
    folder: Path, home: list[str], printed: Printed, out: str
) -> None:
    Path("typo.toml").write_text("trials = = 3\n", encoding="utf-8")
    text = Path(out).read_text()
    assert main([*TUNE, *home, "--out", out]) == 2
    assert printed()[1].startswith(f"harness: {out}")
    assert Path(out).read_text() == text


def test_a_grid_with_values_of_some_arms_stays_what_it_is(folder: Path, home: list[str], printed: Printed) -> None:
    assert main([*TUNE, *home, "--strategy", "none", "--out", "sub/part.toml"]) == 0
    assert main([*RUN, "--tuned", "sub/part.toml", *home]) == 0
    grid = json.loads((folder / "results" / "small-part-tuned" / "grid.json").read_text())
    assert grid["refusals"][0]["reason"].startswith("part.toml has no values of small, ")
    store = RecordStore(folder / "home" / "records")
    key = next(store.keys())
    assert main(["run", "--run", key, "--rerun", "all", "--workers", "0", "--no-mlflow", *home]) == 0
    assert json.loads(resolved_grid_file(folder / "home", "small-part-tuned").read_text()) == grid
    assert "python -m harness run --grid small --tuned part.toml" in [command for command, _ in commands(grid)]


def test_values_beside_a_grid_are_found_by_their_name(folder: Path, home: list[str], printed: Printed) -> None:
    assert main([*TUNE, *home, "--strategy", "none", "--out", "tuned/small/part.toml"]) == 0
    assert main([*RUN, "--tuned", "part.toml", *home]) == 0
    assert "# Leaderboard: small-part-tuned\n" in printed()[0]
    assert main([*RUN, "--tuned", "other.toml", *home]) == 2
    expected = "harness: other.toml: expected tuned values, found no such file; make it: python -m harness tune --grid"
    assert printed()[1].splitlines()[-1].startswith(expected)
