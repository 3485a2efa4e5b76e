"""The leaderboard: every cell of a grid as a table, in Markdown, CSV, JSON, LaTeX or for a terminal.

It reads the resolved grid and the records, and is the same to the byte for the same two. A cell has no mean until all
its replicates are complete: a mean over fewer would stand beside means over more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from harness.errors import HarnessError, unknown
from harness.report import markdown
from harness.report.board import (
    MARKS,
    ROLES,
    TIE,
    Style,
    dev_told,
    efficiency_tables,
    means_table,
    metric_told,
    progress,
    replicates_told,
    sections,
    values_told,
)
from harness.report.latex import latex
from harness.report.rows import COLUMNS, DECIMALS, Grid, Records, Row
from harness.report.standings import standing_rows
from harness.report.terminal import terminal
from harness.report.texts import pretraining_table, sources_of_text, text_facts
from harness.report.variances import legend, variance_table


def cells_table(grid: Grid, records: Records, metric: str | None = None) -> pd.DataFrame:
    """One row a cell, in the grid's order.

    Two cells that share corpus, split, encoder, strategy, text and size differ in `variant`. `size` counts
    training labels, `replicates` the runs planned, `n` those complete. `metric` is the full name of the corpus's
    headline metric, or of the one asked for (a name of `METRICS`, else a HarnessError). `mean`, `sd` (sample) and the
    95 % interval `ci_low` to `ci_high` are of the test scores, in percent; NaN until n is `replicates`, and all but
    the mean NaN where one replicate is all that is planned. `sd` and interval of crossed replicates are those of
    `harness.analysis.Components`.

    Of a cell that reads a text, `linked` and `often` are the shares, in percent, of the target's arguments that are
    linked to it, and to an entity that it mentions at least five times: the mean over its different samples. Of one
    that is pre-trained, `pretraining_epochs` and the held-out losses `held_out_before` the first update and
    `held_out_after` the best epoch are means over its different pre-trainings. NaN where no record tells. `dev_mean`
    is the mean of the dev scores of the same replicates by the same metric, in percent; NaN where `mean` is.

    `standing` is "best", "tied" or "behind" among the complete cells of the same corpus entry and size: "tied" is what
    Student's paired test over the replicates, adjusted by Holm over these cells, does not tell from the best. Label
    efficiencies are texts, for they may be bounds (`>12`): `efficiency` of every arm against the one of its encoder
    with the strategy `baseline`, `efficiency_best` of one that is no baseline itself against the best of them on dev:
    `best_baseline` at this size. Which they are stands in benchmarks/leaderboard.toml.
    """
    return pd.DataFrame(standing_rows(grid, records, metric), columns=list(COLUMNS))


def render(grid: Grid, records: Records, format: str, metric: str | None = None) -> str:
    """The leaderboard as text in one of `FORMATS`; `metric` as in `cells_table`."""
    if format not in FORMATS:
        raise HarnessError(unknown("format", format, FORMATS))
    return FORMATS[format](grid, standing_rows(grid, records, metric))


MARKDOWN = Style(markdown.escape, "**{}**".format, f"{{}} {TIE}".format)


def _markdown(grid: Grid, rows: Sequence[Row]) -> str:
    means = (
        f"{progress(rows).told()}. Each cell: mean ± sample standard deviation over {replicates_told(rows)} "
        "replicates; `complete/planned` until all its replicates are complete; `-` where the grid has no such cell. "
        f"{MARKS.format('Bold', TIE)}"
    )
    parts = [f"# Leaderboard: {grid['name']}", means, f"{values_told(grid)}.", legend(grid)]
    for corpus, own, refused in sections(grid, rows):
        counts, left_out = corpus["counts"], corpus["left_out"]
        negative = f"negative class `{corpus['negative']}`" if corpus["negative"] else "no negative class"
        facts = [
            f"{metric_told(corpus, own)}, of the test part",
            f"Labels: {counts['train']:,} train (of them, each column uses as many as it says), "
            + f"{dev_told(own)} dev beside them, to choose the weights, and {counts['test']:,} test",
            f"Classes: {len(corpus['classes'])}, {negative}",
            f"Left out: {', '.join(f'{n:,} {reason}' for reason, n in left_out.items()) or 'nothing'}",
            *([ROLES] if corpus.get("roles") else []),
            *corpus["remarks"],
            *dict.fromkeys(row["words"] for row in own if row["words"]),
            *dict.fromkeys(row["fallback"] for row in own if row["fallback"]),
            *text_facts(grid, corpus, own),
        ]
        parts += [
            f"## {corpus['label']}",
            f"> **Notice: {corpus['notice']}**" if corpus["notice"] else "",
            "\n".join(f"- {fact}" for fact in facts),
            markdown.table(*means_table(own, MARKDOWN)),
            *(
                f"### {title}\n\n{said}\n\n{markdown.table(*table)}"
                for title, said, table in efficiency_tables(own, MARKDOWN)
            ),
            variance_table(grid, own),
            pretraining_table(own),
            "\n".join(["Refused pairs:\n", *(f"- {pair}" for pair in refused)]) if refused else "",
        ]
    if sources := sources_of_text(grid):
        parts.append("\n".join(["## Texts\n", *(f"- {source}" for source in sources)]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _csv(grid: Grid, rows: Sequence[Row]) -> str:
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.to_csv(index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n")


def _json(grid: Grid, rows: Sequence[Row]) -> str:
    def plain(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        return None if math.isnan(value) else round(value, DECIMALS)

    objects = [{name: plain(row[name]) for name in (*COLUMNS, "notice")} for row in rows]
    return json.dumps(objects, indent=2, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[Grid, Sequence[Row]], str]] = {
    "md": _markdown,
    "csv": _csv,
    "json": _json,
    "latex": latex,
    "terminal": terminal,
}
