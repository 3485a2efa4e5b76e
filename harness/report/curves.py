"""Learning curves: the scores of every arm of a grid by the number of labels and by replicate, from its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.records import COMPLETE, FAILED
from harness.report.rows import Grid, Records
from harness.scoring import METRICS

Scores = dict[str, dict[int, tuple[float, ...]]]
"""By metric, then by size: a score a replicate, in percent, in the order of the replicates."""


@dataclass(frozen=True)
class LearningCurve:
    """The scores of an arm: of one corpus entry, the runs that differ in size and replicate alone.

    `corpus` is the place of the entry in the grid, `spec` what all its runs share. `test` and `dev` hold the complete
    cells: those all of whose replicates are complete; `keys` are those of their runs. `missing` says of every other
    cell how much of it is there, as `2/3` or `1/3 (1 failed)`. A metric that a record lacks on dev is not among `dev`
    at that size.
    """

    corpus: int
    encoder: str
    strategy: str
    text: str | None
    variant: str
    spec: Mapping[str, Any]
    test: Scores = field(default_factory=lambda: {metric: {} for metric in METRICS})
    dev: Scores = field(default_factory=lambda: {metric: {} for metric in METRICS})
    missing: dict[int, str] = field(default_factory=dict)
    keys: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a table calls it: `bilstm, stepwise, enwik8 (random)`."""
        return ", ".join(filter(None, (self.encoder, self.strategy, self.text, self.variant)))

    @property
    def sizes(self) -> list[int]:
        """The sizes that the grid has of it, complete or not."""
        return sorted({*self.test[next(iter(METRICS))], *self.missing})

    @property
    def crossed(self) -> int | None:
        """The number of initialisations that each text sample meets, where the grid crosses them."""
        return self.spec.get("crossed")


def learning_curves(grid: Grid, records: Records) -> list[LearningCurve]:
    """The curves of a resolved grid, in its order. A record is read and let go."""
    curves = Curves()
    for cell in grid["cells"]:
        curves.add(cell, records)
    return curves.all


class Curves:
    """Curves that grow cell by cell."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], LearningCurve] = {}

    @property
    def all(self) -> list[LearningCurve]:
        """In the order of their first cells."""
        return list(self._found.values())

    def add(self, cell: Mapping[str, Any], records: Records) -> LearningCurve:
        """Add a cell to the curve of its arm, which is handed back."""
        names = {name: cell[name] for name in ("corpus", "encoder", "strategy", "text", "variant")}
        spec = {name: value for name, value in cell["spec"].items() if name != "size"}
        curve = self._found.setdefault(tuple(names.values()), LearningCurve(**names, spec=spec))
        _add(curve, cell, records)
        return curve


def missing_cells(curves: Sequence[LearningCurve]) -> list[str]:
    """The cells that are not complete, a line an arm: `bilstm, stepwise: 2/3 at 50 labels, 0/3 at 200 labels`."""
    return [
        f"{curve.name}: " + ", ".join(f"{found} at {size:,} labels" for size, found in sorted(curve.missing.items()))
        for curve in curves
        if curve.missing
    ]


def _add(curve: LearningCurve, cell: Mapping[str, Any], records: Records) -> None:
    """Add a cell to the curve of its arm."""
    scores, failed = [], 0
    for key in cell["keys"]:
        record = records.get(key)
        if record is not None and record["status"] == COMPLETE:
            scores.append(record["scores"])
        failed += record is not None and record["status"] == FAILED
    size, planned = cell["size"], len(cell["keys"])
    if len(scores) < planned or not planned:
        curve.missing[size] = f"{len(scores)}/{planned}" + (f" ({failed} failed)" if failed else "")
        return
    curve.keys[size] = tuple(cell["keys"])
    for metric in METRICS:
        curve.test[metric][size] = tuple(100 * score["test"][metric] for score in scores)
        if all(metric in score["dev"] for score in scores):
            curve.dev[metric][size] = tuple(100 * score["dev"][metric] for score in scores)
