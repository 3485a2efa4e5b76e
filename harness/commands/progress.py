"""How far a grid is: a display on a terminal, a line a finished run elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.records import COMPLETE
from harness.runner import Outcome
from harness.scheduler.quantities import duration
from harness.specs import RunSpec

FORESIGHT = 0.05
"""The part of the work whose clock counts as much as what was foretold."""

REFRESH = 2
"""Times a second that the display is drawn."""

CONTROL = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])
"""Characters of foreign text that a terminal would obey; tabs and line feeds are none."""


class Shown:
    """Counts what happens to runs, and says so on stderr, a line a finished run.

    Parameters
    ----------
    cells: by the key of each selected run, its cell
    todo: the keys of those of them that are to be done
    foretold: seconds of the clock that they should take
    clock: seconds of any clock
    """

    def __init__(
        self,
        cells: Mapping[str, Hashable],
        todo: Iterable[str],
        foretold: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cells = cells
        self._open = Counter(cells[key] for key in todo)
        self.total = self._open.total()
        self.cells = len(set(cells.values()))
        self.done = self.failed = self.running = self.mentions = 0
        self.seconds = 0.0
        """Of the finished runs, by their own records."""
        self._foretold, self._clock = foretold, clock
        self._begun = self._moved = clock()
        self.share = 0.0

    @property
    def cells_done(self) -> int:
        """Cells all of whose selected runs have records."""
        return self.cells - sum(count > 0 for count in self._open.values())

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._begun

    def told(self, line: str) -> None:
        """Something else to know; where nobody listens any more, the runs go on."""
        tell(line)

    def in_hand(self, count: int, share: float) -> None:
        """So many tasks are with the workers now, and this share of all the work is done."""
        self.running = count
        if share != self.share:
            self.share, self._moved = share, self._clock()

    def finished(self, outcome: Outcome) -> None:
        """A run has come to its record."""
        record = outcome.record
        self.done += 1
        self._open[self._cells[record["key"]]] -= 1
        self.seconds += record["seconds"]["total"]
        if record["status"] == COMPLETE:
            batch = min(record["spec"]["training"]["batch_size"], record["counts"]["train"])
            self.mentions += record["counts"]["updates"] * batch
        else:
            self.failed += 1
        if self.done == self.total:
            self.in_hand(0, 1.0)
        self.show(record)

    def show(self, record: dict[str, Any]) -> None:
        """Say what became of a run."""
        self.told(f"[{', '.join([f'{self.done:,}/{self.total:,}', *self.left()])}] {told_of(record)}")

    def left(self) -> list[str]:
        """The time left in words; nothing where it should have been over.

        What was foretold of the work that is left, times what the work that is done took over what was foretold of it.
        """
        known = FORESIGHT * self._foretold
        took = self._moved - self._begun
        slower = (took + known) / (self._foretold * self.share + known) if known else 0.0
        seconds = self._foretold * (1 - self.share) * slower - (self._clock() - self._moved)
        return [f"{duration(seconds)} left"] if seconds > 0 and self.done < self.total else []

    def pace(self) -> float:
        """Mentions that the finished runs learned from, a second of the clock."""
        return self.mentions / max(self.elapsed, 1e-9)


class Display(Shown):
    """The same on a terminal: one line that is kept up to date, and above it what failed and what else is told."""

    def __init__(
        self,
        cells: Mapping[str, Hashable],
        todo: Iterable[str],
        foretold: float,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(cells, todo, foretold, clock)
        # What is printed on stderr meanwhile goes above the line, and stdout stays what it is.
        self.live = Live(get_renderable=self.drawn, console=console, refresh_per_second=REFRESH, redirect_stdout=False)

    def told(self, line: str) -> None:
        """Something else to know, above the line; neither markup of rich nor what a terminal obeys is taken from it."""
        with suppress(OSError, ValueError):
            self.live.console.print(Text(line.translate(CONTROL)), soft_wrap=True)

    def show(self, record: dict[str, Any]) -> None:
        """Say what became of a run that failed."""
        if record["status"] != COMPLETE:
            self.told(told_of(record))

    def drawn(self) -> Table:
        """The line as it is now."""
        words = [f"{self.done:,}/{self.total:,} runs", f"{self.running} running"]
        words += [f"{self.failed:,} failed"] if self.failed else []
        words += self.left()
        words += [f"{self.pace():,.0f} mentions a second"] if self.mentions else []
        line = Table.grid(padding=(0, 1))
        line.add_column(no_wrap=True)
        line.add_column(no_wrap=True)
        line.add_column(no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(total=1.0, completed=self.share, width=20)
        line.add_row(f"{self.cells_done:,}/{self.cells:,} cells", bar, ", ".join(words))
        return line


@contextmanager
def progress(cells: Mapping[str, Hashable], todo: Iterable[str], foretold: float) -> Iterator[Shown]:
    """Show what becomes of the runs `todo`; see `Shown`."""
    console = Console(stderr=True)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield Shown(cells, todo, foretold)
        return
    display = Display(cells, todo, foretold, console)
    with display.live:
        yield display


def tell(line: str) -> None:
    """Say something on stderr, if it is still there: a terminal may be closed while a grid runs."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def table_format() -> str:
    """The format of a leaderboard that is printed where none is asked for."""
    return "terminal" if sys.stdout.isatty() else "md"


def show(text: str) -> None:
    """Write on stdout, as far as somebody reads it: `head`, say, may have gone, and the exit code is not of that."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def told_of(record: dict[str, Any]) -> str:
    """What became of a run, in a line."""
    name = name_of(RunSpec.from_dict(record["spec"]))
    if record["status"] != COMPLETE:
        return f"{name}: failed: {record['error']['message']}"
    accuracy = 100 * record["scores"]["test"]["accuracy"]
    return f"{name}: test accuracy {accuracy:.1f} % in {record['seconds']['total']:.1f} s"


def name_of(spec: RunSpec) -> str:
    """A run in words."""
    features = "" if spec.training.features else ", features off"
    text = f" on {spec.text.label}" if spec.text else ""
    arm = f"{spec.corpus.name} ({spec.corpus.split}) {spec.encoder.name} {spec.strategy.name}{text}{features}"
    return f"{arm}, {spec.size:,} labels, replicate {spec.replicate}"
