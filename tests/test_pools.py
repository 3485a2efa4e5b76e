"""Where tasks are done: this process, processes of this machine that hang, die and are lost, a Dask cluster."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from commands import DEADLINE, ROOT
from distributed import LocalCluster

from harness.artifacts import Artifact, ArtifactStore
from harness.errors import GoneError, WorkerDied
from harness.scheduler import pools
from harness.scheduler.executors import InThisProcess, Pool
from harness.scheduler.graph import Id
from harness.scheduler.work import Luggage

# What workers do, by which they are told from one another


def process(luggage: Luggage) -> int:
    return os.getpid()


def sleep(folder: Path, luggage: Luggage) -> None:
    note(folder, luggage)
    time.sleep(10**6)


def spin(folder: Path, luggage: Luggage) -> None:
    note(folder, luggage)
    while True:
        pass


def note(folder: Path, luggage: Luggage) -> int:
    (folder / f"{os.getpid()}-{time.time_ns()}").touch()
    return os.getpid()


def faults(luggage: Luggage) -> int:
    """Pages that the system gave for 100 batches of 8 MB, one after the other."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        torch.ones(2_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def leave(luggage: Luggage) -> None:
    os._exit(3)


def keys(luggage: Luggage) -> dict[Id, int]:
    return {one: len(packed) for one, packed in luggage.packed.items()}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# This process


def test_this_process_is_done_with_a_task_when_it_is_handed_over() -> None:
    with pools.here() as pool:
        assert (pool.width(), pool.here) == (1, True)
        future = pool.submit(process, (), ())
        assert future.done()
        assert future.result() == os.getpid()
        assert not pool.overdue(future, 0)
        failed = pool.submit(lambda luggage: 1 / 0, (), ())
        assert isinstance(failed.exception(0), ZeroDivisionError)
        left = pool.submit(lambda luggage: sys.exit(3), (), ())
        assert isinstance(left.exception(0), SystemExit)


def test_an_interrupt_of_this_process_is_no_failure_of_a_task() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        InThisProcess().submit(interrupted)


# Processes of this machine


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def pool(told: list[str]) -> Iterator[Pool]:
    """Two workers, for all tests that leave as many."""
    with pools.local(2, told.append) as made:
        yield made


def both(pool: Pool) -> set[int]:
    """The processes of two workers, each of which is free."""
    until(lambda: pool.width() == 2)
    found: set[int] = set()
    deadline = time.monotonic() + DEADLINE
    while len(found) < 2:
        assert time.monotonic() < deadline
        found.add(pool.submit(process, (), ()).result(DEADLINE))
    return found


def test_workers_are_processes_that_are_told_of(pool: Pool, told: list[str]) -> None:
    assert (pool.width(), pool.here) == (2, False)
    assert os.getpid() not in both(pool)
    (line,) = told
    assert line.startswith("Dask dashboard: http://127.0.0.1:")


def test_an_error_comes_back_as_it_is(pool: Pool) -> None:
    future = pool.submit(divide, (1, 0), ())
    with pytest.raises(ZeroDivisionError, match=r"^division by zero$"):
        future.result(DEADLINE)
    assert pool.submit(divide, (6, 3), ()).result(DEADLINE) == 2


def divide(one: int, two: int, luggage: Luggage) -> float:
    return one / two


def test_workers_keep_the_memory_of_a_batch_for_the_next(pool: Pool) -> None:
    pages = 100 * 8_000_000 // resource.getpagesize()
    assert pool.submit(faults, (), ()).result(DEADLINE) < pages / 10


def test_workers_do_not_hear_of_an_interrupt(pool: Pool) -> None:
    workers = both(pool)
    for pid in workers:
        os.kill(pid, signal.SIGINT)
    time.sleep(0.2)
    assert both(pool) == workers


@pytest.mark.parametrize("hangs", [sleep, spin])
def test_a_task_that_hangs_is_overdue_and_ended_with_its_worker(
    hangs: Callable[..., None], pool: Pool, tmp_path: Path
) -> None:
    workers = both(pool)
    future = pool.submit(hangs, (tmp_path,), ())
    until(lambda: pool.overdue(future, 0.1))
    (begun,) = tmp_path.iterdir()
    assert not pool.overdue(future, 3600)
    pool.end(future)
    with pytest.raises(CancelledError):
        future.result(0)
    hanging = int(begun.name.partition("-")[0])
    assert pool.width() == 1  # it is gone already, and the next task goes elsewhere
    assert {pool.submit(process, (), ()).result(DEADLINE) for _ in range(3)} == workers - {hanging}
    assert not psutil.pid_exists(hanging) or psutil.Process(hanging).status() == psutil.STATUS_ZOMBIE
    after = both(pool)
    assert after > workers - {hanging}
    assert hanging not in after
    assert len(list(tmp_path.iterdir())) == 1  # it was not begun again


@pytest.mark.slow
def test_a_task_that_waits_for_a_worker_is_not_overdue(pool: Pool, tmp_path: Path) -> None:
    both(pool)
    running = [pool.submit(sleep, (tmp_path,), ()) for _ in range(2)]
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    waiting = pool.submit(process, (), ())
    until(lambda: all(pool.overdue(one, 0.2) for one in running))
    assert not pool.overdue(waiting, 0)
    for one in running:
        pool.end(one)
    assert waiting.result(DEADLINE)


def test_what_is_finished_is_not_made_again_when_its_worker_is_lost(pool: Pool, tmp_path: Path) -> None:
    workers = both(pool)
    futures = [pool.submit(note, (tmp_path,), ()) for _ in range(4)]
    made_by = {future.result(DEADLINE) for future in futures}
    for pid in made_by:
        os.kill(pid, signal.SIGKILL)
    assert both(pool).isdisjoint(made_by)
    assert len(list(tmp_path.iterdir())) == 4
    assert made_by <= workers


def test_a_task_whose_worker_is_killed_is_made_by_another(pool: Pool, tmp_path: Path) -> None:
    both(pool)
    (tmp_path / "hold").touch()
    future = pool.submit(wait_for, (tmp_path,), ())
    until(lambda: list(tmp_path.glob("begun-*")))
    (begun,) = tmp_path.glob("begun-*")
    killed = int(begun.name.partition("-")[2])
    os.kill(killed, signal.SIGKILL)
    (tmp_path / "hold").unlink()
    assert future.result(DEADLINE) != killed
    both(pool)


@pytest.mark.slow
def test_the_time_at_a_worker_that_was_lost_does_not_count(pool: Pool, tmp_path: Path) -> None:
    both(pool)
    (tmp_path / "hold").touch()
    hanging, held = pool.submit(sleep, (tmp_path,), ()), pool.submit(wait_for, (tmp_path,), ())
    until(lambda: pool.overdue(hanging, 0.5) and pool.overdue(held, 0.5))
    killed = time.monotonic()
    (begun,) = tmp_path.glob("begun-*")
    os.kill(int(begun.name.partition("-")[2]), signal.SIGKILL)
    until(lambda: pool.width() == 1)
    assert not pool.overdue(held, time.monotonic() - killed)  # it waits, or has begun again since
    (tmp_path / "hold").unlink()
    assert held.result(DEADLINE)
    pool.end(hanging)
    both(pool)


def wait_for(folder: Path, luggage: Luggage) -> int:
    (folder / f"begun-{os.getpid()}").touch()
    while (folder / "hold").exists():
        time.sleep(0.02)
    return os.getpid()


@pytest.mark.slow
def test_a_task_that_kills_three_workers_is_given_up(pool: Pool) -> None:
    future = pool.submit(leave, (), ())
    with pytest.raises(WorkerDied) as told:
        future.result(DEADLINE)
    assert str(told.value) == (
        "the worker process died in this run, more than once; expected it to live. Is there enough memory for it (fewer "
        "--workers leave more to each), or does a plugin end the process?"
    )
    both(pool)


@pytest.mark.slow
def test_a_worker_that_is_lost_again_after_some_seconds_is_started_again() -> None:
    """Dask gives up a worker that is not there 15 s after it was lost, be it that it was lost a second time."""
    with pools.local(1) as pool:
        os.kill(pool.submit(process, (), ()).result(DEADLINE), signal.SIGKILL)
        lost = time.monotonic()
        second = pool.submit(process, (), ()).result(DEADLINE)
        time.sleep(max(0.0, lost + 14.5 - time.monotonic()))
        os.kill(second, signal.SIGKILL)
        time.sleep(4)
        assert pool.submit(process, (), ()).result(DEADLINE) != second


@pytest.mark.parametrize("error", [RuntimeError, pytest.param(None, marks=pytest.mark.slow)])
def test_workers_end_with_the_block(error: type[Exception] | None, tmp_path: Path) -> None:
    with suppress(RuntimeError), pools.local(1) as pool:
        pool.submit(spin, (tmp_path,), ())
        until(lambda: list(tmp_path.iterdir()))
        if error:
            raise error
    (begun,) = tmp_path.iterdir()
    pid = int(begun.name.partition("-")[0])
    until(lambda: not psutil.pid_exists(pid))


def test_what_ended_the_block_is_told_where_dask_is_too_busy_to_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "CLOSING", 0.0)  # so that it is always too late

    def interrupted() -> None:
        with pools.local(1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


@pytest.mark.slow
def test_an_interrupt_while_workers_start_comes_when_they_are_there() -> None:
    code = """if True:
        import os, signal, threading, time
        from harness.scheduler import pools

        def main():
            threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            try:
                with pools.local(1):
                    time.sleep(60)
            except KeyboardInterrupt:
                print("interrupted")

        if __name__ == "__main__":
            main()
    """
    script = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert (script.stdout, script.stderr, script.returncode) == ("interrupted\n", "", 0)


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_there_are_as_many_workers_as_processors_that_may_be_used(count: int) -> None:
    usable = sorted(os.sched_getaffinity(0))[:count]
    code = "from harness.scheduler.pools import default_workers; print(default_workers())"
    script = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, usable),
    )  # fmt: skip
    assert int(script.stdout) == min(len(usable), psutil.cpu_count(logical=False) or 1)


# What travels


class CountedStore(ArtifactStore):
    """Counts how often each artifact is packed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.packed: Counter[Id] = Counter()

    def pack(self, kind: str, key: str) -> bytes | None:
        self.packed[kind, key] += 1
        return super().pack(kind, key)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> CountedStore:
    """Artifacts of some sizes."""
    made = CountedStore(tmp_path)
    for at in range(pools.KEPT + 5):
        made.ensure("numbers", f"{at}", lambda at=at: Artifact({"x": torch.zeros(1 + at)}, {}))  # type: ignore[misc]
    return made


@pytest.fixture
def sending(cluster: LocalCluster, store: CountedStore) -> Iterator[Pool]:
    with pools.running(cluster.scheduler_address, store, lambda line: None) as pool:
        pool.send()
        yield pool


def artifact(at: int) -> Id:
    return "numbers", str(at)


def test_artifacts_come_with_a_task_and_travel_once(sending: Pool, store: CountedStore) -> None:
    assert sending.width() == 2
    asked = [(artifact(0), artifact(1)), (artifact(1), artifact(2)), (), (artifact(0),)]
    futures = [sending.submit(keys, (), reads) for _ in range(5) for reads in asked]
    for future, reads in zip(futures, 5 * asked, strict=True):
        expected = {one: len(ArtifactStore.pack(store, *one) or b"") for one in reads}
        assert future.result(DEADLINE) == expected
    assert store.packed == {artifact(at): 1 for at in range(3)}


def test_nothing_travels_unless_it_must(cluster: LocalCluster, store: CountedStore) -> None:
    with pools.running(cluster.scheduler_address, store, lambda line: None) as pool:
        assert pool.submit(keys, (), (artifact(0),)).result(DEADLINE) == {}
    assert store.packed == {}


def test_artifacts_that_no_task_needs_are_let_go(cluster: LocalCluster, sending: Pool, store: CountedStore) -> None:
    many = pools.KEPT + 5
    for at in range(many):
        assert set(sending.submit(keys, (), (artifact(at),)).result(DEADLINE)) == {artifact(at)}
    until(lambda: len(held(cluster)) == pools.KEPT)
    assert sending.submit(keys, (), (artifact(many - 1),)).result(DEADLINE)
    assert store.packed[artifact(many - 1)] == 1
    assert sending.submit(keys, (), (artifact(0),)).result(DEADLINE)
    assert store.packed[artifact(0)] == 2


def held(cluster: LocalCluster) -> list[str]:
    """What the workers hold."""
    tasks: dict[Any, Any] = cluster.scheduler.tasks  # type: ignore[union-attr]
    return [str(key) for key, task in tasks.items() if task.who_has]


def test_an_artifact_comes_back_when_its_worker_is_lost(sending: Pool, store: CountedStore) -> None:
    assert sending.submit(keys, (), (artifact(3),)).result(DEADLINE)
    for pid in both(sending):
        os.kill(pid, signal.SIGKILL)
    assert set(sending.submit(keys, (), (artifact(3),)).result(DEADLINE)) == {artifact(3)}
    assert store.packed[artifact(3)] == 1
    both(sending)


def test_an_artifact_that_is_gone_is_told(sending: Pool, store: CountedStore) -> None:
    with pytest.raises(GoneError) as told:
        sending.submit(keys, (), (("numbers", "none"),))
    assert str(told.value) == f"the numbers none is gone from {store.root}"


def test_a_cluster_lives_on_when_the_runs_are_done(cluster: LocalCluster, store: CountedStore) -> None:
    for _ in range(2):
        with pools.running(cluster.scheduler_address, store, lambda line: None) as pool:
            found = both(pool)
    assert all(psutil.pid_exists(pid) for pid in found)
    assert held(cluster) == []
