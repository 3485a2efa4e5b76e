"""The records of a results folder, in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import exchange
from harness.records import Classes, Hidden, Record, RecordStore, check_predictions


def beside(folder: Path, home: RecordStore, tell: Callable[[str], object]) -> RestoredRecords | None:
    """The records of a results folder with those of a home; None where the folder has none that can be read.

    `tell` is told where it has one of its two files without the other.
    """
    there = [name for name in (exchange.TABLE, exchange.ARRAYS) if (folder / name).is_file()]
    if len(there) == 1:
        lacking = exchange.ARRAYS if there == [exchange.TABLE] else exchange.TABLE
        tell(f"{folder} has {there[0]} without {lacking}: its records can't be read, and are left out")
    return RestoredRecords(folder, tell, home) if len(there) == 2 else None


class RestoredRecords(RecordStore):
    """The records of a results folder, checked as those that come home, and held as JSON; nothing is written.

    With a `home`, its records too; of two of one run the better counts, by `harness.records.rank`, and of the folder's
    no other is held. `tell` is told of each that is damaged, which is left out. Raises DataError where the folder lacks
    one of its two files.
    """

    def __init__(self, folder: Path, tell: Callable[[str], object], home: RecordStore | None = None) -> None:
        super().__init__(folder)
        self._home = home
        self._texts: dict[str, bytes] = {}
        self._predicted: dict[str, Classes] = {}
        self._gold: dict[str, Classes] = {}  # by digest: the runs of a corpus share them
        exchange.check_results(folder)
        exchange.merge(self, folder, tell)

    def write(
        self, record: Record, gold: Classes | None, predicted: Classes | None, hidden: Hidden | None = None
    ) -> None:
        """Hold a record and its predictions; hidden vectors, which are large, stay where they are."""
        self._texts[record["key"]] = json.dumps(record, allow_nan=False).encode()
        if gold is not None and predicted is not None:
            self._gold.setdefault(record["gold"], gold)
            self._predicted[record["key"]] = predicted

    def read(self, key: str) -> Record | None:
        """The record of a run, or None where there is none."""
        if key in self._texts:
            record: Record = json.loads(self._texts[key])
            return record
        return None if self._home is None else self._home.read(key)

    def keys(self) -> Iterator[str]:
        """The keys of the records that are held, in the table's order."""
        yield from self._texts

    def predictions(self, key: str) -> tuple[Classes, Classes]:
        """Gold and predicted classes of the test split of a complete run, (N,) each."""
        if key not in self._texts and self._home is not None:
            return self._home.predictions(key)
        return self._gold[json.loads(self._texts[key])["gold"]], self._predicted[key]

    def checked_predictions(self, record: Record) -> tuple[Classes, Classes]:
        """The same, and they fit the record; ValueError where they don't."""
        if record["key"] not in self._texts and self._home is not None:
            return self._home.checked_predictions(record)
        gold, predicted = self.predictions(record["key"])
        check_predictions(record, gold, predicted)
        return gold, predicted

    def checked_hidden(self, record: Record) -> Hidden:
        """The hidden vectors of a record, and they are its own; ValueError where they are not."""
        if record["key"] not in self._texts and self._home is not None:
            return self._home.checked_hidden(record)
        return exchange.restored_hidden(self.root, record)
