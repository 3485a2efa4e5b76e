"""Ten thousand records: what writing one, a table of all, and a results folder take, against a thousand of them."""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.records import RecordStore
from harness.scoring import METRICS
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training, VectorsSpec

FEW, MANY, REPLICATES, TEST, CLASSES = 1_000, 10_000, 5, 1_830, 36

MEASURE = """
import json, sys, time
from pathlib import Path
from harness.records import RecordStore
from harness.report.leaderboard import render
from harness.report.results import write_results
def megabytes():  # the peak of this process; that of getrusage is at least its parent's
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
folder, work = Path(sys.argv[1]), sys.argv[2]
grid, store = json.loads((folder / f"grid-{sys.argv[3]}.json").read_text()), RecordStore(folder / "records")
render({**grid, "cells": grid["cells"][:1]}, store, "md")
before, start = megabytes(), time.perf_counter()
if work == "render":
    render(grid, store, "md")
elif work == "hold":
    held = store.read_all(key for cell in grid["cells"] for key in cell["keys"])
else:
    write_results(grid, store, folder / "results", print)
print(time.perf_counter() - start, megabytes() - before)
"""


def specs() -> list[list[RunSpec]]:
    """Cells of five replicates: half of them read a text and are pre-trained."""
    corpus = CorpusSpec("toy", "0123456789abcdef", "paper", 0, "drop", 9150)
    vectors, text = VectorsSpec("toy.txt", "0123456789abcdef", "hash"), TextSpec("toy", "01234567", "random", 20, 14000)
    cells = []
    for number in range(MANY // REPLICATES):
        encoder = PluginSpec("toy-encoder", {"hidden": 200, "dropout": (number // 2) / 1000})
        strategy = PluginSpec("toy-pretrained" if number % 2 else "toy-none", {"epochs": 25, "learning_rate": 0.1})
        read = text if number % 2 else None
        cells.append([RunSpec(corpus, vectors, read, encoder, strategy, Training(), 50, replicate, ("sample",))
                      for replicate in range(REPLICATES)])  # fmt: skip
    return cells


def record(spec: RunSpec, gold: Any, predicted: Any) -> dict[str, Any]:
    """A complete record with all fields of a real one."""
    scores = dict.fromkeys(METRICS, float(np.mean(gold == predicted)))
    told = {"sentences": 14000, "tokens": 391643, "mentions": 41500, "entities": 23394, "linked": 0.34, "often": 0.2}
    losses = [10 / (3 + epoch) + spec.replicate for epoch in range(25)]
    return {
        "format": 1,
        "key": spec.key,
        "cell": spec.cell,
        "spec": spec.as_dict(),
        "status": "complete",
        "error": None,
        "environment": {
            "device": "cpu",
            "platform": "Linux-6.18",
            "commit": "e782c744f261",
            "sources": {"harness": "0"},
        },
        "scores": {"dev": scores, "test": scores},
        "curve": {name: [1 / (3 + point) for point in range(10)] for name in ("update", "loss", "dev")},
        "best_update": 300,
        "counts": {"train": 50, "dev": 915, "test": TEST, "classes": CLASSES, "updates": 300, "features": 0},
        "coverage": {"as written": 0.5, "lower-cased": 0.4, "unknown": 0.1},
        "fallback": None,
        "text": told if spec.text else None,
        "pretraining": {
            "mentions": 41500,
            "loss": losses,
            "held_out": [11.0, *losses],
            "best_epoch": 25,
            "seconds": 9.5,
        }
        if spec.text
        else None,
        "seconds": {"start_up": 0.4, "training": 1.3, "scoring": 0.1, "total": 1.8},
        "finished": "2026-11-25T19:40:45+00:00",
    }


def grid(cells: list[list[RunSpec]]) -> dict[str, Any]:
    """The resolved grid of these cells."""
    corpus = {
        "label": "toy", "name": "toy", "split": "paper", "counts": {"train": 6405, "dev": 915, "test": TEST},
        "classes": ["R"] * CLASSES, "negative": None, "metric": "micro_f1", "left_out": {}, "remarks": [], "notice": "",
    }  # fmt: skip
    shown = [
        {
            "cell": runs[0].cell, "corpus": 0, "encoder": "toy-encoder", "strategy": runs[0].strategy.name,
            "text": runs[0].text.label if runs[0].text else None, "variant": str(runs[0].encoder.parameters["dropout"]),
            "size": 50, "keys": [run.key for run in runs], "spec": runs[0].as_dict(),
        }
        for runs in cells
    ]  # fmt: skip
    return {"format": 1, "name": "toy", "source": "", "corpora": [corpus], "texts": [], "cells": shown, "refusals": []}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the records and the two grids."""
    folder, drawn, cells = tmp_path_factory.mktemp("home"), np.random.default_rng(0), specs()
    store, gold = RecordStore(folder / "records"), drawn.integers(0, CLASSES, TEST)
    for spec in (spec for runs in cells for spec in runs):
        predicted = np.where(drawn.random(TEST) < 0.5, gold, drawn.integers(0, CLASSES, TEST))
        store.write(record(spec, gold, predicted), gold, predicted)
    for count in (FEW, MANY):
        (folder / f"grid-{count}.json").write_text(json.dumps(grid(cells[: count // REPLICATES])))
    return folder


def measured(folder: Path, work: str, count: int) -> tuple[float, float]:
    """Seconds, and MB more at the peak; the work is done in a process of its own."""
    command = [sys.executable, "-c", MEASURE, str(folder), work, str(count)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, ran.stdout.split())
    return seconds, megabytes


def test_writing_a_record_beside_ten_thousand(benchmark: BenchmarkFixture, home: Path) -> None:
    stores = {"none": RecordStore(home / "empty"), "ten thousand": RecordStore(home / "records")}
    seconds: dict[str, list[float]] = {name: [] for name in stores}
    gold = np.random.default_rng(0).integers(0, CLASSES, TEST)
    new = iter(dataclasses.replace(spec, size=51) for runs in specs() for spec in runs)

    def take_turns() -> None:  # for what a disk takes changes from one moment to the next
        made = record(next(new), gold, gold)
        for name, store in stores.items():
            start = time.perf_counter()
            store.write(made, gold, gold)
            seconds[name].append(time.perf_counter() - start)

    benchmark.pedantic(take_turns, rounds=300)  # type: ignore[no-untyped-call]
    median = {name: statistics.median(found) for name, found in seconds.items()}
    for name, found in median.items():
        benchmark.extra_info[f"milliseconds a record, beside {name}"] = round(1000 * found, 2)
    print(f"\n{benchmark.extra_info}")
    assert median["ten thousand"] < 2 * median["none"], "a record is written as fast beside many as beside none"


@pytest.mark.parametrize("work", ["render", "write_results"])
def test_a_table_of_ten_thousand_records(benchmark: BenchmarkFixture, home: Path, work: str) -> None:
    few, many, held = [], [], []

    def take_turns() -> None:
        few.append(measured(home, work, FEW))
        many.append(measured(home, work, MANY))
        held.append(measured(home, "hold", MANY))

    benchmark.pedantic(take_turns, rounds=2)  # type: ignore[no-untyped-call]
    best_few, best_many, best_held = ([min(values) for values in zip(*runs, strict=True)] for runs in (few, many, held))
    slower = (best_many[0] / MANY) / (best_few[0] / FEW)
    benchmark.extra_info["seconds for ten thousand"] = round(best_many[0], 2)
    benchmark.extra_info["MB more"] = round(best_many[1])
    benchmark.extra_info["time a record against that of a thousand"] = round(slower, 2)
    benchmark.extra_info["memory against that of all records"] = round(best_many[1] / best_held[1], 2)
    print(f"\n{benchmark.extra_info}")
    assert slower < 2, "the time is in proportion to the records"
    assert best_many[1] < 0.6 * best_held[1], "what a table needs is held, not the records"
