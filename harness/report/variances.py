"""Where the variance of the scores of a crossed grid comes from: text samples, initialisations and the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from harness.report.markdown import escape, table
from harness.report.rows import DECIMALS, Grid, Records, Row, cell_rows, pair_columns

COLUMNS = (
    "cell", "corpus", "split", "encoder", "strategy", "text", "variant", "size", "metric",
    "samples", "initialisations", "mean", "sd_samples", "sd_initialisations", "sd_rest", "negative",
)  # fmt: skip
SOURCES = ("samples", "initialisations", "rest")
LEGEND = (
    "Standard deviations in points, by two-way random-effects analysis of variance without replication, method of "
    "moments. Initialisations move the initial weights, and with them the labelled subset and the order of the "
    "mentions; samples move the text, or, where it is not drawn at random, the draws of its entity vectors alone. The "
    "rest is what neither explains alone. `0.0 (negative)`: the variance was estimated below 0 and is set to 0. An arm "
    "without text has one sample: its deviation over initialisations holds all. A cell is here once all its runs are "
    "complete."
)


def legend(grid: Grid) -> str:
    """What a crossed grid's replicates are and what stands beside their mean; empty for another grid."""
    crossed = grid.get("crossed")
    if not crossed:
        return ""
    samples, initialisations = crossed["samples"], crossed["initialisations"]
    return (
        f"Crossed: of an arm that reads a text, the n = {samples * initialisations} replicates are {samples} text "
        f"samples, each with the same {initialisations} initialisations, and not independent. Its ± is the deviation "
        "of a single run with a new sample and a new initialisation; its interval, in CSV and JSON, is Student's t for "
        "the mean of a two-way random model, degrees of freedom after Satterthwaite. An arm without text has "
        f"n = {initialisations} replicates, one an initialisation."
    )


def variance_table(grid: Grid, rows: Sequence[Row]) -> str:
    """The deviations of the complete cells in Markdown; empty where there are none, or the grid is not crossed."""
    if not grid.get("crossed"):
        return ""
    names = pair_columns(rows)
    lines = [
        [*(escape(row[name] or "") for name in names), f"{row['size']:,}", *map(_shown, _deviations(row))]
        for row in rows
        if _is_known(row)
    ]
    shown = table(names, ["labels", *SOURCES], lines)
    return f"### Where the variance comes from\n\n{LEGEND}\n\n{shown}" if lines else ""


def variances_csv(grid: Grid, records: Records, metric: str | None = None) -> str:
    """The same as CSV, one row a complete cell; `negative` names the sources whose variance was set to 0."""
    return csv_of_rows(cell_rows(grid, records, metric))


def csv_of_rows(found: Sequence[Row]) -> str:
    """The same of the rows of a grid's cells."""
    rows = []
    for row in filter(_is_known, found):
        parts = row["components"]
        samples, initialisations = (parts.samples, parts.initialisations) if parts else (1, row["n"])
        deviations = {f"sd_{source}": sd for source, (sd, _) in zip(SOURCES, _deviations(row), strict=True)}
        negative = " ".join(parts.negative) if parts else ""
        rows.append({**row, "samples": samples, "initialisations": initialisations, **deviations, "negative": negative})
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    return made.to_csv(index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n")


def _is_known(row: Row) -> bool:
    return not math.isnan(row["sd"])


def _deviations(row: Row) -> Iterator[tuple[float, bool]]:
    """The deviation by each of `SOURCES` and whether its square was estimated below 0; NaN where it is not known."""
    parts = row["components"]
    if parts is None:
        yield from ((math.nan, False), (row["sd"], False), (math.nan, False))
        return
    yield parts.sd_samples, "samples" in parts.negative
    yield parts.sd_initialisations, "initialisations" in parts.negative
    yield parts.sd_rest, False


def _shown(deviation: tuple[float, bool]) -> str:
    sd, negative = deviation
    return "-" if math.isnan(sd) else f"{sd:.1f}" + " (negative)" * negative
