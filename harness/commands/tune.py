"""`tune`: the best values of every arm of a grid, by dev alone, with the same budget."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from harness import provenance
from harness.commands.progress import tell
from harness.commands.run import pool_of, rules_of, stopped_by_term
from harness.datasets.splits import size_of
from harness.errors import GridError
from harness.grid import ResolvedGrid
from harness.locks import locked
from harness.selection import chosen_grid, select
from harness.tuned_values import Budget, TunedArm, TunedValues, tuned_file, write_tuned


def tune(asked: argparse.Namespace) -> int:
    """Tune what is selected of a grid, and write the values to the file that `run --tuned` reads."""
    from harness.tuning import tune as tune_grid
    from harness.tuning.study import storage_of

    file: Path = asked.out or tuned_file(asked.grid)
    with stopped_by_term():
        grid = chosen_grid(asked, asked.home)
        budget = Budget(asked.trials, _sizes(grid, asked.tuning_sizes), asked.tuning_replicates, asked.pretrainings)
        grid = _narrowed(grid, asked)
        name = grid.plain["name"]
        tell(f"Tuning {name}: {budget.told()}")
        with locked(asked.home, "records", f"tune --grid {asked.grid}"), pool_of(asked, tell) as pool:
            storage = storage_of(asked.storage or asked.home / "tuning" / f"{name}.journal")
            arms = tune_grid(grid, budget, asked.home, pool, rules_of(asked), storage, tell)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_tuned(TunedValues(file, name, budget, arms), {"finished": now, "commit": provenance.git_commit()})
    for arm in arms:
        print(_told(arm))
    print(f"Tuned values: {file}; python -m harness run --grid {asked.grid} --tuned reads them")
    return 0


def _narrowed(grid: ResolvedGrid, asked: argparse.Namespace) -> ResolvedGrid:
    """The grid with those of its cells that are selected."""
    runs: Mapping[str, object] = select(grid, asked)
    grid.plain["cells"] = [cell for cell in grid.plain["cells"] if any(key in runs for key in cell["keys"])]
    return grid


def _sizes(grid: ResolvedGrid, asked: list[int]) -> tuple[int, ...]:
    """The sizes at which trials run; GridError where a corpus has not so many training labels."""
    mistakes = []
    for size in asked:
        for corpus in grid.plain["corpora"]:
            try:
                size_of(size, corpus["counts"]["train"])
            except ValueError as error:
                mistakes.append(f"--tuning-sizes, with {corpus['label']}: {error}")
    if mistakes:
        raise GridError(mistakes)
    return tuple(sorted(set(asked)))


def _told(arm: TunedArm) -> str:
    own = "" if arm.own_dev is None else f", {arm.own_dev:.1f} % with the grid's own values"
    counts = ", ".join(f"{count} {name}" for name, count in arm.counts.items())
    return f"{', '.join(arm.names.values())}: trial {arm.trial}, dev {arm.dev:.1f} %{own} ({counts})"
