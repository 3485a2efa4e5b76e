"""A grid's results folder: the resolved grid, its tables, and its records and predictions without loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.records import RecordStore, export, write_atomically
from harness.report.leaderboard import render
from harness.report.variances import variances_csv


def write_results(grid: dict[str, Any], store: RecordStore, folder: Path) -> None:
    """Write grid.json, leaderboard.md, leaderboard.csv, records.csv.gz and predictions.npz.

    Of a crossed grid also variances.csv; of another one it goes.
    """
    keys = grid_keys(grid)
    records = store.read_all(keys)
    texts = {
        "grid.json": json.dumps(grid, indent=1) + "\n",
        "leaderboard.md": render(grid, records, "md"),
        "leaderboard.csv": render(grid, records, "csv"),
    }
    if grid.get("crossed"):
        texts["variances.csv"] = variances_csv(grid, records)
    else:
        (folder / "variances.csv").unlink(missing_ok=True)
    for name, text in texts.items():
        data = text.encode()
        write_atomically(folder / name, lambda file, data=data: file.write(data))  # type: ignore[misc]
    export(store, keys, folder)


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
            grid: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except OSError:
            continue
        except ValueError as error:
            raise DataError(f"{file}: expected a resolved grid, found damage: {error}") from error
        return grid
    raise DataError(
        f"grid '{name}' has not been run here: expected {places[0]} or {places[1]}. "
        f"Run it: python -m harness run --grid {name}"
    )
