"""Records that leave and come home: nothing is lost, the better one stays, what is damaged is told and left out."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_records import GOLD, PREDICTED, failure, files, record, write

from harness.errors import DataError
from harness.exchange import check_export, check_place, check_results, export, flatten, merge, unflatten
from harness.records import RecordStore, rank

KEYS = [record(number)["key"] for number in range(4)]
FREE = "Free some space, or choose another folder with --home or --results"


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "home" / "records")


def brought(store: RecordStore, place: Path) -> tuple[tuple[int, int, int], list[str]]:
    """What `merge` counts, and what it tells."""
    told: list[str] = []
    return tuple(merge(store, place, told.append)), told  # type: ignore[return-value]


def content(store: RecordStore) -> dict[str, Any]:
    """All records of a store with their predictions."""
    assert not store.damaged
    found = {}
    for key, made in store.read_all(store.keys()).items():
        classes = [part.tolist() for part in store.checked_predictions(made)] if made["status"] == "complete" else []
        found[key] = json.dumps(made, sort_keys=True), classes
    return found


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


# By way of a results folder


def moved(store: RecordStore, keys: list[str], folder: Path) -> RecordStore:
    """Another home with the records, by way of a results folder."""
    assert export(store, keys, folder / "results") == len(keys)
    other = RecordStore(folder / "other" / "records")
    assert brought(other, folder / "results") == ((len(keys), 0, 0), [])
    return other


@settings(max_examples=20)  # each writes a dozen files to the disk and waits for it
@given(st.lists(st.dictionaries(names, nested, max_size=3), min_size=1, max_size=3))
def test_a_results_folder_loses_nothing(tmp_path_factory: pytest.TempPathFactory, found: list[dict[str, Any]]) -> None:
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


def test_the_table_is_csv_as_everybody_reads_it(store: RecordStore, tmp_path: Path) -> None:
    keys = write(store, failure(0), failure(1, late="a,\nb"), record(2, later=[1]))
    export(store, keys, tmp_path)
    with gzip.open(tmp_path / "records.csv.gz", "rt", newline="") as text:
        rows = list(csv.DictReader(text))
    flat = [flatten(made) for made in store.read_all(keys).values()]
    assert list(rows[0]) == list(dict.fromkeys(name for row in flat for name in row))
    assert rows == [{name: row.get(name, "") for name in rows[0]} for row in flat]


def test_two_exports_are_the_same_to_the_byte(store: RecordStore, tmp_path: Path) -> None:
    keys = write(store, record(0), failure(1), record(2))
    other = moved(store, keys, tmp_path)
    export(other, iter([*keys, keys[0]]), tmp_path / "again")
    for name in ("records.csv.gz", "predictions.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "results" / name).read_bytes()
    with zipfile.ZipFile(tmp_path / "again" / "predictions.npz") as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # no clock in it
    assert (tmp_path / "again" / "records.csv.gz").read_bytes()[4:8] == bytes(4)


def test_gold_classes_are_packed_once(store: RecordStore, tmp_path: Path) -> None:
    keys = write(store, record(0), record(1))
    write(store, record(2), gold=GOLD[::-1])
    keys.append(record(2)["key"])
    assert export(store, [*keys, 64 * "0"], tmp_path) == 3
    with np.load(tmp_path / "predictions.npz") as arrays:
        assert sum(name.startswith("gold-") for name in arrays) == 2
        assert len(arrays.files) == 5


def test_nothing_is_exported_as_empty_files_that_come_back(store: RecordStore, tmp_path: Path) -> None:
    assert export(store, [], tmp_path) == 0
    assert brought(store, tmp_path) == ((0, 0, 0), [])


def test_an_export_of_damaged_predictions_leaves_the_files_as_they_were(store: RecordStore, tmp_path: Path) -> None:
    keys = write(store, record(0), record(1))
    export(store, keys[:1], tmp_path / "results")
    before = {file: file.read_bytes() for file in files(tmp_path / "results")}
    store.predictions_path(keys[1]).unlink()
    with pytest.raises(DataError, match=f"expected the predictions of run {keys[1][:16]}, found damage: No such file"):
        export(store, keys, tmp_path / "results")
    assert {file: file.read_bytes() for file in files(tmp_path / "results")} == before


def test_an_export_to_a_full_disk_is_told_and_leaves_nothing_behind(store: RecordStore, tmp_path: Path) -> None:
    keys = write(store, *(record(number, more=random.Random(number).randbytes(900).hex()) for number in range(20)))
    script = f"""
import resource
from pathlib import Path
from harness.errors import HarnessError
from harness.exchange import export
from harness.records import RecordStore
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    export(RecordStore(Path({str(store.root)!r})), {keys!r}, Path("results"))
except HarnessError as error:
    print(error)
"""
    done = python(script, tmp_path)
    assert done.stdout == f"can't write results/predictions.npz: File too large. {FREE}\n"
    assert done.stderr == ""
    assert files(tmp_path / "results") == []


def python(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=True)


# The better record stays


def home(folder: Path, *records: dict[str, Any]) -> RecordStore:
    made = RecordStore(folder / "records")
    made.root.mkdir(parents=True, exist_ok=True)
    write(made, *records)
    return made


KINDS = ("home", "records", "results")


def place_of(other: RecordStore, kind: str) -> Path:
    """The place that has the store's records, in one of its forms."""
    if kind == "results":
        export(other, other.keys(), other.root.parent / "results")
    return {"home": other.root.parent, "records": other.root, "results": other.root.parent / "results"}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_records_come_home_from_every_kind_of_place(store: RecordStore, tmp_path: Path, kind: str) -> None:
    place = place_of(home(tmp_path / "other", record(0), failure(1), record(2)), kind)
    check_place(store, place)
    assert brought(store, place) == ((3, 0, 0), [])
    assert content(store) == content(RecordStore(tmp_path / "other" / "records"))
    assert brought(store, place) == ((0, 3, 0), [])


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_records_of_a_run_the_better_one_stays(store: RecordStore, tmp_path: Path, kind: str) -> None:
    late = "2027-01-01T00:00:00+00:00"
    write(store, record(0), record(1), failure(2, finished=late), failure(3), record(4, finished=late))
    other = home(
        tmp_path / "other", record(0), failure(1, finished=late), record(2), failure(3, finished=late), record(4)
    )
    assert brought(store, place_of(other, kind)) == ((2, 3, 0), [])
    found = [store.read(record(number)["key"]) or {} for number in range(5)]
    assert [made["status"] for made in found] == ["complete", "complete", "complete", "failed", "complete"]
    assert [made["finished"] == late for made in found] == [False, False, False, True, True]


def test_counting_brings_nothing(store: RecordStore, tmp_path: Path) -> None:
    other = home(tmp_path / "other", record(0), failure(1))
    write(store, failure(1))
    before = content(store)
    assert tuple(merge(store, other.root, print, dry_run=True)) == (1, 1, 0)
    assert content(store) == before


def version(number: int, complete: bool, finished: int, more: int) -> tuple[dict[str, Any], Any]:
    """A record of one of some versions that differ, with its predictions."""
    made = record if complete else failure
    predicted = np.roll(PREDICTED, 0) if more < 2 else np.array([0, 0, 2, 1, 1])
    return made(number, finished=f"2026-01-0{finished}T00:00:00+00:00", more=more), predicted


stores = st.dictionaries(
    st.integers(0, 2), st.tuples(st.booleans(), st.integers(1, 2), st.integers(0, 2)), max_size=3
)  # fmt: skip


@settings(max_examples=25)  # each writes some dozen files to the disk and waits for it
@given(stores, stores, stores)
def test_in_whatever_order_places_come_together_the_same_comes_of_it(
    tmp_path_factory: pytest.TempPathFactory, one: Any, two: Any, three: Any
) -> None:
    folder = tmp_path_factory.mktemp("homes")

    def made(name: str, versions: Mapping[int, tuple[bool, int, int]]) -> RecordStore:
        other = home(folder / name)
        for number, of in versions.items():
            found, predicted = version(number, *of)
            other.write(found, *((GOLD, predicted) if of[0] else (None, None)))
        return other

    def joined(name: str, *others: RecordStore) -> RecordStore:
        together = home(folder / name)
        for other in others:
            merge(together, other.root, print)
        return together

    a, b, c = (made(name, versions) for name, versions in (("a", one), ("b", two), ("c", three)))
    assert content(joined("aa", a, a)) == content(a)
    ab, bc = joined("ab", a, b), joined("bc", b, c)
    assert content(ab) == content(joined("ba", b, a))
    assert content(joined("ab-c", ab, c)) == content(joined("a-bc", a, bc))
    for key, (text, _) in content(ab).items():
        there = [made for made in (a.read(key), b.read(key)) if made is not None]
        assert json.loads(text) == max(there, key=rank)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lost", ["record", "predictions"])
def test_a_damaged_record_here_is_replaced_by_a_whole_one_though_it_is_older(
    store: RecordStore, tmp_path: Path, kind: str, lost: str
) -> None:
    (key,) = write(store, record(0, finished="2027-01-01T00:00:00+00:00"))
    (store.path(key) if lost == "record" else store.predictions_path(key)).write_bytes(b"{half")
    place = place_of(home(tmp_path / "other", record(0)), kind)
    assert brought(store, place) == ((1, 0, 0), [])
    assert content(store) == content(RecordStore(tmp_path / "other" / "records"))


def test_a_complete_record_here_without_predictions_is_not_replaced_by_a_failed_one(
    store: RecordStore, tmp_path: Path
) -> None:
    (key,) = write(store, record(0))
    store.predictions_path(key).unlink()
    other = home(tmp_path / "other", failure(0, finished="2027-01-01T00:00:00+00:00"))
    assert brought(store, other.root) == ((0, 1, 0), [])


def test_killed_at_any_moment_it_goes_on_where_it_stopped(store: RecordStore, tmp_path: Path) -> None:
    count = 400
    other = home(tmp_path / "other")
    write(store, *(failure(number) for number in range(0, count, 3)))
    template = home(tmp_path / "template", record(0))
    for number in range(count):
        made = record(number)
        path = other.path(made["key"])
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(made | {"gold": (template.read(KEYS[0]) or {})["gold"]}))
        shutil.copy(template.predictions_path(KEYS[0]), other.predictions_path(made["key"]))
    script = f"""
from pathlib import Path
from harness.exchange import merge
from harness.records import RecordStore
print("ready", flush=True)
merge(RecordStore(Path({str(store.root)!r})), Path({str(other.root)!r}), print)
"""
    kills = 0
    for wait in (0.005, 0.02, 0.05, 0.03):
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
        here = RecordStore(store.root)
        assert content(here).keys() >= {record(number)["key"] for number in range(0, count, 3)}  # all whole
    assert kills
    found, told = brought(store, other.root)
    assert told == []
    assert sum(found) == count
    assert content(store) == content(other)


# What is damaged there is told and left out


DAMAGED: dict[str, tuple[Callable[[RecordStore, str], object], str]] = {
    "cut off": (lambda other, key: other.path(key).write_text('{"key": '), "Expecting value: line 1 column 9 (char 8)"),
    "another spec": (
        lambda other, key: other.path(key).write_text(other.path(key).read_text().replace('"size": 50', '"size": 51')),
        f"the key {KEYS[0][:16]}, to which its spec does not hash",
    ),
    "fields that are lacking": (
        lambda other, key: other.path(key).write_text(other.path(key).read_text().replace('"finished"', '"ended"')),
        "expected the fields finished",
    ),
    "another run's": (
        lambda other, key: other.path(key).write_text(json.dumps(record(1))), f"expected the record of {KEYS[0]}"
    ),
    "no spec": (
        lambda other, key: other.path(key).write_text(json.dumps(record(0, spec=7))),
        f"the key {KEYS[0][:16]}, to which its spec does not hash",
    ),
    "no predictions": (
        lambda other, key: other.predictions_path(key).unlink(),
        f"{KEYS[0]}.npz: No such file or directory",
    ),
    "damaged predictions": (
        lambda other, key: other.predictions_path(key).write_bytes(b"PK"),
        f"{KEYS[0]}.npz: File is not a zip file",
    ),
    "other gold classes": (
        lambda other, key: np.savez_compressed(
            other.predictions_path(key), allow_pickle=False, gold=GOLD[::-1], predicted=PREDICTED
        ),
        f"{KEYS[0]}.npz: predictions of other gold classes than the record's",
    ),
    "no gold classes": (
        lambda other, key: np.savez_compressed(other.predictions_path(key), allow_pickle=False, predicted=PREDICTED),
        f"{KEYS[0]}.npz: no 'gold is not a file in the archive'",
    ),
    "other counts": (
        lambda other, key: other.path(key).write_text(other.path(key).read_text().replace('"test": 5', '"test": 6')),
        f"{KEYS[0]}.npz: 5 predictions, where the record counts 6",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_record_of_another_home_is_told_and_the_rest_is_brought(
    store: RecordStore, tmp_path: Path, damage: str
) -> None:
    other = home(tmp_path / "other", record(0), failure(1), record(2))
    change, cause = DAMAGED[damage]
    change(other, KEYS[0])
    assert brought(store, tmp_path / "other") == (
        (2, 0, 1), [f"{other.path(KEYS[0])}: damaged, and left out: {cause}"]
    )  # fmt: skip
    assert sorted(content(store)) == sorted(KEYS[1:3])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with a complete, a failed and another complete run."""
    other = home(tmp_path / "other", record(0), failure(1), record(2))
    export(other, KEYS[:3], tmp_path / "results")
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


def add_column(rows: list[list[str]]) -> None:
    rows[0].append("status.more")
    rows[1].append("x")
    for row in rows[2:]:
        row.append("")


KEY = KEYS[0]
TABLE_FAULTS: dict[str, tuple[Callable[[list[list[str]]], None], str]] = {
    "a changed spec": (set_cell("spec.size", "51"), f"the key {KEY[:16]}, to which its spec does not hash"),
    "a changed key": (set_cell("key", 64 * "0"), "the key 0000000000000000, to which its spec does not hash"),
    "no key": (set_cell("key", ""), "no 'key'"),
    "no status": (set_cell("status", ""), "expected the fields status"),
    "a column too many": (lambda rows: rows[1].append("x"), "another number of columns than in the first line"),
    "a column too few": (lambda rows: rows[1].pop(), "another number of columns than in the first line"),
    "other gold classes": (set_cell("gold", 16 * "0"), f"no array gold-{16 * '0'} in predictions.npz"),
    "no gold classes": (set_cell("gold", ""), "no 'gold'"),
    "another score": (
        set_cell("scores.test.accuracy", "0.9"), "predictions of accuracy 0.8000, where the record tells 0.9000"
    ),
    "a score that is no number": (set_cell("scores.test.accuracy", "NaN"), "Out of range float values are not JSON"),
    "a column within another": (add_column, "'str' object "),
}  # fmt: skip


@pytest.mark.parametrize("fault", TABLE_FAULTS)
def test_a_row_that_is_no_record_is_told_with_its_line_and_the_rest_is_brought(
    store: RecordStore, results: Path, fault: str
) -> None:
    change, cause = TABLE_FAULTS[fault]
    rewrite(results, change)
    counts, (told,) = brought(store, results)
    assert counts == (2, 0, 1)
    assert told.startswith(f"{results / 'records.csv.gz'}, line 2: damaged, and left out: {cause}")
    assert sorted(content(store)) == sorted(KEYS[1:3])


def test_arrays_that_are_missing_or_another_runs_are_told(results: Path, tmp_path: Path) -> None:
    with np.load(results / "predictions.npz") as arrays:
        kept = dict(arrays)
    others: Sequence[tuple[str, Mapping[str, npt.NDArray[Any]]]] = (
        (f"no array {KEY} in predictions.npz", {name: kept[name] for name in kept if name != KEY}),
        ("predictions of accuracy 0.4000, where the record tells 0.8000", kept | {KEY: kept[KEY][::-1]}),
        ("predictions that are not two lists of classes of one length", kept | {KEY: kept[KEY][1:]}),
    )
    for number, (cause, changed_arrays) in enumerate(others):
        np.savez_compressed(results / "predictions.npz", allow_pickle=False, **changed_arrays)
        counts, told = brought(RecordStore(tmp_path / f"{number}"), results)
        assert (counts, told) == (
            (2, 0, 1), [f"{results / 'records.csv.gz'}, line 2: damaged, and left out: {cause}"]
        )  # fmt: skip


def overwritten(data: bytes) -> bytes:
    return data[:60] + bytes(255 - byte for byte in data[60:90]) + data[90:]


FILE_DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "an empty table": ("records.csv.gz", lambda data: b"", "expected a table of records, found an empty file"),
    "no table": ("records.csv.gz", lambda data: b"neither gzip nor zip", "Not a gzipped file (b'ne')"),
    "half a table": (
        "records.csv.gz",
        lambda data: data[: len(data) // 2],
        "Compressed file ended before the end-of-stream marker was reached",
    ),
    "a table almost whole": (
        "records.csv.gz",
        lambda data: data[:-9],
        "Compressed file ended before the end-of-stream marker was reached",
    ),
    "a table overwritten": ("records.csv.gz", overwritten, "Error -3 while decompressing data: "),
    "another table's sum": ("records.csv.gz", lambda data: data[:-8] + b"12345678", "CRC check failed "),
    "empty arrays": ("predictions.npz", lambda data: b"", "File is not a zip file"),
    "no arrays": ("predictions.npz", lambda data: b"neither gzip nor zip", "File is not a zip file"),
    "half the arrays": ("predictions.npz", lambda data: data[: len(data) // 2], "File is not a zip file"),
    "arrays almost whole": ("predictions.npz", lambda data: data[:-9], "File is not a zip file"),
}


@pytest.mark.parametrize("damage", FILE_DAMAGE)
def test_a_damaged_file_of_a_results_folder_is_told(store: RecordStore, results: Path, damage: str) -> None:
    name, change, cause = FILE_DAMAGE[damage]
    file = results / name
    file.write_bytes(change(file.read_bytes()))
    counts, (told,) = brought(store, results)
    assert counts == (0, 0, 1)
    assert told.startswith(f"{file}: damaged, and left out: {cause}")
    assert content(store) == {}


def test_one_damaged_array_is_told_and_the_rest_is_brought(store: RecordStore, results: Path) -> None:
    file = results / "predictions.npz"
    file.write_bytes(overwritten(file.read_bytes()))
    counts, (told,) = brought(store, results)
    assert counts == (2, 0, 1)
    assert told.startswith(f"{results / 'records.csv.gz'}, line 2: damaged, and left out: File name in directory ")


def test_a_table_that_is_not_utf_8_is_told(store: RecordStore, results: Path) -> None:
    file = results / "records.csv.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"toy", b"t\xffy")))
    counts, (told,) = brought(store, results)
    assert counts == (0, 0, 1)
    assert told.startswith(f"{file}: damaged, and left out: 'utf-8' codec can't decode byte 0xff")


@settings(max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    at=st.floats(0, 1, exclude_max=True),
    which=st.integers(0, 10),
    how=st.sampled_from(["flip", "cut", "twice"]),
    byte=st.integers(1, 255),
)
def test_whatever_is_damaged_what_comes_is_as_it_was_and_nothing_is_lost_in_silence(
    tmp_path_factory: pytest.TempPathFactory, kind: str, at: float, which: int, how: str, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    whole = home(folder / "whole", record(0), failure(1), record(2))
    before = content(whole)
    place = place_of(whole, kind)
    found = files(place)
    victim = found[which % len(found)]
    data = bytearray(victim.read_bytes())
    where = int(at * len(data))
    if how == "flip":
        data[where] ^= byte
    victim.write_bytes({"flip": data, "cut": data[:where], "twice": data[:where] + data[where // 2 :]}[how])
    store = RecordStore(folder / "store")
    counts, told = brought(store, place)
    came = content(store)
    assert counts == (len(came), 0, len(told))
    if kind != "results" or not told:
        assert sum(counts) == 3
    changed_json = [json.loads(text) for key, (text, _) in came.items() if before[key][0] != text]
    # a byte within a JSON file may be another digit: nothing but the key and the predictions could tell
    assert not changed_json or (victim.suffix == ".json" and len(changed_json) == 1)
    assert all(before[key][1] == classes for key, (_, classes) in came.items())


# Places that are none


EXPECTED = "expected a home folder, its folder records, or a results folder with records.csv.gz and predictions.npz"


def test_a_place_that_is_not_there_or_has_no_record_is_told(store: RecordStore, tmp_path: Path) -> None:
    (tmp_path / "empty" / "records").mkdir(parents=True)
    (tmp_path / "file").write_text("{}")
    for name, told in (
        ("nowhere", "nowhere is not here"),
        ("empty", "no record is in {}"),
        ("file", "no record is in {}"),
    ):
        place = tmp_path / name
        with pytest.raises(DataError, match=f"{re.escape(told.format(place))}; {re.escape(EXPECTED)}$"):
            check_place(store, place)


def test_a_place_that_the_operating_system_does_not_show_is_told(store: RecordStore) -> None:
    place = Path(300 * "x")
    for check in (lambda: check_place(store, place), lambda: check_results(place), lambda: check_export(store, place)):
        with pytest.raises(DataError, match=f"^can't look into {place}: File name too long$"):
            check()


@pytest.mark.parametrize("by", ["home", "records", "link"])
def test_a_place_that_is_the_home_itself_is_told(store: RecordStore, tmp_path: Path, by: str) -> None:
    write(store, record(0))
    link = tmp_path / "link"
    link.symlink_to(store.root.parent)
    place = {"home": store.root.parent, "records": store.root, "link": link}[by]
    with pytest.raises(DataError) as raised:
        check_place(store, place)
    assert str(raised.value) == (
        f"{place} is the home to which records are to come; name another place, or another --home"
    )


@pytest.mark.parametrize("name", ["records.csv.gz", "predictions.npz"])
def test_a_missing_file_of_a_results_folder_is_told(results: Path, name: str) -> None:
    check_results(results)
    (results / name).unlink()
    with pytest.raises(DataError) as raised:
        check_results(results)
    assert str(raised.value) == (
        f"{results / name} is not here; expected a results folder, such as results/kbp37, with {name}"
    )


# Exports over others


def test_an_export_whose_records_are_all_here_may_be_overwritten(store: RecordStore, results: Path) -> None:
    write(store, record(0, finished="2027-01-01T00:00:00+00:00"), failure(1), record(2))
    check_export(store, results)
    check_export(store, results / "new")


@pytest.mark.parametrize(
    ("here", "damage", "counts"),
    [
        ([record(0), failure(1)], False, (1, 0)),
        ([failure(0), failure(1), record(2)], False, (1, 0)),
        ([record(0), failure(1), record(2)], True, (0, 1)),
    ],
)
def test_an_export_that_would_lose_records_is_refused(
    store: RecordStore, results: Path, here: list[dict[str, Any]], damage: bool, counts: tuple[int, int]
) -> None:
    write(store, *here)
    if damage:
        rewrite(results, set_cell("spec.size", "51"))
    with pytest.raises(DataError) as raised:
        check_export(store, results)
    assert str(raised.value) == (
        f"{results} holds other records, which an export would overwrite: {counts[0]} that are not in {store.root}, or "
        f"worse there, and {counts[1]} that are damaged. First bring them home: python -m harness records merge "
        f"{results} (then delete records.csv.gz there, if some are damaged); or choose another folder"
    )


@pytest.mark.parametrize(
    ("gone", "stays"), [("records.csv.gz", "predictions.npz"), ("predictions.npz", "records.csv.gz")]
)
def test_an_export_over_half_of_another_is_refused(store: RecordStore, results: Path, gone: str, stays: str) -> None:
    (results / gone).unlink()
    with pytest.raises(DataError) as raised:
        check_export(store, results)
    assert str(raised.value) == (
        f"{results} has {stays} without {gone}: expected both or neither. Delete it there, or choose another folder"
    )


def test_what_leaves_and_comes_home_needs_no_torch(tmp_path: Path) -> None:
    assert python("import harness.exchange, sys; print('torch' in sys.modules)", tmp_path).stdout == "False\n"
