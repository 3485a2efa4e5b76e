"""A grid's results folder: the resolved grid, its tables, and its records and predictions without loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.exchange import export
from harness.records import RecordStore, write_atomically
from harness.report.leaderboard import FORMATS
from harness.report.restored import beside
from harness.report.standings import standing_rows
from harness.report.variances import csv_of_rows
from harness.tuned_trials import TUNED


def write_results(grid: dict[str, Any], store: RecordStore, folder: Path, tell: Callable[[str], object]) -> RecordStore:
    """Write grid.json, leaderboard.md, leaderboard.csv, records.csv.gz and predictions.npz; the records they are of.

    Of a crossed grid also variances.csv; of another one it goes. Records of the folder that the store lacks, or has
    worse, stay in it, and in its tables; `tell` is told of them.
    """
    keys = grid_keys(grid)
    there = beside(folder, store, tell)
    if there is not None and (kept := list(there.keys())):
        tell(f"Records of {folder} that are not in {store.root}, or worse there, stay in it: {len(kept):,}")
        keys, store = list(dict.fromkeys(keys + kept)), there
    rows = standing_rows(grid, store)
    texts = {
        "grid.json": json.dumps(grid, indent=1) + "\n",
        "leaderboard.md": FORMATS["md"](grid, rows),
        "leaderboard.csv": FORMATS["csv"](grid, rows),
    }
    if grid.get("crossed"):
        texts["variances.csv"] = csv_of_rows(rows)
    else:
        (folder / "variances.csv").unlink(missing_ok=True)
    for name, text in texts.items():
        data = text.encode()
        write_atomically(folder / name, lambda file, data=data: file.write(data))  # type: ignore[misc]
    export(store, keys, folder)
    return store


def grid_keys(grid: dict[str, Any]) -> list[str]:
    """The keys of all runs of a resolved grid, in its order, each once."""
    return list(dict.fromkeys(key for cell in grid["cells"] for key in cell["keys"]))


def resolved_grid_file(home: Path, name: str) -> Path:
    """Where the home folder keeps a grid as last resolved."""
    return home / "grids" / f"{name}.json"


def read_resolved(name: str, home: Path, results: Path) -> dict[str, Any]:
    """A grid as last resolved here, else as it stands among the results.

    Raises DataError where there is neither.
    """
    name = Path(name).name.removesuffix(".toml")
    places = (resolved_grid_file(home, name), results / name / "grid.json")
    for file in places:
        try:
            return _read_grid(file)
        except OSError:
            continue
    raise DataError(
        f"grid '{name}' has not been run here: expected {places[0]} or {places[1]}. "
        f"Run it: python -m harness run --grid {name.removesuffix(TUNED)}{' --tuned' * name.endswith(TUNED)}"
    )


def keys_of_grids(home: Path) -> set[str]:
    """The keys of all runs of all grids that have been resolved in a home folder.

    Raises DataError where there is none, or one can't be read.
    """
    files = sorted((home / "grids").glob("*.json"))
    if not files:
        raise DataError(
            f"no grid has been resolved in {home}: expected some in {home / 'grids'}, to tell which records are of none"
            ". Resolve one: python -m harness plan --grid NAME"
        )
    try:
        return {key for file in files for key in grid_keys(_read_grid(file))}
    except OSError as error:
        raise DataError(f"can't read {error.filename}: {error.strerror}") from error


def _read_grid(file: Path) -> dict[str, Any]:
    """A resolved grid; DataError where the file is none."""
    try:
        grid: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if not {"name", "cells", "corpora"} <= grid.keys():
            raise ValueError("something else")
        grid_keys(grid)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{file}: expected a resolved grid, found damage: {error}") from error
    return grid
