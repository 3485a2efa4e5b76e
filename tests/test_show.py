"""`show`: one run in words, and the command that repeats it, typed as it stands; `--run`, which it needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Printed
from test_curves_of_grids import RESULTS, Arm, made

from harness.cli import main
from harness.records import RecordStore

ROOT = Path(__file__).parents[1]
GRID = """
corpora    = {name = "synthetic", sample = 200}
encoders   = ["handcrafted", "mean"]
strategies = ["none"]
vectors    = "own"
sizes      = [10, 20]
replicates = 2
[training]
min_updates = 5
max_updates = 5
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the grid small.toml, which has been run."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "small.toml").write_text(GRID)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.delenv("HARNESS_HOME", raising=False)
        assert main(["run", "--grid", "small.toml", "--workers", "0", "--no-mlflow"]) == 0
    return folder


@pytest.fixture
def here(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which one works."""
    folder = tmp_path / "here"
    shutil.copytree(ran, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    monkeypatch.delenv("HARNESS_HOME", raising=False)
    return folder


def records_of(home: str | Path = ".harness") -> dict[str, dict[str, Any]]:
    store = RecordStore(Path(home) / "records")
    return store.read_all(store.keys())


def last_line(printed: Printed, *more: str) -> str:
    """The command that `show` ends with."""
    assert main(["show", *more]) == 0
    *_, title, command = printed()[0].splitlines()
    assert title == "To repeat it"
    return command.strip()


def scores(record: dict[str, Any]) -> Any:
    return record["scores"], record["curve"], record["gold"]


def test_the_command_that_repeats_a_run_runs_that_one_again_and_no_other(here: Path, printed: Printed) -> None:
    before = records_of()
    key = next(key for key, record in before.items() if record["spec"]["encoder"]["name"] == "mean")
    printed()
    command = last_line(printed, key[:12])
    assert command == f"python -m harness run --run {key[:16]} --rerun all --workers 0 --device cpu"
    bin_folder = here / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (bin_folder / "python").chmod(0o755)
    store = RecordStore(Path(".harness/records"))
    times = {key: store.path(key).stat().st_mtime_ns for key in before}
    surroundings = os.environ | {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(command, shell=True, env=surroundings, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    after = records_of()
    assert {one for one in after if store.path(one).stat().st_mtime_ns != times[one]} == {key}
    assert scores(after[key]) == scores(before[key])
    assert "8 of 8 runs complete, 0 failed" in ran.stdout


def test_what_a_run_was_and_came_to_is_told(here: Path, printed: Printed) -> None:
    key, record = next(item for item in records_of().items() if item[1]["spec"]["encoder"]["name"] == "mean")
    printed()
    assert main(["show", key]) == 0
    out, err = printed()
    assert err == ""
    spec, test, dev = record["spec"], record["scores"]["test"], record["scores"]["dev"]
    path = Path(".harness/records") / key[:2] / f"{key}.json"
    told = [line.strip() for line in out.splitlines()]
    assert told[0] == f"Run {key[:16]} of cell {record['cell']}: complete"
    for line in (
        "corpus           synthetic, split paper, sample 200, no_relation dropped",
        f"training labels  {spec['size']}",
        f"replicate        {spec['replicate']} (it moves sample, subset, initialisation, order)",
        "strategy         none",
        f"vectors          own (unknown=hash), content {spec['vectors']['digest']}",
        f"record       {path}",
        f"predictions  {path.with_suffix('.npz')}",
        "grids        small",
        f"finished     {record['finished']}",
        "code         is the same",
        f"best update  {record['best_update']}: the weights that were kept, chosen on dev",
        f"torch      {record['environment']['torch']}",
        f"total     {record['seconds']['total']:.2f}",
        "curve        update, loss, dev micro-F1 without the negative class, directed in percent",
    ):
        assert line in told, line
    rows = {line.rsplit("  ", 1)[0]: line for line in told}
    headline = "micro-F1 without the negative class, directed"
    (row,) = [line for line in told if line.startswith(headline)]
    assert row.split()[-3:] == [f"{100 * dev['micro_f1_positive']:.2f}", f"{100 * test['micro_f1_positive']:.2f}", "(headline)"]  # fmt: skip
    assert len([line for line in rows if line.startswith(("accuracy", "micro-F1", "macro-F1"))]) == 5
    update, loss, score = (record["curve"][name][-1] for name in ("update", "loss", "dev"))
    assert f"{update}  {loss:.4f}  {100 * score:.2f}" in told


def test_a_text_and_what_pre_training_came_to_are_told(tmp_path: Path, printed: Printed) -> None:
    key = "f4f0fab218a19fa1"
    assert main(["records", "import", str(RESULTS / "pretraining"), "--home", str(tmp_path)]) == 0
    printed()
    assert main(["show", key, "--home", str(tmp_path), "--results", str(RESULTS)]) == 0
    out = printed()[0]
    assert "  text             enwik8 (selection=random, distance=20, sentences=13857, reader=linked-jsonl), content 944ffd71e545f198\n" in out  # fmt: skip
    assert (
        "  text               13,857 sentences, 41,500 mentions of 23,394 entities\n"
        "  linked             34.2 % of the target's arguments, 20.5 % to an entity mentioned five times\n"
        "  mentions           51,079\n"
        "  epochs             3, of which number 3 is kept\n"
        "  held-out loss      139.78 before, 74.23 after\n"
        "  pre-training took  177.7 s, once for all runs that start from it\n"
    ) in out
    # of the four grids that have the run, the first; its name is that of one that ships
    assert out.endswith(
        f"  python -m harness run --grid fine-tuning-settings --run {key} --rerun all --workers 0 --device cpu --home {tmp_path} --results "
        f"{RESULTS}\n"
    )


def test_hidden_vectors_are_told(tmp_path: Path, printed: Printed) -> None:
    assert main(["records", "import", str(RESULTS / "hidden"), "--home", str(tmp_path)]) == 0
    (record, *_) = records_of(tmp_path).values()
    found = record["hidden"]
    printed()
    assert main(["show", record["key"], "--home", str(tmp_path), "--results", str(RESULTS)]) == 0
    out = printed()[0]
    assert (
        "\n\nHidden vectors of dev\n  of                  362 mentions of per:employee_of(e1,e2), per:employee" in out
    )
    for time in ("before", "after"):
        told = f"k-NN agreement {found[time]['knn']:.3f} (k = 10), silhouette {found[time]['silhouette']:.3f}\n"
        assert f"{time} fine-tuning".ljust(20) + told in out


def test_a_failed_run_tells_its_error(tmp_path: Path, printed: Printed) -> None:
    _, records = made(Arm("bilstm/seq", {50: [None]}))
    (record,) = records.values()
    record["error"] = {"type": "ValueError", "message": "too\nmuch", "traceback": "Traceback:\n  in here\n"}
    RecordStore(tmp_path / "records").write(record, None, None)
    assert main(["show", record["key"], "--home", str(tmp_path), "--results", str(tmp_path)]) == 0
    out = printed()[0]
    assert out.startswith(f"Run {record['key'][:16]} of cell {record['cell']}: failed\n")
    assert "\n\nError\n  ValueError: too\nmuch\n\nTraceback:\n  in here\n\nTo repeat it\n" in out
    assert "  corpus           toy (split=paper, split_seed=0)\n" in out
    assert "Scores" not in out and "  grids     none that is known here\n" in out
    assert "  code      of another form of records\n" in out
    assert out.endswith(f"  no grid that was resolved in {tmp_path}, or is in {tmp_path}, has this run; resolve its grid: python -m harness plan --grid NAME\n")  # fmt: skip


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_the_device_of_a_run_is_that_of_its_repetition(tmp_path: Path, printed: Printed, device: str) -> None:
    grid, records = made(Arm("bilstm/seq", {50: [1.0]}), name="quick")
    (record,) = records.values()
    record["environment"] = {"device": device}
    record["seconds"] = None
    RecordStore(tmp_path / "records").write(record, None, None)
    (tmp_path / "grids").mkdir()
    (tmp_path / "grids" / "quick.json").write_text(json.dumps(grid))
    command = last_line(printed, record["key"], "--home", str(tmp_path), "--results", str(tmp_path / "r"))
    # the grid `quick` that comes with the harness is another one
    assert command == f"python -m harness run --run {record['key'][:16]} --rerun all --workers 0 --device cuda --home {tmp_path} --results {tmp_path / 'r'}"  # fmt: skip


def test_what_can_not_be_shown_is_told(tmp_path: Path, printed: Printed) -> None:
    _, records = made(Arm("bilstm/seq", {size: [1.0] for size in range(1, 60)}))
    store = RecordStore(tmp_path / "records")
    for record in records.values():
        store.write(record, None, None)
    first, other, *_ = records
    store.path(first).write_text("{")
    odd = records[other] | {"spec": {}}
    store.write(odd, None, None)
    asked = ["--home", str(tmp_path), "--results", str(RESULTS)]
    number = sum(key.startswith(first[0]) for key in records)
    lacking = f"no record's key in {tmp_path} begins with 'f4f0fab218a19fa1'; the grid '{{}}' has such a run. python -m harness records import {RESULTS}/{{}}"  # fmt: skip
    for key, told in (
        ("zz", "no record's key begins with 'zz'; expected one. python -m harness records list shows them"),
        (first[0], f"{number} records' keys begin with '{first[0]}'; expected one. python -m harness records list shows them"),
        (first, f"the record {store.path(first)} is damaged (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); python -m harness run makes it again"),
        (other, f"{store.path(other)}: a record of another form (no 'corpus'); python -m harness records show {other[:16]} prints it as it is"),
        ("f4f0fab218a19fa1", lacking.format("fine-tuning-settings", "fine-tuning-settings")),
    ):  # fmt: skip
        assert main(["show", key, *asked]) == 2
        assert printed() == ("", f"harness: {told}\n")


def test_a_run_of_a_grid_that_was_only_planned_can_be_run(tmp_path: Path, printed: Printed) -> None:
    grid, records = made(Arm("bilstm/seq", {50: [1.0]}))
    (tmp_path / "grids").mkdir()
    (tmp_path / "grids" / "small.json").write_text(json.dumps(grid))
    key = next(iter(records))
    assert main(["show", key[:8], "--home", str(tmp_path), "--results", str(tmp_path / "r")]) == 2
    told = f"no record's key in {tmp_path} begins with '{key[:8]}'; the grid 'small' has such a run. python -m harness run --run {key[:8]}"  # fmt: skip
    assert printed() == ("", f"harness: {told}\n")


# --run


def test_run_narrows_a_grid_and_finds_it_where_none_is_named(here: Path, printed: Printed) -> None:
    first, second, *_ = records_of()
    printed()
    for words in (["--grid", "small.toml", "--run", first, second[:20]], ["--run", first[:30], second]):
        assert main(["plan", *words]) == 0
        assert printed()[0].endswith("Nothing to run: 0 to run, 2 complete, 0 failed.\n")
    assert main(["plan", "--run", first, "--encoder", "mean", "--rerun", "all"]) == 0
    is_mean = records_of()[first]["spec"]["encoder"]["name"] == "mean"
    assert ("1 to run" if is_mean else "0 to run") in printed()[0]


def test_a_grid_is_found_among_the_results_too(here: Path, printed: Printed) -> None:
    key = next(iter(records_of()))
    shutil.rmtree(".harness")
    printed()
    assert main(["run", "--run", key, "--workers", "0", "--no-mlflow", "--results", "results"]) == 0
    assert list(records_of()) == [key]


def test_what_run_does_not_find_is_told(here: Path, printed: Printed) -> None:
    key = next(iter(records_of()))
    printed()
    for words, told in (
        (["--run", "zz"], "--run: no grid that was resolved in .harness, or is in results, has a run whose key begins with 'zz'; name its grid, --grid NAME"),
        (["--grid", "small.toml", "--run", "zz", key], "--run: no run of this grid has a key that begins with 'zz'"),
        (["--run", key, "--vectors", "v.txt"], "--vectors: the grid 'small' names its vectors; leave the flag out"),
    ):  # fmt: skip
        assert main(["plan", *words]) == 2
        assert printed() == ("", f"harness: {told}\n")


def test_show_needs_no_torch(tmp_path: Path) -> None:
    _, records = made(Arm("bilstm/seq", {50: [1.0]}))
    (record,) = records.values()
    RecordStore(tmp_path / "records").write(record, None, None)
    words = ["show", record["key"], "--home", str(tmp_path), "--results", str(tmp_path)]
    program = (
        f"import sys; from harness.cli import main; assert main({words!r}) == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
