"""Every encoder meets every strategy: each pair is refused with its reason, or runs, and runs again to the same bits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy

from harness import registry, scheduler
from harness.contracts import lacking
from harness.grid import ResolvedGrid, resolve
from harness.runner import Outcome

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

WORDS = "founded was by never saw left met for unlike who in the Ada Grace Hopper Acme Initech Globex".split()
PAIRS = sorted(product(registry.origins("encoder"), registry.origins("strategy")))
GRID = """
corpora    = {{name = "toy", split = "official", negative = "keep"}}
encoders   = "{encoder}"
strategies = "{strategy}"
vectors    = "{vectors}"
replicates = 1
[training]
features    = [true, false]
min_updates = 10
"""


@pytest.mark.parametrize(("encoder", "strategy"), PAIRS)
def test_a_pair_runs_twice_the_same_or_says_why_not(
    encoder: str, strategy: str, make_plugin: Callable[[str, str, str], Path], tmp_path: Path
) -> None:
    make_plugin("corpus", "toy", Path(toy.__file__).read_text(encoding="utf-8"))
    vectors = write_vectors(tmp_path / "vectors.txt")
    grid = resolve("pair", GRID.format(encoder=encoder, strategy=strategy, vectors=vectors), tmp_path)

    lacks = lacking(registry.load("encoder", encoder), registry.load("strategy", strategy))
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


def run(grid: ResolvedGrid, home: Path) -> list[Outcome]:
    """What the runs of a grid come to, in a home of their own."""
    outcomes: list[Outcome] = []
    todo = list(grid.runs.values())
    scheduler.prepare(todo, grid, home, lambda line: None)
    scheduler.run(todo, grid, home, 0, "cpu", outcomes.append)
    return outcomes


def lasting(outcome: Outcome) -> dict[str, Any]:
    """A record without what time it was and how long it took."""
    return {name: value for name, value in outcome.record.items() if name not in ("seconds", "finished")}


def write_vectors(file: Path) -> Path:
    """Word vectors for the toy corpus, without all of its words."""
    drawn = np.random.default_rng(0).standard_normal((len(WORDS), 8))
    lines = (f"{word} {' '.join(map(str, vector))}" for word, vector in zip(WORDS, drawn, strict=True))
    file.write_text("\n".join(lines), encoding="utf-8")
    return file
