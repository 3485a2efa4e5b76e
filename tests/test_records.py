"""Records: what is written comes back; damage is told; nothing half-written stays; which of two is the better."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DataError, HarnessError
from harness.records import RecordStore, check_record, rank, write_atomically, write_together
from harness.specs import cell_of, key_of

GOLD = np.array([0, 1, 2, 1, 1])
PREDICTED = np.array([0, 2, 2, 1, 1])


def record(replicate: int = 0, **more: Any) -> dict[str, Any]:
    """A complete record of a spec with the replicate, to which `GOLD` and `PREDICTED` belong."""
    spec = {"corpus": {"name": "toy", "digest": "0123", "sample": None}, "size": 50, "replicate": replicate}
    made = {
        "format": 1,
        "key": key_of(spec),
        "spec": spec,
        "status": "complete",
        "error": None,
        "scores": {"test": {"accuracy": 0.8}},
        "counts": {"test": 5, "classes": 3},
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
    "deep": (lambda data: b"[" * 100_000, "maximum recursion depth exceeded"),
    "without times": (
        lambda data: data.replace(b'"finished"', b'"ended"').replace(b'"seconds"', b'"took"'),
        "^expected the fields seconds, finished$",
    ),
    "in no state": (
        lambda data: data.replace(b'"complete"', b'"done"'),
        "^expected the status 'complete' or 'failed', found \"done\"$",
    ),
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


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (None, "No such file or directory"),
        (b"", "File is not a zip file"),
        (b"no zip", "File is not a zip file"),
        (b"PK\x03\x04 half", "File is not a zip file"),
    ],
)
def test_predictions_that_are_gone_or_damaged_are_told(store: RecordStore, damage: bytes | None, cause: str) -> None:
    (key,) = write(store, record())
    path = store.predictions_path(key)
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(DataError) as raised:
        store.predictions(key)
    assert str(raised.value) == (
        f"{path}: expected the predictions of run {key[:16]}, found damage: {cause}. python -m harness records prune "
        "--damaged removes the record, and `run` makes both again"
    )


def test_keys_come_in_order_and_strays_are_passed_over(store: RecordStore) -> None:
    keys = write(store, *map(failure, range(40)))
    stray = store.root / "zz" / f"{keys[0]}.json"
    stray.parent.mkdir()
    stray.write_text("{}")
    (store.root / "xy").write_text("no folder")
    (store.root / keys[0][:2] / ".unfinished-abc").write_text("{")
    assert list(store.keys()) == sorted(keys)


def test_records_come_one_by_one_and_a_table_may_ask_for_them_as_of_a_mapping(store: RecordStore) -> None:
    keys = write(store, *map(failure, range(5)))
    coming = store.each([*keys, 64 * "0"])
    assert next(coming)["key"] == keys[0]
    store.path(keys[1]).unlink()  # so that it had not been read yet
    assert [found["key"] for found in coming] == keys[2:]
    assert store.get(keys[2]) == store.read(keys[2]) == failure(2)
    assert store.get(64 * "0") is None


# Which of two is the better

moments = st.sampled_from(
    ["2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05", "2026-01-02T05:04:05+02:00", "2026-01-02T03:04:06+00:00", "no",
     "2026-01-02T03:04:05.000001+00:00", None, 7]
)  # fmt: skip
versions = st.builds(
    lambda made, finished, more: made(finished=finished, more=more),
    st.sampled_from([record, failure]), moments, st.sampled_from([0, 1, "1", None, [], float("inf")]),
)  # fmt: skip


@given(versions, versions, versions)
def test_of_two_different_records_one_is_the_better_and_three_stand_in_a_row(
    one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]
) -> None:
    equal = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (rank(one) > rank(two)) + (rank(two) > rank(one)) == (not equal)
    if rank(one) >= rank(two) >= rank(three):
        assert rank(one) >= rank(three)


def test_a_complete_record_is_better_then_a_later_one_then_the_greater_text() -> None:
    day = "2026-01-02T03:04:05+00:00"
    row = [
        failure(finished="never"),
        failure(finished="2026-01-02T03:04:05+01:00"),  # an hour before
        failure(finished=day),
        failure(finished="2027-01-01T00:00:00+00:00"),
        record(finished=day, seconds=1),
        record(finished=day, seconds=2),
        record(finished="2026-01-02T01:04:06-02:00"),  # a second later
    ]
    assert sorted(row, key=rank) == row


def test_the_order_of_the_fields_says_nothing() -> None:
    assert rank(record()) == rank(dict(reversed(record().items())))


# What a record is


def changed(path: str, value: Any, made: Callable[[], dict[str, Any]] = record) -> dict[str, Any]:
    """A record with another value at a path of fields; without it where the value is `...`."""
    found = copy.deepcopy(made())
    *above, name = path.split(".")
    place = found
    for step in above:
        place = place[step]
    if value is ...:
        del place[name]
    else:
        place[name] = value
    return found


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (changed("spec.size", 51), f"the key {record()['key'][:16]}, to which its spec does not hash"),
        (changed("key", 7), "the key 7, to which its spec does not hash"),
        (changed("cell", "0123"), "the cell 0123, to which its spec does not hash"),
        (changed("seconds", ...), "expected the fields seconds"),
        (changed("status", None), "expected the status 'complete' or 'failed', found null"),
        (changed("finished", "soon"), 'no time in ISO 8601 in finished: "soon"'),
        (changed("finished", None), "no time in ISO 8601 in finished: null"),
        (changed("curve", [float("nan")]), "Out of range float values are not JSON compliant"),
        (changed("error.message", ..., failure), "'message'"),
    ],
)
def test_what_is_no_record_is_told(found: dict[str, Any], told: str) -> None:
    check_record(record())
    check_record(failure())
    with pytest.raises((ValueError, KeyError)) as raised:
        check_record(found)
    assert str(raised.value).startswith(told)


@pytest.mark.parametrize(
    ("found", "gold", "predicted", "told"),
    [
        (record(), GOLD[::-1], PREDICTED, "predictions of other gold classes than the record's"),
        (record(), GOLD, PREDICTED[::-1], "predictions of accuracy 0.4000, where the record tells 0.8000"),
        (record(), GOLD, PREDICTED[1:], "predictions that are not two lists of classes of one length"),
        (record(), GOLD[None], PREDICTED[None], "predictions that are not two lists of classes of one length"),
        (record(), GOLD, PREDICTED / 2, "predictions that are not two lists of classes of one length"),
        (changed("counts.test", 1830), GOLD, PREDICTED, "5 predictions, where the record counts 1,830"),
        (changed("counts.classes", 2), GOLD, PREDICTED, "a prediction of class 2, where the record counts 2 classes"),
        (record(), GOLD, PREDICTED - 1, "a prediction of class -1, where the record counts 3 classes"),
        (changed("scores.test", {}), GOLD, PREDICTED, "no 'accuracy'"),
    ],
)
def test_predictions_that_are_not_those_of_the_record_are_told(
    store: RecordStore, found: dict[str, Any], gold: Any, predicted: Any, told: str
) -> None:
    (key,) = write(store, found)
    here = store.read(key)
    assert here is not None
    path = store.predictions_path(key)
    np.savez_compressed(path, allow_pickle=False, gold=gold, predicted=predicted)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path.name}: {told}')}$"):
        store.checked_predictions(here)


def test_predictions_of_the_record_fit_it_and_so_do_none_of_a_test_split_without_mentions(store: RecordStore) -> None:
    empty = changed("counts.test", 0)
    for found, gold, predicted in ((record(), GOLD, PREDICTED), (empty, GOLD[:0], PREDICTED[:0])):
        store.write(found, gold, predicted)
        here = store.read(found["key"])
        assert here is not None
        assert [part.tolist() for part in store.checked_predictions(here)] == [gold.tolist(), predicted.tolist()]


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


def test_of_several_files_none_takes_its_place_before_all_are_filled(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "deep" / "two"
    one.write_bytes(b"old")

    def fill(file: Any) -> None:
        assert one.read_bytes() == b"old"
        raise OSError(28, "No space left on device")

    with pytest.raises(HarnessError, match=f"^can't write {two}: No space left on device. Free some space"):
        write_together((one, lambda file: file.write(b"new")), (two, fill))
    assert one.read_bytes() == b"old"
    assert files(tmp_path) == [one]
    write_together((one, lambda file: file.write(b"new")), (two, lambda file: file.write(b"new")))
    assert [file.read_bytes() for file in (one, two)] == [b"new", b"new"]


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
