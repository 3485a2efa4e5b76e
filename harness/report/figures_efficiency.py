"""Label efficiency over the number of labels, with what is a bound drawn as one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from harness.analysis import Censored, LabelEfficiency
from harness.report.drawing import (
    Drawn,
    Skipped,
    Style,
    Table,
    beside_each_other,
    label_sizes,
    legend,
    panels,
)
from harness.report.efficiencies import Compared, compare
from harness.report.figures_curves import not_drawn
from harness.report.groups import Group

KIND = "label-efficiency"
ACROSS_TITLE = 46
"""Letters of a panel's title in a line."""


def efficiency(group: Group, looks: dict[str, Style]) -> Drawn | Skipped:
    """How many times as many labels a baseline needs: a panel for each encoder, in it a line for each other arm.

    What is compared with what is said by `harness.report.efficiencies.compare`.
    """
    title = "Label efficiency"
    compared: dict[str, Compared] = {}
    reasons = []
    for encoder in group.encoders:
        found = compare(group, encoder)
        if isinstance(found, str):
            reasons.append(f"{encoder}: {found}")
        elif not any(size < max(found.baseline) for told in found.arms.values() for size in told):
            reasons.append(f"{encoder}: the baseline has no size beyond those that are compared")
        else:
            compared[encoder] = found
    if not compared:
        return Skipped(title, group.title, "; ".join(reasons))
    figure, axes = panels(list(compared), group.title, "label efficiency")
    for encoder, axis in axes.items():
        axis.set_title(fill(f"{encoder} against {compared[encoder].named}", ACROSS_TITLE), fontsize=8)
        _draw(axis, compared[encoder], looks)
    legend(figure, list(axes.values()))
    sizes = sorted({size for one in compared.values() for told in one.arms.values() for size in told})
    lines = [
        [encoder, name, one.named, *(told[size].told() if size in told else "-" for size in sizes)]
        for encoder, one in compared.items()
        for name, told in one.arms.items()
    ]
    said = [
        f"{encoder} against {one.named}: " + "; ".join(f"{name} {_told(told)}" for name, told in one.arms.items()) + "."
        for encoder, one in compared.items()
    ]
    return Drawn(
        kind=KIND,
        title=title,
        where=group.title,
        said=f"How many times as many labels the baseline needs for the same score. {' '.join(said)}",
        notes=[
            "Bars: 95 % intervals. Hollow triangle: a bound, because the baseline never gets there (it points up) or "
            "starts above (down); full triangle at the end of a bar: that end is a bound. The size at which the "
            "baseline ends is not drawn: its bound there is 1, whatever the score",
            *(f"Baseline of {encoder}: {one.named}" for encoder, one in compared.items()),
            *(f"Not drawn: {reason}" for reason in reasons),
            *not_drawn(group.arms),
        ],
        table=Table(["encoder", "strategy", "baseline", *(f"{size:,}" for size in sizes)], 3, lines),
        figure=figure,
    )


def _draw(axes: Axes, compared: Compared, looks: dict[str, Style]) -> None:
    end = max(compared.baseline)
    arms = {name: {size: one for size, one in told.items() if size < end} for name, told in compared.arms.items()}
    sizes = sorted({size for told in arms.values() for size in told})
    axes.axhline(1, color="black", linewidth=0.8, linestyle=(0, (1, 2)))
    for (name, told), shift in zip(arms.items(), beside_each_other(len(arms), sizes), strict=True):
        look, places = looks[name], [size * shift for size in told]
        exact = [math.nan if one.value.side else one.value.value for one in told.values()]  # no line leads to a bound
        axes.plot(places, exact, label=name, linewidth=1, **look.line())
        for place, one in zip(places, told.values(), strict=True):
            _draw_interval(axes, place, one, look)
    label_sizes(axes, sizes)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda times, _: f"{times:g}x"))
    axes.yaxis.set_minor_locator(NullLocator())


def _draw_interval(axes: Axes, place: float, one: LabelEfficiency, look: Style) -> None:
    """The bar of a point, an arrow where an end is a bound, and a hollow one where the point is."""
    if one.low is not None and one.high is not None:
        axes.vlines(place, one.low.value, one.high.value, color=look.colour, linewidth=0.8)
        for end in (one.low, one.high):
            if end.side and end != one.value:
                _draw_arrow(axes, place, end, look, look.colour)
    if one.value.side:
        _draw_arrow(axes, place, one.value, look, "white")


def _draw_arrow(axes: Axes, place: float, bound: Censored, look: Style, inside: str) -> None:
    marker = "^" if bound.side == ">" else "v"
    axes.plot(
        [place], [bound.value], marker=marker, color=look.colour, markerfacecolor=inside, linestyle="none", zorder=3
    )


def _told(told: Mapping[int, LabelEfficiency]) -> str:
    return ", ".join(f"{one.told()} at {size:,}" for size, one in told.items())
