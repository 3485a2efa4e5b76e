"""Records that leave and come home: results folders without loss, and the records of other homes.

Predictions and hidden vectors go with them. What comes home never makes a record worse. Whoever is killed while records
come may let them come again.
"""

from __future__ import annotations

import csv
import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy.typing as npt
from numpy.lib.format import write_array

from harness.errors import DataError, HarnessError
from harness.flat_records import as_line, flatten, unflatten
from harness.records import (
    COMPLETE,
    DAMAGE,
    Classes,
    Hidden,
    Record,
    RecordStore,
    Write,
    cause,
    check_predictions,
    check_record,
    hidden_of,
    packed_arrays,
    rank,
    write_together,
)

TABLE, ARRAYS = "records.csv.gz", "predictions.npz"
"""The records of a results folder, and their predictions."""

HIDDEN = "hidden.npz"
"""Their hidden vectors, in a folder that has any."""

RECORDS = "records"
"""The folder of a home that holds its records."""

csv.field_size_limit(2**31 - 1)  # no field of a record is too long to come back


class Brought(NamedTuple):
    """How many records of a place were brought, were here already as good or better, and are damaged there."""

    brought: int
    known: int
    damaged: int


class _Arrival(NamedTuple):
    """A record as a place has it, its gold and predicted classes, (N,) each, if it is complete, and its hidden vectors
    if it tells of them and they are whole.

    Of what is damaged nothing is here but where it stands and its `fault`.
    """

    where: str
    record: Record | None = None
    gold: Classes | None = None
    predicted: Classes | None = None
    hidden: Hidden | None = None
    fault: str = ""


_Loaded = tuple[Record, Classes | None, Classes | None]


def merge(store: RecordStore, place: Path, tell: Callable[[str], object], dry_run: bool = False) -> Brought:
    """Bring the records of a place, one of `check_place`, into the store; with `dry_run`, only count them.

    Of two records of one run the better stays, by `harness.records.rank`. What is damaged there is told and left out; a
    record whose hidden vectors are damaged comes without them.
    """
    brought = known = damaged = 0
    for where, record, gold, predicted, hidden, fault in _arrivals(place):
        if record is None:
            damaged += 1
            tell(f"{where}: damaged, and left out: {fault}")
        elif not _is_wanted(record, hidden, store):
            known += 1
        else:
            brought += 1
            if not dry_run:
                store.write(record, gold, predicted, hidden)
    return Brought(brought, known, damaged)


def check_place(store: RecordStore, place: Path) -> None:
    """Raise DataError where records can't come from a place: another home folder, its records, or a results folder."""
    expected = f"expected a home folder, its folder {RECORDS}, or a results folder with {TABLE} and {ARRAYS}"
    with _looking_at(place):
        if not place.exists():
            raise DataError(f"{place} is not here; {expected}")
        if (place / TABLE).is_file():
            check_results(place)
            return
        folder = _folder(place)
        if folder.is_dir() and store.root.is_dir() and folder.samefile(store.root):
            raise DataError(f"{place} is the home to which records are to come; name another place, or another --home")
        if next(RecordStore(folder).keys(), None) is None:
            raise DataError(f"no record is in {place}; {expected}")


def check_results(folder: Path) -> None:
    """Raise DataError where a folder lacks one of the two files of a results folder."""
    with _looking_at(folder):
        for file in (folder / TABLE, folder / ARRAYS):
            if not file.is_file():
                raise DataError(
                    f"{file} is not here; expected a results folder, such as results/kbp37, with {file.name}"
                )


@contextmanager
def _looking_at(place: Path) -> Iterator[None]:
    """Raise DataError where the operating system does not let one look."""
    try:
        yield
    except OSError as error:
        raise DataError(f"can't look into {place}: {cause(error)}") from error


def export(
    store: RecordStore, keys: Iterable[str], folder: Path, tell: Callable[[str], object] = lambda line: None
) -> int:
    """Write the records of the runs `keys` to records.csv.gz and their predictions to predictions.npz; how many.

    Every field of every record is in the table; nothing but class indices is in the arrays. Where there are hidden
    vectors, they are in hidden.npz; `tell` is told of those that a record tells of and that are damaged. Raises
    DataError where predictions are damaged, and leaves the files as they were.
    """
    columns: dict[str, None] = {}
    lines: list[tuple[str, int]] = []
    complete: list[tuple[str, str]] = []
    hidden: list[Record] = []
    for record in store.each(dict.fromkeys(keys)):
        row = flatten(record)
        columns |= dict.fromkeys(row)
        lines.append((as_line(row.get(name, "") for name in columns), len(columns)))
        if record["status"] == COMPLETE:
            complete.append((record["key"], f"gold-{record['gold']}"))
        if record.get("hidden") and _has_hidden(store, record, tell):
            hidden.append({"key": record["key"], "hidden": record["hidden"]})
    # a column stands where it was first met, so that what an earlier line lacks is at its end
    whole = (text + "," * (len(columns) - known) for text, known in lines)
    vectors: list[tuple[Path, Write]] = [(folder / HIDDEN, lambda file: _write_hidden(file, hidden, store))]
    write_together(
        (folder / ARRAYS, lambda file: _write_arrays(file, complete, store)),
        *(vectors if hidden else ()),
        (folder / TABLE, lambda file: _write_packed(file, chain([as_line(columns)], whole))),
    )
    if not hidden:
        _remove(folder / HIDDEN)
    return len(lines)


def _has_hidden(store: RecordStore, record: Record, tell: Callable[[str], object]) -> bool:
    try:
        store.checked_hidden(record)
    except ValueError as error:
        tell(f"run {record['key'][:16]} goes without its hidden vectors: {error}")
        return False
    return True


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise HarnessError(f"can't remove {file}: {cause(error)}") from error


def _write_arrays(file: IO[bytes], complete: Iterable[tuple[str, str]], store: RecordStore) -> None:
    """The predicted classes of runs by their keys, and the gold ones by their name, each once, as numpy's .npz."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        written = set()
        for key, gold_name in complete:
            gold, predicted = store.predictions(key)
            for name, classes in ((key, predicted), (gold_name, gold)):
                if name not in written:
                    _write_array(packed, name, classes)
                    written.add(name)


def _write_hidden(file: IO[bytes], records: Iterable[Record], store: RecordStore) -> None:
    """The hidden vectors of runs, the key of each before the names of its arrays, as numpy's .npz."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for record in records:
            for name, array in store.checked_hidden(record).arrays().items():
                _write_array(packed, f"{record['key']}.{name}", array)


def _write_array(packed: zipfile.ZipFile, name: str, array: npt.NDArray[Any]) -> None:
    with packed.open(f"{name}.npy", "w", force_zip64=True) as member:
        write_array(member, array, allow_pickle=False)


def _write_packed(file: IO[bytes], lines: Iterable[str]) -> None:
    packer = zlib.compressobj(9, wbits=31)  # as gzip, with no time in it
    for line in lines:
        file.write(packer.compress(f"{line}\n".encode()))
    file.write(packer.flush())


def check_export(store: RecordStore, folder: Path) -> None:
    """Raise DataError where a folder has records that an export would overwrite, and the store lacks them."""
    with _looking_at(folder):
        there = [name for name in (TABLE, ARRAYS) if (folder / name).exists()]
    if len(there) == 1:
        lacking = ARRAYS if there == [TABLE] else TABLE
        raise DataError(f"{folder} has {there[0]} without {lacking}: expected both or neither. Delete it there, or "
                        "choose another folder")  # fmt: skip
    if not there:
        return
    brought, _, damaged = merge(store, folder, lambda line: None, dry_run=True)
    if brought or damaged:
        raise DataError(
            f"{folder} holds other records, which an export would overwrite: {brought:,} that are not in {store.root}, "
            f"or worse there, and {damaged:,} that are damaged. First bring them home: python -m harness records merge "
            f"{folder} (then delete {TABLE} there, if some are damaged); or choose another folder"
        )


def _is_wanted(record: Record, hidden: Hidden | None, store: RecordStore) -> bool:
    """Whether a record is better than the store's own, or is complete and the predictions of that one are damaged, or
    is the same and has hidden vectors where those of that one are damaged.
    """
    own = store.read(record["key"])
    if own is None or rank(record) > rank(own):
        return True
    if record["status"] != COMPLETE:
        return False
    try:
        store.checked_predictions(own)
        if hidden is not None and rank(record) == rank(own):
            store.checked_hidden(own)
    except ValueError:
        return True
    return False


def _folder(place: Path) -> Path:
    """Where the records of a home folder are, or of a place that is such a folder itself."""
    return place / RECORDS if (place / RECORDS).is_dir() else place


def _arrivals(place: Path) -> Iterator[_Arrival]:
    if (place / TABLE).is_file():
        return _with_hidden(_of_results(place), place, partial(restored_hidden, place))
    other = RecordStore(_folder(place))
    return _with_hidden(_of_store(other), other.root, other.checked_hidden)


def _with_hidden(arrivals: Iterator[_Arrival], where: Path, look: Callable[[Record], Hidden]) -> Iterator[_Arrival]:
    """The arrivals with the hidden vectors that their records tell of; damage to those comes by itself, each once."""
    told = set()
    for arrival in arrivals:
        hidden = None
        if arrival.record is not None and arrival.record.get("hidden"):
            try:
                hidden = look(arrival.record)
            except ValueError as error:
                if str(error) not in told:
                    yield _Arrival(str(where), fault=str(error))
                told.add(str(error))
        yield arrival._replace(hidden=hidden)


def _of_store(other: RecordStore) -> Iterator[_Arrival]:
    keys = other.keys()
    for key in keys:
        yield _arrival(str(other.path(key)), _stored, key, other)


def _of_results(folder: Path) -> Iterator[_Arrival]:
    table, arrays = folder / TABLE, folder / ARRAYS
    read = table
    try:
        with gzip.open(table, "rt", encoding="utf-8", newline="") as text:
            for _ in text:
                pass  # a packed file tells at its end alone whether all of it is what was written
        read = arrays
        with packed_arrays(arrays) as saved, gzip.open(table, "rt", encoding="utf-8", newline="") as text:
            read = table
            rows = csv.DictReader(text)
            if rows.fieldnames is None:
                raise ValueError("expected a table of records, found an empty file")
            for row in rows:
                yield _arrival(f"{table}, line {rows.line_num}", _restored, row, saved)
    except DAMAGE as error:
        yield _Arrival(str(read), fault=cause(error))


def _arrival(where: str, load: Callable[[Any, Any], _Loaded], *what: Any) -> _Arrival:
    try:
        return _Arrival(where, *load(*what))
    except DAMAGE as error:
        return _Arrival(where, fault=cause(error))


def _stored(key: str, other: RecordStore) -> _Loaded:
    """A record of another store, with its gold and predicted classes if it is complete; ValueError where it is damaged,
    or the like.
    """
    record = other.read(key)
    if record is None:
        raise ValueError(other.damaged.get(other.path(key), "it is gone"))
    check_record(record)
    return (record, *other.checked_predictions(record)) if record["status"] == COMPLETE else (record, None, None)


def _restored(row: Mapping[str, str], saved: Mapping[str, Classes]) -> _Loaded:
    """The same of a row of a results folder's table and its arrays."""
    if None in row or None in row.values():
        raise ValueError("another number of columns than in the first line")
    record = unflatten(row)
    check_record(record)
    if record["status"] != COMPLETE:
        return record, None, None
    names = f"gold-{record['gold']}", record["key"]
    if lacking := [name for name in names if name not in saved]:
        raise ValueError(f"no array {lacking[0]} in {ARRAYS}")
    gold, predicted = (saved[name] for name in names)
    check_predictions(record, gold, predicted)
    return record, gold, predicted


def restored_hidden(folder: Path, record: Record) -> Hidden:
    """The hidden vectors of a record in a results folder, and they are its own; ValueError where they are not."""
    try:
        with packed_arrays(folder / HIDDEN) as saved:
            return hidden_of(record, saved, f"{record['key']}.")
    except DAMAGE as error:
        raise ValueError(f"{HIDDEN}: {cause(error)}") from error
