"""The report of ten thousand records, from a home and from a results folder, against that of a thousand of them."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.exchange import export
from harness.records import RecordStore
from harness.report.results import grid_keys
from harness.scoring import score
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training, VectorsSpec

ENCODERS, STRATEGIES, VARIANTS, SIZES, REPLICATES, TEST = 4, 10, 10, (50, 200, 800, 3200, 6405), 5, 1_830
MANY = ENCODERS * STRATEGIES * VARIANTS * len(SIZES) * REPLICATES
FEW = MANY // VARIANTS
CLASSES = [f"relation_{number}({end})" for number in range(18) for end in ("e1,e2", "e2,e1")]

MEASURE = """
import json, sys, time
from pathlib import Path
from harness.records import RecordStore
from harness.report.page import write_report
from harness.report.restored import RestoredRecords
def megabytes():  # the peak of this process; that of getrusage is at least its parent's
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
folder, work, count = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
grid = json.loads((folder / f"grid-{count}.json").read_text())
write_report({**grid, "cells": grid["cells"][:10]}, RecordStore(folder / "records"), folder / "first" / "report.html")
before, start = megabytes(), time.perf_counter()
home = work == "home"
records = RecordStore(folder / "records") if home else RestoredRecords(folder / f"results-{count}", print)
told = write_report(grid, records, folder / "made" / "report.html")
print(time.perf_counter() - start, megabytes() - before, told.size / 1e6)
"""


def spec(encoder: int, strategy: int, variant: int, size: int, replicate: int) -> RunSpec:
    """Half of the strategies read a text and are pre-trained."""
    return RunSpec(
        corpus=CorpusSpec("toy", "0123456789abcdef", "paper", 0, "drop", 9150),
        vectors=VectorsSpec("toy.txt", "0123456789abcdef", "hash"),
        text=TextSpec("toy", "01234567", "random", 20, 14000) if strategy % 2 else None,
        encoder=PluginSpec(f"encoder-{encoder}", {"hidden": 200 + variant}),
        strategy=PluginSpec(f"strategy-{strategy}", {"epochs": 25}),
        training=Training(features=()),
        size=size,
        replicate=replicate,
    )


def record(run: RunSpec, gold: Any, predicted: Any) -> dict[str, Any]:
    """A complete record with all that a report reads."""
    scores = score(gold, predicted, CLASSES, None)
    losses = [10 / (3 + epoch) + run.replicate for epoch in range(25)]
    read = run.text is not None
    told = {"sentences": 14000, "tokens": 391643, "mentions": 41500, "entities": 23394, "linked": 0.34, "often": 0.2}
    trained = {"mentions": 41500, "loss": losses, "held_out": [11.0 + run.replicate, *losses], "best_epoch": 25}
    return {
        "format": 1,
        "key": run.key,
        "cell": run.cell,
        "spec": run.as_dict(),
        "status": "complete",
        "error": None,
        "environment": {"device": "cpu", "platform": "Linux-6.18", "commit": "e782c744f261", "sources": {}},
        "scores": {"dev": scores, "test": scores},
        "curve": {name: [1 / (3 + point) for point in range(10)] for name in ("update", "loss", "dev")},
        "counts": {"train": run.size, "dev": 915, "test": TEST, "classes": len(CLASSES), "updates": 300},
        "coverage": {"as written": 0.5, "lower-cased": 0.4, "unknown": 0.1},
        "text": told if read else None,
        "pretraining": {**trained, "seconds": 9.5} if read else None,
        "seconds": {"start_up": 0.4, "training": 1.3, "scoring": 0.1, "total": 1.8},
        "finished": "2026-11-25T19:40:45+00:00",
    }


def grid(cells: list[list[RunSpec]]) -> dict[str, Any]:
    """The resolved grid of these cells."""
    corpus = {
        "label": "toy", "name": "toy", "split": "paper", "counts": {"train": 6405, "dev": 915, "test": TEST},
        "classes": CLASSES, "negative": None, "metric": "micro_f1", "left_out": {}, "remarks": [], "notice": "",
        "licence": "CC0", "source": "made", "citation": "none",
    }  # fmt: skip
    shown = [
        {
            "cell": runs[0].cell, "corpus": 0, "encoder": runs[0].encoder.name, "strategy": runs[0].strategy.name,
            "text": runs[0].text.label if runs[0].text else None,
            "variant": f"hidden={runs[0].encoder.parameters['hidden']}",
            "size": runs[0].size, "keys": [run.key for run in runs], "spec": runs[0].as_dict(),
        }
        for runs in cells
    ]  # fmt: skip
    corpora = {"corpora": [corpus], "texts": [], "crossed": None}
    return {"name": "toy", "source": "", "replicates": REPLICATES, "cells": shown, "refusals": [], **corpora}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the records, and the results folders and the grids of all and of a tenth of them."""
    made, drawn = tmp_path_factory.mktemp("home"), np.random.default_rng(0)
    arms = product(range(VARIANTS), range(ENCODERS), range(STRATEGIES), SIZES)
    cells = [[spec(encoder, strategy, variant, size, replicate) for replicate in range(REPLICATES)]
             for variant, encoder, strategy, size in arms]  # fmt: skip
    store, gold = RecordStore(made / "records"), drawn.integers(0, len(CLASSES), TEST)
    for run in (run for runs in cells for run in runs):
        right = drawn.random(TEST) < np.log2(run.size) / 20
        predicted = np.where(right, gold, drawn.integers(0, len(CLASSES), TEST))
        store.write(record(run, gold, predicted), gold, predicted)
    for count in (FEW, MANY):
        resolved = grid(cells[: count // REPLICATES])
        (made / f"grid-{count}.json").write_text(json.dumps(resolved))
        export(store, grid_keys(resolved), made / f"results-{count}")
    return made


def measured(folder: Path, work: str, count: int) -> tuple[float, float, float]:
    """Seconds, MB more at the peak, and MB of the page; the work is done in a process of its own."""
    command = [sys.executable, "-c", MEASURE, str(folder), work, str(count)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes, size = map(float, ran.stdout.split())
    return seconds, megabytes, size


@pytest.mark.parametrize("work", ["home", "results"])
def test_a_report_of_ten_thousand_records(benchmark: BenchmarkFixture, folder: Path, work: str) -> None:
    few, many = [], []

    def take_turns() -> None:
        few.append(measured(folder, work, FEW))
        many.append(measured(folder, work, MANY))

    benchmark.pedantic(take_turns, rounds=1)  # type: ignore[no-untyped-call]
    best_few, best_many = ([min(values) for values in zip(*runs, strict=True)] for runs in (few, many))
    slower = (best_many[0] / MANY) / (best_few[0] / FEW)
    for name, (seconds, megabytes, size) in {f"{FEW:,}": best_few, f"{MANY:,}": best_many}.items():
        benchmark.extra_info[f"seconds, {name} records"] = round(seconds, 1)
        benchmark.extra_info[f"MB more, {name} records"] = round(megabytes)
        benchmark.extra_info[f"MB of the page, {name} records"] = round(size, 2)
    benchmark.extra_info["time a record against that of a thousand"] = round(slower, 2)
    print(f"\n{benchmark.extra_info}")
    assert slower < 2, "the time is in proportion to the records"
    assert best_many[1] < 250, "what a report needs is held, not the records"
