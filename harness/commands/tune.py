"""`tune`: the best values of every arm of a grid, by dev alone, with the same budget."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import provenance
from harness.commands.progress import tell
from harness.commands.run import check_timeout, pool_of, rules_of, stopped_by_term
from harness.datasets.selections import check_sample
from harness.datasets.splits import size_of
from harness.errors import GridError, HarnessError, in_words, without_passwords
from harness.grid import ResolvedGrid
from harness.locks import locked
from harness.scheduler.quantities import duration
from harness.selection import chosen_grid, select
from harness.specs import RunSpec
from harness.tracked import default_uri
from harness.tuned_files import is_as_tuned, read_tuned, tuned_file, write_tuned
from harness.tuned_values import Budget, TunedArm, TunedValues, short_names


def tune(asked: argparse.Namespace) -> int:
    """Tune what is selected of a grid, and write the values to the file that `run --tuned` reads.

    Arms of the grid that are not selected, and have been tuned in the same storage with the same budget, are in the
    file too.
    """
    from harness.tuning import narrowed, storage_of
    from harness.tuning import tune as tune_grid
    from harness.tuning.trials import last_ended, write_trials

    check_timeout(asked)
    file: Path = asked.out or tuned_file(asked.grid)
    before = _check_file(file)
    with stopped_by_term():
        grid = chosen_grid(asked, asked.home)
        budget = Budget(
            asked.trials, tuple(sorted(set(asked.tuning_sizes))), asked.tuning_replicates, asked.pretrainings
        )
        runs = select(grid, asked)
        _check(grid, budget, runs)
        name = grid.plain["name"]
        usual = Path("tuning") / f"{name}.journal"
        where = asked.storage or asked.home / usual
        # the lock of the records, for `run` and `tune` make artifacts in the same place: one of them at a time
        with locked(asked.home, "records", f"tune --grid {asked.grid}"), pool_of(asked, tell) as pool:
            storage = storage_of(where)
            grid = narrowed(grid, runs, budget, storage)
            tell(f"Tuning {name}: {budget.told()}; studies: {without_passwords(str(where))}")
            try:
                arms = tune_grid(grid, budget, asked.home, pool, rules_of(asked), storage, tell)
            except KeyboardInterrupt:
                tell("The finished runs and trials are kept; the same command goes on with the rest.")
                raise
            told = {
                "storage": without_passwords(str(asked.storage or usual)),  # in any home
                "finished": last_ended(grid, budget, storage),
                "commit": provenance.git_commit(),
            }
            digest = write_tuned(TunedValues(file, name, budget, arms), told)
            trials = write_trials(file, digest, grid, budget, arms, storage)
    _tell_of_the_gone(before, arms, file)
    if not asked.no_mlflow:
        _show_in_mlflow(asked, {"grid": name, "budget": budget.told(), "trials": trials})
    for called, arm in zip(short_names([arm.names for arm in arms]), arms, strict=True):
        print(f"{called}: {_told(arm)}")
    named = "" if asked.out is None else f" {file}"
    print(f"Tuned values: {file}; python -m harness run --grid {asked.grid} --tuned{named} reads them")
    return 0


def _show_in_mlflow(asked: argparse.Namespace, tuned: Mapping[str, Any]) -> None:
    """Every trial is a run of MLflow's, in an experiment of its own."""
    from harness.tracking import sync_trials

    try:
        with locked(asked.home, "mlflow", f"tune --grid {asked.grid}"):
            sync_trials(asked.mlflow_uri or default_uri(asked.home), tuned)
    except HarnessError as error:
        tell(
            f"MLflow is left out: {error}. The trials are whole; the same command, which runs nothing twice, catches up"
        )


def _check_file(file: Path) -> Sequence[TunedArm]:
    """The arms of the file as it is; HarnessError where it can't be written, or would be lost."""
    before = read_tuned(file) if file.is_file() else None
    if before is not None and not is_as_tuned(before):
        raise HarnessError(
            f"{file}: its values have been changed since they were tuned, and would be written over; write elsewhere, "
            "--out FILE, or delete the file"
        )
    try:
        if file.is_dir() or file.suffix != ".toml":
            raise OSError("a folder" if file.is_dir() else "another name")
        there = next(folder for folder in file.parents if folder.exists())  # what is missing is made with the file
        if not there.is_dir():
            raise OSError(f"{there}, which is no folder")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise HarnessError(
            f"--out {file}: expected a file NAME.toml that can be written, found {in_words(error)}"
        ) from error
    return before.arms if before is not None else ()


def _tell_of_the_gone(before: Sequence[TunedArm], arms: Sequence[TunedArm], file: Path) -> None:
    """Say which arms the file had, and has no longer."""
    now = [arm.names for arm in arms]
    if gone := [arm.names for arm in before if arm.names not in now]:
        told = "; ".join(", ".join(names.values()) for names in gone)
        tell(f"{file} no longer has what was not tuned with this budget in this storage: {told}")


def _check(grid: ResolvedGrid, budget: Budget, runs: dict[str, RunSpec]) -> None:
    """Raise GridError where a corpus has too few training labels for a trial, or a text too few samples."""
    mistakes = []
    if not runs:
        raise GridError(
            [f"expected an arm to tune, found none of {grid.plain['name']} that --encoder and the like leave"]
        )
    corpora = {cell["corpus"] for cell in grid.plain["cells"] if not runs.keys().isdisjoint(cell["keys"])}
    for corpus in (grid.plain["corpora"][place] for place in sorted(corpora)):
        for size in budget.sizes:
            try:
                size_of(size, corpus["counts"]["train"])
            except ValueError as error:
                mistakes.append(f"--tuning-sizes, with {corpus['label']}: {error}")
    if budget.replicates < 2:
        mistakes.append(
            f"--tuning-replicates: expected 2 or more, for one tells nothing of chance, found {budget.replicates}"
        )
    for spec in {str(spec.text): spec for spec in runs.values() if spec.text}.values():
        source, samples = grid.text_of(spec).source, budget.replicates if "sample" in spec.vary else 1
        if spec.text and source and (fault := check_sample(spec.text, source.counts["sentences"], samples)):
            mistakes.append(f"--tuning-replicates, with texts.{spec.text.name}: {fault}")
    if mistakes:
        raise GridError(mistakes)


def _told(arm: TunedArm) -> str:
    own = "failed" if arm.own_dev is None else f"{arm.own_dev:.1f} %"
    counts = ", ".join(f"{count} {name}" for name, count in arm.counts.items() if count)
    cost = f"{duration(arm.seconds)} of runs"
    if arm.pretrainings:
        several = "s" if arm.pretrainings > 1 else ""
        cost += f", {duration(arm.pretraining_seconds)} of pre-training, in {arm.pretrainings} setting{several}"
    return f"trial {arm.trial}, dev {arm.dev:.1f} % (the grid's own values: {own}); {counts}; {cost}"
