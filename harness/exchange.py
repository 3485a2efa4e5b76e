"""Records that leave and come home: results folders without loss, and the records of other homes.

What comes home never makes a record worse. Whoever is killed while records come may let them come again.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

from numpy.lib.format import write_array

from harness.errors import DataError
from harness.records import (
    COMPLETE,
    DAMAGE,
    Classes,
    Record,
    RecordStore,
    cause,
    check_predictions,
    check_record,
    packed_arrays,
    rank,
    write_together,
)

TABLE, ARRAYS = "records.csv.gz", "predictions.npz"
"""The records of a results folder, and their predictions."""

RECORDS = "records"
"""The folder of a home that holds its records."""

csv.field_size_limit(2**31 - 1)  # no field of a record is too long to come back


class Brought(NamedTuple):
    """How many records of a place were brought, were here already as good or better, and are damaged there."""

    brought: int
    known: int
    damaged: int


class _Arrival(NamedTuple):
    """A record as a place has it, and its gold and predicted classes, (N,) each, if it is complete.

    Of a damaged one nothing is here but where it stands and its `fault`.
    """

    where: str
    record: Record | None = None
    gold: Classes | None = None
    predicted: Classes | None = None
    fault: str = ""


_Loaded = tuple[Record, Classes | None, Classes | None]


def merge(store: RecordStore, place: Path, tell: Callable[[str], object], dry_run: bool = False) -> Brought:
    """Bring the records of a place, one of `check_place`, into the store; with `dry_run`, only count them.

    Of two records of one run the better stays, by `harness.records.rank`. What is damaged there is told and left out.
    """
    brought = known = damaged = 0
    for where, record, gold, predicted, fault in _arrivals(place):
        if record is None:
            damaged += 1
            tell(f"{where}: damaged, and left out: {fault}")
        elif not _is_wanted(record, store):
            known += 1
        else:
            brought += 1
            if not dry_run:
                store.write(record, gold, predicted)
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


def export(store: RecordStore, keys: Iterable[str], folder: Path) -> int:
    """Write the records of the runs `keys` to records.csv.gz and their predictions to predictions.npz; how many.

    Every field of every record is in the table; nothing but class indices is in the arrays. Raises DataError where
    predictions are damaged, and leaves both files as they were.
    """
    columns: dict[str, None] = {}
    lines: list[tuple[str, int]] = []
    complete: list[tuple[str, str]] = []
    for record in store.each(dict.fromkeys(keys)):
        row = flatten(record)
        columns |= dict.fromkeys(row)
        lines.append((_line(row.get(name, "") for name in columns), len(columns)))
        if record["status"] == COMPLETE:
            complete.append((record["key"], f"gold-{record['gold']}"))
    # a column stands where it was first met, so that what an earlier line lacks is at its end
    whole = (line + "," * (len(columns) - known) for line, known in lines)
    write_together(
        (folder / ARRAYS, lambda file: _write_arrays(file, complete, store)),
        (folder / TABLE, lambda file: _write_packed(file, chain([_line(columns)], whole))),
    )
    return len(lines)


def _write_arrays(file: IO[bytes], complete: Iterable[tuple[str, str]], store: RecordStore) -> None:
    """The predicted classes of runs by their keys, and the gold ones by their name, each once, as numpy's .npz."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        written = set()
        for key, gold_name in complete:
            gold, predicted = store.predictions(key)
            for name, classes in ((key, predicted), (gold_name, gold)):
                if name not in written:
                    with packed.open(f"{name}.npy", "w", force_zip64=True) as member:
                        write_array(member, classes, allow_pickle=False)
                    written.add(name)


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


def _is_wanted(record: Record, store: RecordStore) -> bool:
    """Whether a record is better than the store's own, or is complete and the predictions of that one are damaged."""
    own = store.read(record["key"])
    if own is None or rank(record) > rank(own):
        return True
    if record["status"] != COMPLETE:
        return False
    try:
        store.checked_predictions(own)
    except ValueError:
        return True
    return False


def _folder(place: Path) -> Path:
    """Where the records of a home folder are, or of a place that is such a folder itself."""
    return place / RECORDS if (place / RECORDS).is_dir() else place


def _arrivals(place: Path) -> Iterator[_Arrival]:
    return _of_results(place) if (place / TABLE).is_file() else _of_store(RecordStore(_folder(place)))


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


def flatten(record: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A record as columns: `spec.corpus.name` and so on; what is not a plain string is JSON, and so are a string that
    could be taken for JSON and a mapping whose names could be taken for a path, so that `unflatten` gives back the very
    same values. The names of the record's own fields hold no dot.
    """
    row: dict[str, str] = {}
    for name, value in record.items():
        if isinstance(value, Mapping) and value and all(_is_plain(inner) and "." not in inner for inner in value):
            row |= flatten(value, f"{prefix}{name}.")
        else:
            row[prefix + name] = value if isinstance(value, str) and _is_plain(value) else json.dumps(value)
    return row


def unflatten(row: Mapping[str, str]) -> Record:
    """The inverse of `flatten`; an empty column is a field that the record does not have."""
    record: Record = {}
    for column, text in row.items():
        if text == "":
            continue
        *path, name = column.split(".")
        place = record
        for step in path:
            place = place.setdefault(step, {})
        place[name] = json.loads(text) if _is_json(text) else text
    return record


@lru_cache(4096)  # names and most values are those of the records before
def _is_plain(text: str) -> bool:
    """Whether a string comes back from a table as it is: it could not be taken for JSON, nor disturbs CSV in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:  # half a pair of surrogates, as in the name of a file that is not UTF-8
        return False
    return "\r" not in text and not _is_json(text)  # Python 3.11 writes a lone \r without quotes


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return text == ""
    return True


def _line(values: Iterable[str]) -> str:
    """A line of a table in CSV, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().removesuffix("\n")
