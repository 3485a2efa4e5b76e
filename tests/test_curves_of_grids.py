"""Learning curves from a resolved grid and its records; and the small grids that tests of claims and comparisons use."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.report.curves import learning_curves, missing_cells
from harness.report.restored import RestoredRecords
from harness.scoring import METRICS
from harness.specs import cell_of, key_of

RESULTS = Path(__file__).parents[1] / "results"

Scores = Mapping[int, Sequence[float | None]]
"""By size: a test score a replicate, in percent; None of a run that failed."""


@dataclass(frozen=True)
class Arm:
    """An arm of a small grid: its name, its scores, and what its spec has besides the usual. `dev` is `test` if None."""

    name: str
    test: Scores
    dev: Scores | None = None
    text: str | None = None
    selection: str = "random"
    variant: str = ""
    corpus: int = 0
    spec: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def corpus(label: str, train: int = 6405, **more: Any) -> dict[str, Any]:
    name = label.split(",")[0]
    counts = {"train": train, "dev": 100, "test": 1000}
    told = {"label": label, "name": name, "split": "paper", "counts": counts, "classes": ["a", "b"], "negative": None}
    return told | {"metric": "micro_f1", "left_out": {}, "remarks": [], "notice": "", "roles": False} | more


def made(
    *arms: Arm, name: str = "small", corpora: Sequence[dict[str, Any]] = (), planned: int | None = None, **shared: Any
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """A resolved grid with these arms, and its records, whose metrics are all the same but for accuracy, which is half.

    `planned` are the replicates of a cell where they are more than its scores; `shared` is part of all specs.
    """
    cells, records = [], {}
    corpora = corpora or [corpus("toy")]
    for arm in arms:
        for size, scores in arm.test.items():
            spec = spec_of(arm, size, corpora[arm.corpus]["name"], shared)
            keys = [key_of({**spec, "replicate": replicate}) for replicate in range(planned or len(scores))]
            encoder, strategy = arm.name.split("/")
            text = f"{arm.text} ({arm.selection})" if arm.text else None
            told = {"encoder": encoder, "strategy": strategy, "text": text, "variant": arm.variant, "size": size}
            cells.append({"cell": cell_of(spec), "corpus": arm.corpus, **told, "keys": keys, "spec": spec})
            for replicate, (key, score) in enumerate(zip(keys, scores, strict=False)):
                dev = (arm.dev or arm.test)[size][replicate]
                records[key] = record(key, {**spec, "replicate": replicate}, score, dev)
    grid = {"format": 1, "name": name, "replicates": 3, "source": "", "corpora": list(corpora), "texts": []}
    return grid | {"crossed": None, "cells": cells, "refusals": []}, records


def spec_of(arm: Arm, size: int, corpus: str, shared: Mapping[str, Any]) -> dict[str, Any]:
    encoder, strategy = arm.name.split("/")
    text = {"name": arm.text, "digest": f"of {arm.text}", "selection": arm.selection, "distance": 20}
    spec: dict[str, Any] = {
        "corpus": {"name": corpus, "digest": f"of {corpus}", "split": "paper", "split_seed": 0, "negative": None},
        "vectors": {"name": "v.txt", "digest": "of v", "unknown": "hash"},
        "text": text if arm.text else None,
        "encoder": {"name": encoder, "parameters": {}},
        "strategy": {"name": strategy, "parameters": {}},
        "training": {"features": [], "standardise": False, "l2": 1e-5},
        "size": size,
        "vary": ["sample", "subset", "initialisation", "order"],
        "crossed": None,
    }
    for name, values in {**shared, **arm.spec}.items():
        spec[name] = spec[name] | values if isinstance(values, Mapping) and spec[name] else values
    return spec


def record(key: str, spec: dict[str, Any], score: float | None, dev: float | None) -> dict[str, Any]:
    plain = {"format": 1, "key": key, "cell": cell_of(spec), "spec": spec, "environment": {}, "seconds": {"total": 1.0}}
    plain |= {"finished": "2026-01-01T00:00:00+00:00"}
    if score is None:
        return plain | {"status": "failed", "error": {"type": "E", "message": "m", "traceback": None}}
    of_each = {
        "test": dict.fromkeys(METRICS, score / 100),
        "dev": {} if dev is None else dict.fromkeys(METRICS, dev / 100),
    }
    for values in of_each.values():
        values |= {name: value / 2 for name, value in values.items() if name == "accuracy"}
    return plain | {"status": "complete", "error": None, "scores": of_each}


def test_a_curve_has_the_scores_of_its_complete_cells_by_size_and_replicate() -> None:
    first = Arm("bilstm/none", {200: [40.0, 41.0], 50: [20.0, 30.0]}, dev={200: [1.0, 2.0], 50: [3.0, 4.0]})
    second = Arm("bilstm/seq", {50: [25.0, 35.0]}, text="wiki", selection="whole", variant="epochs=3")
    one, other = learning_curves(*made(first, second))
    assert one.test["micro_f1"] == {200: pytest.approx((40, 41)), 50: pytest.approx((20, 30))}
    assert one.dev["micro_f1"] == {200: pytest.approx((1, 2)), 50: pytest.approx((3, 4))}
    assert one.test["accuracy"][50] == pytest.approx((10, 15))
    assert (one.corpus, one.sizes, one.missing, one.crossed) == (0, [50, 200], {}, None)
    assert (one.name, other.name) == ("bilstm, none", "bilstm, seq, wiki (whole), epochs=3")
    assert other.spec["text"]["selection"] == "whole" and "size" not in other.spec


def test_what_is_not_complete_is_no_score_and_is_told() -> None:
    arms = [
        Arm("bilstm/none", {50: [1.0, None, None], 200: [1.0, 2.0, 3.0], 800: []}),
        Arm("pcnn/none", {50: [1.0, 2.0, 3.0]}),
    ]
    grid, records = made(*arms, planned=3)
    curves = learning_curves(grid, records)
    assert list(curves[0].test["micro_f1"]) == list(curves[0].dev["micro_f1"]) == [200]
    assert curves[0].missing == {50: "1/3 (2 failed)", 800: "0/3"}
    assert curves[0].sizes == [50, 200, 800]
    assert missing_cells(curves) == ["bilstm, none: 1/3 (2 failed) at 50 labels, 0/3 at 800 labels"]


def test_arms_of_two_corpora_and_variants_are_curves_of_their_own() -> None:
    scores = {50: [1.0]}
    arms = [
        Arm("bilstm/none", scores),
        Arm("bilstm/none", scores, variant="l2=1", spec={"training": {"l2": 1}}),
        Arm("bilstm/none", scores, corpus=1),
    ]
    curves = learning_curves(*made(*arms, corpora=[corpus("toy"), corpus("other")]))
    assert [(curve.corpus, curve.variant) for curve in curves] == [(0, ""), (0, "l2=1"), (1, "")]
    assert [curve.spec["training"]["l2"] for curve in curves] == [1e-5, 1, 1e-5]


def test_a_metric_that_a_record_lacks_on_dev_is_not_there_at_that_size() -> None:
    grid, records = made(Arm("bilstm/none", {50: [1.0, 2.0], 200: [3.0, 4.0]}))
    records = copy.deepcopy(records)
    del records[grid["cells"][0]["keys"][1]]["scores"]["dev"]["micro_f1"]
    (curve,) = learning_curves(grid, records)
    assert list(curve.dev["micro_f1"]) == [200] and list(curve.dev["accuracy"]) == [50, 200]
    assert list(curve.test["micro_f1"]) == [50, 200]


def test_the_curves_of_a_results_folder_have_the_means_of_its_leaderboard() -> None:
    folder = RESULTS / "pretraining"
    grid = json.loads((folder / "grid.json").read_text(encoding="utf-8"))
    metric = grid["corpora"][0]["metric"]
    found = {}
    for curve in learning_curves(grid, RestoredRecords(folder, pytest.fail)):
        for size, scores in curve.test[metric].items():
            names = curve.encoder, curve.strategy, curve.text or "", str(size)
            found[names] = (f"{np.mean(scores):.4f}", f"{np.mean(curve.dev[metric][size]):.4f}")
    with (folder / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("encoder", "strategy", "text", "size")
    assert found == {tuple(row[name] for name in names): (row["mean"], row["dev_mean"]) for row in rows}
