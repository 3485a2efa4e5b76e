"""What MLflow on SQLite costs the parent for a run: with 100 and with 2,000 runs there, and against MLflow's own calls.

Milliseconds of processor time of the whole process a run; what is waited for, the disk above all, is not in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from pytest_benchmark.fixture import BenchmarkFixture

from harness.behind import Behind
from harness.tracked import default_uri, shown_cell, shown_replicate, times_of
from harness.tracking import Tracker

FEW, MANY, ROUNDS, BATCH, REPLICATES = 100, 2000, 5, 20, 5
SIZES = (50, 200, 800, 3200, 6405)

SPEC: dict[str, Any] = {
    "corpus": {"name": "kbp37", "digest": "d", "split": "paper", "split_seed": 0, "negative": "drop", "sample": 9150},
    "vectors": {"name": "glove", "digest": "g", "unknown": "hash"},
    "text": None,
    "encoder": {"name": "bilstm", "parameters": {"hidden": 200, "cell": "torch"}},
    "strategy": {"name": "none", "parameters": {}},
    "training": {
        "features": ["lexical"], "standardise": False, "learning_rate": 0.05, "l2": 1e-5, "epsilon": 1e-10,
        "initial_accumulator": 0.0, "batch_size": 32, "epochs": 12, "min_updates": 150, "max_updates": 4000,
        "dev_points": 10, "dev_size": None,
    },
    "size": 50,
    "vary": ["sample", "subset", "initialisation", "order"],
}  # fmt: skip
CORPUS = {"label": "kbp37", "name": "kbp37", "split": "paper", "metric": "micro_f1_positive", "notice": "A notice."}
METRICS = ("accuracy", "micro_f1", "micro_f1_positive", "macro_f1_positive", "macro_f1_relations")
COUNTS = {"train": 50, "dev": 915, "test": 1830, "classes": 36, "updates": 150, "features": 1280}
ENVIRONMENT = ("device", "processor", "python", "torch", "numpy", "platform", "commit")


def make_grid(runs: int) -> dict[str, Any]:
    """Arms of five sizes, of five replicates each."""
    cells = [
        {
            "cell": f"{number:016x}", "corpus": 0, "encoder": "bilstm", "strategy": "none", "text": None,
            "size": SIZES[number % 5], "variant": f"number={number // 5}", "spec": {**SPEC, "size": SIZES[number % 5]},
            "keys": [f"{number:056x}{replicate:08x}" for replicate in range(REPLICATES)],
        }
        for number in range(runs // REPLICATES)
    ]  # fmt: skip
    return {"name": "speed", "source": "", "corpora": [CORPUS], "cells": cells, "refusals": []}


def make_records(grid: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Complete records with as much in them as those of a grid of real runs, random scores."""
    drawn = np.random.default_rng(0)
    return {
        key: {
            "key": key, "cell": cell["cell"], "spec": {**cell["spec"], "replicate": replicate}, "status": "complete",
            "error": None, "environment": dict.fromkeys(ENVIRONMENT, "as it was"),
            "scores": {"dev": dict.fromkeys(METRICS, drawn.uniform()), "test": dict.fromkeys(METRICS, drawn.uniform())},
            "curve": {
                "update": list(range(15, 165, 15)), "loss": drawn.uniform(size=10).tolist(),
                "dev": drawn.uniform(size=10).tolist(),
            },
            "best_update": 30, "counts": COUNTS, "finished": "2026-01-02T03:04:05+00:00",
            "seconds": {"start_up": 0.5, "training": 3.0, "scoring": 1.0, "total": 4.5},
        }
        for cell in grid["cells"]
        for replicate, key in enumerate(cell["keys"])
    }  # fmt: skip


class Store:
    """An experiment in a database of its own that shows so many runs, and the records that are to come."""

    def __init__(self, home: Path, runs: int) -> None:
        home.mkdir()
        self.uri = default_uri(home)
        self.grid = make_grid(runs + ROUNDS * BATCH)
        records = make_records(self.grid)
        self.tracker = Tracker(self.uri, self.grid)
        self._to_come = iter(records.items())
        self.tracker.log(self.take(runs))

    def take(self, count: int) -> dict[str, dict[str, Any]]:
        """The next records to come."""
        return dict(islice(self._to_come, count))

    def log_one_by_one(self) -> None:
        """Each as its run ends: its child, its parent's figures, and the point of its arm."""
        for key, record in self.take(BATCH).items():
            self.tracker.log({key: record})

    def log_plainly(self) -> None:
        """Children alone, by the fewest calls that MLflow has for them."""
        client = MlflowClient(tracking_uri=self.uri)
        experiment = client.get_experiment_by_name("speed")
        assert experiment is not None
        cells = {cell["cell"]: shown_cell(cell, CORPUS) for cell in self.grid["cells"]}
        for record in self.take(BATCH).values():
            content, (started, ended) = shown_replicate(cells[record["cell"]], record), times_of(record)
            made = client.create_run(experiment.experiment_id, started, dict(content.tags), content.name)
            metrics = [Metric(name, value, ended, step) for name, value, step in content.metrics]
            parameters = [Param(name, value) for name, value in content.parameters.items()]
            client.log_batch(made.info.run_id, metrics, parameters)
            client.set_terminated(made.info.run_id, content.status, ended)


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time of this process, all its threads."""
    started = time.process_time()
    work()
    return 1000 * (time.process_time() - started)


def test_logging_a_run(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    few, many, plain = (Store(tmp_path / f"{place}", runs) for place, runs in enumerate((FEW, MANY, FEW)))
    measured: dict[str, list[float]] = {f"{FEW:,} there": [], f"{MANY:,} there": [], "MLflow's own calls": []}

    def take_turns() -> None:
        for found, work in zip(
            measured.values(), (few.log_one_by_one, many.log_one_by_one, plain.log_plainly), strict=True
        ):
            found.append(milliseconds(work) / BATCH)

    benchmark.pedantic(take_turns, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    best = {name: min(found) for name, found in measured.items()}
    few_there, many_there, own = best.values()
    benchmark.extra_info.update({f"ms a run, {name}": round(value, 1) for name, value in best.items()})
    benchmark.extra_info["many against few"] = round(many_there / few_there, 2)
    benchmark.extra_info["against MLflow's own calls"] = round(few_there / own, 2)
    opening = milliseconds(lambda: Tracker(many.uri, many.grid))
    benchmark.extra_info["opening, ms a run that is there"] = round(opening / (MANY + ROUNDS * BATCH), 1)
    print(f"\n{benchmark.extra_info}")
    assert many_there < 1.5 * few_there, "a run costs the same however many are there"
    assert few_there < 2.5 * own, "cells, arms, digests and means cost less than MLflow's own calls again"


def test_logging_behind_the_runs(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """All of a grid's records at once, from an empty experiment, against the hand-over that the runs wait for."""
    store = Store(tmp_path / "store", 0)
    grid = make_grid(FEW)
    records = make_records(grid)
    told: list[str] = []
    figures: dict[str, float] = {}

    def log() -> None:
        behind = Behind(store.uri, {**grid, "name": "behind"}, dict, told.append)
        started = time.perf_counter()
        for record in records.values():
            behind.log(record)
        figures["handed over"] = 1000 * (time.perf_counter() - started) / FEW
        behind.close(60)

    figures["written"] = benchmark.pedantic(lambda: milliseconds(log), rounds=1) / FEW  # type: ignore[no-untyped-call]
    benchmark.extra_info.update({f"ms a run, {name}": round(value, 3) for name, value in figures.items()})
    print(f"\n{benchmark.extra_info}")
    assert not [sentence for sentence in told if "catches up" in sentence]
    assert figures["handed over"] < 0.1 * figures["written"], "the runs do not wait for MLflow"
