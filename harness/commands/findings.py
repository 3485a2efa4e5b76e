"""`claims`, `compare`, `show`: what the records say, without torch."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from harness import provenance, registry
from harness.arguments import default_home
from harness.commands.records import UNTOLD, tell_damaged
from harness.errors import DataError, HarnessError
from harness.grid_files import grid_names, read_grid
from harness.records import Record, RecordStore, cause


def claims(asked: argparse.Namespace) -> int:
    """Print which claims a grid's scores support."""
    from harness.report.claim_files import read_claims
    from harness.report.claims import render_claims
    from harness.report.comparison import check
    from harness.scoring import METRICS

    check("metric", [asked.metric] if asked.metric else [], METRICS)
    grid, store = _grid(asked, asked.grid)
    table = render_claims(read_claims(asked.claims, known_names(grid)), grid, store, asked.format, asked.metric)
    tell_damaged(store)
    sys.stdout.write(table)
    return 0


def known_names(grid: dict[str, Any]) -> dict[str, set[str]]:
    """The encoders and strategies that claims may name: those that are here, and those of the grid."""
    return {
        kind: {*registry.origins(kind), *(cell[kind] for cell in grid["cells"])} for kind in ("encoder", "strategy")
    }


def compare(asked: argparse.Namespace) -> int:
    """Print two strategies, grids or places side by side; of places 1 where they do not have the same."""
    first, second = asked.first, asked.second
    if _are_places(first, second):
        return _places(asked)
    from harness.report.comparison import Narrowed, compare_strategies
    from harness.report.comparison_tables import render_comparison
    from harness.report.grids_compared import compare_grids

    only = Narrowed(asked.encoder, asked.text, asked.size)
    if asked.grid is not None:
        one = _grid(asked, asked.grid)
        stores = [one[1]]
        found = compare_strategies(*one, first, second, asked.metric, only)
    else:
        one, other = (_grid(asked, _no_strategy(name)) for name in (first, second))
        stores = [one[1], other[1]]
        found = compare_grids(one, other, asked.metric, only)
    for store in stores:
        tell_damaged(store)
    sys.stdout.write(render_comparison(found, asked.format))
    return 0


def show(asked: argparse.Namespace) -> int:
    """Print one record in words, and the command that repeats its run."""
    from harness.report.places import grids_with
    from harness.report.run_page import told_run

    store = RecordStore(asked.home / "records")
    grids = grids_with(asked.key, asked.home, asked.results)
    record = _record(store, asked, [grid["name"] for grid in grids])
    grids = [grid for grid in grids if any(record["key"] in cell["keys"] for cell in grid["cells"])]
    cells = ((grid, cell) for grid in grids for cell in grid["cells"] if record["key"] in cell["keys"])
    corpus = next((grid["corpora"][cell["corpus"]] for grid, cell in cells), None)
    where = {"record": str(store.path(record["key"]))}
    if store.predictions_path(record["key"]).is_file():
        where["predictions"] = str(store.predictions_path(record["key"]))
    where |= {"grids": ", ".join(grid["name"] for grid in grids) or "none that is known here"}
    where |= {"finished": str(record["finished"]), "code": _code(record)}
    try:
        told = told_run(record, corpus, where)
    except UNTOLD as error:
        raise DataError(
            f"{where['record']}: a record of another form ({cause(error)}); python -m harness records show "
            f"{record['key'][:16]} prints it as it is"
        ) from error
    sys.stdout.write(told)
    print(f"\nTo repeat it\n  {_repeat(record, grids, asked)}")
    return 0


def _record(store: RecordStore, asked: argparse.Namespace, grids: list[str]) -> Record:
    """The one record whose key begins as asked; HarnessError where there is not one, or it is damaged."""
    keys = store.keys()
    found = [key for key in keys if key.startswith(asked.key)]
    if not found and grids:
        folder = asked.results / grids[0]
        todo = f"records import {folder}" if folder.is_dir() else f"run --run {asked.key}"
        raise HarnessError(
            f"no record's key in {asked.home} begins with '{asked.key}'; the grid '{grids[0]}' has such a run. "
            f"python -m harness {todo}"
        )
    if len(found) != 1:
        several = f"{len(found)} records' keys begin with" if found else "no record's key begins with"
        raise HarnessError(f"{several} '{asked.key}'; expected one. python -m harness records list shows them")
    record = store.read(found[0])
    if record is None:
        path = store.path(found[0])
        raise DataError(f"the record {path} is damaged ({store.damaged[path]}); python -m harness run makes it again")
    return record


def _code(record: Record) -> str:
    """Whether the code on which the run depends is today's."""
    try:
        return (
            "has changed since, so that a repeat may score otherwise" if provenance.is_stale(record) else "is the same"
        )
    except UNTOLD:
        return "of another form of records"


def _repeat(record: Record, grids: list[dict[str, Any]], asked: argparse.Namespace) -> str:
    """The command that runs it again and nothing else, on the same kind of device."""
    if not grids:
        return (
            f"no grid that was resolved in {asked.home}, or is in {asked.results}, has this run; resolve its grid: "
            "python -m harness plan --grid NAME"
        )
    grid = grids[0]
    words = ["python", "-m", "harness", "run", "--run", record["key"][:16], "--rerun", "all", "--workers", "0"]
    if grid["name"] in grid_names() and read_grid(grid["name"])[1] == grid["source"]:
        words[4:4] = ["--grid", grid["name"]]
    device = str((record["environment"] or {}).get("device") or "").partition(":")[0]
    words += ["--device", device] if device in ("cpu", "cuda") else []
    words += ["--home", str(asked.home)] if asked.home != default_home() else []
    words += ["--results", str(asked.results)] if asked.results != Path("results") else []
    return shlex.join(words)


def _grid(asked: argparse.Namespace, name: str) -> tuple[dict[str, Any], RecordStore]:
    """A grid as last resolved, and its records."""
    from harness.report.places import records_of_grid
    from harness.report.results import read_resolved

    grid = read_resolved(name, asked.home, asked.results)
    return grid, records_of_grid(grid, asked.home, asked.results, _tell)


def _no_strategy(name: str) -> str:
    """A name of a grid; HarnessError where it is a strategy's."""
    if name in registry.origins("strategy"):
        raise HarnessError(f"'{name}' is a strategy; expected the grid beside it: --grid NAME")
    return name


def _are_places(first: str, second: str) -> bool:
    """Whether homes or results folders are meant."""
    strategies = registry.origins("strategy")
    if first in strategies and second in strategies:
        return False
    return "/" in first + second or all(Path(name).is_dir() for name in (first, second))


def _places(asked: argparse.Namespace) -> int:
    """Two homes or results folders, run by run; with --grid, the runs of a grid alone."""
    from harness.report.places import records_at
    from harness.report.reproduction import compare_records, render_reproduction
    from harness.report.results import grid_keys, read_resolved

    for flag in ("metric", "encoder", "text", "size"):
        if getattr(asked, flag):
            raise HarnessError(f"--{flag}: expected with strategies or grids, not with homes and results folders")
    first, second = (records_at(Path(place), _tell) for place in (asked.first, asked.second))
    only = set(grid_keys(read_resolved(asked.grid, asked.home, asked.results))) if asked.grid else None
    found = compare_records((asked.first, asked.second), first, second, only)
    for store in (first, second):
        tell_damaged(store)
    sys.stdout.write(render_reproduction(found, asked.format))
    return 0 if found.is_whole else 1


def _tell(line: str) -> None:
    print(f"harness: {line}", file=sys.stderr)
