"""The leaderboard for a terminal: aligned columns, nothing else of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table as Drawn

from harness.report.board import (
    MARKS,
    TIE,
    Style,
    Table,
    dev_told,
    efficiency_tables,
    means_table,
    metric_told,
    progress,
    replicates_told,
    sections,
    values_told,
)
from harness.report.rows import Grid, Row

STAR = "*"
STYLE = Style(str, f"{{}} {STAR}".format, f"{{}} {TIE}".format)
WIDTH = 1000
"""Characters: a table is as wide as it is, and the same on every terminal."""


def terminal(grid: Grid, rows: Sequence[Row]) -> str:
    """The tables of means and of label efficiency, with what must be known to read them."""
    parts = [f"{grid['name']}: {progress(rows).told()}. {MARKS.format(STAR, TIE)}", f"{values_told(grid)}."]
    for corpus, own, _ in sections(grid, rows):
        said = (
            f"{metric_told(corpus, own)}, of {corpus['counts']['test']:,} test mentions; {dev_told(own)} dev labels "
            f"choose the weights; mean ± sample deviation over {replicates_told(own)} replicates"
        )
        parts += [corpus["label"], *([f"Notice: {corpus['notice']}"] if corpus["notice"] else []), said]
        parts.append(_drawn(means_table(own, STYLE)))
        for title, said, table in efficiency_tables(own, STYLE):
            parts += [f"{title}. {said}", _drawn(table)]
    return "\n\n".join(parts) + "\n"


def _drawn(table: Table) -> str:
    names, sizes, lines = table
    drawn = Drawn(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in names:
        drawn.add_column(name, no_wrap=True)
    for size in sizes:
        drawn.add_column(size, justify="right", no_wrap=True)
    for line in lines:
        drawn.add_row(*line)
    console = Console(file=StringIO(), width=WIDTH, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
