"""How far a grid is: lines where there is no terminal, one line that is kept up to date where there is one."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest
from conftest import MakePlugin, Printed
from rich.console import Console
from test_estimates import of, told

from harness.commands.progress import Display, Shown, progress
from harness.runner import Outcome
from harness.specs import RunSpec

RUNS = [of(size=size, replicate=replicate) for size in (8, 50) for replicate in range(2)]
CELLS = {spec.key: spec.size for spec in RUNS}
TODO = [spec.key for spec in RUNS]


class Clock:
    """A clock that stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def outcome(spec: RunSpec, error: str = "") -> Outcome:
    record = told(spec, scores={"test": {"accuracy": 0.4136}})
    if error:
        record |= {"status": "failed", "error": {"message": error}, "seconds": {"total": 2.0}}
        del record["counts"], record["scores"]
    return Outcome(record, None, None)


# What is counted


def test_runs_cells_failures_mentions_and_seconds_are_counted() -> None:
    clock = Clock()
    shown = Shown(CELLS, TODO, 100.0, clock)
    assert (shown.total, shown.cells, shown.cells_done, shown.done) == (4, 2, 0, 0)
    shown.finished(outcome(RUNS[0]))
    assert (shown.cells_done, shown.done, shown.failed) == (0, 1, 0)
    clock.now += 10
    shown.finished(outcome(RUNS[1], "no"))
    assert (shown.cells_done, shown.done, shown.failed) == (1, 2, 1)  # a failed run has its record
    shown.finished(outcome(RUNS[2]))
    seconds = [outcome(RUNS[0]).record["seconds"]["total"], 2.0, outcome(RUNS[2]).record["seconds"]["total"]]
    assert shown.seconds == pytest.approx(sum(seconds))
    assert shown.mentions == 150 * 8 + 150 * 32  # a batch has no more than the training mentions
    assert shown.pace() == pytest.approx(6000 / 10)
    assert shown.elapsed == 10


def test_cells_whose_runs_all_have_records_are_done_from_the_start() -> None:
    shown = Shown(CELLS, TODO[3:], 100.0, Clock())
    assert (shown.total, shown.cells, shown.cells_done) == (1, 2, 1)
    shown.finished(outcome(RUNS[3]))
    assert shown.cells_done == 2


# The time left


def test_the_time_left_is_what_was_foretold_times_how_much_slower_it_goes() -> None:
    clock = Clock()
    shown = Shown(CELLS, TODO, 1000.0, clock)
    assert shown.left() == ["17 min left"]  # as foretold
    clock.now += 200
    assert shown.left() == ["13 min left"]
    shown.in_hand(2, 0.1)  # 200 s for what should have taken 100
    assert shown.left() == ["25 min left"]  # 900 s times (200 + 50) / (100 + 50): 1,500 s
    clock.now += 800
    shown.in_hand(2, 0.1)  # nothing more is done since
    assert shown.left() == ["12 min left"]  # 700 s
    clock.now += 1000
    shown.in_hand(2, 0.5)  # 2,000 s for half
    assert shown.left() == ["31 min left"]  # 500 s times 2,050 / 550: 1,864 s
    clock.now += 1850
    assert shown.left() == ["14 s left"]
    clock.now += 100
    assert shown.left() == []  # it should have been over
    assert Shown(CELLS, TODO, 0.0, clock).left() == []


def test_there_is_no_time_left_after_the_last_run() -> None:
    shown = Shown(CELLS, TODO[:1], 1000.0, Clock())
    shown.finished(outcome(RUNS[0]))
    assert shown.left() == []


# Without a terminal


def test_a_line_a_finished_run_with_the_time_left(printed: Printed) -> None:
    clock = Clock()
    with progress(CELLS, TODO, 0.0) as plain:
        assert type(plain) is Shown  # stderr is no terminal here
    shown = Shown(CELLS, TODO, 1000.0, clock)
    shown.in_hand(1, 0.25)
    clock.now += 100
    name = "toy (official) bilstm seq-unshared on mine (random), features off"
    shown.finished(outcome(RUNS[0]))
    shown.finished(outcome(RUNS[1], "no [bold]such[/bold] thing"))
    shown.told("something [red]else[/red]")
    seconds = outcome(RUNS[0]).record["seconds"]["total"]
    assert printed()[1].splitlines() == [
        f"[1/4, 25 s left] {name}, 8 labels, replicate 0: test accuracy 41.4 % in {seconds:.1f} s",
        f"[2/4, 25 s left] {name}, 8 labels, replicate 1: failed: no [bold]such[/bold] thing",
        "something [red]else[/red]",
    ]


# On a terminal


def drawn(width: int = 100) -> tuple[Display, io.StringIO, Clock]:
    """A display on a terminal of that many columns, what is written to it, and its clock."""
    written, clock = io.StringIO(), Clock()
    console = Console(file=written, force_terminal=True, width=width, color_system=None, legacy_windows=False)
    return Display(CELLS, TODO, 1000.0, console, clock), written, clock


def line(display: Display, width: int = 100) -> str:
    """The display's line, as text."""
    written = io.StringIO()
    Console(file=written, width=width, color_system=None).print(display.drawn())
    return written.getvalue().rstrip("\n")


def test_the_line_tells_cells_runs_the_time_left_and_the_pace() -> None:
    display, _, clock = drawn()
    assert re.fullmatch(r"0/2 cells {22}0/4 runs, 0 running, 17 min left *", line(display))
    display.in_hand(2, 0.25)
    clock.now += 100
    display.finished(outcome(RUNS[2]))
    assert re.match(r"0/2 cells ━{5} {16}1/4 runs", line(display))
    assert line(display).rstrip().endswith(" 1/4 runs, 2 running, 25 s left, 48 mentions a second")
    display.finished(outcome(RUNS[3], "no"))
    assert line(display).startswith("1/2 cells ")
    assert ", 2 running, 1 failed, 25 s left, " in line(display)
    assert "\n" not in line(display, 40)  # one line, however narrow


def test_what_failed_and_what_else_is_told_stands_above_as_it_is() -> None:
    display, written, _ = drawn()
    with display.live:
        display.finished(outcome(RUNS[0]))
        display.finished(outcome(RUNS[1], "no [bold]such[/bold] thing :smile:\x1b[2J\x07"))
        display.told("Preparing [red]toy[/red]\n\tonce")
    text = written.getvalue()
    name = "toy (official) bilstm seq-unshared on mine (random), features off, 8 labels, replicate 1"
    assert f"{name}: failed: no [bold]such[/bold] thing :smile:[2J\n" in text
    assert re.search(r"Preparing \[red\]toy\[/red\]\n +once\n", text)
    assert "\x1b[2J" not in text
    assert "test accuracy" not in text


CORPUS = """
    from harness.contracts import About, Corpus, CorpusReader, RelationMention, Span

    class Small(CorpusReader):
        about = About()

        def read(self, path):
            return Corpus(tuple(
                RelationMention(str(at), (f"x{at % 9}", "near", f"y{at}"), Span(0, 1), Span(2, 3), "ab"[at % 2], "train")
                for at in range(60)
            ))
"""
ENCODER = """
    from harness.contracts import *

    class Strange(Encoder):
        offers = frozenset({Capability.VECTORS})
        size = 2

        def represent(self, batch):
            raise ValueError("expected [green]less[/green], found more")
"""
GRID = """
corpora    = ["small"]
encoders   = ["mean", "strange"]
strategies = ["none"]
vectors    = "v.txt"
sizes      = [8, 16]
replicates = 2
[training]
min_updates = 10
max_updates = 10
"""


class Terminal:
    """A pseudo-terminal of 120 columns whose other end is read."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.text = ""

    def read(self, done: Callable[[], bool], seconds: float = 90) -> None:
        """Read until that is so and nothing more comes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self._master], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self._master, 65536).decode()
                except OSError:  # the other end is closed
                    return
            elif done():
                return
        raise TimeoutError(self.text)


@pytest.fixture
def terminal() -> Iterator[tuple[Terminal, int]]:
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    yield Terminal(master), slave
    for end in (master, slave):
        os.close(end)


def test_a_grid_on_a_real_terminal(
    make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: tuple[Terminal, int]
) -> None:
    make_plugin("corpus", "small", CORPUS)
    make_plugin("encoder", "strange", ENCODER)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.delenv("COLUMNS", raising=False)  # else they count, and not the terminal's
    (tmp_path / "v.txt").write_text("near 1 0 1\nx1 0 1 0\n")
    (tmp_path / "tiny.toml").write_text(GRID)
    shown, slave = terminal
    command = [sys.executable, "-m", "harness", "run", "--grid", "tiny.toml", "--workers", "0", "--no-mlflow"]
    where: dict[str, Any] = {"cwd": tmp_path, "env": {**os.environ, "TERM": "xterm", "PYTHONPATH": _path()}}
    process = subprocess.Popen(
        [*command, "--home", "home", "--results", "results"], stdout=subprocess.PIPE, stderr=slave, text=True, **where
    )
    shown.read(lambda: process.poll() is not None)
    table = process.communicate()[0]
    assert process.returncode == 1, shown.text
    assert table.startswith("# Leaderboard: tiny")  # what goes to stdout is no part of the display
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.text).replace("\r", "\n")
    assert "8 to run, 0 complete, 0 failed. About " in text
    error = "expected [green]less[/green], found more"
    for size in (8, 16):
        for replicate in (0, 1):
            assert f"small (paper) strange none, {size} labels, replicate {replicate}: failed: {error}\n" in text
    assert re.search(r"\n4/4 cells ━{20} 8/8 runs, 0 running, 4 failed, [\d,]+ mentions a second *\n", text)
    assert text.index("4/4 cells") < text.index("It took ")
    assert re.search(r"\nIt took \d+ core-seconds? \(\d+ % of \d+ core-seconds foretold\), ", text)
    assert "test accuracy" not in text


def _path() -> str:
    """The harness, and the plugins of the test."""
    return os.pathsep.join([str(Path(__file__).parents[1]), os.environ["PYTHONPATH"]])
