"""Every encoder meets every strategy: refused with its reason, or pre-trained and run, twice to the same bits."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy
from conftest import run_here

from harness import registry
from harness.contracts import lacking
from harness.grid import ResolvedGrid, resolve
from harness.runner import Outcome

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

WORDS = "founded was by never saw left met for unlike who in the Ada Grace Hopper Acme Initech Globex".split()
PAIRS = sorted(product(registry.origins("encoder"), registry.origins("strategy")))
GRID = """
corpora    = {{name = "toy", split = "official", negative = "keep"}}
encoders   = {encoder}
strategies = {strategy}
vectors    = "{vectors}"
replicates = 1
{texts}
[training]
features    = [true, false]
min_updates = 10
"""
TEXTS = 'texts = {name = "toy", selection = "whole"}'
FEW = {"epochs": 2, "skipgram_epochs": 2, "hidden": 8, "filters": 8}
"""Values of parameters, of whatever plugin has them, with which a run is short."""


@pytest.mark.parametrize(("encoder", "strategy"), PAIRS)
def test_a_pair_runs_twice_the_same_or_says_why_not(
    encoder: str, strategy: str, make_plugin: Callable[[str, str, str], Path], tmp_path: Path
) -> None:
    make_plugin("corpus", "toy", Path(toy.__file__).read_text(encoding="utf-8"))
    vectors = write_vectors(tmp_path / "vectors.txt")
    kind, plan = registry.load("encoder", encoder), registry.load("strategy", strategy)
    texts = TEXTS if plan.text != "unread" else ""
    asked = {"encoder": short("encoder", encoder), "strategy": short("strategy", strategy)}
    grid = resolve("pair", GRID.format(**asked, vectors=vectors, texts=texts), tmp_path)

    lacks = lacking(kind, plan)
    reasons = [refusal["reason"] for refusal in grid.plain["refusals"]]
    assert len(grid.runs) + len(reasons) == 2  # features on, features off
    assert bool(grid.runs) == (not lacks)
    assert all(capability.value in reason for capability in lacks for reason in reasons)

    first, second = (run(grid, tmp_path / home) for home in ("first", "second"))
    assert len(first) == len(second) == len(grid.runs)
    for one, two in zip(first, second, strict=True):
        assert one.record["status"] == "complete", one.record["error"]
        assert one.predicted is not None
        assert two.predicted is not None
        np.testing.assert_array_equal(one.predicted, two.predicted)
        assert lasting(one) == lasting(two)
        assert (one.record["text"] is not None) == bool(texts)
        assert (one.record["pretraining"] is not None) == plan.pretrains()
        if plan.pretrains():
            assert len(one.record["pretraining"]["loss"]) > 0


def short(kind: str, name: str) -> str:
    """A plugin as a grid asks for it, with few epochs and units."""
    own = {field.name for field in dataclasses.fields(registry.load(kind, name).Parameters)}
    given = {parameter: value for parameter, value in FEW.items() if parameter in own}
    return "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in {"name": name, **given}.items()) + "}"


def run(grid: ResolvedGrid, home: Path) -> list[Outcome]:
    """What the runs of a grid come to, in a home of their own."""
    return run_here(grid, home)


def lasting(outcome: Outcome) -> dict[str, Any]:
    """A record without what time it was and how long it took."""
    record = {name: value for name, value in outcome.record.items() if name not in ("seconds", "finished")}
    return record | {"pretraining": {**(record["pretraining"] or {}), "seconds": None}}


def write_vectors(file: Path) -> Path:
    """Word vectors for the toy corpus, without all of its words."""
    drawn = np.random.default_rng(0).standard_normal((len(WORDS), 8))
    lines = (f"{word} {' '.join(map(str, vector))}" for word, vector in zip(WORDS, drawn, strict=True))
    file.write_text("\n".join(lines), encoding="utf-8")
    return file
