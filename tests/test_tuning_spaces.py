"""What tuning tries: every end of every plugin's space builds, reads data, takes a step, and stays in its bounds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import run_in

from harness import registry
from harness.contracts import Encoder, Strategy, lacking
from harness.grid import ResolvedGrid, resolve
from harness.parameters import Among, Search, searches
from harness.scheduler import pools
from harness.specs import TUNABLE, RunSpec, Training
from harness.tuned_values import with_values
from harness.tuning.arms import OF_NETWORKS

HEAD = """
corpora    = ["synthetic"]
vectors    = "own"
sizes      = [16]
replicates = 1
"""


QUICK = """
[training]
min_updates = 1
max_updates = 2
dev_points  = 1
dev_size    = 20
"""


def ends(search: Search) -> tuple[Any, ...]:
    return search.values if isinstance(search, Among) else (search.low, search.high)


def corners(kind: type) -> Iterator[dict[str, Any]]:
    """Each parameter that is tried at each of its ends, the others at their own."""
    for name, search in searches(kind).items():
        yield from ({name: value} for value in ends(search))


def toml(**table: Any) -> str:
    return "{" + ", ".join(f"{name} = {json.dumps(value)}" for name, value in table.items()) + "}"


def strategies() -> list[str]:
    return [name for name in registry.origins("strategy") if searches(registry.load("strategy", name).Parameters)]


def encoder_for(strategy: type[Strategy]) -> str:
    """An encoder, as small as it can be, that has what a strategy needs."""
    fitting: dict[str, type[Encoder]] = {
        name: encoder
        for name in registry.origins("encoder")
        if not lacking(encoder := registry.load("encoder", name), strategy) and encoder.reads != "paths"
    }
    name = "bilstm" if "bilstm" in fitting else next(iter(fitting))
    return toml(name=name, hidden=4)


def test_what_is_tried_of_fine_tuning() -> None:
    found = {name: ends(search) for name, search in searches(Training).items()}
    assert found == {
        "features": (True, False),
        "standardise": (False, True),
        "learning_rate": (0.005, 0.5),
        "l2": (1e-7, 1e-3),
        "initial_accumulator": (0.0, 0.01, 0.1),
        "batch_size": (16, 32, 64),
        "epochs": (6, 12, 24),
        "dropout": (0.0, 0.2, 0.5),
    }
    assert tuple(found) == TUNABLE
    assert {"features", "standardise", "dropout"} == set(OF_NETWORKS)


def test_no_dropout_at_all_has_one_key(tmp_path: Path) -> None:
    text = f'{HEAD}encoders = [{toml(name="bilstm", hidden=4)}]\nstrategies = ["none"]\n{QUICK}'
    (plain,), (zero,) = (resolve("dropout", text + line, tmp_path).runs.values() for line in ("", "dropout = 0\n"))
    mistakes: list[str] = []

    def key(spec: RunSpec, **training: float) -> str:
        return with_values(spec, {"training": training}, "an arm", mistakes).key

    assert [key(plain), key(plain, dropout=0.0), key(zero), key(zero, dropout=0.0)] == 4 * [plain.key]
    assert key(plain, dropout=0.2) != plain.key
    assert not mistakes


@pytest.mark.parametrize("kind", [Training, *(registry.load("strategy", name).Parameters for name in strategies())])
def test_the_papers_own_values_are_within_what_is_tried(kind: type) -> None:
    own = kind()
    for name, search in searches(kind).items():
        value = getattr(own, name)
        if value is None:
            continue
        assert value in search.values if isinstance(search, Among) else search.low <= value <= search.high


@pytest.mark.parametrize("encoder", list(registry.origins("encoder")))
def test_every_corner_of_fine_tuning_trains_every_encoder(encoder: str, tmp_path: Path) -> None:
    plugin = registry.load("encoder", encoder)
    small = {"hidden": 4} if "hidden" in plugin.Parameters.__dataclass_fields__ else {}
    text = f'{HEAD}encoders = [{toml(name=encoder, **small)}]\nstrategies = ["none"]\n{QUICK}'
    grid = resolve("corners", text, tmp_path)
    (spec,) = grid.runs.values()
    found = [corner for corner in corners(Training) if spec.vectors or corner.keys().isdisjoint(OF_NETWORKS)]
    mistakes: list[str] = []
    runs = [with_values(spec, {"training": corner}, encoder, mistakes) for corner in found]
    assert not mistakes
    assert len({run.key for run in runs}) > len(found) / 2  # at one end most have their own value
    for corner, run in zip(found, runs, strict=True):
        ((name, value),) = corner.items()
        assert getattr(run.training, name) == (value or None if name == "dropout" else value) or name == "features"
    check(dataclasses.replace(grid, runs={run.key: run for run in runs}), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", strategies())
def test_every_corner_of_a_strategy_pre_trains(name: str, tmp_path: Path) -> None:
    strategy = registry.load("strategy", name)
    fields = strategy.Parameters.__dataclass_fields__
    cheap = {key: value for key, value in {"skipgram_epochs": 1, "epochs": 1}.items() if key in fields}
    found = list(corners(strategy.Parameters))
    entries = ", ".join(toml(name=name, **(cheap | corner)) for corner in found)
    texts = 'texts = [{name = "synthetic", selection = "random", sentences = 300}]'
    text = f"{HEAD}{texts}\nencoders = [{encoder_for(strategy)}]\nstrategies = [{entries}]\n{QUICK}"
    grid = resolve("corners", text, tmp_path)
    assert len(grid.runs) == len(found)
    check(grid, tmp_path)


def check(grid: ResolvedGrid, home: Path) -> None:
    """Every run of a grid comes to its end."""
    with pools.here() as pool:
        records = [outcome.record for outcome in run_in(pool, grid, home)]
    assert len(records) == len(grid.runs)
    assert [(record["spec"], record["error"]) for record in records if record["status"] != "complete"] == []
