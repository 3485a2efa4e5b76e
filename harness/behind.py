"""MLflow, written behind the runs: a thread logs the records, so that no slow and no lost store delays a run.

The records are whole without it: what is not written here is left to `sync`. harness.tracking, whose import takes
seconds, is imported by the thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.records import Record

QUIET = 2.0
"""Seconds for which `close` waits without a word."""


class Behind:
    """Logs records to MLflow in a thread of its own, behind the runs: those that are there already, then what comes.

    What comes in while the store is busy is one batch afterwards, so that the thread catches up. At the first trouble
    it gives up, says so once, and further records cost nothing. A store that never answers holds up nobody but the
    thread, and the process ends without it.

    Parameters
    ----------
    uri: str
        The tracking store.
    grid: mapping
        The resolved grid.
    known: () -> records by key
        The records that are there already; called in the thread.
    told: (sentence) -> None
        Says something to the person; called in the thread too.
    """

    def __init__(
        self,
        uri: str,
        grid: Mapping[str, Any],
        known: Callable[[], Mapping[str, Record]],
        told: Callable[[str], None],
    ) -> None:
        self._uri, self._grid, self._known, self._told = uri, grid, known, told
        self._changed = threading.Condition()  # guards what stands below
        self._waiting: dict[str, Record] = {}
        self._in_hand = 0  # records that the thread is writing
        self._moved = 0.0  # when the store was last heard of
        self._open = True  # records are taken
        self._abandoned = False  # nobody waits for the thread any more
        self._ended = False  # the thread has nothing to write any more
        threading.Thread(target=self._write, name="MLflow", daemon=True).start()

    def log(self, record: Record) -> None:
        """Hand over a record; returns at once. Dropped after `close`, and once the thread has given up."""
        with self._changed:
            if self._open:
                self._waiting[record["key"]] = record
                self._changed.notify_all()

    def close(self, patience: float) -> None:
        """Wait for what is still to be written while the store makes progress, at most `patience` seconds without any.

        What the store has not taken then, or when the wait is interrupted, is left to `sync`, and its number is told.
        """
        try:
            self._wait(patience)
        finally:
            with self._changed:
                lacking = self._lacking()
                self._abandoned, self._waiting = True, {}
            if lacking:
                self._told(f"Records that MLflow has not taken yet: {lacking:,}. They are whole; `sync` catches up")

    def _wait(self, patience: float) -> None:
        with self._changed:
            self._open, self._moved = False, time.monotonic()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended, min(QUIET, patience))
            if (lacking := self._lacking()) and patience > QUIET:
                self._told(f"MLflow is still to take {lacking:,} records; Ctrl-C leaves them to `sync`")
            while not self._ended and (rest := self._moved + patience - time.monotonic()) > 0:
                self._changed.wait(rest)

    def _lacking(self) -> int:
        """How many records the store does not show yet, as far as the thread knows."""
        return len(self._waiting) + self._in_hand

    def _write(self) -> None:
        """All that the thread does."""
        try:
            from harness.tracking import Tracker

            self._answered(0)  # an import is progress too
            tracker = Tracker(self._uri, self._grid, self._answered)
            known = self._known()
            with self._changed:
                self._waiting = {**known, **self._waiting}
            while batch := self._come_in():
                tracker.log(batch)
        except _Abandoned:
            pass
        except HarnessError as error:
            self._give_up(str(error))
        except Exception as error:  # or nobody would hear of it
            self._give_up(f"{type(error).__name__}: {error}")
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _come_in(self) -> Mapping[str, Record]:
        """All records that have come in since it was last called, waiting for one; none when there will be no more."""
        with self._changed:
            self._in_hand = 0
            self._changed.wait_for(lambda: self._waiting or not self._open)
            batch, self._waiting = self._waiting, {}
            self._in_hand = len(batch)
            return batch

    def _answered(self, records: int) -> None:
        """The store has answered, and shows so many more records in full."""
        with self._changed:
            self._moved = time.monotonic()
            self._in_hand -= records
            if self._abandoned:
                raise _Abandoned

    def _give_up(self, reason: str) -> None:
        with self._changed:
            self._open, self._waiting, self._in_hand = False, {}, 0
            if self._abandoned:
                return
        self._told(f"MLflow is left out from here on: {reason}. The records are whole; `sync` catches up")


def attach(uri: str, grid: Mapping[str, Any], folder: Path, told: Callable[[str], None], patience: float) -> None:
    """Let MLflow show the files of a grid's results folder, waiting for it at most `patience` seconds.

    What it can't take, or has not taken by then, is left to `sync`, and told.
    """
    ended, troubles = threading.Event(), list[str]()

    def upload() -> None:
        try:
            from harness.tracking import attach

            attach(uri, grid, folder)
        except Exception as error:  # or nobody would hear of it
            troubles.append(str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}")
        ended.set()

    threading.Thread(target=upload, name="MLflow", daemon=True).start()
    if not ended.wait(patience):
        told(f"MLflow has not taken the files of {folder} yet; `sync` catches up")
    for trouble in list(troubles):
        told(f"MLflow is left without the files of {folder}: {trouble}")


class _Abandoned(Exception):
    """Nobody waits for the thread any more."""
