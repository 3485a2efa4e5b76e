"""Scores over the number of labels: learning curves, a panel an encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes

from harness.report.arms import Arm
from harness.report.curves import missing_cells
from harness.report.drawing import Drawn, Skipped, Style, beside_each_other, label_sizes, legend, panels
from harness.report.groups import Group

KIND = "learning-curves"


def learning_curves(group: Group, looks: dict[str, Style]) -> Drawn | Skipped:
    """A panel for each encoder, in it a line for each strategy, as in Li et al. 2016, Figure 3.

    `looks` has a style for each name of an arm. Arms of features alone are drawn in every panel.
    """
    title = "Learning curves"
    if why := no_curves(group.arms):
        return Skipped(title, group.title, why)
    drawn = [one for one in group.encoders if any(arm.complete for arm in group.arms_beside(one))]
    figure, axes = panels(drawn, group.title, group.metric)
    said = []
    for encoder, axis in axes.items():
        arms = {group.name(arm): arm for arm in group.arms_beside(encoder) if arm.complete}
        draw_curves(axis, arms, looks)
        said.append(f"{encoder}: {seen(arms)}.")
    legend(figure, list(axes.values()))
    return Drawn(
        kind=KIND,
        title=title,
        where=group.title,
        said=f"{group.metric} by the number of training labels. {' '.join(said)}",
        notes=[intervals(group.arms), *not_drawn(group.arms)],
        table=None,
        figure=figure,
    )


def draw_curves(axes: Axes, arms: dict[str, Arm], looks: dict[str, Style]) -> None:
    """The means of each arm's complete cells with their intervals, by size."""
    sizes = sorted({size for arm in arms.values() for size in arm.complete})
    for (name, arm), shift in zip(arms.items(), beside_each_other(len(arms), sizes), strict=True):
        look, rows = looks[name], [cell.row for cell in arm.complete.values()]
        means = [row["mean"] for row in rows]
        axes.plot(list(arm.complete), means, label=name, **look.line())
        axes.errorbar(
            [size * shift for size in arm.complete],
            means,
            yerr=[
                [_reach(row["mean"] - row["ci_low"]) for row in rows],
                [_reach(row["ci_high"] - row["mean"]) for row in rows],
            ],
            fmt="none",
            ecolor=look.colour,
            elinewidth=0.8,
        )
    label_sizes(axes, sizes)


def seen(arms: dict[str, Arm]) -> str:
    """The means of each arm by size, in words."""
    told = []
    for name, arm in arms.items():
        means = [f"{cell.row['mean']:.1f} at {size:,}" for size, cell in arm.complete.items()]
        told.append(f"{name} {', '.join(means)}")
    return "; ".join(told)


def not_drawn(arms: Sequence[Arm], sizes: Sequence[int] | None = None) -> list[str]:
    """A note on the cells of these sizes, or of all, that have no mean yet; none where all have one."""
    curves = [arm.curve for arm in arms]
    if sizes is not None:
        curves = [replace(one, missing={at: told for at, told in one.missing.items() if at in sizes}) for one in curves]
    lacking = missing_cells(curves)
    return [f"Not drawn, because not all replicates are complete: {'; '.join(lacking)}"] if lacking else []


def no_curves(arms: Sequence[Arm]) -> str:
    """Why arms have no curve; empty where one has."""
    if not any(arm.complete for arm in arms):
        return "no cell is complete"
    if len({size for arm in arms for size in arm.cells}) == 1:
        return "there is one size alone"
    return "" if any(len(arm.complete) > 1 for arm in arms) else "no arm is complete at more than one size"


def intervals(arms: Sequence[Arm]) -> str:
    """What points and bars are; and of cells of one replicate, that they have no interval."""
    single = any(cell.row["replicates"] == 1 for arm in arms for cell in arm.complete.values())
    bars = "bars, a little beside the points where they would hide each other: their 95 % intervals"
    return f"Points: means over the replicates; {bars}" + "; one replicate has none" * single


def _reach(length: float) -> float:
    """Of a bar; none where there is no interval, and not below 0, as rounding may have it."""
    return 0.0 if math.isnan(length) else max(0.0, length)
