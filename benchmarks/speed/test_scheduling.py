"""What scheduling costs the process that schedules, with runs that do nothing on real Dask workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.artifacts import ArtifactStore
from harness.grid import ResolvedGrid, resolve
from harness.records import RECORD_FORMAT, RecordStore
from harness.runner import Outcome
from harness.scheduler import pools
from harness.scheduler.carry_out import Rules, Watcher, carry_out
from harness.scheduler.graph import HERE, Id, tasks_of
from harness.scheduler.pools import DaskPool
from harness.scheduler.preparing import prepare
from harness.specs import RunSpec

GRID = """
corpora    = {{name = "synthetic", sample = 200}}
encoders   = ["handcrafted"]
strategies = ["none"]
sizes      = [10]
replicates = {runs}
"""
FEW, MANY = 100, 10_000


class Idle(DaskPool):
    """Workers that return a record at once."""

    def submit(self, function: Callable[..., Any], arguments: Sequence[Any], reads: Sequence[Id]) -> Future[Any]:
        """Do nothing in place of a run."""
        (spec,), *_ = arguments
        return super().submit(_nothing, (spec,), reads)


def _nothing(spec: RunSpec, luggage: object) -> list[Outcome]:
    classes = np.arange(200) % 20
    scores = dict.fromkeys(("accuracy", "micro_f1_positive", "macro_f1_positive", "micro_f1", "macro_f1"), 0.5)
    points = [15 * at for at in range(1, 11)]
    record = {
        "format": RECORD_FORMAT, "key": spec.key, "cell": spec.cell, "spec": spec.as_dict(), "status": "complete",
        "error": None, "environment": {"device": "cpu", "sources": {}}, "scores": {"dev": scores, "test": scores},
        "curve": {"update": points, "loss": [0.5] * 10, "dev": [0.5] * 10}, "best_update": 15,
        "counts": {"train": 10, "updates": 150}, "seconds": {"total": 0.0},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    return [Outcome(record, classes, classes)]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> ResolvedGrid:
    """Ten thousand runs of one cell."""
    return resolve("idle", GRID.format(runs=MANY), tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def workers() -> Iterator[DaskPool]:
    """Two processes."""
    with pools.local(2) as pool:
        assert isinstance(pool, DaskPool)
        yield Idle(pool._client, None)


def _scheduled(grid: ResolvedGrid, pool: DaskPool, count: int, home: Path) -> float:
    """Seconds of this process's processors for a run, of `count` runs; all threads are counted, Dask's own too."""
    todo = list(grid.runs.values())[:count]
    artifacts, records = ArtifactStore(home / "artifacts"), RecordStore(home / "records")
    for task in tasks_of(todo[:1], artifacts):
        if task.kind in HERE:
            prepare(task, grid, artifacts, lambda line: None)

    def finished(outcome: Outcome) -> None:
        records.write(outcome.record, outcome.gold, outcome.predicted)

    started = time.process_time()
    carry_out(todo, grid, home, pool, Watcher(finished), Rules(), lambda task: 1.0)
    seconds = time.process_time() - started
    assert len(list(records.keys())) == count
    return seconds / count


@pytest.mark.benchmark(group="scheduling")
def test_a_run_costs_the_parent_as_much_among_many_as_among_few(
    benchmark: BenchmarkFixture, grid: ResolvedGrid, workers: DaskPool, tmp_path: Path
) -> None:
    _scheduled(grid, workers, FEW, tmp_path / "warm")
    few = min(_scheduled(grid, workers, FEW, tmp_path / f"few {at}") for at in range(3))
    many = benchmark.pedantic(_scheduled, (grid, workers, MANY, tmp_path / "many"), rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info |= {"milliseconds_few": 1000 * few, "milliseconds_many": 1000 * many, "ratio": many / few}
    assert many < 1.5 * few
