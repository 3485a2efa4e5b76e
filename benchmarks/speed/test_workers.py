"""What a second worker gains on the default grid, the start of processes and the prepared data included."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.scheduler.pools import default_workers

ROOT = Path(__file__).parents[2]


def _run(workers: int, folder: Path) -> float:
    """Seconds of the clock for the grid in a home of its own."""
    words = ["run", "--grid", "default", "--workers", str(workers), "--no-mlflow"]
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "harness", *words, "--home", str(folder / "home"), "--results", str(folder / "results")],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - started


@pytest.mark.skipif(default_workers() < 2, reason="needs two processors")
@pytest.mark.benchmark(group="workers")
def test_two_workers_take_little_more_than_half_the_time_of_one(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    one = _run(1, tmp_path / "one")
    two = benchmark.pedantic(_run, (2, tmp_path / "two"), rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info |= {"seconds_one": one, "seconds_two": two, "ratio": one / two}
    assert one > 1.8 * two
