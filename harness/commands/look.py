"""`list`, `leaderboard`, `records`: what is there, without torch."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness import registry
from harness.errors import HarnessError, PluginError

if TYPE_CHECKING:
    from harness.records import RecordStore

KIND_OF = {"encoders": "encoder", "strategies": "strategy", "corpora": "corpus"}


def plugins(asked: argparse.Namespace) -> int:
    """List names with what each is in a line; with --check, import each and say whether it works."""
    if asked.what == "grids":
        return _grids(asked.check)
    kind = KIND_OF[asked.what]
    broken = 0
    rows = []
    for name, origins in registry.origins(kind).items():
        line = " and ".join(map(str, origins)) if len(origins) > 1 else origins[0].summary()
        if len(origins) > 1:
            line = f"defined twice: {line}"
        if asked.check:
            try:
                registry.load(kind, name)
                line = f"ok: {line}"
            except PluginError as error:
                broken += 1
                line = f"broken: {error}"
        rows.append((name, line))
    _print_columns(rows)
    return 1 if broken else 0


def _grids(check: bool) -> int:
    from harness.grid_files import grid_names, read_grid

    broken = 0
    rows = []
    for name, line in grid_names().items():
        if check:
            import tomllib

            from harness.axes import read_axes

            mistakes: list[str] = []
            try:
                read_axes(tomllib.loads(read_grid(name)[1]), mistakes)
            except tomllib.TOMLDecodeError as error:
                mistakes.append(str(error))
            broken += bool(mistakes)
            line = f"broken: {'; '.join(mistakes)}" if mistakes else f"ok: {line}"
        rows.append((name, line))
    _print_columns(rows)
    return 1 if broken else 0


def leaderboard(asked: argparse.Namespace) -> int:
    """Print a grid's table from its records."""
    from harness.records import RecordStore
    from harness.report.leaderboard import render
    from harness.report.results import grid_keys, read_resolved

    grid = read_resolved(asked.grid, asked.home, asked.results)
    store = RecordStore(asked.home / "records")
    records = store.read_all(grid_keys(grid))
    tell_damaged(store)
    folder = asked.results / grid["name"]
    if not records and (folder / "records.csv.gz").is_file():
        print(f"harness: no record is in {asked.home}; to restore them: python -m harness records import {folder}",
              file=sys.stderr)  # fmt: skip
    sys.stdout.write(render(grid, records, asked.format, asked.metric))
    return 0


def records_list(asked: argparse.Namespace) -> int:
    """One line a record: key, cell, state, what was run, score on test."""
    from harness.records import COMPLETE, RecordStore
    from harness.specs import RunSpec

    store = RecordStore(asked.home / "records")
    keys: Iterable[str] = store.keys()
    if asked.grid:
        from harness.report.results import grid_keys, read_resolved

        keys = grid_keys(read_resolved(asked.grid, asked.home, asked.results))
    for key, record in store.read_all(keys).items():
        spec = RunSpec.from_dict(record["spec"])
        told = record["error"]["message"] if record["error"] else ""
        if record["status"] == COMPLETE:
            told = f"accuracy {100 * record['scores']['test']['accuracy']:.1f} %"
        text = f" on {spec.text.label}" if spec.text else ""
        what = f"{spec.corpus.name} {spec.encoder.name} {spec.strategy.name}{text}"
        run = f"{spec.size} labels, replicate {spec.replicate}"
        print(f"{key[:16]}  {record['cell']}  {record['status']:8}  {what}  {run}  {told}")
    tell_damaged(store)
    return 0


def records_show(asked: argparse.Namespace) -> int:
    """Print the record whose key begins as asked."""
    from harness.records import RecordStore

    store = RecordStore(asked.home / "records")
    known = store.keys()
    found = [key for key in known if key.startswith(asked.key)]
    if len(found) != 1:
        several = f"{len(found)} records' keys begin with" if found else "no record's key begins with"
        raise HarnessError(f"{several} '{asked.key}'; expected one. python -m harness records list shows them")
    record = store.read(found[0])
    tell_damaged(store)
    print(json.dumps(record, indent=2))
    return 0 if record else 2


def records_import(asked: argparse.Namespace) -> int:
    """Restore the records of a results folder; those that are here already stay as they are."""
    from harness.records import RecordStore, import_results

    store = RecordStore(asked.home / "records")
    new, known = import_results(store, asked.folder)
    print(f"{new:,} records imported from {asked.folder} into {asked.home}, {known:,} were there already")
    return 0


def tell_damaged(store: RecordStore) -> None:
    """Tell of every record that could not be read; such a run counts as missing."""
    for path, cause in store.damaged.items():
        print(f"harness: the record {path} is damaged ({cause}); it counts as missing, and `run` makes it again",
              file=sys.stderr)  # fmt: skip


def _print_columns(rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    for name, line in rows:
        print(f"{name:{width}}  {line}".rstrip())
