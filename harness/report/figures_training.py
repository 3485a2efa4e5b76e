"""What happened while runs were trained: dev scores over the updates, held-out losses over the epochs before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from harness.report.arms import Arm
from harness.report.drawing import Drawn, Skipped, Style, legend, panels
from harness.report.figures_curves import not_drawn
from harness.report.groups import Group
from harness.report.rows import before_and_after, each_once

DEV, LOSSES = "dev-curves", "pretraining-losses"

Points = tuple[Sequence[int], Sequence[float]]
"""Of a line: where, and what was found there."""


def dev_curves(group: Group, looks: dict[str, Style]) -> list[Drawn | Skipped]:
    """Dev scores while fine-tuning, a panel for each encoder: a figure of the fewest labels, and one of the most."""
    title = "Dev scores while fine-tuning"
    sizes = sorted({size for arm in group.arms for size in arm.complete})
    if not sizes:
        return [Skipped(title, group.title, "no cell is complete")]
    return [_dev_curves(group, size, looks) for size in sorted({sizes[0], sizes[-1]})]


def _dev_curves(group: Group, size: int, looks: dict[str, Style]) -> Drawn | Skipped:
    title = f"Dev scores while fine-tuning, {size:,} labels"
    curves = {
        encoder: {group.name(arm): means for arm in group.arms_beside(encoder) if (means := _mean_curve(arm, size))}
        for encoder in group.encoders
    }
    curves = {encoder: lines for encoder, lines in curves.items() if lines}
    if not curves:
        return Skipped(
            title, group.title, "no record tells of dev scores while fine-tuning, or not at the same updates"
        )
    figure, axes = panels(list(curves), f"{group.title}, {size:,} labels", f"dev: {group.metric}", height=2.4)
    said = []
    for encoder, axis in axes.items():
        for name, (updates, scores) in curves[encoder].items():
            axis.plot(updates, scores, label=name, markersize=3, linewidth=1.1, **looks[name].line())
        axis.set_xlabel("updates")
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ends = (f"{name} {scores[0]:.1f} to {scores[-1]:.1f}" for name, (_, scores) in curves[encoder].items())
        said.append(f"{encoder}: {'; '.join(ends)}.")
    legend(figure, list(axes.values()))
    return Drawn(
        kind=DEV,
        title=title,
        where=group.title,
        said=f"{group.metric} on dev, at the first and at the last point at which it was scored. {' '.join(said)}",
        notes=[
            "Means over the replicates. Of each run the weights of its best point are kept",
            *not_drawn(group.arms, [size]),
        ],
        table=None,
        figure=figure,
    )


def pretraining_losses(group: Group, looks: dict[str, Style]) -> Drawn | Skipped:
    """Held-out losses of each pre-training by epoch, in percent of that before the first update."""
    title = "Held-out losses of pre-training"
    found = {arm: pretrainings for arm in group.arms if (pretrainings := _pretrainings(arm))}
    if not found:
        return Skipped(title, group.title, "no encoder is pre-trained")
    encoders = [one for one in group.encoders if any(arm.curve.encoder == one for arm in found)]
    meaning = "held-out loss, % of that before the first update"
    figure, axes = panels(encoders, group.title, meaning)
    said = []
    for encoder, axis in axes.items():
        told = []
        for arm, pretrainings in found.items():
            if arm.curve.encoder == encoder:
                name = group.name(arm)
                _draw_losses(axis, name, pretrainings, looks[name])
                told.append(f"{name} {_range([_kept(one) for one in pretrainings])} %")
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        said.append(f"{encoder}: {'; '.join(told)}.")
    legend(figure, list(axes.values()))
    return Drawn(
        kind=LOSSES,
        title=title,
        where=group.title,
        said="The held-out loss of the epoch whose weights are kept, in percent of that before the first update. "
        + " ".join(said),
        notes=[
            "A line for each pre-training: the loss on the mentions that it holds out, after each epoch; marked: the "
            "epoch whose weights are kept. Losses of two strategies are of different things: how far each falls can be "
            "compared, not how low it is"
        ],
        table=None,
        figure=figure,
    )


def _mean_curve(arm: Arm, size: int) -> Points | None:
    """The updates at which all runs of a complete cell were scored on dev, and the mean scores there."""
    cell = arm.complete.get(size)
    points = {tuple(run.points) for run in cell.runs} if cell else set()
    if cell is None or len(points) != 1 or not (updates := points.pop()):
        return None
    return updates, [float(mean) for mean in np.array([run.dev for run in cell.runs]).mean(axis=0)]


def _pretrainings(arm: Arm) -> list[Mapping[str, Any]]:
    """Those of an arm, each once; of one that had nothing to lose no share can be told."""
    once = each_once(told for cell in arm.cells.values() for told in cell.row["pretrainings"])
    return [told for told in once if told["held_out"][0] > 0]


def _draw_losses(axes: Axes, name: str, pretrainings: Sequence[Mapping[str, Any]], look: Style) -> None:
    for place, told in enumerate(pretrainings):
        losses = [100 * loss / told["held_out"][0] for loss in told["held_out"]]
        axes.plot(
            range(len(losses)),
            losses,
            label=None if place else name,
            linewidth=1.1,
            markevery=[told["best_epoch"]],
            **look.line(),
        )


def _kept(told: Mapping[str, Any]) -> float:
    before, after = before_and_after(told)
    return 100 * after / before


def _range(values: Sequence[float]) -> str:
    """`54`, or `53 to 55`."""
    least, most = f"{min(values):.0f}", f"{max(values):.0f}"
    return least if least == most else f"{least} to {most}"
