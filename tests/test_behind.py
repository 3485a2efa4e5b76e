"""MLflow is written behind the runs: what is handed over is there once, and no slow or lost store holds up anything."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from scipy import stats
from test_tracking import (
    ROOT,
    Grid,
    Records,
    child_of,
    fetch,
    free_port,
    make_cell,
    make_grid,
    make_record,
    make_records,
    migrate,
    new_store,
    parent_of,
    runs_of,
    start_server,
    table,
)

from harness.behind import QUIET, Behind
from harness.tracked import default_uri
from harness.tracking import Counts, sync

LEFT = "Records that MLflow has not taken yet: {}. They are whole; `sync` catches up"
PATIENCE = 30.0
"""Seconds: far more than a healthy store needs on a busy machine, so that whatever ends before ends by itself."""
SLACK = 5.0
"""Seconds by which a busy machine may be late."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables and nothing in them."""
    return migrate(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def uri(empty: Path, tmp_path: Path) -> str:
    return new_store(empty, tmp_path / "home")


@pytest.fixture
def told() -> list[str]:
    """What is told, in order."""
    return []


def troubles(told: list[str]) -> list[str]:
    """What is told, but for the announcement of a long wait: whether a wait is long is the machine's affair."""
    return [sentence for sentence in told if not sentence.startswith("MLflow is still to take ")]


def nothing() -> Records:
    return {}


def large_grid(cells: int, replicates: int) -> Grid:
    grid = make_grid(replicates)
    spec = grid["cells"][0]["spec"]
    made = []
    for number in range(cells):
        cell = make_cell("a", spec, f"learning_rate={number}", replicates)
        keys = [f"{number:056x}{replicate:08x}" for replicate in range(replicates)]
        made.append(cell | {"cell": f"{number:016x}", "keys": keys})
    return {**grid, "cells": made}


def scored(grid: Grid, scores: Any) -> Records:
    """The records of all runs of a grid whose headline scores are `scores`, (cells, replicates)."""
    return {
        key: make_record(cell, replicate, float(scores[place, replicate]))
        for place, cell in enumerate(grid["cells"])
        for replicate, key in enumerate(cell["keys"])
    }


def hand_over(behind: Behind, records: Mapping[str, dict[str, Any]]) -> float:
    """Log them one by one; return the seconds that it took."""
    started = time.perf_counter()
    for record in records.values():
        behind.log(record)
    return time.perf_counter() - started


def seconds_to_close(behind: Behind, patience: float) -> float:
    started = time.perf_counter()
    behind.close(patience)
    return time.perf_counter() - started


def assert_each_is_there_once(uri: str, records: Records) -> None:
    shown = [run.data.tags["reprise.key"] for run in runs_of(uri, "params.replicate != 'x'")]
    assert sorted(shown) == sorted(records)


# What is handed over


@pytest.mark.parametrize(
    ("cells", "patience"), [(6, PATIENCE), pytest.param(100, QUIET, marks=pytest.mark.slow)], ids=["30", "500"]
)
def test_every_record_is_there_once_and_the_means_are_right(
    uri: str, told: list[str], cells: int, patience: float
) -> None:
    grid = large_grid(cells, replicates=5)
    scores = np.random.default_rng(0).uniform(0.2, 0.8, (cells, 5))
    records = scored(grid, scores)
    behind = Behind(uri, grid, nothing, told.append)
    assert hand_over(behind, records) < 1
    waited = seconds_to_close(behind, patience)
    assert troubles(told) == []
    assert cells < 100 or waited > patience, "as long as it makes progress, it is waited for"
    assert_each_is_there_once(uri, records)
    parents = {run.data.tags["reprise.cell"]: run for run in runs_of(uri) if "reprise.key" not in run.data.tags}
    assert len(parents) == cells
    percent = 100 * scores
    half = stats.t.ppf(0.975, 4) * percent.std(axis=1, ddof=1) / np.sqrt(5)
    expected = {
        "n": np.full(cells, 5.0),
        "mean_test_micro_f1_positive": percent.mean(axis=1),
        "sd_test_micro_f1_positive": percent.std(axis=1, ddof=1),
        "ci_low_test_micro_f1_positive": percent.mean(axis=1) - half,
        "ci_high_test_micro_f1_positive": percent.mean(axis=1) + half,
    }
    for name, values in expected.items():
        found = [parents[cell["cell"]].data.metrics[name] for cell in grid["cells"]]
        assert found == pytest.approx(values.tolist()), name
    assert sync(uri, grid, records) == Counts(written=0, removed=0, unchanged=5 * cells)


def test_records_from_before_are_written_too_and_later_ones_replace_them(
    uri: str, empty: Path, tmp_path: Path, told: list[str]
) -> None:
    grid = make_grid()
    records = make_records(grid)
    cell = grid["cells"][0]
    old = records | {cell["keys"][1]: make_record(cell, 1, None)}
    before = Behind(uri, grid, lambda: old, told.append)
    before.close(PATIENCE)
    assert child_of(uri, cell["keys"][1]).info.status == "FAILED"
    assert parent_of(uri).data.metrics == {"n": 2}

    behind = Behind(uri, grid, lambda: old, told.append)
    for _ in range(2):
        behind.log(records[cell["keys"][1]])
    behind.close(PATIENCE)
    assert troubles(told) == []
    fresh = new_store(empty, tmp_path / "fresh")
    sync(fresh, grid, records)
    assert table(uri) == table(fresh)


def test_what_comes_in_while_the_store_is_busy_is_one_batch(uri: str, told: list[str]) -> None:
    grid = make_grid()
    free = threading.Event()

    def known() -> Records:
        free.wait()
        return {}

    behind = Behind(uri, grid, known, told.append)
    hand_over(behind, make_records(grid))
    free.set()
    behind.close(PATIENCE)
    client = MlflowClient(tracking_uri=uri)
    for encoder in ("bilstm", "handcrafted"):
        counted = client.get_metric_history(parent_of(uri, encoder).info.run_id, "n")
        assert [metric.value for metric in counted] == [3]
    assert troubles(told) == []


def test_a_database_is_made_in_the_thread_whole_or_not_at_all(tmp_path: Path, empty: Path, told: list[str]) -> None:
    grid = make_grid()
    records = make_records(grid)
    behind = Behind(default_uri(tmp_path), grid, nothing, told.append)
    assert hand_over(behind, records) < 1
    deadline = time.monotonic() + PATIENCE
    seen = [0]
    while seen[-1] == 0 and time.monotonic() < deadline:  # a process may be killed at any of these moments
        seen.append(tables_in(tmp_path / "mlflow.db"))
        time.sleep(0.01)
    assert seen[-1] == tables_in(empty) > 0
    behind.close(PATIENCE)
    assert_each_is_there_once(default_uri(tmp_path), records)
    assert list(tmp_path.glob(".unfinished-*")) == []


def tables_in(database: Path) -> int:
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0])


def test_records_of_other_grids_are_passed_over(uri: str, told: list[str]) -> None:
    grid = make_grid()
    stranger = make_record(make_cell("c", grid["cells"][0]["spec"], "", 1), 0, 0.5)
    behind = Behind(uri, grid, nothing, told.append)
    behind.log(stranger)
    behind.close(PATIENCE)
    assert (runs_of(uri), troubles(told)) == ([], [])


def test_what_comes_after_the_end_is_dropped(uri: str, told: list[str]) -> None:
    grid = make_grid()
    behind = Behind(uri, grid, nothing, told.append)
    behind.close(PATIENCE)
    hand_over(behind, make_records(grid))
    behind.close(PATIENCE)
    assert (runs_of(uri), troubles(told)) == ([], [])


# What is told


def test_a_long_wait_is_announced(uri: str, told: list[str]) -> None:
    grid = make_grid()
    records = make_records(grid)
    free = threading.Event()

    def known() -> Records:
        free.wait()
        return {}

    behind = Behind(uri, grid, known, told.append)
    hand_over(behind, records)
    threading.Timer(QUIET + 0.5, free.set).start()
    behind.close(PATIENCE)
    assert told == ["MLflow is still to take 6 records; Ctrl-C leaves them to `sync`"]
    assert_each_is_there_once(uri, records)


def test_what_a_store_does_not_take_in_time_is_left_to_sync(uri: str, told: list[str]) -> None:
    grid = make_grid()
    records = make_records(grid)
    free = threading.Event()

    def known() -> Records:
        free.wait()
        return {}

    behind = Behind(uri, grid, known, told.append)
    hand_over(behind, records)
    assert 0.2 <= seconds_to_close(behind, 0.2) < SLACK
    assert troubles(told) == [LEFT.format(6)]
    free.set()
    wait_for_the_thread()
    assert troubles(told) == [LEFT.format(6)]
    assert runs_of(uri) == []
    assert sync(uri, grid, records) == Counts(6, 0, 0)


def wait_for_the_thread() -> None:
    for thread in threading.enumerate():
        if thread.name == "MLflow":
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_an_error_of_any_kind_in_the_thread_is_told(uri: str, told: list[str]) -> None:
    def known() -> Records:
        raise ValueError("no such row")

    grid = make_grid()
    behind = Behind(uri, grid, known, told.append)
    hand_over(behind, make_records(grid))
    behind.close(PATIENCE)
    expected = "MLflow is left out from here on: ValueError: no such row. The records are whole; `sync` catches up"
    assert troubles(told) == [expected]


def test_a_server_that_is_not_there_is_told_once(told: list[str]) -> None:
    grid = make_grid()
    records = make_records(grid)
    behind = Behind(f"http://127.0.0.1:{free_port()}", grid, nothing, told.append)
    assert hand_over(behind, records) < 1
    wait_for_the_thread()
    assert hand_over(behind, records) < 1
    assert seconds_to_close(behind, PATIENCE) < SLACK
    (sentence,) = troubles(told)
    assert sentence.startswith("MLflow is left out from here on: the MLflow store at http://127.0.0.1:")
    assert "refused" in sentence
    assert sentence.endswith("type: python -m harness sync. The records are whole; `sync` catches up")


# A store that keeps one waiting


@contextmanager
def hanging() -> Iterator[tuple[str, socket.socket]]:
    """A server that takes every connection and never answers: its address and socket."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        server.settimeout(PATIENCE)
        yield f"http://127.0.0.1:{server.getsockname()[1]}", server


def test_a_server_that_never_answers_holds_up_nobody(told: list[str]) -> None:
    grid = make_grid()
    with hanging() as (address, _):
        behind = Behind(address, grid, nothing, told.append)
        assert hand_over(behind, make_records(grid)) < 1
        assert 1 <= seconds_to_close(behind, 1) < 1 + SLACK
    assert troubles(told) == [LEFT.format(6)]


def test_an_interrupt_ends_the_wait(told: list[str]) -> None:
    grid = make_grid()
    with hanging() as (address, _):
        behind = Behind(address, grid, nothing, told.append)
        hand_over(behind, make_records(grid))
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        started = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            behind.close(PATIENCE)
    assert time.perf_counter() - started < 0.5 + SLACK
    assert troubles(told) == [LEFT.format(6)]


def test_nothing_waits_for_the_import_of_mlflow_and_the_process_ends_without_the_thread(tmp_path: Path) -> None:
    grid = make_grid()
    (tmp_path / "given.json").write_text(json.dumps([grid, make_records(grid)]), encoding="utf-8")
    program = """
import json, sys, time
from harness.behind import Behind
with open(sys.argv[2], encoding="utf-8") as file:
    grid, records = json.load(file)
assert "mlflow" not in sys.modules
started = time.perf_counter()
behind = Behind(sys.argv[1], grid, dict, print)
for record in records.values():
    behind.log(record)
assert time.perf_counter() - started < 1
sys.stdin.readline()
behind.close(1)
"""
    with hanging() as (address, server):
        process = subprocess.Popen(
            [sys.executable, "-c", program, address, str(tmp_path / "given.json")],
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process, server.accept()[0]:
            asked = time.perf_counter()
            assert process.communicate("\n", timeout=PATIENCE) == (LEFT.format(6) + "\n", "")
            assert time.perf_counter() - asked < 1 + SLACK
            assert process.returncode == 0


@contextmanager
def locked(uri: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the database locked until it is sent a line."""
    program = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.readline()"
    )
    command = [sys.executable, "-c", program, uri.removeprefix("sqlite:///")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process


def test_a_database_that_is_locked_for_a_while_is_waited_for(uri: str, told: list[str]) -> None:
    grid = make_grid()
    records = make_records(grid)
    opened = threading.Event()

    def known() -> Records:
        opened.set()
        return {}

    with locked(uri) as process:
        behind = Behind(uri, grid, known, told.append)
        threading.Timer(1, process.communicate, ("\n",)).start()
        opened.wait()
    with locked(uri) as process:
        assert hand_over(behind, records) < 1
        time.sleep(1)
        process.communicate("\n")
    behind.close(PATIENCE)
    assert troubles(told) == []
    assert_each_is_there_once(uri, records)


def test_a_database_that_stays_locked_holds_up_nobody(uri: str, empty: Path, tmp_path: Path, told: list[str]) -> None:
    grid = make_grid()
    records = make_records(grid)
    opened = threading.Event()

    def known() -> Records:
        opened.set()
        return {}

    behind = Behind(uri, grid, known, told.append)
    opened.wait()
    with locked(uri) as process:
        assert hand_over(behind, records) < 1
        assert 1 <= seconds_to_close(behind, 1) < 1 + SLACK
        assert troubles(told) == [LEFT.format(6)]
        process.communicate("\n")
    wait_for_the_thread()
    assert sync(uri, grid, records).written == 5, "the thread stops after the run that it has in hand"
    fresh = new_store(empty, tmp_path / "fresh")
    sync(fresh, grid, records)
    assert table(uri) == table(fresh)
    assert troubles(told) == [LEFT.format(6)]


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_lost_in_the_middle_holds_up_nobody_and_sync_catches_up(
    uri: str, empty: Path, tmp_path: Path, told: list[str], blow: signal.Signals
) -> None:
    grid = large_grid(cells=20, replicates=3)
    records = scored(grid, np.random.default_rng(0).uniform(0.2, 0.8, (20, 3)))
    early, late = dict(list(records.items())[:40]), dict(list(records.items())[40:])
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = start_server(uri, port, tmp_path)
    try:
        fetch(address)
        behind = Behind(address, grid, nothing, told.append)
        assert hand_over(behind, early) < 1
        wait_for_runs(uri, 10)
        os.killpg(server.pid, blow)
        assert hand_over(behind, late) < 1
        assert seconds_to_close(behind, 3 if blow == signal.SIGSTOP else PATIENCE) < PATIENCE / 2
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate()
    (said,) = troubles(told)
    if blow == signal.SIGSTOP:
        assert said.startswith("Records that MLflow has not taken yet: ")
    else:
        assert said.startswith(f"MLflow is left out from here on: the MLflow store at {address} can't be used: ")
    wait_for_the_thread()

    server = start_server(uri, port, tmp_path)
    try:
        fetch(address)
        counts = sync(address, grid, records)
        assert 0 < counts.written < 60
        assert (counts.written + counts.unchanged, counts.removed) == (60, 0)
        assert_each_is_there_once(address, records)
        fresh = new_store(empty, tmp_path / "fresh")
        sync(fresh, grid, records)
        assert table(uri) == table(fresh)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate()


def wait_for_runs(uri: str, least: int) -> None:
    """Until the database holds so many runs."""
    deadline = time.monotonic() + PATIENCE
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"), timeout=PATIENCE)) as connection:
        while connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0] < least:
            assert time.monotonic() < deadline
            time.sleep(0.05)
