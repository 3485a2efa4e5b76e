"""What every format of the leaderboard shows of a corpus entry: its table of means, its tables of label efficiency, and
the words beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.report.efficiencies import baseline
from harness.report.rows import Grid, Row, full_metric, pair_columns
from harness.report.standings import AGAINST, BEST, TIED

ROLES = (
    "Subject and object are given: classes of the other direction are closed to a mention, and relations are scored "
    "without their direction"
)


TIE = "†"
MARKS = (
    "{}: the best mean of its column. {}: not told apart from it by Student's paired test over the replicates, p by "
    "Holm over the column."
)
EFFICIENCY = (
    "How many times as many labels the baseline needs for the same score, and the 95 % interval; a number after > or < "
    "is a bound, for the baseline never gets there or starts above."
)


class Table(NamedTuple):
    """What a reader sees of one corpus entry: a line for each pair in the grid's order, a column for each size."""

    names: list[str]
    sizes: list[str]
    lines: list[list[str]]


@dataclass(frozen=True)
class Style:
    """How a format writes a text, the best of a column, and what is not told from it."""

    escape: Callable[[str], str]
    best: Callable[[str], str]
    tied: Callable[[str], str]


def means_table(rows: Sequence[Row], style: Style) -> Table:
    """Mean and deviation of every cell, the best of a column and what is tied with it marked."""

    def cell(row: Row) -> str:
        shown = style.escape(_shown(row))
        return style.best(shown) if row["standing"] == BEST else style.tied(shown) if row["standing"] == TIED else shown

    return _lines(rows, style, pair_columns(rows), cell)


def efficiency_tables(rows: Sequence[Row], style: Style) -> Iterator[tuple[str, str, Table]]:
    """Of each kind of label efficiency its title, what is to be said of it, and the table."""
    names = pair_columns(rows)
    for title, said, name in efficiency_kinds(rows):
        told = [row for row in rows if name in row["efficiencies"]]

        def cell(row: Row, name: str = name) -> str:
            return style.escape(row["efficiencies"][name].told())

        yield title, said, _lines(told, style, names, cell)


def efficiency_kinds(rows: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    """The kinds of label efficiency that the rows have: title, what is to be said of it, and its name in `AGAINST`."""
    titles = {"efficiency": baseline(), "efficiency_best": "the best baseline on dev"}
    for name, against in AGAINST.items():
        told = [row for row in rows if name in row["efficiencies"]]
        if told:
            by_encoder = _by_encoder(told, against)
            found = {one for of_encoder in by_encoder.values() for one in of_encoder} - {titles[name]}
            said = EFFICIENCY + (f" The baseline is {_named(by_encoder)}." if found else "")
            yield f"Label efficiency against {titles[name]}", said, name


def _by_encoder(rows: Sequence[Row], against: str) -> dict[str, dict[str, list[str]]]:
    """By encoder and baseline the sizes at which that one is it, of those at which there is one."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in sorted(rows, key=lambda row: row["size"]):
        if row[against]:
            sizes = found.setdefault(row["encoder"], {}).setdefault(row[against], [])
            sizes += [f"{row['size']:,}"] if f"{row['size']:,}" not in sizes else []
    return found


def _named(by_encoder: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    return "; ".join(
        f"for {encoder} "
        + ", ".join(name + (f" at {', '.join(sizes)}" if len(by_name) > 1 else "") for name, sizes in by_name.items())
        for encoder, by_name in by_encoder.items()
    )


def _lines(rows: Sequence[Row], style: Style, names: list[str], cell: Callable[[Row], str]) -> Table:
    sizes = sorted({row["size"] for row in rows})
    lines: dict[tuple[str, ...], dict[int, str]] = {}
    for row in rows:
        line = lines.setdefault(tuple(style.escape(row[name] or "") for name in names), {})
        assert row["size"] not in line, f"cell {row['cell']} differs from another in nothing that the table shows"
        line[row["size"]] = cell(row)
    filled = [[*pair, *(line.get(size, "-") for size in sizes)] for pair, line in lines.items()]
    return Table(names, [f"{size:,}" for size in sizes], filled)


def _shown(row: Row) -> str:
    """`51.2 ± 0.8`, `51.2` where one replicate has no deviation, `3/5` or `3/5 (2 failed)` where not all are there."""
    if math.isnan(row["mean"]):
        return f"{row['n']}/{row['replicates']}" + (f" ({row['failed']} failed)" if row["failed"] else "")
    return f"{row['mean']:.1f}" + ("" if math.isnan(row["sd"]) else f" ± {row['sd']:.1f}")


def sections(grid: Grid, rows: Sequence[Row]) -> list[tuple[Mapping[str, Any], list[Row], list[str]]]:
    """Each corpus entry with its rows and with its refused pairs, told with their reasons."""
    sections = []
    for index, corpus in enumerate(grid["corpora"]):
        own = [row for row, cell in zip(rows, grid["cells"], strict=True) if cell["corpus"] == index]
        refused = [
            f"{refusal['encoder']} with {refusal['strategy']}"
            + (f", {refusal['variant']}" if refusal["variant"] else "")
            + f": {refusal['reason']}"
            for refusal in grid["refusals"]
            if refusal["corpus"] == corpus["label"]
        ]
        sections.append((corpus, own, refused))
    return sections


@dataclass(frozen=True)
class Progress:
    """How many of the runs of a grid are complete, and how many failed."""

    planned: int
    complete: int
    failed: int

    def told(self) -> str:
        """In a sentence.

        >>> Progress(450, 448, 1).told()
        '448 of 450 runs complete, 1 failed'
        """
        return f"{self.complete:,} of {self.planned:,} runs complete, {self.failed:,} failed"


def progress(rows: Sequence[Row]) -> Progress:
    """Of the cells of these rows."""
    return Progress(*(sum(row[name] for row in rows) for name in ("replicates", "n", "failed")))


def dev_told(rows: Sequence[Row]) -> str:
    """The number of dev labels that choose the weights."""
    return " or ".join(f"{labels:,}" for labels in sorted({row["dev_labels"] for row in rows})) or "0"


def values_told(grid: Grid) -> str:
    """Where the values of parameters are from."""
    tuned = grid.get("tuned")
    if not tuned:
        return "Values: as the grid says, else the paper's; not tuned"
    changed = f". Not as they were tuned, by other values, data or settings: {'; '.join(tuned['otherwise'])}"
    return f"Values: tuned, {tuned['budget']}" + (changed if tuned["otherwise"] else "")


def metric_told(corpus: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The metric that the section shows, in full, and the headline metric where it is another."""
    headline = full_metric(corpus["metric"], corpus)
    shown = rows[0]["metric"] if rows else headline
    return f"Headline metric: {shown}" if shown == headline else f"Metric: {shown}; the headline metric is {headline}"


def replicates_told(rows: Sequence[Row]) -> str:
    """How many replicates are planned."""
    return f"n = {' or '.join(str(n) for n in sorted({row['replicates'] for row in rows})) or 0}"
