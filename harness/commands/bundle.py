"""`bundle`: pack what a machine without the corpora needs to run a grid."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from harness import bundles, registry
from harness.artifacts import ArtifactStore
from harness.errors import GridError
from harness.grid import ResolvedGrid
from harness.scheduler.graph import HERE, tasks_of
from harness.scheduler.preparing import prepare
from harness.selection import chosen_grid, select
from harness.specs import RunSpec


def bundle(asked: argparse.Namespace) -> int:
    """Prepare what the selected runs of a grid read and has not been prepared, and write it to a file."""
    file: Path = asked.file
    bundles.check_place(file)
    grid = chosen_grid(asked, asked.home)
    runs = select(grid, asked)
    if not runs:
        raise GridError([f"the flags leave no run of the grid '{grid.plain['name']}'; expected one; leave some out"])
    store = ArtifactStore(asked.home / "artifacts")
    for task in tasks_of(runs.values(), store):
        if task.kind in HERE:
            prepare(task, grid, store, _tell)
    count = bundles.write(file, grid, runs, store, asked.with_pretrained)
    size = file.stat().st_size / 1e6
    print(f"{file}: {len(runs):,} runs of the grid {grid.plain['name']}, {count:,} artifacts, {size:,.2f} MB")
    held = _licences(grid, runs.values())
    print(f"It holds the words and labels, as numbers, of {held}; pass it on only as those allow")
    print(
        f"There: python -m harness run --bundle {file.name}; then here, with the home folder that it has there: python "
        "-m harness records merge HOME"
    )
    return 0


def _licences(grid: ResolvedGrid, runs: Iterable[RunSpec]) -> str:
    """The corpora and texts of the runs, each with its licence."""
    found: dict[str, str] = {}
    for spec in runs:
        found[spec.corpus.name] = grid.corpus_of(spec).source.about.licence
        if spec.text is not None and grid.text_of(spec).source is not None:
            reader = registry.load("corpus", spec.text.reader or spec.text.name)
            found[spec.text.name] = reader.about.licence
    return " and ".join(f"{name} (licence: {licence})" for name, licence in found.items())


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
