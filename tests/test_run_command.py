"""`run` where its surroundings are not what one expects: plugins that end the process, files that vanish, no terminal."""

from __future__ import annotations

import csv
import gzip
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from commands import records_of
from conftest import MakePlugin, Printed, run_here

from harness.cli import main
from harness.errors import GoneError, as_record
from harness.grid import resolve
from harness.records import RecordStore
from harness.runner import Outcome
from harness.scheduler import pools
from harness.scheduler.carry_out import MARK, Rules, Watcher, carry_out

ROOT = Path(__file__).parents[1]
GRID = """
corpora    = {name = "synthetic", sample = 200}
encoders   = ["handcrafted", "mine"]
strategies = ["none"]
vectors    = "own"
sizes      = [10]
replicates = 2
[training]
min_updates = 5
max_updates = 5
"""
ENCODER = """
    import sys
    from harness.contracts import Encoder

    class Odd(BaseException):
        pass

    class Silent(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    class Mine(Encoder):
        size = 1

        def represent(self, batch):
            {what}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the grid small.toml."""
    (tmp_path / "small.toml").write_text(GRID)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    return tmp_path


def run(*words: str) -> int:
    return main(["run", "--grid", "small.toml", "--home", "home", "--results", "results", "--no-mlflow", *words])


def errors() -> dict[str, list[Any]]:
    """The error of each record, by encoder."""
    store = RecordStore(Path("home/records"))
    found: dict[str, list[Any]] = {}
    for record in store.each(store.keys()):
        found.setdefault(record["spec"]["encoder"]["name"], []).append(record["error"])
    return found


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("sys.exit(3)", "SystemExit", "3"),
        ("raise Odd('stop')", "Odd", "stop"),
        ("raise Silent", "Silent", "Silent"),
    ],
)
def test_whatever_a_plugin_raises_is_a_failed_record_and_the_grid_goes_on(
    what: str, kind: str, message: str, workers: str, here: Path, make_plugin: MakePlugin
) -> None:
    make_plugin("encoder", "mine", ENCODER.replace("{what}", what))
    assert run("--workers", workers) == 1
    found = errors()
    assert found["handcrafted"] == [None, None]
    assert [(error["type"], error["message"]) for error in found["mine"]] == 2 * [(kind, message)]
    assert all("Traceback" in error["traceback"] for error in found["mine"])


def test_an_error_without_words_is_told_by_its_type() -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert as_record(SilentError())["message"] == "SilentError"
    assert as_record(ValueError())["message"] == "ValueError"


def table() -> dict[str, dict[str, str]]:
    """The rows of the results' records, by their keys."""
    with gzip.open("results/small/records.csv.gz", "rt") as text:
        return {row["key"]: row for row in csv.DictReader(text)}


def test_results_keep_the_records_that_another_home_has_made(here: Path, printed: Printed) -> None:
    (here / "small.toml").write_text(GRID.replace(', "mine"', ""))
    assert run("--workers", "0") == 0
    before, board = table(), (here / "results/small/leaderboard.csv").read_text()
    (here / "home").rename("theirs")
    printed()
    time.sleep(1)  # records tell the second in which they were finished, and the later one stays
    assert run("--workers", "0", "--replicates", "1") == 0
    out, err = printed()
    assert "Records of results/small that are not in home/records, or worse there, stay in it: 1\n" in err
    assert "2 of 2 runs complete" in out
    assert len(records_of("home")) == 1
    after = table()
    assert after.keys() == before.keys()
    assert {key for key in after if after[key] != before[key]} == records_of("home").keys()
    assert (here / "results/small/leaderboard.csv").read_text() == board


def test_results_with_one_of_their_two_files_are_told(here: Path, printed: Printed) -> None:
    (here / "small.toml").write_text(GRID.replace(', "mine"', ""))
    assert run("--workers", "0") == 0
    (here / "results/small/predictions.npz").unlink()
    printed()
    assert run("--workers", "0") == 0
    told = "results/small has records.csv.gz without predictions.npz: its records can't be read, and are left out\n"
    assert told in printed()[1]
    assert (here / "results/small/predictions.npz").is_file()


def test_what_vanishes_in_the_middle_of_a_grid_is_made_again(tmp_path: Path) -> None:
    grid = resolve("small", GRID.replace(', "mine"', "").replace("replicates = 2", "replicates = 4"), tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    outcomes: list[Outcome] = []
    told: list[str] = []

    def finished(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == 2:
            shutil.rmtree(home / "artifacts" / "mentions")

    with pools.here() as pool:
        todo = list(grid.runs.values())
        carry_out(todo, grid, home, pool, Watcher(finished, told=told.append), Rules(), lambda task: 1.0)
    assert sorted(outcome.record["key"] for outcome in outcomes) == sorted(grid.runs)
    assert {outcome.record["status"] for outcome in outcomes} == {"complete"}
    (gone,) = [line for line in told if "is gone" in line]
    assert gone.startswith("the mentions ")
    assert gone.endswith(f" is gone from {home}/artifacts; expected it to stay while runs need it; it is made again")
    assert sum(line.startswith("Preparing synthetic") for line in told) == 2


def test_what_vanishes_again_and_again_ends_the_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = resolve("small", GRID.replace(', "mine"', ""), tmp_path)
    told: list[str] = []
    monkeypatch.setattr("harness.scheduler.carry_out.prepare", lambda *anything: None)  # a disk that forgets
    with pytest.raises(GoneError):
        run_here(grid, tmp_path / "home", told.append)
    assert len(told) == 2


def test_marks_that_killed_runs_left_are_removed(only_features: Path) -> None:
    Path("home").mkdir()
    (Path("home") / f"{MARK}old").touch()
    assert run("--workers", "0") == 0
    assert not list(Path("home").glob(f"{MARK}*"))


@pytest.fixture
def only_features(here: Path) -> Path:
    """The same grid without a plugin of one's own."""
    (here / "small.toml").write_text(GRID.replace(', "mine"', ""))
    return here


def command(*words: str) -> list[str]:
    asked = ["--grid", "small.toml", "--home", "home", "--results", "results", "--no-mlflow", "--workers", "0"]
    return [sys.executable, "-m", "harness", "run", *asked, *words]


def test_a_table_that_nobody_reads_to_its_end_changes_no_exit_code(only_features: Path) -> None:
    ran = subprocess.Popen(command(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert ran.stdout is not None
    ran.stdout.close()
    assert ran.wait(60) == 0
    assert (only_features / "results/small/leaderboard.md").is_file()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-"])
def test_without_a_terminal_the_grid_is_run_all_the_same(closed: str, only_features: Path) -> None:
    ran = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *command()], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    assert (only_features / "results/small/leaderboard.md").is_file()


def test_a_line_that_nobody_hears_ends_no_grid(only_features: Path) -> None:
    ran = subprocess.Popen(command("--replicates", "2"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert ran.stderr is not None
    ran.stderr.close()
    assert ran.wait(60) == 0
    assert len(list(Path("home/records").glob("??/*.json"))) == 2


def test_a_cluster_without_an_address_is_no_cluster(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in (
        (
            ["--scheduler", ""],
            "argument --scheduler: expected an address or a file, found nothing; is a variable empty?",
        ),
        (["--scheduler", "tcp://a:1", "--workers", "2"], "argument --workers: not allowed with argument --scheduler"),
        (["--run-timeout", "soon"], "argument --run-timeout: expected seconds, such as 600, found 'soon'"),
    ):
        with pytest.raises(SystemExit) as left:
            run(*words)
        assert left.value.code == 2
        assert told in capsys.readouterr().err


def test_workers_that_cannot_start_are_told(only_features: Path) -> None:
    surroundings = {**os.environ, "DASK_TEMPORARY_DIRECTORY": "/dev/null/x"}
    asked = [*command()[:-1], "1"]
    ran = subprocess.run(asked, capture_output=True, text=True, env=surroundings)
    assert ran.returncode == 2, ran.stderr
    (told,) = [line for line in ran.stderr.splitlines() if line.startswith("harness: ")]
    assert told.startswith("harness: worker processes can't be started: ")
    assert (
        "'/dev/null/x'. Is there a folder for their files (TMPDIR), are there limits on processes, open files or "
        in told
    )
    assert told.endswith("memory (ulimit -a)? Fewer --workers need less; --workers 0 needs none")
    assert "Traceback" not in ran.stderr


def test_nothing_is_removed_from_a_home_while_something_runs(only_features: Path, printed: Printed) -> None:
    (only_features / "small.toml").write_text(GRID.replace(', "mine"', "").replace("updates = 5", "updates = 20000"))
    ran = subprocess.Popen(command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not Path("home/artifacts/mentions").is_dir():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for words in (["prune", "--unused-for", "0"], ["verify", "--remove"]):
            assert main(["artifacts", *words, "--home", "home"]) == 2
            told = printed()[1]
            assert f"another process writes the records of home: `run --grid small.toml`, process {ran.pid} on " in told
        assert main(["artifacts", "prune", "--home", "home", "--unused-for", "0", "--dry-run"]) == 0
        assert main(["run", "--grid", "small.toml", "--home", "home", "--workers", "0"]) == 2
        assert f"process {ran.pid} on " in printed()[1]
    finally:
        ran.kill()
        ran.wait()
