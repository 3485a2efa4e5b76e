"""`records list`, `show`, `import`, `merge`, `export`, `prune`: what they do, say, and answer to what is wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Printed
from test_records import GOLD, PREDICTED, files

from harness import provenance
from harness.cli import main
from harness.locks import locked
from harness.records import RecordStore
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training

SPEC = RunSpec(
    CorpusSpec("synthetic", "0123", "paper", 0, "drop"), None, None, PluginSpec("mean", {}), PluginSpec("none", {}),
    Training(features=()), 50, 0,
)  # fmt: skip
LATE = "2027-01-01T00:00:00+00:00"


def record(replicate: int, **more: Any) -> dict[str, Any]:
    """A complete record of today's code."""
    spec = dataclasses.replace(SPEC, replicate=replicate)
    return {
        "format": 1, "key": spec.key, "cell": spec.cell, "spec": spec.as_dict(), "status": "complete", "error": None,
        "environment": {"sources": dict(provenance.sources("mean", "none", "synthetic"))},
        "scores": {"dev": {"accuracy": 0.7, "micro_f1": 0.7}, "test": {"accuracy": 0.8, "micro_f1": 0.8}},
        "seconds": {"total": 1.5}, "finished": "2026-01-02T03:04:05+00:00", **more,
    }  # fmt: skip


def failure(replicate: int, **more: Any) -> dict[str, Any]:
    error = {"type": "ValueError", "message": "a loss that is no number\nin update 3", "traceback": None}
    return record(replicate, status="failed", error=error, **more)


def stale(replicate: int) -> dict[str, Any]:
    return record(replicate, environment={"sources": {"harness": "another"}})


KEYS = [record(number)["key"] for number in range(8)]


def write(home: str, *records: dict[str, Any]) -> RecordStore:
    store = RecordStore(Path(home) / "records")
    for made in records:
        store.write(made, *((GOLD, PREDICTED) if made["status"] == "complete" else (None, None)))
    return store


def keys_of(home: str) -> set[str]:
    store = RecordStore(Path(home) / "records")
    return {found["key"] for found in store.each(list(store.keys()))}


def resolve(home: str, name: str, *numbers: int) -> None:
    """Leave a resolved grid of these runs in a home, as `run` does."""
    cell = {"cell": SPEC.cell, "corpus": 0, "encoder": "mean", "strategy": "none", "text": None, "variant": "",
            "size": 50, "keys": [KEYS[number] for number in numbers], "spec": SPEC.as_dict()}  # fmt: skip
    corpus = {"label": "synthetic", "name": "synthetic", "split": "paper", "classes": ["a", "b", "c"], "negative": None,
              "counts": {"train": 9, "dev": 9, "test": 5}, "metric": "micro_f1", "left_out": {}, "remarks": [],
              "notice": ""}  # fmt: skip
    grid = {"format": 1, "name": name, "source": "", "corpora": [corpus], "cells": [cell], "refusals": []}
    file = Path(home) / "grids" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(grid))


def harness(*arguments: str, home: str = "home") -> int:
    return main(["records", *arguments, "--home", home])


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed) -> Callable[..., tuple[int, str, str]]:
    """What a command answers: exit code, out, err; in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_HOME", raising=False)

    def answer(*arguments: str, home: str = "home") -> tuple[int, str, str]:
        code = harness(*arguments, home=home)
        out, err = printed()
        assert "Traceback" not in err
        return code, out, err

    return answer


Told = Callable[..., tuple[int, str, str]]


# list and show


def test_a_record_is_a_line(told: Told) -> None:
    text = TextSpec("enwik8", "0123", "random", 20)
    other = dataclasses.replace(SPEC, text=text)
    with_text = record(0) | {"key": other.key, "cell": other.cell, "spec": other.as_dict()}
    write("home", record(0), failure(1), with_text)
    run = "50 labels, replicate"
    lines = {
        KEYS[0]: f"{SPEC.cell}  complete  synthetic mean none  {run} 0  accuracy 80.0 %",
        KEYS[1]: f"{SPEC.cell}  failed    synthetic mean none  {run} 1  a loss that is no number",
        other.key: f"{other.cell}  complete  synthetic mean none on enwik8 (random)  {run} 0  accuracy 80.0 %",
    }
    assert told("list") == (0, "".join(f"{key[:16]}  {lines[key]}\n" for key in sorted(lines)), "")


@pytest.mark.parametrize(
    ("flags", "numbers"),
    [
        ([], {0, 1, 2, 3}),
        (["--complete"], {0, 2, 3}),
        (["--failed"], {1}),
        (["--stale"], {2, 3}),
        (["--failed", "--stale"], set()),
        (["--grid", "few"], {0, 1, 2}),
        (["--grid", "few", "--complete", "--stale"], {2}),
    ],
)
def test_the_list_is_narrowed(told: Told, flags: list[str], numbers: set[int]) -> None:
    write("home", record(0), failure(1), stale(2), stale(3))
    resolve("home", "few", 0, 1, 2, 7)
    code, out, _ = told("list", *flags)
    assert code == 0
    assert {line[:16] for line in out.splitlines()} == {KEYS[number][:16] for number in numbers}


def test_complete_and_failed_exclude_each_other(told: Told, printed: Printed) -> None:
    with pytest.raises(SystemExit) as end:
        told("list", "--failed", "--complete")
    assert end.value.code == 2
    assert "argument --complete: not allowed with argument --failed" in printed()[1]


def test_what_cannot_be_read_is_told_beside_the_list(told: Told) -> None:
    store = write("home", record(0), record(1))
    store.path(KEYS[0]).write_text("{")
    code, out, err = told("list")
    assert (code, len(out.splitlines())) == (0, 1)
    assert err == (
        f"harness: the record {store.path(KEYS[0])} is damaged (Expecting property name enclosed in double quotes: line 1 "
        "column 2 (char 1)); it counts as missing, and `run` makes it again\n"
    )


def test_a_record_of_another_form_is_a_line_too(told: Told) -> None:
    write("home", record(0, spec={"corpus": {}}), record(1, scores=None), record(2, environment={}))
    code, out, err = told("list", "--stale")
    assert (code, out, err) == (0, "", "")
    code, out, err = told("list")
    lines = {line[:16]: line for line in out.splitlines()}
    assert (code, len(lines), err) == (0, 3, "")
    assert lines[KEYS[0][:16]].endswith("complete  a record of another form: no 'training'")
    assert lines[KEYS[1][:16]].endswith("complete  a record of another form: 'NoneType' object is not subscriptable")


def test_a_record_is_shown_by_the_beginning_of_its_key(told: Told) -> None:
    write("home", failure(0), failure(1))
    code, out, err = told("show", KEYS[0][:12])
    assert (code, json.loads(out), err) == (0, failure(0), "")
    nothing = "python -m harness records list shows them\n"
    assert told("show", "zz") == (2, "", f"harness: no record's key begins with 'zz'; expected one. {nothing}")
    assert told("show", "") == (2, "", f"harness: 2 records' keys begin with ''; expected one. {nothing}")


# import and merge


def test_records_come_home_from_several_places_and_again(told: Told) -> None:
    write("one", record(0), failure(1))
    write("two", record(1), record(2))
    write("home", record(2, finished=LATE))
    said = "{}: {} brought to home, {} here already as good or better, 0 damaged\n"
    first = said.format("one", "2 records", 0) + said.format("two/records", "1 record", 1)
    assert told("merge", "one", "two/records") == (0, first, "")
    again = said.format("one", "0 records", 2) + said.format("two/records", "0 records", 2)
    assert told("merge", "one", "two/records") == (0, again, "")
    assert keys_of("home") == set(KEYS[:3])


def test_what_is_exported_is_merged_and_imported(told: Told) -> None:
    write("one", record(0), failure(1))
    assert told("export", "results/mine", home="one") == (0, "2 records of one written to results/mine\n", "")
    brought = "results/mine: 2 records brought to {}, 0 here already as good or better, 0 damaged\n"
    for verb in ("merge", "import"):
        assert told(verb, "results/mine", home=verb) == (0, brought.format(verb), "")
        assert keys_of(verb) == set(KEYS[:2])


def test_an_import_takes_the_better_record_too(told: Told) -> None:
    write("one", record(0, finished=LATE))
    write("home", record(0))
    assert told("export", "mine", home="one")[0] == 0
    assert told("import", "mine")[1] == "mine: 1 record brought to home, 0 here already as good or better, 0 damaged\n"


def test_what_is_damaged_is_told_left_out_and_answered_with_1(told: Told) -> None:
    store = write("one", record(0), record(1))
    write("two", record(2))
    store.path(KEYS[0]).write_text("")
    code, out, err = told("merge", "one", "two")
    assert code == 1
    assert out == (
        "one: 1 record brought to home, 0 here already as good or better, 1 damaged\n"
        "two: 1 record brought to home, 0 here already as good or better, 0 damaged\n"
    )
    assert err == (
        f"harness: {store.path(KEYS[0])}: damaged, and left out: Expecting value: line 1 column 1 (char 0)\n"
    )
    told("export", "mine", home="two")
    Path("mine/predictions.npz").write_bytes(b"")
    assert told("import", "mine") == (
        1,
        "mine: 0 records brought to home, 0 here already as good or better, 1 damaged\n",
        "harness: mine/predictions.npz: damaged, and left out: File is not a zip file\n",
    )


def test_a_place_that_is_none_is_told_before_any_record_is_brought(told: Told) -> None:
    write("one", record(0))
    write("home", record(1))
    expected = "expected a home folder, its folder records, or a results folder with records.csv.gz and predictions.npz"
    assert told("merge", "one", "nowhere") == (2, "", f"harness: nowhere is not here; {expected}\n")
    assert told("merge", "one", ".") == (2, "", f"harness: no record is in .; {expected}\n")
    itself = "is the home to which records are to come; name another place, or another --home"
    assert told("merge", "one", "home/records") == (2, "", f"harness: home/records {itself}\n")
    missing = "expected a results folder, such as results/kbp37, with records.csv.gz"
    assert told("import", "one") == (2, "", f"harness: one/records.csv.gz is not here; {missing}\n")
    assert keys_of("home") == {KEYS[1]}


@pytest.mark.parametrize("verb", [("merge", "a place"), ("import", "a place"), ("prune", "--failed")])
def test_while_another_process_writes_records_nothing_is_changed(told: Told, verb: tuple[str, ...]) -> None:
    write("one", record(0))
    told("export", "a place", home="one")
    write("home", failure(1))
    with locked(Path("home"), "records", "run --grid kbp37"):
        code, out, err = told(*verb)
    assert (code, out) == (2, "")
    assert err.startswith(
        f"harness: another process writes the records of home: `run --grid kbp37`, process {os.getpid()} on "
    )
    assert err.endswith(". Wait until it ends, stop it, or choose another folder with --home\n")
    assert keys_of("home") == {KEYS[1]}
    assert told(*verb)[0] == 0


def test_a_merge_says_what_it_does_to_who_comes_second(told: Told, tmp_path: Path) -> None:
    write("one", *map(record, range(8)))
    folder = Path("one/records") / KEYS[0][:2]
    stuck = folder / f"{KEYS[0][:2]}{'f' * 62}.json"  # a record that is never read to its end keeps the merge waiting
    os.mkfifo(stuck)
    command = [sys.executable, "-m", "harness", "records", "merge", "one", "--home", "home"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        deadline = time.time() + 60
        while not Path("home/locks/records.json").exists() and time.time() < deadline:
            time.sleep(0.02)
        code, _, err = told("prune", "--failed")
        assert code == 2
        assert f"`records merge one`, process {process.pid} on " in err
    finally:
        process.kill()
        process.communicate()
    stuck.unlink()
    assert told("merge", "one")[0] == 0
    assert keys_of("home") == set(KEYS)


# export


def test_an_export_holds_the_grid_that_is_asked_for(told: Told) -> None:
    write("home", record(0), record(1), record(2))
    resolve("home", "few", 0, 2, 5)
    assert told("export", "mine", "--grid", "few") == (0, "2 records of home written to mine\n", "")
    told("import", "mine", home="other")
    assert keys_of("other") == {KEYS[0], KEYS[2]}


def test_an_export_is_overwritten_by_one_of_the_same_home_alone(told: Told) -> None:
    write("home", record(0))
    write("other", record(1))
    assert told("export", "mine")[0] == 0
    write("home", record(2))
    assert told("export", "mine") == (0, "2 records of home written to mine\n", "")
    before = {file: file.read_bytes() for file in files(Path("mine"))}
    code, out, err = told("export", "mine", home="other")
    assert (code, out) == (2, "")
    assert err == (
        "harness: mine holds other records, which an export would overwrite: 2 that are not in other/records, or worse "
        "there, and 0 that are damaged. First bring them home: python -m harness records merge mine (then delete "
        "records.csv.gz there, if some are damaged); or choose another folder\n"
    )
    assert {file: file.read_bytes() for file in files(Path("mine"))} == before


def test_an_export_without_records_is_told(told: Told) -> None:
    expected = "expected some to export. Name another --home\n"
    assert told("export", "mine") == (2, "", f"harness: no record is in home; {expected}")
    resolve("home", "few", 0)
    write("home", record(1))
    assert told("export", "mine", "--grid", "few") == (
        2, "", f"harness: no record of grid 'few' is in home; {expected}"
    )  # fmt: skip
    assert not Path("mine").exists()


def test_an_export_leaves_out_and_tells_what_cannot_be_read(told: Told) -> None:
    store = write("home", record(0), record(1), record(2))
    store.path(KEYS[0]).write_text("[]")
    code, out, err = told("export", "mine")
    assert (code, out) == (1, "2 records of home written to mine\n")
    assert err.startswith(f"harness: the record {store.path(KEYS[0])} is damaged (expected the record of {KEYS[0]});")
    store.predictions_path(KEYS[1]).unlink()
    code, out, err = told("export", "another")
    assert (code, out) == (2, "")
    assert err.startswith(f"harness: {store.predictions_path(KEYS[1])}: expected the predictions of run ")
    assert not files(Path("another"))


# prune


def pruned(number: int, why: str, end: str = "accuracy 80.0 %") -> str:
    return f"removed: {KEYS[number][:16]}  {why}  synthetic mean none  50 labels, replicate {number}  {end}"


def lines_of(out: str) -> tuple[set[str], str]:
    *lines, last = out.splitlines()
    assert len(set(lines)) == len(lines)
    return set(lines), last


def test_what_is_asked_for_goes_and_is_told(told: Told) -> None:
    store = write("home", record(0), failure(1), stale(2), record(3), failure(4))
    resolve("home", "few", 0, 1)
    resolve("home", "more", 2, 4)
    code, out, err = told("prune", "--failed", "--stale", "--not-in-grids", "--dry-run")
    expected = {
        pruned(1, "failed", "a loss that is no number"), pruned(2, "stale"), pruned(3, "in no grid"),
        pruned(4, "failed", "a loss that is no number"),
    }  # fmt: skip
    assert (code, err) == (0, "")
    would_be = {f"would be {line}" for line in expected}
    assert lines_of(out) == (would_be, "4 records and 0 other files would be removed, of 5 records")
    assert keys_of("home") == set(KEYS[:5])
    code, out, err = told("prune", "--failed", "--stale", "--not-in-grids")
    assert (code, err) == (0, "")
    assert lines_of(out) == (expected, "4 records and 0 other files are removed, of 5 records")
    assert files(store.root) == sorted([store.path(KEYS[0]), store.predictions_path(KEYS[0])])


@pytest.mark.parametrize(
    ("flags", "gone"),
    [
        (["--failed"], {1, 4}),
        (["--stale"], {2}),
        (["--not-in-grids"], {3, 4}),
        (["--failed", "--grid", "few"], {1}),
        (["--stale", "--not-in-grids", "--grid", "few"], {2}),
        (["--damaged"], set()),
    ],
)
def test_nothing_else_goes(told: Told, flags: list[str], gone: set[int]) -> None:
    write("home", record(0), failure(1), stale(2), record(3), failure(4))
    resolve("home", "few", 0, 1, 2)
    assert told("prune", *flags)[0] == 0
    assert keys_of("home") == {KEYS[number] for number in range(5)} - {KEYS[number] for number in gone}


def test_why_a_record_goes_is_told_with_every_reason(told: Told) -> None:
    write("home", failure(1) | {"environment": {"sources": {}}})
    resolve("home", "few", 0)
    _, out, _ = told("prune", "--failed", "--stale", "--damaged", "--not-in-grids")
    assert out.splitlines()[0] == pruned(1, "failed, stale, in no grid", "a loss that is no number")


def test_what_is_damaged_or_left_of_killed_writers_goes(told: Told) -> None:
    store = write("home", *map(record, range(6)))
    store.path(KEYS[0]).write_text("{")
    store.predictions_path(KEYS[1]).unlink()
    store.predictions_path(KEYS[2]).write_bytes(b"PK")
    store.path(KEYS[3]).unlink()
    old, new = store.root / KEYS[4][:2] / ".unfinished-old", store.root / KEYS[4][:2] / ".unfinished-new"
    for file in (old, new):
        file.write_text("half")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    resolve("home", "few", 4, 5)
    assert told("prune", "--damaged", "--grid", "few")[1] == "0 records and 0 other files are removed, of 5 records\n"
    code, out, _ = told("prune", "--damaged")
    assert code == 0
    assert lines_of(out) == (
        {
            f"removed: {KEYS[0][:16]}  can't be read: Expecting property name enclosed in double quotes: line 1 column 2 "
            "(char 1)",
            pruned(1, f"damaged: {KEYS[1]}.npz: No such file or directory"),
            pruned(2, f"damaged: {KEYS[2]}.npz: File is not a zip file"),
            f"removed: {KEYS[3][:16]}  predictions without a record",
            "removed: .unfinished-old  half written",
        },
        "3 records and 2 other files are removed, of 5 records",
    )
    kept = [path for key in KEYS[4:6] for path in (store.path(key), store.predictions_path(key))]
    assert files(store.root) == sorted([*kept, new])


def test_a_file_that_is_there_and_cannot_be_read_is_not_taken_for_damaged(told: Told) -> None:
    store = write("home", record(0))
    store.path(KEYS[0]).unlink()
    store.path(KEYS[0]).mkdir()
    told_of = f"can't read {store.path(KEYS[0])}: Is a directory. Whether it is damaged can't be told"
    assert told("prune", "--damaged") == (2, "", f"harness: {told_of}\n")


def test_nothing_to_remove_is_a_mistake(told: Told) -> None:
    write("home", failure(0))
    expected = (
        "harness: expected what to remove: --failed, --stale, --damaged, --not-in-grids, or several of them; with "
        "--dry-run it is told, and stays\n"
    )
    for flags in ((), ("--dry-run",)):
        assert told("prune", *flags) == (2, "", expected)
    assert keys_of("home") == {KEYS[0]}


def test_without_any_resolved_grid_not_in_grids_removes_nothing(told: Told) -> None:
    write("home", record(0))
    assert told("prune", "--not-in-grids") == (
        2,
        "",
        f"harness: no grid has been resolved in home: expected some in {Path('home/grids')}, to tell which records are of "
        "none. Resolve one: python -m harness plan --grid NAME\n",
    )
    resolve("home", "few", 1)
    Path("home/grids/broken.json").write_text("{}")
    code, out, err = told("prune", "--not-in-grids")
    assert (code, out) == (2, "")
    assert err == "harness: home/grids/broken.json: expected a resolved grid, found damage: something else\n"
    assert keys_of("home") == {KEYS[0]}


def test_a_grid_that_cannot_be_read_is_told_before_anything_goes(told: Told) -> None:
    write("home", record(0))
    Path("home/grids/few.json").mkdir(parents=True)
    assert told("prune", "--not-in-grids") == (2, "", "harness: can't read home/grids/few.json: Is a directory\n")


@pytest.mark.parametrize("text", ["[]", "7", '{"name": "few", "cells": [{}], "corpora": []}', "{", ""])
def test_a_grid_that_is_none_is_told(told: Told, text: str) -> None:
    resolve("home", "few", 0)
    Path("home/grids/few.json").write_text(text)
    for verb in (("list",), ("export", "mine"), ("prune", "--failed")):
        code, out, err = told(*verb, "--grid", "few")
        assert (code, out) == (2, "")
        assert err.startswith("harness: home/grids/few.json: expected a resolved grid, found damage: ")


def test_a_grid_that_was_not_run_is_told(told: Told) -> None:
    for verb in (("list",), ("export", "mine"), ("prune", "--failed")):
        code, _, err = told(*verb, "--grid", "few")
        assert code == 2
        assert err.startswith("harness: grid 'few' has not been run here: expected ")


# What a process has in memory


def test_records_need_no_torch_and_a_list_without_a_grid_no_pandas(tmp_path: Path) -> None:
    write(str(tmp_path / "home"), stale(0))
    script = """
import sys
from harness.cli import main
main(["records", "list", "--stale", "--home", "home"])
assert "pandas" not in sys.modules
main(["records", "prune", "--stale", "--damaged", "--home", "home"])
assert "torch" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("1 record and 0 other files are removed, of 1 record\n")
