"""Records: one JSON file a run, written atomically, failures included; predictions and hidden vectors beside it.

Records are the truth from which tables and MLflow are derived. Free of torch.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import lzma
import math
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from harness.errors import DataError, HarnessError
from harness.specs import cell_of, key_of

RECORD_FORMAT = 1
Record = dict[str, Any]
Classes = npt.NDArray[np.integer[Any]]
Vectors = npt.NDArray[np.float16]
Write = Callable[[IO[bytes]], Any]

_NEEDED = ("cell", "spec", "status", "error", "environment", "seconds", "finished")
"""What every record has; a file without them is damaged."""

COMPLETE = "complete"
FAILED = "failed"

UNFINISHED = ".unfinished-"
"""How the name of a file begins that is being written, or whose writer was killed."""

DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, MemoryError, OverflowError),
    *(csv.Error, lzma.LZMAError, struct.error, zlib.error, zipfile.BadZipFile),
)
"""What reading a packed table or packed arrays raises where they are missing, cut off or overwritten, and what taking
for a record what is none does.
"""


@dataclass(frozen=True, eq=False)
class Hidden:
    """The hidden vectors h(x) of the dev mentions of a run, (N, H) each, and the classes of the mentions, (N,).

    `before` are those before the first update of fine-tuning, `after` those of the weights that are kept.
    """

    before: Vectors
    after: Vectors
    labels: Classes

    def digest(self) -> str:
        """sha256 of the three, cut to 16 digits."""
        hashed = hashlib.sha256(repr(self.before.shape).encode())
        for array, kind in ((self.before, "<f2"), (self.after, "<f2"), (self.labels, "<i8")):
            hashed.update(array.astype(kind).tobytes())
        return hashed.hexdigest()[:16]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Their names in a file, and what is written there."""
        vectors = {name: array.astype("<f2") for name, array in (("before", self.before), ("after", self.after))}
        return {**vectors, "labels": _compact(self.labels)}


class RecordStore:
    """The records of a home folder, below `root`; `damaged` names the files that could not be read, with the cause."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.damaged: dict[Path, str] = {}

    def path(self, key: str) -> Path:
        """Where the record of a run is or would be."""
        return self.root / key[:2] / f"{key}.json"

    def predictions_path(self, key: str) -> Path:
        """Where its predictions are or would be: beside it."""
        return self.path(key).with_suffix(".npz")

    def hidden_path(self, key: str) -> Path:
        """Where its hidden vectors are or would be: beside it too."""
        return self.path(key).with_suffix(".hidden.npz")

    def write(
        self, record: Record, gold: Classes | None, predicted: Classes | None, hidden: Hidden | None = None
    ) -> None:
        """Write a record with its predictions and hidden vectors; the record last, so that it never stands without."""
        path = self.path(record["key"])
        files: list[tuple[Path, Write]] = []
        if gold is not None and predicted is not None:
            record = {**record, "gold": digest(gold)}
            arrays = {"gold": _compact(gold), "predicted": _compact(predicted)}
            files.append((self.predictions_path(record["key"]), _packing(arrays)))
        if hidden is not None:
            files.append((self.hidden_path(record["key"]), _packing(hidden.arrays())))
        text = json.dumps(record, indent=1, allow_nan=False)
        write_together(*files, (path, lambda file: file.write(text.encode())))
        self.damaged.pop(path, None)

    def read(self, key: str) -> Record | None:
        """The record of a run, or None where there is none; a damaged one is noted in `damaged` and counts as none."""
        path = self.path(key)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(record, dict) or record.get("key") != key:
                raise ValueError(f"expected the record of {key}")
            check_fields(record)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            self.damaged[path] = cause(error)
            return None
        return record

    def get(self, key: str) -> Record | None:
        """The same as `read`, by the name that a mapping has for it: what takes records by their keys takes a store."""
        return self.read(key)

    def read_all(self, keys: Iterable[str]) -> dict[str, Record]:
        """Those of the runs `keys` that have a record, all in memory at once."""
        return {record["key"]: record for record in self.each(keys)}

    def each(self, keys: Iterable[str]) -> Iterator[Record]:
        """Those of the runs `keys` that have a record, one after another."""
        return (record for record in map(self.read, keys) if record is not None)

    def keys(self) -> Iterator[str]:
        """The keys of all records, in order."""
        for folder in sorted(self.root.glob("??")):
            yield from (path.stem for path in sorted(folder.glob(f"{folder.name}*.json")))

    def predictions(self, key: str) -> tuple[Classes, Classes]:
        """Gold and predicted classes of the test split of a complete run, (N,) each.

        Raises DataError where the file is missing or damaged.
        """
        path = self.predictions_path(key)
        try:
            with packed_arrays(path) as arrays:
                return arrays["gold"], arrays["predicted"]
        except DAMAGE as error:
            raise DataError(
                f"{path}: expected the predictions of run {key[:16]}, found damage: {cause(error)}. "
                "python -m harness records prune --damaged removes the record, and `run` makes both again"
            ) from error

    def checked_predictions(self, record: Record) -> tuple[Classes, Classes]:
        """The same of a complete record, and they fit it, by `check_predictions`; ValueError where they don't."""
        path = self.predictions_path(record["key"])
        try:
            with packed_arrays(path) as arrays:
                gold, predicted = arrays["gold"], arrays["predicted"]
            check_predictions(record, gold, predicted)
        except DAMAGE as error:
            raise ValueError(f"{path.name}: {cause(error)}") from error
        return gold, predicted

    def checked_hidden(self, record: Record) -> Hidden:
        """The hidden vectors of a record, and they are its own, by their digest; ValueError where they are not.

        A record that lacks them counts nevertheless: it tells of them.
        """
        path = self.hidden_path(record["key"])
        try:
            with packed_arrays(path) as arrays:
                return hidden_of(record, arrays)
        except DAMAGE as error:
            raise ValueError(f"{path.name}: {cause(error)}") from error


def hidden_of(record: Record, arrays: Mapping[str, Any], prefix: str = "") -> Hidden:
    """The hidden vectors of a record among arrays, by their names after `prefix`.

    Raises ValueError where they are not there, or not those of the record, and what else `DAMAGE` names.
    """
    names = [f"{prefix}{name}" for name in ("before", "after", "labels")]
    if lacking := [name for name in names if name not in arrays]:
        raise ValueError(f"no array {lacking[0]}")
    found = Hidden(*(arrays[name] for name in names))
    if {found.before.dtype, found.after.dtype} != {np.dtype(np.float16)} or found.labels.dtype.kind not in "ui":
        raise ValueError(f"other arrays than the vectors and classes of run {record['key'][:16]}")
    if found.digest() != (record.get("hidden") or {}).get("digest"):
        raise ValueError(f"other hidden vectors than those of run {record['key'][:16]}")
    return found


def rank(record: Record) -> tuple[bool, float, str]:
    """The better of two records of a run is the one whose rank is the greater: a complete one before a failed one, then
    the one that finished later, then the one whose canonical JSON is greater.

    A total order: records of equal rank are equal. So it is no matter in which order records come together.
    """
    return record["status"] == COMPLETE, _moment(record["finished"]), json.dumps(record, sort_keys=True)


def _moment(finished: Any) -> float:
    """Seconds since 1970 of a time in ISO 8601, UTC where it names no zone; before all others where it is none."""
    try:
        moment = datetime.fromisoformat(finished)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return -math.inf


def check_fields(record: Record) -> None:
    """Raise ValueError where a record lacks what every one has, or is neither complete nor failed."""
    if lacking := [name for name in _NEEDED if name not in record]:
        raise ValueError(f"expected the fields {', '.join(lacking)}")
    if record["status"] not in (COMPLETE, FAILED):
        raise ValueError(f"expected the status '{COMPLETE}' or '{FAILED}', found {json.dumps(record['status'])}")


def check_record(record: Record) -> None:
    """Raise ValueError, KeyError or TypeError where a record from elsewhere is not one that the harness writes.

    Its key must be the hash of its spec, a failed one must tell its error, and of a complete one see
    `check_predictions`.
    """
    if record["key"] != key_of(record["spec"]):
        raise ValueError(f"the key {str(record['key'])[:16]}, to which its spec does not hash")
    if record["cell"] != cell_of(record["spec"]):
        raise ValueError(f"the cell {str(record['cell'])[:16]}, to which its spec does not hash")
    check_fields(record)
    json.dumps(record, allow_nan=False)
    if math.isinf(_moment(record["finished"])):
        raise ValueError(f"no time in ISO 8601 in finished: {json.dumps(record['finished'])}")
    if record["status"] == FAILED:
        record["error"]["message"]


def check_predictions(record: Record, gold: Classes, predicted: Classes) -> None:
    """Raise ValueError, KeyError or TypeError where gold and predicted classes, (N,) each, are not those of a record.

    They must be as many as it counts, of its classes, and give its accuracy; the gold ones must have its digest.
    """
    if gold.ndim != 1 or gold.shape != predicted.shape or not {gold.dtype.kind, predicted.dtype.kind} <= {"u", "i"}:
        raise ValueError("predictions that are not two lists of classes of one length")
    if digest(gold) != record["gold"]:
        raise ValueError("predictions of other gold classes than the record's")
    counts = record.get("counts") or {}
    if counts.get("test", len(gold)) != len(gold):
        raise ValueError(f"{len(gold):,} predictions, where the record counts {counts['test']:,}")
    if not len(gold):
        return
    least, largest = min(gold.min(), predicted.min()), max(gold.max(), predicted.max())
    if least < 0 or largest >= counts.get("classes", largest + 1):
        found = least if least < 0 else largest
        raise ValueError(f"a prediction of class {found}, where the record counts {counts.get('classes')} classes")
    accuracy, told = float(np.mean(gold == predicted)), record["scores"]["test"]["accuracy"]
    if not math.isclose(accuracy, told, abs_tol=1e-9):
        raise ValueError(f"predictions of accuracy {accuracy:.4f}, where the record tells {told:.4f}")


def cause(error: Exception) -> str:
    """What an error of `DAMAGE` says was found."""
    if isinstance(error, KeyError):
        return f"no {error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def write_atomically(path: Path, write: Write) -> None:
    """Let `write` fill a file beside `path` that then takes its place at once; raise HarnessError where it can't."""
    write_together((path, write))


def write_together(*files: tuple[Path, Write]) -> None:
    """The same of several files: once all are filled, each takes its place at once, in their order, one right after
    the other.
    """
    unfinished: list[str] = []
    try:
        for path, write in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=UNFINISHED, delete=False) as file:
                unfinished.append(file.name)
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
        for (path, _), name in zip(files, unfinished, strict=True):
            os.replace(name, path)
    except OSError as error:
        raise HarnessError(
            f"can't write {path}: {error.strerror or error}. Free some space, or choose another folder with --home or "
            "--results"
        ) from error
    finally:
        for name in unfinished:
            Path(name).unlink(missing_ok=True)


def packed_arrays(path: Path) -> Any:
    """The arrays of an .npz file, to be closed."""
    zipfile.ZipFile(path).close()  # np.load takes what is no zip file for a pickle, and advises to trust it
    return np.load(path)


def digest(classes: Classes) -> str:
    """sha256 of classes, cut to 16 digits; whatever the type that holds them."""
    return hashlib.sha256(classes.astype("<i8").tobytes()).hexdigest()[:16]


def _packing(arrays: Mapping[str, npt.NDArray[Any]]) -> Write:
    """What writes arrays to a file, as numpy's .npz."""
    packed = io.BytesIO()  # numpy complains on its own when it is cut short by a full disk
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    return lambda file: file.write(packed.getbuffer())


def _compact(classes: Classes) -> Classes:
    return classes.astype(np.uint16 if classes.size and int(classes.max()) > 255 else np.uint8)
