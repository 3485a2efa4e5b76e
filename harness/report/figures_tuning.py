"""How tuning went: the best dev score so far by trial, and how much each parameter mattered."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from harness.report.drawing import Drawn, Skipped, Style, Table, legend, panels, styles
from harness.report.figures_relations import squares
from harness.report.rows import Grid, full_metric
from harness.report.tuning import Told, best_of, best_so_far, of_state, tuned_arms
from harness.tuned_trials import COMPLETE, NAMES

HISTORY, IMPORTANCE = KINDS = "tuning-history", "tuning-importance"


def tuning_figures(grid: Grid, looks: Mapping[str, Style]) -> Iterator[Drawn | Skipped]:
    """Two figures for each corpus entry of a tuned grid whose trials are known; `looks` are styles by name."""
    arms = tuned_arms(grid)
    for corpus in grid["corpora"]:
        own = [arm for arm in arms if arm["names"]["corpus"] == corpus["label"]]
        if own:
            yield history(corpus["label"], full_metric(corpus["metric"], corpus), own, looks)
            yield importances(corpus["label"], own)


def history(corpus: str, metric: str, arms: Sequence[Told], looks: Mapping[str, Style]) -> Drawn:
    """A panel for each encoder, in it a line for each arm: its best dev score so far; points are complete trials."""
    names = _names(arms)
    looks = styles([*looks, *names])
    encoders = list(dict.fromkeys(arm["names"]["encoder"] for arm in arms))
    figure, axes = panels(encoders, corpus, f"{metric}, dev")
    for name, arm in zip(names, arms, strict=True):
        _draw(axes[arm["names"]["encoder"]], name, arm, looks[name])
    for axis in axes.values():
        axis.set_xlabel("trial")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, list(axes.values()))
    most = max(len(arm["trials"]) for arm in arms)
    lines = []
    for name, arm in zip(names, arms, strict=True):
        told = ["-" if math.isnan(best) else f"{best:.1f}" for best in best_so_far(arm)]
        lines.append([arm["names"]["encoder"], name, *told, *["-"] * (most - len(told))])
    said = "; ".join(
        f"{arm['names']['encoder']}, {name} {best_of(arm)['dev']:.1f} with trial {arm['best']}"
        for name, arm in zip(names, arms, strict=True)
    )
    return Drawn(
        kind=HISTORY,
        title="History of tuning",
        where=corpus,
        said=f"The best {metric} on dev of the trials so far, by trial. Best of all: {said}.",
        notes=[
            "Lines: the best mean dev score so far; faint points: complete trials, of which trial 0 has the grid's own "
            "values, and full ones the best. Pruned and failed trials are not drawn"
        ],
        table=Table(["encoder", "strategy", *map(str, range(most))], 2, lines),
        figure=figure,
    )


def importances(corpus: str, arms: Sequence[Told]) -> Drawn | Skipped:
    """A row for each parameter, that of the largest mean share first, and a column for each arm."""
    title = "Importance of parameters"
    names = [f"{arm['names']['encoder']}, {name}" for name, arm in zip(_names(arms), arms, strict=True)]
    lacking = [
        f"{name}: {arm['no_importance']}" for name, arm in zip(names, arms, strict=True) if not arm["importance"]
    ]
    shown = {name: arm["importance"] for name, arm in zip(names, arms, strict=True) if arm["importance"]}
    if not shown:
        return Skipped(title, corpus, "; ".join(lacking))
    parameters = list(dict.fromkeys(name for shares in shown.values() for name in shares))
    values = np.array([[100 * shares.get(name, math.nan) for shares in shown.values()] for name in parameters])
    order = np.argsort(-np.nanmean(values, axis=1), kind="stable")
    values, parameters = values[order], [parameters[place] for place in order]
    said = "; ".join(f"{name} {max(shares, key=shares.__getitem__)}" for name, shares in shown.items())
    return Drawn(
        kind=IMPORTANCE,
        title=title,
        where=corpus,
        said=f"How much of the variance of dev scores over trials each of {len(parameters)} parameters explains, for "
        f"{len(shown)} arms. The most important one of each: {said}.",
        notes=[
            "fANOVA (Hutter et al. 2014) over the complete trials of an arm; shares of one arm add up to 100 %. Of so "
            "few trials they are a hint, not a measurement. Empty: an arm has no such parameter",
            *(f"Not drawn: {reason}" for reason in lacking),
        ],
        table=Table(
            ["parameter", *shown],
            1,
            [
                [name, *("-" if math.isnan(one) else f"{one:.1f}" for one in line)]
                for name, line in zip(parameters, values, strict=True)
            ],
        ),
        figure=squares(values, parameters, list(shown), "importance, %", corpus),
    )


def _draw(axes: Axes, name: str, arm: Told, look: Style) -> None:
    complete, numbers = of_state(arm, COMPLETE), [trial["trial"] for trial in arm["trials"]]
    scores = [trial["dev"] for trial in complete]
    points: dict[str, Any] = {"color": look.colour, "marker": look.marker, "linestyle": "none", "alpha": 0.3}
    axes.plot([trial["trial"] for trial in complete], scores, **points)
    best = [numbers.index(arm["best"])]
    axes.plot(numbers, best_so_far(arm), label=name, drawstyle="steps-post", markevery=best, **look.line())


def _names(arms: Sequence[Told]) -> list[str]:
    """What tells each arm from the others of its encoder: its strategy, with what else there is several of."""
    told = []
    for arm in arms:
        names = arm["names"]
        alike = [one["names"] for one in arms if all(one["names"][name] == names[name] for name in NAMES[:3])]
        several = [name for name in NAMES[3:] if len({one.get(name) for one in alike}) > 1]
        told.append(", ".join([names["strategy"], *(names[name] for name in several if name in names)]))
    return told
