"""How figures are drawn: what one is, its panels, its styles, and its bytes, the same for the same data.

Lines differ in colour, marker and dashes, so that they are told apart in black and white print too.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, pairwise
from textwrap import fill
from typing import Any, Literal

import matplotlib as mpl
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

ACROSS = 3
"""The most panels beside each other: more could not be read on paper."""

MOST_VARIANTS = 8
"""The most variants of a corpus entry that figures are drawn of."""

RULES: dict[str, Any] = {
    "svg.hashsalt": "reprise",
    "svg.fonttype": "none",  # letters stay letters: smaller, and they can be searched
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that all machines draw the same
    "font.size": 8,
    "text.parse_math": False,  # a dollar sign is one
    "axes.titlesize": 9,
    "legend.handlelength": 3.2,  # long enough for dashes to be seen
    "axes.labelsize": 8,
    "figure.titlesize": 9,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "savefig.dpi": 160,
}

# seaborn's "colorblind" without its yellow and its pale pink, which are too light for lines on white, and black
_PALETTE = sns.color_palette("colorblind").as_hex()
COLOURS = (*(_PALETTE[place] for place in (0, 1, 2, 3, 4, 9, 5, 7)), "#222222")
MARKERS = ("o", "s", "D", "P", "X", "*", "p", "h", "d", "8")
"""No triangles: they are bounds."""
DASHES = ((0, ()), (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))

Dashes = tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Table:
    """The numbers that a figure shows, for those who can't see it; the first `names` columns name a line."""

    header: Sequence[str]
    names: int
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Drawn:
    """A figure: what it shows of which part of the grid, what is seen in it in words and numbers, and notes on how it
    is read and on what it lacks.
    """

    kind: str
    title: str
    where: str
    said: str
    notes: Sequence[str]
    table: Table | None
    figure: Figure


@dataclass(frozen=True)
class Skipped:
    """A figure that there is no data for, and why."""

    title: str
    where: str
    reason: str


@dataclass(frozen=True)
class Style:
    """How a line looks."""

    colour: str
    marker: str
    dashes: Dashes

    def line(self) -> dict[str, Any]:
        """The same as matplotlib calls it."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.dashes}


def styles(names: Sequence[str]) -> dict[str, Style]:
    """A style for each name, in order; no two of the first 180 are alike in all three."""
    looks = zip(cycle(COLOURS), cycle(MARKERS), cycle(DASHES), strict=False)
    return {name: Style(*look) for name, look in zip(dict.fromkeys(names), looks, strict=False)}


@contextmanager
def drawing() -> Iterator[None]:
    """In which all figures are made and saved."""
    rules: Any = {**sns.axes_style("whitegrid"), **RULES}
    with mpl.rc_context(rules), warnings.catch_warnings():
        # letters that the font lacks are boxes in PNG, and themselves in SVG
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def panels(names: Sequence[str], title: str, meaning: str, height: float = 2.9) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each name, `ACROSS` beside each other; `meaning` is what the vertical axes show.

    All have one vertical axis. `height` is a panel's, in inches.
    """
    columns = 2 if len(names) == 4 else min(ACROSS, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(max(3.1 * columns, 4.6), height * rows + 0.9), layout="constrained")
    axes = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for name, axis in zip(names, axes, strict=False):
        axis.set_title(name)
        axis.tick_params(labelleft=True)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    figure.suptitle(fill(title, 48 * columns))
    figure.supylabel(fill(meaning, 40), fontsize=8)
    return figure, dict(zip(names, axes, strict=False))


def label_sizes(axes: Axes, sizes: Sequence[int], name: str = "training labels") -> None:
    """A horizontal axis in powers of two, marked at the sizes there are."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(sizes))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params("x", rotation=45)
    axes.set_xlabel(name)


def beside_each_other(arms: int, sizes: Sequence[int]) -> list[float]:
    """By what factor each arm's points are moved along an axis in powers of two, so that their bars don't hide others.

    Together they take a fortieth of the axis for each arm, up to a sixth of the smallest step between two sizes to
    either side.
    """
    logarithms = [math.log2(size) for size in sorted(set(sizes))]
    steps = [after - before for before, after in pairwise(logarithms)]
    half = min(min(steps, default=1) / 6, arms * (logarithms[-1] - logarithms[0]) / 80)
    return [2 ** (half * (2 * place / (arms - 1) - 1)) if arms > 1 else 1.0 for place in range(arms)]


def legend(figure: Figure, axes: Sequence[Axes], columns: int = 4) -> None:
    """One legend for all panels, beneath them: each name once, in the order in which it is met."""
    found: dict[str, Artist] = {}
    for axis in axes:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=columns, frameon=False)


def saved(figure: Figure, form: Literal["svg", "png"]) -> bytes:
    """The figure as a file: no date, no version, the same bytes for the same data."""
    empty = {"svg": ("Date", "Creator"), "png": ("Software",)}[form]
    file = io.BytesIO()
    figure.savefig(file, format=form, metadata=dict.fromkeys(empty), facecolor="white")
    return file.getvalue()
