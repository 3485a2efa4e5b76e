"""`records`: list, show, import, merge, export and prune what runs have left, without torch."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from harness import exchange, provenance, tuned_trials
from harness.errors import HarnessError
from harness.locks import locked
from harness.records import COMPLETE, FAILED, UNFINISHED, Record, RecordStore, cause
from harness.specs import RunSpec

DAY = 24 * 60 * 60
"""Seconds."""

UNTOLD = (AttributeError, KeyError, TypeError, ValueError)
"""What is raised by describing a record whose fields are not today's."""


def listed(asked: argparse.Namespace) -> int:
    """One line a record: key, cell, state, what was run, score on test."""
    store = _store(asked)
    for record in store.each(_keys(store, asked)):
        if asked.status in (None, record["status"]) and not (asked.stale and not _is_stale(record)):
            print(f"{record['key'][:16]}  {record['cell']}  {record['status']:8}  {_described(record)}")
    tell_damaged(store)
    return 0


def show(asked: argparse.Namespace) -> int:
    """Print the record whose key begins as asked, of a run or of a trial's run."""
    stores = [_store(asked), RecordStore(asked.home / tuned_trials.RECORDS)]
    each = [(store, store.keys()) for store in stores]
    found = [(store, key) for store, keys in each for key in keys if key.startswith(asked.key)]
    if len(found) != 1:
        several = f"{len(found)} records' keys begin with" if found else "no record's key begins with"
        raise HarnessError(f"{several} '{asked.key}'; expected one. python -m harness records list shows them")
    store, key = found[0]
    record = store.read(key)
    tell_damaged(store)
    print(json.dumps(record, indent=2))
    return 0 if record else 2


def import_results(asked: argparse.Namespace) -> int:
    """Bring home the records of a results folder; 1 where some are damaged."""
    exchange.check_results(asked.folder)
    return _bring_home(asked, [asked.folder])


def merge(asked: argparse.Namespace) -> int:
    """Bring home the records of other homes and results folders; 1 where some are damaged."""
    for place in asked.places:
        exchange.check_place(_store(asked), place)
    return _bring_home(asked, asked.places)


def _bring_home(asked: argparse.Namespace, places: Iterable[Path]) -> int:
    store, damaged = _store(asked), 0
    with locked(asked.home, "records", shlex.join(["records", asked.verb.split()[1], *map(str, places)])):
        for place in places:
            found = exchange.merge(store, place, lambda line: print(f"harness: {line}", file=sys.stderr))
            damaged += found.damaged
            brought = _count(found.brought, "record")
            print(f"{place}: {brought} brought to {asked.home}, {found.known:,} here already as good or better, "
                  f"{found.damaged:,} damaged")  # fmt: skip
    return 1 if damaged else 0


def export(asked: argparse.Namespace) -> int:
    """Write the records of a grid, or all, and their predictions as a results folder has them."""
    store = _store(asked)
    keys = list(_keys(store, asked))
    if next(store.each(keys), None) is None and not store.damaged:
        of_grid = f" of grid '{asked.grid}'" if asked.grid else ""
        raise HarnessError(f"no record{of_grid} is in {asked.home}; expected some to export. Name another --home")
    exchange.check_export(store, asked.folder)
    written = exchange.export(store, keys, asked.folder, lambda line: print(f"harness: {line}", file=sys.stderr))
    tell_damaged(store)
    print(f"{_count(written, 'record')} of {asked.home} written to {asked.folder}")
    return 1 if store.damaged else 0


class _Doomed(NamedTuple):
    """What is to be removed, in a line, and its files, the record first, so that it never stands without the others."""

    told: str
    files: tuple[Path, ...]


def prune(asked: argparse.Namespace) -> int:
    """Remove the records that are asked for, and tell each."""
    if not (asked.failed or asked.stale or asked.damaged or asked.not_in_grids):
        raise HarnessError(
            "expected what to remove: --failed, --stale, --damaged, --not-in-grids, or several of them; with --dry-run "
            "it is told, and stays"
        )
    store = _store(asked)
    with locked(asked.home, "records", "records prune"):
        only = set(_keys(store, asked)) if asked.grid else None
        before = _number(store)
        removed = other = 0
        for doomed in _doomed(store, asked, only):
            removed += doomed.files[0].suffix == ".json"
            other += doomed.files[0].suffix != ".json"
            print(f"{'would be ' * asked.dry_run}removed: {doomed.told}")
            if not asked.dry_run:
                _remove(doomed.files)
    are = "would be" if asked.dry_run else "are"
    print(f"{_count(removed, 'record')} and {_count(other, 'other file')} {are} removed, of {_count(before, 'record')}")
    return 0


def _doomed(store: RecordStore, asked: argparse.Namespace, only: set[str] | None) -> Iterator[_Doomed]:
    """What goes, of the runs of `only` where that is a set."""
    wanted = _keys_of_grids(asked.home) if asked.not_in_grids else None
    keys = store.keys()
    for key in keys:
        if only is not None and key not in only:
            continue
        files = store.path(key), store.predictions_path(key), store.hidden_path(key)
        record = store.read(key)
        if record is None:
            if asked.damaged:
                _check_readable(files[0])
                yield _Doomed(f"{key[:16]}  can't be read: {store.damaged[files[0]]}", files)
        elif why := list(_reasons(record, store, asked, wanted)):
            yield _Doomed(f"{key[:16]}  {', '.join(why)}  {_described(record)}", files)
        elif asked.damaged and (damage := _damage_to_hidden(record, store)):
            yield _Doomed(f"{key[:16]}  hidden vectors, and not the record: {damage}", files[2:])
    if not asked.damaged:
        return
    for file in sorted(store.root.glob("??/*.npz")):
        key = file.name.partition(".")[0]
        if not store.path(key).exists() and (only is None or key in only):
            what = "hidden vectors" if file == store.hidden_path(key) else "predictions"
            yield _Doomed(f"{key[:16]}  {what} without a record", (file,))
    for file in sorted(store.root.glob(f"??/{UNFINISHED}*")) if only is None else ():
        if time.time() - file.stat().st_mtime >= DAY:
            yield _Doomed(f"{file.name}  half written", (file,))


def _reasons(record: Record, store: RecordStore, asked: argparse.Namespace, wanted: set[str] | None) -> Iterator[str]:
    """Why a record goes; nothing where it stays."""
    if asked.failed and record["status"] == FAILED:
        yield "failed"
    if asked.stale and _is_stale(record):
        yield "stale"
    if wanted is not None and record["key"] not in wanted:
        yield "in no grid"
    if asked.damaged and record["status"] == COMPLETE:
        try:
            store.checked_predictions(record)
        except ValueError as error:
            _check_readable(store.predictions_path(record["key"]))
            yield f"damaged: {error}"


def _damage_to_hidden(record: Record, store: RecordStore) -> str:
    """What is wrong with the file of a record's hidden vectors; empty where nothing is, or there is none."""
    file = store.hidden_path(record["key"])
    if not file.exists():
        return ""
    try:
        store.checked_hidden(record)
    except ValueError as error:
        _check_readable(file)
        return str(error)
    return ""


def _check_readable(file: Path) -> None:
    """Raise HarnessError where a file is there and can't be read: that it is damaged, nobody knows."""
    try:
        file.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise HarnessError(f"can't read {file}: {error.strerror}. Whether it is damaged can't be told") from error


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise HarnessError(f"can't remove {file}: {error.strerror}") from error


def tell_damaged(store: RecordStore) -> None:
    """Tell of every record that could not be read; such a run counts as missing."""
    for path, found in store.damaged.items():
        print(f"harness: the record {path} is damaged ({found}); it counts as missing, and `run` makes it again",
              file=sys.stderr)  # fmt: skip


def _store(asked: argparse.Namespace) -> RecordStore:
    return RecordStore(asked.home / exchange.RECORDS)


def _keys(store: RecordStore, asked: argparse.Namespace) -> Iterable[str]:
    """The keys of the runs of the grid that is asked for; without one, of all records."""
    if not asked.grid:
        return store.keys()
    from harness.report.results import grid_keys, read_resolved  # it brings pandas

    return grid_keys(read_resolved(asked.grid, asked.home, asked.results))


def _keys_of_grids(home: Path) -> set[str]:
    from harness.report.results import keys_of_grids

    return keys_of_grids(home)


def _number(store: RecordStore) -> int:
    keys = store.keys()
    return sum(1 for _ in keys)


def _is_stale(record: Record) -> bool:
    """Whether the code has changed since; not where the record is of a form that does not tell."""
    try:
        return provenance.is_stale(record)
    except UNTOLD:
        return False


def _described(record: Record) -> str:
    """What was run, and what came of it."""
    try:
        spec = RunSpec.from_dict(record["spec"])
        text = f" on {spec.text.label}" if spec.text else ""
        run = f"{spec.size} labels, replicate {spec.replicate}"
        what = f"{spec.corpus.name} {spec.encoder.name} {spec.strategy.name}{text}  {run}"
        if record["status"] == COMPLETE:
            return f"{what}  accuracy {100 * record['scores']['test']['accuracy']:.1f} %"
        message, _, _ = record["error"]["message"].partition("\n")
        return f"{what}  {message}"
    except UNTOLD as error:
        return f"a record of another form: {cause(error)}"


def _count(number: int, name: str) -> str:
    return f"{number:,} {name if number == 1 else name + 's'}"
