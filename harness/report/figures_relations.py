"""What the predictions of complete cells say of single relations: F1 by class, and what is taken for what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from harness.errors import HarnessError
from harness.records import Classes
from harness.report.arms import Arm, Cell
from harness.report.drawing import Drawn, Skipped, Table
from harness.report.figures_curves import not_drawn
from harness.report.groups import Group

RELATIONS, CONFUSION = "relations", "confusion"

FEWEST_LETTERED = 400
"""The most squares of a figure in which numbers are written."""

DARK = 65
"""The value beyond which numbers are white, to be seen on their square."""

MOST_CONFUSED = 10
"""How many of the most frequent confusions are named."""

LETTER = 0.055
"""The width of one of a name, in inches."""

LONGEST = 60
"""The letters of a name that stand in a figure; its table has all."""

Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


class Predictions(Protocol):
    """Where the predictions of runs are."""

    def predictions(self, key: str, /) -> tuple[Classes, Classes]:
        """Gold and predicted classes of the test split of a complete run, (N,) each; HarnessError where damaged."""


def confusion_counts(cell: Cell, classes: int, predictions: Predictions) -> Counts:
    """How many mentions of each class were taken for each, by each replicate, (R, C, C): replicate, gold, predicted."""
    counts = np.zeros((len(cell.runs), classes, classes), dtype=np.int64)
    for found, run in zip(counts, cell.runs, strict=True):
        gold, predicted = predictions.predictions(run.key)
        np.add.at(found, (gold, predicted), 1)
    return counts


def f1_by_class(counts: Counts) -> Numbers:
    """The mean F1 of each class over replicates, (C,), in percent; NaN of one without gold mentions.

    As `harness.scoring` has it: 2 right / (proposed + actual).
    """
    right = np.diagonal(counts, axis1=1, axis2=2)
    actual, proposed = counts.sum(axis=2), counts.sum(axis=1)
    f1 = np.where(actual > 0, 200 * right / np.maximum(actual + proposed, 1), math.nan)
    mean: Numbers = f1.mean(axis=0)
    return mean


def relations(group: Group, corpus: Mapping[str, Any], predictions: Predictions) -> Drawn | Skipped:
    """F1 of each class with test mentions, the most frequent first, by arm, at the largest size with complete cells."""
    title = "F1 by relation"
    size = max((size for arm in group.arms for size in arm.complete), default=None)
    if size is None:
        return Skipped(title, group.title, "no cell is complete")
    arms = [arm for arm in group.arms if size in arm.complete]
    try:
        counts = [confusion_counts(arm.complete[size], len(corpus["classes"]), predictions) for arm in arms]
    except HarnessError as error:
        return Skipped(title, group.title, str(error))
    gold = counts[0][0].sum(axis=1)
    order = [place for place in np.argsort(-gold, kind="stable") if gold[place]]
    f1 = np.stack([f1_by_class(found) for found in counts], axis=1)[order]  # (C, A)
    rows = [f"{corpus['classes'][place]} ({gold[place]:,})" for place in order]
    columns = [_name(group, arm) for arm in arms]
    figure = squares(f1, rows, columns, "F1, %", f"{group.title}, {size:,} labels")
    best, worst = int(np.nanargmax(f1.mean(axis=1))), int(np.nanargmin(f1.mean(axis=1)))
    relations = [at for at, place in enumerate(order) if corpus["classes"][place] != corpus["negative"]]
    means = f1[relations].mean(axis=0) if relations else np.full(len(columns), np.nan)
    said = (
        f"F1 in percent of {len(rows)} classes, with their test mentions, for {len(columns)} arms trained with "
        f"{size:,} labels. Highest on average over the arms: {rows[best]}, {f1[best].min():.0f} to "
        f"{f1[best].max():.0f}; lowest: {rows[worst]}, {f1[worst].min():.0f} to {f1[worst].max():.0f}. Means over the "
        "relations: " + "; ".join(f"{name} {mean:.1f}" for name, mean in zip(columns, means, strict=True)) + "."
    )
    return Drawn(
        kind=RELATIONS,
        title=title,
        where=group.title,
        said=said,
        notes=["Means over the replicates; in brackets the test mentions of a class", *not_drawn(group.arms, [size])],
        table=Table(
            ["class", *columns], 1, [[row, *(f"{one:.1f}" for one in line)] for row, line in zip(rows, f1, strict=True)]
        ),
        figure=figure,
    )


def confusion(group: Group, corpus: Mapping[str, Any], predictions: Predictions) -> Drawn | Skipped:
    """What the mentions of each class are taken for, of the cell that is best on dev at the largest size."""
    title = "Confusions"
    size = max((size for arm in group.arms for size in arm.complete), default=None)
    if size is None:
        return Skipped(title, group.title, "no cell is complete")
    arm = max((arm for arm in group.arms if size in arm.complete), key=lambda arm: arm.complete[size].row["dev_mean"])
    cell = arm.complete[size]
    try:
        counts = confusion_counts(cell, len(corpus["classes"]), predictions).sum(axis=0)
    except HarnessError as error:
        return Skipped(title, group.title, str(error))
    shown = [
        place
        for place in np.argsort(-counts.sum(axis=1), kind="stable")
        if counts[place].any() or counts[:, place].any()
    ]
    names = [corpus["classes"][place] for place in shown]
    part = counts[np.ix_(shown, shown)]
    shares = 100 * part / np.maximum(part.sum(axis=1, keepdims=True), 1)
    name = f"{_name(group, arm)}, {size:,} labels"
    figure = squares(shares, names, names, "% of the class's mentions", f"{group.title}\n{name}")
    axes = figure.axes[0]
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    lines = _most_confused(part / len(cell.runs), shares, names)
    told = "; ".join(f"{gold} taken for {predicted}, {share} %" for gold, predicted, _, share in lines[:5])
    right = 100 * np.trace(part) / part.sum()
    return Drawn(
        kind=CONFUSION,
        title=title,
        where=group.title,
        said=f"{name}: {right:.1f} % of the test mentions are right. Most often wrong: {told or 'nothing'}.",
        notes=[f"The cell with the highest mean dev score at {size:,} labels; mentions of all its replicates together"],
        table=Table(["gold", "predicted", "mentions a replicate", "% of the class"], 2, lines),
        figure=figure,
    )


def _most_confused(mentions: Numbers, shares: Numbers, names: Sequence[str]) -> list[list[str]]:
    """The confusions with the most mentions: gold, predicted, how many a replicate, and which share of the class's."""
    wrong = mentions.copy()
    np.fill_diagonal(wrong, 0)
    places = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED]
    pairs = [divmod(int(place), len(names)) for place in places]
    return [
        [names[gold], names[taken], f"{wrong[gold, taken]:.1f}", f"{shares[gold, taken]:.1f}"]
        for gold, taken in pairs
        if wrong[gold, taken]
    ]


def _name(group: Group, arm: Arm) -> str:
    name = group.name(arm)
    return name if arm.reads_features_alone else f"{arm.curve.encoder}, {name}"


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def squares(values: Numbers, rows: Sequence[str], columns: Sequence[str], meaning: str, title: str) -> Figure:
    """A square for each value from 0 to 100, darker for more, none for NaN; numbers in them where there are few."""
    lettered = values.size <= FEWEST_LETTERED
    rows, columns = [_shortened(name) for name in rows], [_shortened(name) for name in columns]
    beside, beneath = (LETTER * max(map(len, names)) for names in (rows, columns))
    width = 0.34 if lettered else 0.2
    figure = Figure((1.4 + beside + width * len(columns), 0.7 + beneath + 0.19 * len(rows)), layout="constrained")
    axes = figure.subplots()
    mesh = axes.pcolormesh(values, vmin=0, vmax=100, cmap="Blues", rasterized=True)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90)
    axes.tick_params("both", labelsize=6.5, length=0)
    axes.invert_yaxis()
    axes.grid(visible=False)
    for (row, column), value in np.ndenumerate(values) if lettered else ():
        ink = "white" if value > DARK else "black"
        told = "" if math.isnan(value) else f"{value:.0f}"
        axes.text(column + 0.5, row + 0.5, told, color=ink, fontsize=6, ha="center", va="center")
    figure.colorbar(mesh, label=meaning, aspect=40)
    figure.suptitle(title, wrap=True)
    return figure
