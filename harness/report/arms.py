"""What figures and budgets are made of: the arms of a grid, with each cell's row in the leaderboard and what its runs'
records say one by one.

A record is read and let go, so that those of a large grid are never all in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.records import COMPLETE
from harness.report.curves import Curves, LearningCurve
from harness.report.rows import Grid, Records, Row, cell_row, check_metric

ENVIRONMENT = ("device", "processor", "python", "torch", "numpy", "platform", "commit")
"""What is told of the machine and the software of a run."""


@dataclass(frozen=True)
class Run:
    """What the record of one run says beside its scores.

    `points` are the updates at which dev was scored, and `dev` the scores there by the headline metric, in percent;
    `updates` is how many there were in all, None where the record does not tell. `seconds` is what it took itself,
    without what was made once for several. `error` is the type and the message of a failed one's.
    """

    key: str
    replicate: int
    points: Sequence[int]
    dev: Sequence[float]
    updates: int | None
    seconds: float
    environment: tuple[str, ...]
    error: tuple[str, str] | None


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell of the grid: its row in the leaderboard, and those of its runs that have a record."""

    row: Row
    runs: Sequence[Run]

    @property
    def is_complete(self) -> bool:
        """Whether all its replicates are; until then it has no mean and stands in no figure."""
        return not math.isnan(self.row["mean"])


@dataclass(frozen=True, eq=False)
class Arm:
    """The cells of one corpus entry that differ in their size alone, by size, and their scores."""

    curve: LearningCurve
    cells: Mapping[int, Cell]

    @cached_property
    def complete(self) -> dict[int, Cell]:
        """The complete cells by size."""
        return {size: cell for size, cell in self.cells.items() if cell.is_complete}

    @property
    def is_pretrained(self) -> bool:
        """Whether a record tells of the pre-training of its encoder."""
        return any(cell.row["pretrainings"] for cell in self.cells.values())

    @property
    def reads_features_alone(self) -> bool:
        """Whether it reads no word vectors: it stands beside every encoder."""
        return self.curve.spec.get("vectors") is None


def read_arms(grid: Grid, records: Records, metric: str | None = None) -> list[Arm]:
    """The arms of a resolved grid, in its order; `metric`, a name of `METRICS`, takes the place of each headline metric
    in the rows. Raises HarnessError where there is no such metric.
    """
    check_metric(metric)
    curves = Curves()
    cells: dict[int, dict[int, Cell]] = {}
    for told in grid["cells"]:
        known = {key: record for key in told["keys"] if (record := records.get(key)) is not None}
        curve = curves.add(told, known)
        row = cell_row(told, grid["corpora"][told["corpus"]], known, metric)
        cells.setdefault(id(curve), {})[told["size"]] = Cell(row, list(_runs(told["keys"], known)))
    return [Arm(curve, dict(sorted(cells[id(curve)].items()))) for curve in curves.all]


def _runs(keys: Sequence[str], records: Records) -> Iterator[Run]:
    for replicate, key in enumerate(keys):
        record = records.get(key)
        if record is not None:
            yield _run(key, replicate, record)


def _run(key: str, replicate: int, record: Mapping[str, Any]) -> Run:
    environment, curve = record.get("environment") or {}, record.get("curve") or {}
    error = record["error"] or {}
    return Run(
        key=key,
        replicate=replicate,
        points=tuple(curve.get("update") or ()),
        dev=tuple(100 * score for score in curve.get("dev") or ()),
        updates=(record.get("counts") or {}).get("updates"),
        seconds=float((record.get("seconds") or {}).get("total", math.nan)),
        environment=tuple(str(environment.get(name) or "") for name in ENVIRONMENT),
        error=None if record["status"] == COMPLETE else (str(error.get("type") or ""), str(error.get("message") or "")),
    )
