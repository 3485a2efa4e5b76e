"""Where records and resolved grids are read from: a home, a results folder, or both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import exchange
from harness.errors import DataError, HarnessError
from harness.records import RecordStore
from harness.report.restored import RestoredRecords, beside
from harness.report.results import grid_keys, read_resolved, resolved_grid_file
from harness.report.rows import to_run

Tell = Callable[[str], object]


def records_of_grid(grid: dict[str, Any], home: Path, results: Path, tell: Tell) -> RecordStore:
    """The records of a grid's runs: the home's, and those of its folder of results that the home lacks, or has worse.

    `tell` is told how many are the folder's. Raises HarnessError where there are none at all.
    """
    store: RecordStore = RecordStore(home / exchange.RECORDS)
    folder, keys = results / grid["name"], grid_keys(grid)
    restored = beside(folder, store, tell)
    if restored is not None and (more := len(set(restored.keys()).intersection(keys))):
        tell(f"{more:,} of {len(keys):,} records are those of {folder}: {home} lacks them, or has worse ones")
        return restored
    if any(store.path(key).exists() for key in keys):
        return store
    raise HarnessError(
        f"no run of grid '{grid['name']}' has a record in {home} or in {folder}; expected some. Run it: "
        f"python -m harness run {to_run(grid)}"
    )


def records_at(place: Path, tell: Tell) -> RecordStore:
    """The records of a home, of its folder of records, or of a results folder.

    `tell` is told of damaged ones of a results folder. Raises DataError where there is none.
    """
    if (place / exchange.TABLE).is_file():
        return RestoredRecords(place, tell)
    inner = place / exchange.RECORDS
    store = RecordStore(inner if inner.is_dir() else place)
    if next(store.keys(), None) is None:
        raise DataError(
            f"no record is in {place}; expected a home folder, its folder {exchange.RECORDS}, or a results folder with "
            f"{exchange.TABLE} and {exchange.ARRAYS}"
        )
    return store


def grids_with(start: str, home: Path, results: Path) -> list[dict[str, Any]]:
    """The grids that have a run whose key begins so: those that were resolved in a home, then those among results.

    Of two of one name that of the home counts, as in `read_resolved`, which raises DataError where one is damaged.
    """
    here = sorted(file.stem for file in resolved_grid_file(home, "x").parent.glob("*.json"))
    there = sorted(file.parent.name for file in results.glob("*/grid.json"))
    grids = (read_resolved(name, home, results) for name in dict.fromkeys(here + there))
    return [grid for grid in grids if any(key.startswith(start) for key in grid_keys(grid))]
