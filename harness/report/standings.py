"""The leaderboard's rows with what they say beside each other: which are best or not told apart from the best, and how
many labels each saves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.analysis import LabelEfficiency, tied_with_best
from harness.report.arms import Arm, read_arms
from harness.report.comparison import of_both
from harness.report.efficiencies import Compared, baseline, compare, compare_with, has_others
from harness.report.groups import Group, groups_of, joined
from harness.report.rows import DECIMALS, Grid, Records, Row

BEST, TIED, BEHIND = "best", "tied", "behind"
"""Standings of a complete cell among those of its corpus entry and size."""

AGAINST = {"efficiency": "baseline", "efficiency_best": "best_baseline"}
"""What a row calls its label efficiencies, and what names the arm that each is against."""


def standing_rows(grid: Grid, records: Records, metric: str | None = None) -> list[Row]:
    """The rows of `cell_rows`, marked by `mark`. A record is read once, and let go."""
    arms = read_arms(grid, records, metric)
    mark(grid, arms, metric)
    found = {(_names(vars(arm.curve)), size): cell.row for arm in arms for size, cell in arm.cells.items()}
    return [found[_names(cell), cell["size"]] for cell in grid["cells"]]


def mark(grid: Grid, arms: Sequence[Arm], metric: str | None = None) -> None:
    """Fill in how the rows of the arms' cells stand beside each other.

    `standing` is one of `BEST`, `TIED` and `BEHIND`, and None where there is no mean. `efficiencies` holds the label
    efficiencies by the names of `AGAINST`, of those arms and sizes that have some; the columns of these names say the
    same, as `Censored` tells it.
    """
    for place, corpus in enumerate(grid["corpora"]):
        own = [arm for arm in arms if arm.curve.corpus == place]
        for size in sorted({size for arm in own for size in arm.complete}):
            _mark_standings([arm for arm in own if size in arm.complete], size, metric or corpus["metric"])
    for group, compared in joined(groups_of(grid, arms)):
        for encoder in group.encoders:
            if own := [arm for arm in compared if arm.curve.encoder == encoder]:
                _mark_efficiencies(group, own, encoder, metric)


def _names(told: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(told[name] for name in ("corpus", "encoder", "strategy", "text", "variant"))


def _mark_standings(arms: Sequence[Arm], size: int, metric: str) -> None:
    rows = [arm.cells[size].row for arm in arms]
    means = [round(row["mean"], DECIMALS) for row in rows]
    best = means.index(max(means))
    scores = [arm.curve.test[metric][size] for arm in arms]
    crossed = next((arm.curve.crossed for arm in arms if arm.curve.crossed), None)
    pairs = [of_both((scores[best], values), crossed) for place, values in enumerate(scores) if place != best]
    tied = tied_with_best(pairs, crossed)
    tied.insert(best, True)
    for row, mean, is_tied in zip(rows, means, tied, strict=True):
        row["standing"] = BEST if mean == means[best] else TIED if is_tied else BEHIND


def _mark_efficiencies(group: Group, own: Sequence[Arm], encoder: str, metric: str | None) -> None:
    _add(group, own, "efficiency", compare_with(baseline(), group, encoder, metric))
    if has_others(group):
        _add(group, own, "efficiency_best", compare(group, encoder, metric))


def _add(group: Group, own: Sequence[Arm], name: str, found: Compared | str) -> None:
    if isinstance(found, str) or len(found.baseline) < 2:  # one size is no curve: all is a bound there
        return
    for arm in own:
        for size, one in found.arms.get(group.name(arm), {}).items():
            row = arm.cells[size].row
            row["efficiencies"][name] = one
            row |= _told(name, one) | {AGAINST[name]: found.baseline.get(size)}


def _told(name: str, one: LabelEfficiency) -> Row:
    ends = {"low": one.low, "high": one.high}
    return {name: one.value.told()} | {f"{name}_{end}": bound.told() for end, bound in ends.items() if bound}
