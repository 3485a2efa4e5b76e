"""Grids whose scores are chosen, with records as the harness writes them: what tests of figures and of the page share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.exchange import export
from harness.records import RecordStore
from harness.report.results import grid_keys
from harness.scoring import score
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training, VectorsSpec
from harness.variants import name_variants

TEST = 200
"""Test mentions: one right prediction more is half a point."""

CLASSES = ["led(e1,e2)", "led(e2,e1)", "in(e1,e2)", "never(e1,e2)"]
"""No test mention is of the last."""

GOLD = np.array([0] * 100 + [1] * 60 + [2] * 40)


@dataclasses.dataclass(frozen=True)
class Made:
    """An arm of a grid to be made: what it scores on test and on dev, in percent, by size and by replicate.

    A score that is None is of a run without a record, a text of one that failed with this message.
    """

    encoder: str
    strategy: str
    test: Mapping[int, Sequence[Any]]
    dev: Mapping[int, Sequence[float]] | None = None
    text: TextSpec | None = None
    vectors: bool = True
    held_out: Sequence[float] = ()
    training: Training = dataclasses.field(default_factory=lambda: Training(features=()))
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    points: Callable[[int], Sequence[int]] = lambda replicate: (10, 20)


def predictions(right: float) -> Any:
    """Predicted classes of which so many percent are right."""
    predicted, wrong = GOLD.copy(), round(TEST * (1 - right / 100))
    for place in np.random.default_rng(0).permutation(TEST)[:wrong]:
        predicted[place] = (GOLD[place] + 1 + place % 2) % 3
    return predicted


def wiki(selection: str = "random", sentences: int | None = 100) -> TextSpec:
    """A text."""
    return TextSpec("wiki", "0" * 16, selection, 20, sentences)


def corpus(label: str = "toy, split paper", **changes: Any) -> dict[str, Any]:
    made = {
        "label": label,
        "name": "toy",
        "split": "paper",
        "counts": {"train": 800, "dev": 100, "test": TEST},
        "classes": CLASSES,
        "negative": None,
        "metric": "accuracy",
        "left_out": {"an empty argument": 3},
        "remarks": ["a remark"],
        "notice": "",
        "licence": "CC0",
        "source": "made by hand",
        "citation": "nobody 2020",
    }
    return {**made, **changes}


def make(
    folder: Path,
    *entries: Sequence[Made],
    corpora: Sequence[Mapping[str, Any]] = (),
    crossed: tuple[int, int] | None = None,
    **changes: Any,
) -> tuple[dict[str, Any], RecordStore]:
    """A resolved grid with the arms of each of its corpus entries, and a store in `folder` with the records."""
    store, cells = RecordStore(folder / "records"), []
    for place, arms in enumerate(entries):
        for arm in arms:
            for size in arm.test:
                specs = [_spec(place, arm, size, replicate, crossed) for replicate in range(len(arm.test[size]))]
                text = arm.text.label if arm.text else None
                names = {"encoder": arm.encoder, "strategy": arm.strategy, "text": text, "size": size}
                spec = {name: value for name, value in specs[0].as_dict().items() if name != "replicate"}
                keys = [one.key for one in specs]
                cells.append({"cell": specs[0].cell, "corpus": place, **names, "keys": keys, "spec": spec})
                for replicate, one in enumerate(specs):
                    _write(store, arm, size, replicate, one)
    name_variants(cells)
    grid = {
        "format": 1,
        "name": "made",
        "replicates": 3,
        "source": "# made by hand\n",
        "corpora": list(corpora) or [corpus()],
        "texts": [],
        "crossed": {"samples": crossed[0], "initialisations": crossed[1]} if crossed else None,
        "cells": cells,
        "refusals": [],
    }
    return {**grid, **changes}, store


def to_results(grid: dict[str, Any], store: RecordStore, folder: Path) -> None:
    """Write a results folder's records and predictions."""
    export(store, grid_keys(grid), folder)


def _spec(place: int, arm: Made, size: int, replicate: int, crossed: tuple[int, int] | None) -> RunSpec:
    return RunSpec(
        corpus=CorpusSpec("toy", f"{place:016}", "paper", 0, "drop", None),
        vectors=VectorsSpec("toy.txt", "0" * 16, "hash") if arm.vectors else None,
        text=arm.text,
        encoder=PluginSpec(arm.encoder, dict(arm.parameters)),
        strategy=PluginSpec(arm.strategy, {}),
        training=arm.training,
        size=size,
        replicate=replicate,
        crossed=crossed[1] if crossed else None,
    )


def _write(store: RecordStore, arm: Made, size: int, replicate: int, spec: RunSpec) -> None:
    found = arm.test[size][replicate]
    if found is None:
        return
    record: dict[str, Any] = {
        "format": 1,
        "key": spec.key,
        "cell": spec.cell,
        "spec": spec.as_dict(),
        "status": "complete",
        "error": None,
        "environment": {"device": "cpu", "processor": "toy", "python": "3.11", "commit": f"c{replicate % 2}"},
        "counts": {"train": size, "dev": 100, "test": TEST, "classes": len(CLASSES), "updates": 10 * size},
        "seconds": {"total": 36.0},
        "finished": "2026-01-01T00:00:00+00:00",
    }
    if isinstance(found, str):
        error = {"type": "DivergedError", "message": found, "traceback": None}
        store.write({**record, "status": "failed", "error": error, "scores": {}}, None, None)
        return
    predicted = predictions(found)
    test = score(GOLD, predicted, CLASSES, None)
    dev = arm.dev[size][replicate] / 100 if arm.dev else test["accuracy"] / 2
    points = arm.points(replicate)
    record["scores"] = {"test": test, "dev": dict.fromkeys(test, dev)}
    record["curve"] = {
        "update": list(points),
        "loss": [1.0] * len(points),
        "dev": [dev / 2] * (len(points) - 1) + [dev],
    }
    if arm.held_out:
        losses = [loss + (replicate if at else 0) for at, loss in enumerate(arm.held_out)]
        best = int(np.argmin(losses))
        record["pretraining"] = {
            "mentions": 64,
            "loss": losses[1:],
            "held_out": losses,
            "best_epoch": best,
            "seconds": 72.0,
        }
    if arm.text:
        record["text"] = {"sentences": 10, "tokens": 90, "mentions": 20, "entities": 8, "linked": 0.25, "often": 0.125}
    store.write(record, GOLD, predicted)
