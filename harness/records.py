"""Records: one JSON file a run, written atomically, failures included; predictions beside it.

Records are the truth from which tables and MLflow are derived. `export` writes those of a grid without loss and
`import_results` brings them back. Free of torch.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from harness.errors import DataError, HarnessError
from harness.specs import key_of

RECORD_FORMAT = 1
Record = dict[str, Any]
Classes = npt.NDArray[np.integer[Any]]

_NEEDED = ("cell", "spec", "status", "error", "environment", "seconds", "finished")
"""What every record has; a file without them is damaged."""

COMPLETE = "complete"
FAILED = "failed"

_DAMAGE = (OSError, EOFError, ValueError, zlib.error, csv.Error, zipfile.BadZipFile)
"""What reading a packed table or packed arrays raises where they are missing, cut off or overwritten."""

csv.field_size_limit(2**31 - 1)  # no field of a record is too long to come back


class RecordStore:
    """The records of a home folder, below `root`; `damaged` names the files that could not be read, with the cause."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.damaged: dict[Path, str] = {}

    def path(self, key: str) -> Path:
        """Where the record of a run is or would be; its predictions stand beside it with the suffix .npz."""
        return self.root / key[:2] / f"{key}.json"

    def write(self, record: Record, gold: Classes | None, predicted: Classes | None) -> None:
        """Write a record and its predictions; the record last, so that it never stands without them."""
        path = self.path(record["key"])
        if gold is not None and predicted is not None:
            record = {**record, "gold": _digest(gold)}
            arrays: dict[str, Any] = {"gold": _compact(gold), "predicted": _compact(predicted)}
            packed = _npz(arrays)
            write_atomically(path.with_suffix(".npz"), lambda file: file.write(packed))
        text = json.dumps(record, indent=1, allow_nan=False)
        write_atomically(path, lambda file: file.write(text.encode()))
        self.damaged.pop(path, None)

    def read(self, key: str) -> Record | None:
        """The record of a run, or None where there is none; a damaged one is noted in `damaged` and counts as none."""
        path = self.path(key)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(record, dict) or record.get("key") != key:
                raise ValueError(f"expected the record of {key}")
            if lacking := [name for name in _NEEDED if name not in record]:
                raise ValueError(f"expected the fields {', '.join(lacking)}")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.damaged[path] = str(error)
            return None
        return record

    def read_all(self, keys: Iterable[str]) -> dict[str, Record]:
        """Those of the runs `keys` that have a record."""
        found = ((key, self.read(key)) for key in keys)
        return {key: record for key, record in found if record is not None}

    def keys(self) -> Iterator[str]:
        """The keys of all records, in order."""
        return (path.stem for path in sorted(self.root.glob("??/*.json")))

    def predictions(self, key: str) -> tuple[Classes, Classes]:
        """Gold and predicted classes of the test split of a complete run, (N,) each.

        Raises DataError where the file is missing or damaged.
        """
        path = self.path(key).with_suffix(".npz")
        try:
            with _packed(path) as arrays:
                return arrays["gold"], arrays["predicted"]
        except (*_DAMAGE, KeyError) as error:
            raise DataError(
                f"{path}: expected the predictions of run {key[:16]}, found damage: {error}. "
                f"Delete {path.with_suffix('.json').name} beside it, and `run` makes both again"
            ) from error


def export(store: RecordStore, keys: Iterable[str], folder: Path) -> None:
    """Write the records of the runs `keys` to records.csv.gz and their predictions to predictions.npz.

    Every field of every record is in the table; nothing but class indices is in the arrays.
    """
    records = store.read_all(keys)
    rows = [flatten(record) for record in records.values()]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    packed = gzip.compress(text.getvalue().encode(), mtime=0)
    write_atomically(folder / "records.csv.gz", lambda file: file.write(packed))
    arrays: dict[str, Any] = {}
    for key, record in records.items():
        if record["status"] == COMPLETE:
            gold, arrays[key] = store.predictions(key)
            arrays[f"gold-{record['gold']}"] = gold
    predictions = _npz(arrays)
    write_atomically(folder / "predictions.npz", lambda file: file.write(predictions))


def import_results(store: RecordStore, folder: Path) -> tuple[int, int]:
    """Restore the records of a results folder; return how many were new and how many were known already.

    A complete record is never replaced by an imported one. Raises DataError where a file is missing, a row can't be
    read, or a record is not what its key says.
    """
    table, arrays = folder / "records.csv.gz", folder / "predictions.npz"
    for file in (table, arrays):
        if not file.is_file():
            raise DataError(f"{file} is not here; expected a results folder, such as results/kbp37, with {file.name}")
    new = known = 0
    try:
        with _packed(arrays) as saved, gzip.open(table, "rt", encoding="utf-8", newline="") as text:
            rows = csv.DictReader(text)
            if rows.fieldnames is None:
                raise DataError(f"{table}: expected a table of records, found an empty file")
            for row in rows:
                try:
                    record, gold, predicted = _restored(row, saved)
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    found = f"no {error}" if isinstance(error, KeyError) else error
                    raise DataError(f"{table}, line {rows.line_num}: expected a record, found {found}") from error
                present = store.read(record["key"])
                if present is not None and (present["status"] == COMPLETE or gold is None):
                    known += 1
                    continue
                store.write(record, gold, predicted)
                new += 1
    except _DAMAGE as error:
        raise DataError(f"{folder}: expected records.csv.gz and predictions.npz, found damage: {error}") from error
    return new, known


def _restored(row: Mapping[str, str], saved: Mapping[str, Classes]) -> tuple[Record, Classes | None, Classes | None]:
    """A record from its row, with its gold and predicted classes if it is complete; ValueError where they disagree."""
    if None in row or None in row.values():
        raise ValueError("another number of columns than in the first line")
    record = unflatten(row)
    if record["key"] != key_of(record["spec"]):
        raise ValueError(f"the key {record['key'][:16]}, to which its spec does not hash")
    if record["status"] != COMPLETE:
        return record, None, None
    names = f"gold-{record['gold']}", record["key"]
    if lacking := [name for name in names if name not in saved]:
        raise ValueError(f"no array {lacking[0]} in predictions.npz")
    gold, predicted = (saved[name] for name in names)
    if _digest(gold) != record["gold"] or gold.shape != predicted.shape:
        raise ValueError(f"other arrays in predictions.npz than those of the run {record['key'][:16]}")
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


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Let `write` fill a file beside `path` that then takes its place at once; raise HarnessError where it can't."""
    unfinished = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".unfinished-", delete=False) as file:
            unfinished = file.name
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)
    except OSError as error:
        raise HarnessError(
            f"can't write {path}: {error.strerror or error}. Free some space, or choose another folder with --home or "
            "--results"
        ) from error
    finally:
        if unfinished is not None:
            Path(unfinished).unlink(missing_ok=True)


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


def _packed(path: Path) -> Any:
    """The arrays of an .npz file, to be closed."""
    zipfile.ZipFile(path).close()  # np.load takes what is no zip file for a pickle, and advises to trust it
    return np.load(path)


def _npz(arrays: Mapping[str, Any]) -> bytes:
    """The arrays as an .npz, made in memory: numpy complains on its own when it is cut short by a full disk."""
    memory = io.BytesIO()
    np.savez_compressed(memory, **arrays)
    return memory.getvalue()


def _compact(classes: Classes) -> Classes:
    return classes.astype(np.uint16 if classes.size and int(classes.max()) > 255 else np.uint8)


def _digest(classes: Classes) -> str:
    return hashlib.sha256(classes.astype("<i8").tobytes()).hexdigest()[:16]
