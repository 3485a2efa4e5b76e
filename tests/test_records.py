"""Records: what is written comes back, here and in another home; damage is told; nothing half-written stays."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import DataError, HarnessError
from harness.records import RecordStore, export, flatten, import_results, unflatten, write_atomically
from harness.specs import cell_of, key_of

GOLD = np.array([0, 1, 2, 1, 1])
PREDICTED = np.array([0, 2, 2, 1, 1])


def record(replicate: int = 0, **more: Any) -> dict[str, Any]:
    """A complete record of a spec with the replicate."""
    spec = {"corpus": {"name": "toy", "digest": "0123", "sample": None}, "size": 50, "replicate": replicate}
    made = {
        "format": 1,
        "key": key_of(spec),
        "spec": spec,
        "status": "complete",
        "error": None,
        "scores": {"test": {"accuracy": 0.6}},
        "curve": {"update": [15, 30], "loss": [0.1, 1 / 3]},
        "coverage": {"as written": 0.5},
        "cell": cell_of(spec),
        "environment": {"device": "cpu", "sources": {"harness": "0123"}},
        "seconds": {"total": 1.5},
        "finished": "2026-01-02T03:04:05+00:00",
    }
    return made | more


def failure(replicate: int = 0, **more: Any) -> dict[str, Any]:
    """The record of a run that failed."""
    error = {"type": "ValueError", "message": "no", "traceback": 'File "a.py", line 1\n\traise\n'}
    return record(replicate, status="failed", error=error, coverage=None) | more


def write(store: RecordStore, *records: dict[str, Any], gold: npt.NDArray[Any] = GOLD) -> list[str]:
    for made in records:
        complete = made["status"] == "complete"
        store.write(made, gold if complete else None, PREDICTED if complete else None)
    return [made["key"] for made in records]


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "home" / "records")


def files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


# The store


def test_a_record_comes_back_as_it_was_written(store: RecordStore) -> None:
    complete, failed = record(0), failure(1)
    keys = write(store, complete, failed)
    found = store.read(keys[0])
    assert found is not None
    assert found.pop("gold")
    assert found == complete
    assert store.read(keys[1]) == failed
    gold, predicted = store.predictions(keys[0])
    assert gold.tolist() == GOLD.tolist()
    assert predicted.tolist() == PREDICTED.tolist()
    assert gold.dtype == np.uint8
    assert sorted(store.keys()) == sorted(keys)
    assert store.damaged == {}


def test_classes_beyond_255_come_back(store: RecordStore) -> None:
    gold = np.array([0, 300, 255, 256, 65535])
    (key,) = write(store, record(), gold=gold)
    assert store.predictions(key)[0].tolist() == gold.tolist()


def test_a_run_without_a_record_has_none(store: RecordStore) -> None:
    (key,) = write(store, record())
    assert store.read(64 * "0") is None
    assert list(store.read_all([64 * "0", key])) == [key]
    assert store.damaged == {}
    assert list(RecordStore(store.root / "nowhere").keys()) == []


def test_a_later_record_takes_the_earlier_ones_place(store: RecordStore) -> None:
    write(store, failure())
    (key,) = write(store, record())
    found = store.read(key)
    assert found is not None
    assert found["status"] == "complete"


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (lambda data: data[: len(data) // 2], "Unterminated string|Expecting|delimiter"),
    "empty": (lambda data: b"", "Expecting value: line 1 column 1"),
    "not UTF-8": (lambda data: data.replace(b"toy", b"to\xff"), "'utf-8' codec can't decode byte 0xff"),
    "another run's": (lambda data: json.dumps(record(9)).encode(), f"expected the record of {record()['key']}"),
    "a list": (lambda data: b"[]", f"expected the record of {record()['key']}"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_told_and_counts_as_missing(store: RecordStore, damage: str) -> None:
    key, other = write(store, record(0), record(1))
    change, told = DAMAGE[damage]
    path = store.path(key)
    path.write_bytes(change(path.read_bytes()))
    assert list(store.read_all([key, other])) == [other]
    assert list(store.damaged) == [path]
    with pytest.raises(ValueError, match=told):
        raise ValueError(store.damaged[path])


def test_a_record_that_cannot_be_read_counts_as_damaged(store: RecordStore) -> None:
    (key,) = write(store, record())
    store.path(key).unlink()
    store.path(key).mkdir()
    assert store.read(key) is None
    assert "Is a directory" in store.damaged[store.path(key)]


@pytest.mark.parametrize("damage", [None, b"", b"no zip", b"PK\x03\x04 half"])
def test_predictions_that_are_gone_or_damaged_are_told(
    store: RecordStore, tmp_path: Path, damage: bytes | None
) -> None:
    (key,) = write(store, record())
    path = store.path(key).with_suffix(".npz")
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(DataError) as raised:
        export(store, [key], tmp_path / "results")
    told = str(raised.value)
    assert told.startswith(f"{path}: expected the predictions of run {key[:16]}, found damage: ")
    assert told.endswith(f". Delete {key}.json beside it, and `run` makes both again")


# Flat and back

STRANGE = [
    *("", " ", "null", "true", "1", " 1", "-0.0", "1e5", "NaN", "Infinity", "[]", '{"a": 1}', '"', '"x"', "'"),
    *("a,b", 'say "no"', "two\nlines", "a\r\nb", "a\rb", "\t", "\0", "ß\u2028\x85\U0001f600", "\ud800", "a.b"),
]
texts = st.text(max_size=8) | st.sampled_from(STRANGE)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.text("abc_ -", min_size=1, max_size=5)
nested = st.recursive(values, lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8)


@given(st.dictionaries(names, nested, max_size=4))
def test_what_is_flattened_comes_back(fields: dict[str, Any]) -> None:
    row = flatten(fields)
    assert "" not in row.values()
    again = unflatten(row | {"another.records.column": ""})
    assert same(again, fields)


def test_a_flat_record_can_be_read_in_a_spreadsheet() -> None:
    fields = {
        "spec": {"size": 50, "name": "kbp37", "text": None, "groups": ["a"]},
        "error": {},
        "on": True,
        "code": "7",
    }
    assert flatten(fields) == {
        "spec.size": "50",
        "spec.name": "kbp37",
        "spec.text": "null",
        "spec.groups": '["a"]',
        "error": "{}",
        "on": "true",
        "code": '"7"',
    }


def same(one: Any, two: Any) -> bool:
    """Whether two values are equal in their types too, the order of fields aside."""
    return json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)


# From home to home


def moved(store: RecordStore, keys: list[str], folder: Path) -> RecordStore:
    """Another home with the records, by way of a results folder."""
    export(store, keys, folder / "results")
    other = RecordStore(folder / "other" / "records")
    import_results(other, folder / "results")
    return other


@settings(max_examples=20)  # each writes a dozen files to the disk and waits for it
@given(st.lists(st.dictionaries(names, nested, max_size=3), min_size=1, max_size=3))
def test_export_and_import_lose_nothing(tmp_path_factory: pytest.TempPathFactory, found: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("records")
    store = RecordStore(folder / "records")
    keys = write(store, *(failure(number, found=fields) for number, fields in enumerate(found)), record(99))
    other = moved(store, keys, folder)
    assert same(other.read_all(keys), store.read_all(keys))
    assert other.predictions(keys[-1])[1].tolist() == PREDICTED.tolist()


@pytest.mark.parametrize("text", STRANGE)
def test_every_message_survives(store: RecordStore, tmp_path: Path, text: str) -> None:
    made = failure(error={"type": "E", "message": text, "traceback": [text]}, found={text: {text: text}})
    keys = write(store, made)
    assert same(moved(store, keys, tmp_path).read(keys[0]), made)


def test_a_very_long_message_survives(store: RecordStore, tmp_path: Path) -> None:
    long = failure(error={"type": "E", "message": "x" * 300_000, "traceback": None})
    keys = write(store, long)
    assert moved(store, keys, tmp_path).read(keys[0]) == long


def test_import_counts_what_is_new_and_what_was_known(store: RecordStore, tmp_path: Path) -> None:
    keys = write(store, record(0), record(1), failure(2))
    export(store, keys, tmp_path / "results")
    other = RecordStore(tmp_path / "other")
    assert import_results(other, tmp_path / "results") == (3, 0)
    assert import_results(other, tmp_path / "results") == (0, 3)


def test_a_complete_record_is_never_replaced_by_an_imported_one(store: RecordStore, tmp_path: Path) -> None:
    keys = write(store, record(0, seconds=1), failure(1), record(2), failure(3))
    export(store, keys, tmp_path / "results")
    here = RecordStore(tmp_path / "here")
    write(here, record(0, seconds=2), record(1), failure(2), failure(3, seconds=2))
    assert import_results(here, tmp_path / "results") == (1, 3)
    found = here.read_all(keys)
    assert [found[key]["status"] for key in keys] == ["complete", "complete", "complete", "failed"]
    assert [found[key].get("seconds") for key in keys] == [2, {"total": 1.5}, {"total": 1.5}, 2]


def test_a_damaged_record_is_replaced_by_an_imported_one(store: RecordStore, tmp_path: Path) -> None:
    keys = write(store, record(0))
    export(store, keys, tmp_path / "results")
    store.path(keys[0]).write_text('{"half')
    assert import_results(store, tmp_path / "results") == (1, 0)
    assert store.read(keys[0]) is not None


def test_two_exports_are_the_same_to_the_byte(store: RecordStore, tmp_path: Path) -> None:
    keys = write(store, record(0), failure(1), record(2))
    other = moved(store, keys, tmp_path)
    export(other, iter(keys), tmp_path / "again")
    for name in ("records.csv.gz", "predictions.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "results" / name).read_bytes()
    with zipfile.ZipFile(tmp_path / "again" / "predictions.npz") as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # no clock in it
    assert (tmp_path / "again" / "records.csv.gz").read_bytes()[4:8] == bytes(4)


def test_gold_classes_are_packed_once(store: RecordStore, tmp_path: Path) -> None:
    keys = write(store, record(0), record(1))
    write(store, record(2), gold=GOLD[::-1])
    keys.append(record(2)["key"])
    export(store, [*keys, 64 * "0"], tmp_path)
    with np.load(tmp_path / "predictions.npz") as arrays:
        assert sum(name.startswith("gold-") for name in arrays) == 2
        assert len(arrays.files) == 5


def test_nothing_is_exported_as_empty_files_that_come_back(store: RecordStore, tmp_path: Path) -> None:
    export(store, [], tmp_path)
    assert import_results(store, tmp_path) == (0, 0)


# What import refuses


@pytest.fixture
def results(store: RecordStore, tmp_path: Path) -> Path:
    """A results folder with a complete and a failed run."""
    keys = write(store, record(0), failure(1))
    export(store, keys, tmp_path / "results")
    return tmp_path / "results"


def rewrite(results: Path, change: Callable[[list[list[str]]], None]) -> None:
    """Change the cells of the table, the first row being the names of the columns."""
    table = results / "records.csv.gz"
    rows = list(csv.reader(io.StringIO(gzip.decompress(table.read_bytes()).decode(), newline="")))
    change(rows)
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    table.write_bytes(gzip.compress(text.getvalue().encode()))


def set_cell(column: str, text: str) -> Callable[[list[list[str]]], None]:
    def change(rows: list[list[str]]) -> None:
        rows[1][rows[0].index(column)] = text

    return change


KEY = record(0)["key"]
TABLE_FAULTS: dict[str, tuple[Callable[[list[list[str]]], None], str]] = {
    "a changed spec": (set_cell("spec.size", "51"), f"the key {KEY[:16]}, to which its spec does not hash"),
    "a changed key": (set_cell("key", 64 * "0"), "the key 0000000000000000, to which its spec does not hash"),
    "no key": (set_cell("key", ""), "no 'key'"),
    "no status": (set_cell("status", ""), "no 'status'"),
    "a column too many": (lambda rows: rows[1].append("x"), "another number of columns than in the first line"),
    "a column too few": (lambda rows: rows[1].pop(), "another number of columns than in the first line"),
    "other gold classes": (set_cell("gold", 16 * "0"), f"no array gold-{16 * '0'} in predictions.npz"),
    "no gold classes": (set_cell("gold", ""), "no 'gold'"),
}


@pytest.mark.parametrize("fault", TABLE_FAULTS)
def test_a_row_that_is_no_record_is_told_with_its_line(results: Path, tmp_path: Path, fault: str) -> None:
    change, told = TABLE_FAULTS[fault]
    rewrite(results, change)
    other = RecordStore(tmp_path / "other")
    with pytest.raises(DataError) as raised:
        import_results(other, results)
    assert str(raised.value) == f"{results / 'records.csv.gz'}, line 2: expected a record, found {told}"
    assert list(other.keys()) == []


def test_a_column_within_another_is_told(results: Path, tmp_path: Path) -> None:
    def change(rows: list[list[str]]) -> None:
        rows[0].append("status.more")
        rows[1].append("x")
        rows[2].append("")

    rewrite(results, change)
    with pytest.raises(DataError, match=r"records\.csv\.gz, line 2: expected a record, found 'str' object"):
        import_results(RecordStore(tmp_path / "other"), results)


def test_arrays_that_are_missing_or_another_runs_are_told(results: Path, tmp_path: Path) -> None:
    with np.load(results / "predictions.npz") as arrays:
        kept = dict(arrays)
    (gold,) = (name for name in kept if name.startswith("gold-"))
    changes: dict[str, dict[str, npt.NDArray[Any]]] = {
        f"no array {KEY} in predictions.npz": {gold: kept[gold]},
        f"no array {gold} in predictions.npz": {KEY: kept[KEY]},
        f"other arrays in predictions.npz than those of the run {KEY[:16]}": kept | {gold: kept[gold][::-1]},
        f"other arrays in predictions.npz than those of the run {KEY[:16]}$": kept | {KEY: kept[KEY][1:]},
    }
    for told, changed in changes.items():
        np.savez_compressed(results / "predictions.npz", allow_pickle=False, **changed)
        with pytest.raises(DataError, match=f"line 2: expected a record, found {told}"):
            import_results(RecordStore(tmp_path / "other"), results)


@pytest.mark.parametrize("name", ["records.csv.gz", "predictions.npz"])
def test_a_missing_file_is_told(results: Path, tmp_path: Path, name: str) -> None:
    (results / name).unlink()
    with pytest.raises(DataError) as raised:
        import_results(RecordStore(tmp_path / "other"), results)
    assert str(raised.value) == (
        f"{results / name} is not here; expected a results folder, such as results/kbp37, with {name}"
    )


FILE_DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "empty": (lambda data: b"", "", "File is not a zip file"),
    "something else": (lambda data: b"neither gzip nor zip", "Not a gzipped file (b'ne')", "File is not a zip file"),
    "half": (lambda data: data[: len(data) // 2], "Compressed file ended before", "File is not a zip file"),
    "almost whole": (lambda data: data[:-9], "Compressed file ended before", "File is not a zip file"),
    "overwritten": (
        lambda data: data[:60] + bytes(255 - byte for byte in data[60:90]) + data[90:],
        "Error -3 while decompressing data",
        "File name in directory",
    ),
}


@pytest.mark.parametrize("damage", FILE_DAMAGE)
def test_damaged_arrays_are_told(results: Path, tmp_path: Path, damage: str) -> None:
    change, _, told = FILE_DAMAGE[damage]
    file = results / "predictions.npz"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(DataError) as raised:
        import_results(RecordStore(tmp_path / "other"), results)
    expected = f"{results}: expected records.csv.gz and predictions.npz, found damage: {told}"
    assert str(raised.value).startswith(expected)


@pytest.mark.parametrize("damage", FILE_DAMAGE)
def test_a_damaged_table_is_told(results: Path, tmp_path: Path, damage: str) -> None:
    change, told, _ = FILE_DAMAGE[damage]
    file = results / "records.csv.gz"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(DataError) as raised:
        import_results(RecordStore(tmp_path / "other"), results)
    expected = f"{results}: expected records.csv.gz and predictions.npz, found damage: {told}"
    if damage == "empty":
        expected = f"{file}: expected a table of records, found an empty file"
    assert str(raised.value).startswith(expected)


def test_a_table_that_is_not_utf_8_is_told(results: Path, tmp_path: Path) -> None:
    file = results / "records.csv.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"toy", b"t\xffy")))
    with pytest.raises(DataError, match=r"found damage: 'utf-8' codec can't decode byte 0xff"):
        import_results(RecordStore(tmp_path / "other"), results)


# Writing whole or not at all


def test_a_file_appears_whole_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file"
    write_atomically(path, lambda file: file.write(b"one"))
    write_atomically(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert files(tmp_path) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [OSError("disk"), ValueError("no"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def half(file: Any) -> None:
        file.write(b"half")
        raise error

    with pytest.raises(HarnessError if isinstance(error, OSError) else type(error)):
        write_atomically(path, half)
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == [path]


FREE = "Free some space, or choose another folder with --home or --results"


def test_a_home_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    store = RecordStore(tmp_path / "home" / "records")
    with pytest.raises(HarnessError) as raised:
        write(store, failure())
    assert str(raised.value) == f"can't write {store.path(failure()['key'])}: Not a directory. {FREE}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_takes_no_files_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HarnessError, match=f"can't write .*: Permission denied. {FREE}"):
        write(RecordStore(tmp_path / "records"), failure())


@pytest.mark.parametrize("status", ["complete", "failed"])
def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path, status: str) -> None:
    script = f"""
import numpy as np, resource
from pathlib import Path
from harness.errors import HarnessError
from harness.records import RecordStore
classes = np.random.default_rng(0).integers(0, 37, 20_000) if {status == "complete"} else None
record = {{"key": "ab12", "status": "{status}", "more": 2000 * "more"}}
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    RecordStore(Path("home")).write(record, classes, classes)
except HarnessError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    suffix = "npz" if status == "complete" else "json"
    assert done.stdout == f"can't write home/ab/ab12.{suffix}: File too large. {FREE}\n"
    assert done.stderr == ""
    assert files(tmp_path) == []


def test_records_need_no_torch() -> None:
    subprocess.run([sys.executable, "-c", "import harness.records, sys; assert 'torch' not in sys.modules"], check=True)
