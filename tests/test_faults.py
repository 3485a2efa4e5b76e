"""Faults, each with the real thing: processes that are killed, memory and disks that are full, plugins that hang."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import (
    CORPUS,
    GRID,
    Command,
    Disk,
    records_of,
    running,
    set_up,
    small_disk,
    timeless,
    unfinished,
)
from conftest import MakePlugin, Printed

from harness.cli import main

ENCODER = '{name = "bilstm", hidden = 4}'
AXES = GRID[GRID.index("strategies") : GRID.index("vectors")]
ONCE = GRID.replace("replicates = 2", "replicates = 1")
PLAIN = ONCE.replace(AXES, 'strategies = ["none"]\n').replace(
    'texts      = {name = "small", selection = "whole"}\n', ""
)
"""A single run, which reads no text."""

SPOILT = """
    import os, re, signal, time
    from pathlib import Path

    import psutil
    import torch
    from encoders.bilstm import BiLSTM

    KEPT = []

    def hold():
        Path(f"begun-{{os.getpid()}}").touch()
        while Path("hold").exists():
            time.sleep(0.02)

    def take_memory(share):
        limit = int(os.environ["MEMORY"])
        while psutil.Process().memory_info().rss < share * limit:
            KEPT.append(torch.ones(4_000_000))  # 16 MB
            time.sleep(0.03)

    class Interrupted:
        # Is interrupted when it is dropped, once.
        def __del__(self):
            number = signal.SIGTERM if Path("term").exists() else signal.SIGINT
            if not Path("dropped").exists():
                Path("dropped").touch()
                signal.raise_signal(number)

    class Spoilt(BiLSTM):
        # An encoder with a fault.
        def encode(self, reading):
            {fault}
            return super().encode(reading)
"""
STUCK = """
    from strategies.lm import LanguageModel

    class Stuck(LanguageModel):
        # Hangs in pre-training, of one encoder.
        def objective(self, encoder, mentions, generator):
            while type(encoder).__name__ == "BiLSTM":
                pass
            return super().objective(encoder, mentions, generator)
"""
TIMEOUT = (
    "it took longer than the 6 s that --run-timeout allows; expected it to end. Is something in it hanging? Else allow "
    "more"
)
DIED = (
    "the worker process died in this run, more than once; expected it to live. Is there enough memory for it (fewer "
    "--workers leave more to each), or does a plugin end the process?"
)
NOT_FINITE = (
    "the loss became nan between update 0 and 1 of 10; expected a finite loss. Lower training.learning_rate (now 0.05) "
    "or check the vectors' scale"
)
KEPT = "The finished runs are kept; the same command goes on with the rest.\nharness: interrupted\n"
FULL = "No space left on device. Free some space, or choose another folder with --home"


@pytest.fixture
def here(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    return set_up(tmp_path, make_plugin, monkeypatch)


class Spoil:
    """Makes encoders with a fault, and a grid of them."""

    def __init__(self, here: Path, make_plugin: MakePlugin) -> None:
        self._here, self._make_plugin = here, make_plugin

    def __call__(self, grid: str, **faults: str) -> None:
        for name, fault in faults.items():
            self._make_plugin("encoder", name, SPOILT.format(fault=fault))
        spoilt = "".join(f', {{name = "{name}", hidden = 4}}' for name in faults)
        (self._here / "small.toml").write_text(grid.replace(ENCODER, f"{ENCODER}{spoilt}"))


@pytest.fixture
def spoil(here: Path, make_plugin: MakePlugin) -> Spoil:
    return Spoil(here, make_plugin)


def undisturbed(here: Path) -> dict[str, dict[str, Any]]:
    """The records that the grid comes to where nothing goes wrong."""
    home = str(here / "undisturbed")
    arguments = ("--workers", "0", "--no-mlflow", "--home", home, "--results", str(here / "other results"))
    assert main(["run", "--grid", "small.toml", *arguments]) == 0
    return timeless(records_of(home))


def begun() -> list[int]:
    """The processes that have begun with a run which holds."""
    return [int(path.name.partition("-")[2]) for path in Path().glob("begun-*")]


def by_encoder() -> dict[tuple[str, str], dict[str, Any]]:
    """The records by encoder and strategy."""
    return {(one["spec"]["encoder"]["name"], one["spec"]["strategy"]["name"]): one for one in records_of().values()}


# Workers


def test_a_run_whose_worker_is_killed_is_made_by_another(here: Path, spoil: Spoil) -> None:
    spoil(PLAIN.replace("replicates = 1", "replicates = 2"), held="hold()")
    (here / "hold").touch()
    with running("small.toml", "--workers", "2") as one:
        one.until(begun)
        os.kill(begun()[0], signal.SIGKILL)
        (here / "hold").unlink()
        assert one.ended() == 0, one.err
        assert "Traceback" not in one.err
    assert timeless(records_of()) == undisturbed(here)


MEMORY = 900_000_000
"""Bytes that Dask takes for those that each of two workers may have."""


def little_memory() -> None:
    """Dask goes by this limit, the kernel does not."""
    resource.setrlimit(resource.RLIMIT_RSS, (2 * MEMORY, 2 * MEMORY))


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY", str(MEMORY))


FIRST = "Path('taken').exists() or (Path('taken').touch(), take_memory(1.2))"


@pytest.mark.usefixtures("memory")
def test_a_worker_that_takes_too_much_memory_is_ended_and_its_run_made_again(here: Path, spoil: Spoil) -> None:
    spoil(PLAIN, hoarding=FIRST)
    with running("small.toml", "--workers", "2", preexec_fn=little_memory) as one:
        assert one.ended() == 0, one.err
    assert (here / "taken").exists()
    assert timeless(records_of()) == undisturbed(here)


@pytest.mark.slow
@pytest.mark.usefixtures("memory")
def test_a_run_that_takes_too_much_memory_fails_alone(here: Path, spoil: Spoil) -> None:
    spoil(PLAIN, hoarding="take_memory(1.2)")
    with running("small.toml", "--workers", "2", preexec_fn=little_memory) as one:
        assert one.ended() == 1, one.err
        assert f"hoarding none, features off, 8 labels, replicate 0: failed: {DIED}\n" in one.err
    found = by_encoder()
    assert found["bilstm", "none"]["status"] == "complete"
    assert found["hoarding", "none"]["error"] == {"type": "WorkerDied", "message": DIED, "traceback": None}


@pytest.mark.slow
@pytest.mark.usefixtures("memory")
def test_a_worker_that_keeps_much_memory_goes_on(here: Path, spoil: Spoil) -> None:
    spoil(PLAIN.replace("replicates = 1", "replicates = 3"), keeping="take_memory(0.88)")
    with running("small.toml", "--workers", "2", "--encoder", "keeping", preexec_fn=little_memory) as one:
        assert one.ended() == 0, one.err


# Plugins


def test_plugins_that_raise_diverge_and_hang_fail_their_runs_alone(
    here: Path, spoil: Spoil, make_plugin: MakePlugin
) -> None:
    make_plugin("strategy", "stuck", STUCK)
    grid = ONCE.replace(AXES, 'strategies = ["none", {name = "stuck", epochs = 1, skipgram_epochs = 1}]\n')
    nan = "return float('nan') * super().encode(reading)"
    spoil(grid, raising="1 / 0", diverging=nan, spinning="while True: pass")
    with running("small.toml", "--workers", "2", "--run-timeout", "6") as one:
        assert one.ended() == 1, one.err
        assert "Traceback" not in one.err
        told = f"[pretrained] bilstm by stuck on small (whole), sample 0: its runs fail (1): {TIMEOUT}\n"
        assert one.err.count("its runs fail") == one.err.count(told) == 1
        assert "7 of 8 runs failed; --rerun failed repeats them" in one.err
    found = by_encoder()
    assert [pair for pair, record in found.items() if record["status"] == "complete"] == [("bilstm", "none")]
    for strategy in ("none", "stuck"):
        raised = found["raising", strategy]["error"]
        assert (raised["type"], raised["message"]) == ("ZeroDivisionError", "division by zero")
        assert "in encode\n    1 / 0\n" in raised["traceback"]
        expected = {"type": "DivergedError", "message": NOT_FINITE, "traceback": None}
        assert found["diverging", strategy]["error"] == expected
        assert found["spinning", strategy]["error"] == {"type": "RunTimeout", "message": TIMEOUT, "traceback": None}
    assert found["bilstm", "stuck"]["error"] == {"type": "RunTimeout", "message": TIMEOUT, "traceback": None}


@pytest.mark.slow
def test_many_runs_that_hang_and_exit_take_no_other_run_with_them(here: Path, spoil: Spoil) -> None:
    rapt = "re.match('(a+)+$', 30 * 'a' + 'b')"  # takes minutes, and lets nothing else of the process run
    faults = {"spinning": "while True: pass", "sleeping": "time.sleep(10**6)", "rapt": rapt, "exiting": "os._exit(3)"}
    spoil(PLAIN.replace("replicates = 1", "replicates = 4"), **faults)
    with running("small.toml", "--workers", "2", "--run-timeout", "6") as one:
        assert one.ended() == 1, one.err
        assert "16 of 20 runs failed; --rerun failed repeats them" in one.err
    for record in records_of().values():
        match record["spec"]["encoder"]["name"]:
            case "bilstm":
                assert record["status"] == "complete"
            case "exiting":
                assert record["error"]["message"] == DIED
            case _:
                assert record["error"]["message"] == TIMEOUT


@pytest.mark.parametrize("workers", ["0", "1"])
def test_the_first_failed_run_ends_all_where_that_is_asked_for(
    workers: str, here: Path, spoil: Spoil, printed: Printed
) -> None:
    spoil(PLAIN.replace("replicates = 1", "replicates = 3"), raising="1 / 0")
    arguments = ["run", "--grid", "small.toml", "--no-mlflow", "--workers", workers, "--home", str(here / ".harness")]
    assert main([*arguments, "--fail-fast"]) == 1
    err = printed()[1]
    assert "The first failed run ends it (--fail-fast); what is finished is kept.\n" in err
    found = list(records_of().values())
    assert [one["status"] for one in found].count("failed") == 1
    assert f"[{len(found)}/6" in err
    assert len(found) < 6
    assert pd.read_csv("results/small/leaderboard.csv").n.sum() == len(found) - 1
    assert main(arguments) == 1
    assert len(records_of()) == 6


def test_a_time_limit_needs_processes_that_can_be_ended(here: Path, printed: Printed) -> None:
    assert main(["run", "--grid", "small.toml", "--workers", "0", "--run-timeout", "9"]) == 2
    assert printed()[1] == (
        "harness: --run-timeout: expected worker processes that can be ended, found --workers 0; use --workers 1 or "
        "more\n"
    )


# Interrupts


def told_to_end(one: Command, how: str) -> None:
    """SIGTERM to the process alone, or Ctrl-C, of which a terminal tells the whole group."""
    if how == "SIGTERM":
        one.process.terminate()
    else:
        os.killpg(one.process.pid, signal.SIGINT)


@pytest.mark.parametrize(
    ("how", "workers"),
    [
        ("SIGTERM", "0"),
        ("Ctrl-C", "2"),
        pytest.param("Ctrl-C", "0", marks=pytest.mark.slow),
        pytest.param("SIGTERM", "2", marks=pytest.mark.slow),
    ],
)
def test_an_interrupt_keeps_what_is_done_and_leaves_no_process(
    how: str, workers: str, here: Path, spoil: Spoil
) -> None:
    (here / "go").touch()
    spoil(PLAIN.replace("replicates = 1", "replicates = 3"), held="Path('go').exists() or hold()")
    (here / "hold").touch()
    with running("small.toml", "--workers", workers) as one:
        one.until(lambda: "[1/6" in one.err)
        (here / "go").unlink()
        one.until(begun)
        told_to_end(one, how)
        assert one.ended() == 130, one.err
        assert one.err.endswith(KEPT)
        assert "Traceback" not in one.err
    assert 1 <= len(records_of()) < 6
    assert unfinished() == []
    assert pd.read_csv("results/small/leaderboard.csv").n.sum() == len(records_of())


@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C"])
def test_an_interrupt_where_python_only_tells_of_it_is_heard(how: str, here: Path, spoil: Spoil) -> None:
    spoil(PLAIN.replace("replicates = 1", "replicates = 40"), dropped="Interrupted()")
    if how == "SIGTERM":
        (here / "term").touch()
    with running("small.toml", "--workers", "0") as one:
        assert one.ended() == 130, one.err
        assert one.err.endswith(KEPT)
        assert "Traceback" not in one.err
    assert (here / "dropped").exists()
    assert len(records_of()) < 80


LONG = CORPUS.replace("range(80)", "range(60000)")
"""A text of which the preparation takes some seconds."""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C"])
def test_an_interrupt_waits_for_no_preparation(how: str, workers: str, here: Path, make_plugin: MakePlugin) -> None:
    make_plugin("corpus", "long", LONG)
    (here / "small.toml").write_text(GRID.replace('"small"', '"long"'))
    with running("small.toml", "--workers", workers) as one:
        one.until(lambda: "Preparing long (whole)" in one.err)
        told_to_end(one, how)
        assert one.ended() == 130, one.err
        assert one.err.endswith(KEPT)
        assert "Traceback" not in one.err
    assert not list(Path(".harness").glob("artifacts/sentences/[!.]*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(12))
def test_an_interrupt_at_any_moment_is_told_in_a_sentence(number: int, here: Path) -> None:
    (here / "small.toml").write_text(GRID.replace("_updates = 10", "_updates = 60"))
    drawn = random.Random(number)
    with running("small.toml", "--workers", "2") as one:
        one.until(lambda: "Reading corpus" in one.err)
        time.sleep(drawn.uniform(0, 6))
        if one.process.poll() is None:
            told_to_end(one, drawn.choice(["SIGTERM", "Ctrl-C"]))
        code = one.ended()
        assert "Traceback" not in one.err
        if f"Results: {Path('results/small')}\n" not in one.err:  # else it was at its end
            assert code == 130, one.err
            assert one.err.endswith("harness: interrupted\n")
    assert unfinished() == []
    kept = records_of()
    with running("small.toml", "--workers", "2") as one:
        assert one.ended() == 0, one.err
    assert len(records_of()) == 6
    assert {key: records_of()[key] for key in kept} == kept


SYNTHETIC = """
corpora    = ["synthetic"]
texts      = {name = "synthetic", selection = "random", sentences = 200}
encoders   = ["mean", {name = "bilstm", hidden = 8}]
strategies = [
    "none",
    {name = "stepwise", skipgram_epochs = 2},
    {name = "lm", epochs = 2, skipgram_epochs = 2},
    {name = "seq-unshared", epochs = 2, skipgram_epochs = 2},
]
vectors    = "own"
sizes      = [20, 50, 100]
replicates = 2
[training]
features    = false
min_updates = 80
max_updates = 80
"""


@pytest.mark.slow
def test_a_grid_that_is_killed_ten_times_comes_to_the_same_records(here: Path) -> None:
    (here / "small.toml").write_text(SYNTHETIC)
    drawn, kept, counts = random.Random(7), dict[str, Any](), []
    for _ in range(10):
        lines = drawn.randint(1, 7)
        with running("small.toml", "--workers", "2") as one:
            one.until(lambda: one.err.partition(" to run,")[2].count("\n") > lines)  # noqa: B023
            time.sleep(drawn.uniform(0, 0.7))
            one.process.kill()
            one.ended()
        found = records_of()
        assert {key: found[key] for key in kept} == kept  # none is made twice, none is lost, none is torn
        kept = found
        counts.append(len(kept))
    assert any(counts) and counts[-1] < 36
    with running("small.toml", "--workers", "2") as one:
        assert one.ended() == 0, one.err
        assert "damaged" not in one.err
    found = records_of()
    assert len(found) == 36
    assert {key: found[key] for key in kept} == kept
    assert timeless(found) == undisturbed(here)
    assert unfinished() == [path for path in unfinished() if path.parent.parent.name == "artifacts"]
    assert not list(Path(".harness").glob("artifacts/unfinished/*"))


# Two at once


def test_a_second_run_in_one_home_ends_at_once_and_names_the_first(here: Path, spoil: Spoil) -> None:
    spoil(PLAIN, held="hold()")
    (here / "hold").touch()
    with running("small.toml", "--workers", "0") as one:
        one.until(begun)
        with running("small.toml", "--workers", "0", "--encoder", "bilstm") as two:
            assert two.ended() == 2
            holder = (
                f"`run --grid small.toml`, process {one.process.pid} on {re.escape(socket.gethostname())}, since \\S+"
            )
            expected = (
                f"harness: another process writes the records of .harness: {holder}. Wait until it ends, stop it, or "
                "choose another folder with --home\n"
            )
            assert re.search(f"^{expected}\\Z", two.err, re.MULTILINE), two.err
        assert one.process.poll() is None
        (here / "hold").unlink()
        assert one.ended() == 0, one.err
    assert len(records_of()) == 2


# Full disks


@contextmanager
def on(disk: Disk, *words: str) -> Iterator[Command]:
    """A run whose home is on a disk."""
    with running("small.toml", "--home", "home", *words, before=disk.enter) as one:
        yield one


def test_a_record_that_finds_no_space_stops_the_runs_and_they_go_on_later(here: Path) -> None:
    (here / "small.toml").write_text(PLAIN.replace("replicates = 1", "replicates = 20"))
    with small_disk(here / "home", "4m") as disk:
        with on(disk, "--workers", "0", "--replicates", "1") as one:
            assert one.ended() == 0, one.err
        disk.fill(left=60_000)  # for the resolved grid and some records
        with on(disk, "--workers", "0") as one:
            assert one.ended() == 2, one.err
            assert "Traceback" not in one.err
            pattern = rf"^harness: can't write home/records/\w\w/\w+.(npz|json): {FULL} or --results\n\Z"
            assert re.search(pattern, one.err, re.MULTILINE), one.err
        kept = records_of(disk.inside)
        assert 1 < len(kept) < 20
        assert unfinished(disk.inside) == []
        disk.free()
        with on(disk, "--workers", "0") as one:
            assert one.ended() == 0, one.err
        found = records_of(disk.inside)
        assert {key: found[key] for key in kept} == kept
        assert timeless(found) == undisturbed(here)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_artifact_that_finds_no_space_stops_the_runs_and_they_go_on_later(workers: str, here: Path) -> None:
    (here / "small.toml").write_text(GRID.replace("hidden = 4", "hidden = 400"))  # 2.6 MB a pre-trained encoder
    with small_disk(here / "home", "3m") as disk:
        with on(disk, "--workers", workers) as one:
            assert one.ended() == 2, one.err
            assert "Traceback" not in one.err
            expected = (
                f"harness: can't write below {here / 'home/artifacts'}: {FULL}; for a worker elsewhere, with its "
            )
            assert one.err.endswith(f"{expected}--local-directory\n")
        assert unfinished(disk.inside) == []
        assert all(one["status"] == "complete" for one in records_of(disk.inside).values())
        disk.resize("90m")
        with on(disk, "--workers", workers) as one:
            assert one.ended() == 0, one.err
            assert "damaged" not in one.err
        assert timeless(records_of(disk.inside)) == undisturbed(here)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_prepared_data_that_finds_no_space_stops_the_runs(workers: str, here: Path) -> None:
    with small_disk(here / "home", "72k") as disk:
        with on(disk, "--workers", workers) as one:
            assert one.ended() == 2, one.err
            assert "Traceback" not in one.err
            cause = r"(\[Errno 28\] |Error while serializing: I/O error: )No space left on device( \(os error 28\))?"
            pattern = (
                rf"^harness: the prepared data of small \(whole\) can't be written or read below home/artifacts: {cause}. "
                r"Free some space, delete that folder if it is damaged, or choose another one with --home\n\Z"
            )
            assert re.search(pattern, one.err, re.MULTILINE), one.err
        assert unfinished(disk.inside) == []
        disk.resize("9m")
        with on(disk, "--workers", workers) as one:
            assert one.ended() == 0, one.err
            assert "damaged" not in one.err
        assert timeless(records_of(disk.inside)) == undisturbed(here)


@pytest.mark.slow
def test_results_that_find_no_space_are_written_later(here: Path) -> None:
    with small_disk(here / "results", "16k") as disk:
        with running("small.toml", "--workers", "0", before=disk.enter) as one:
            assert one.ended() == 2, one.err
            assert "Traceback" not in one.err
            pattern = rf"^harness: can't write results/small/\S+: {FULL} or --results\n\Z"
            assert re.search(pattern, one.err, re.MULTILINE), one.err
        assert len(records_of()) == 6
        assert not list(disk.inside.rglob(".*"))
        disk.resize("9m")
        with running("small.toml", "--workers", "0", before=disk.enter) as one:
            assert one.ended() == 0, one.err
            assert "Nothing to run" in one.err
        assert pd.read_csv(disk.inside / "small/leaderboard.csv").n.sum() == 6
        assert timeless(records_of()) == undisturbed(here)
