"""The leaderboard: every cell of a grid as a table, in Markdown, CSV, JSON or LaTeX.

It reads the resolved grid and the records, and is the same to the byte for the same two. A cell has no mean until all
its replicates are complete: a mean over fewer would stand beside means over more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from harness.errors import HarnessError, unknown
from harness.report import markdown
from harness.report.rows import COLUMNS, DECIMALS, Grid, Records, Row, cell_rows, full_metric, pair_columns
from harness.report.texts import pretraining_table, sources_of_text, text_facts
from harness.report.variances import legend, variance_table

ROLES = (
    "Subject and object are given: classes of the other direction are closed to a mention, and relations are scored "
    "without their direction"
)


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
    """
    return pd.DataFrame(cell_rows(grid, records, metric), columns=list(COLUMNS))


def render(grid: Grid, records: Records, format: str, metric: str | None = None) -> str:
    """The leaderboard as text in one of `FORMATS`; `metric` as in `cells_table`."""
    if format not in FORMATS:
        raise HarnessError(unknown("format", format, FORMATS))
    return FORMATS[format](grid, cell_rows(grid, records, metric))


class _Table(NamedTuple):
    """What a reader sees of one corpus entry: a line for each pair in the grid's order, a column for each size."""

    names: list[str]
    sizes: list[str]
    lines: list[list[str]]


def _table(rows: Sequence[Row], escape: Callable[[str], str], bold: Callable[[str], str]) -> _Table:
    names = pair_columns(rows)
    sizes = sorted({row["size"] for row in rows})
    means = [(row["size"], round(row["mean"], DECIMALS)) for row in rows if not math.isnan(row["mean"])]
    best = dict(sorted(means))  # of one size's means the last, which is the largest
    lines: dict[tuple[str, ...], dict[int, str]] = {}
    for row in rows:
        line = lines.setdefault(tuple(escape(row[name] or "") for name in names), {})
        assert row["size"] not in line, f"cell {row['cell']} differs from another in nothing that the table shows"
        shown = escape(_shown(row))
        line[row["size"]] = bold(shown) if round(row["mean"], DECIMALS) == best.get(row["size"]) else shown
    filled = [[*pair, *(line.get(size, "-") for size in sizes)] for pair, line in lines.items()]
    return _Table(names, [f"{size:,}" for size in sizes], filled)


def _shown(row: Row) -> str:
    """`51.2 ± 0.8`, `51.2` where one replicate has no deviation, `3/5` or `3/5 (2 failed)` where not all are there."""
    if math.isnan(row["mean"]):
        return f"{row['n']}/{row['replicates']}" + (f" ({row['failed']} failed)" if row["failed"] else "")
    return f"{row['mean']:.1f}" + ("" if math.isnan(row["sd"]) else f" ± {row['sd']:.1f}")


def _sections(grid: Grid, rows: Sequence[Row]) -> list[tuple[Mapping[str, Any], list[Row], list[str]]]:
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


def _metric(corpus: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The metric that the section shows, in full, and the headline metric where it is another."""
    headline = full_metric(corpus["metric"], corpus)
    shown = rows[0]["metric"] if rows else headline
    return f"Headline metric: {shown}" if shown == headline else f"Metric: {shown}; the headline metric is {headline}"


def _replicates(rows: Sequence[Row]) -> str:
    return f"n = {' or '.join(str(n) for n in sorted({row['replicates'] for row in rows})) or 0}"


def _markdown(grid: Grid, rows: Sequence[Row]) -> str:
    planned, done, failed = (sum(row[name] for row in rows) for name in ("replicates", "n", "failed"))
    means = (
        f"{done:,} of {planned:,} runs complete, {failed:,} failed. Each cell: mean ± sample standard deviation over "
        f"{_replicates(rows)} replicates; `complete/planned` until all its replicates are complete; `-` where the grid "
        "has no such cell. Bold: the best mean of its column."
    )
    parts = [f"# Leaderboard: {grid['name']}", means, legend(grid)]
    for corpus, own, refused in _sections(grid, rows):
        counts, left_out = corpus["counts"], corpus["left_out"]
        negative = f"negative class `{corpus['negative']}`" if corpus["negative"] else "no negative class"
        facts = [
            f"{_metric(corpus, own)}, of the test part",
            f"Labels: {counts['train']:,} train (of them, each column uses as many as it says), "
            + f"{counts['dev']:,} dev beside them, to choose the weights, and {counts['test']:,} test",
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
            markdown.table(*_table(own, markdown.escape, "**{}**".format)),
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


_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$",
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
}  # fmt: skip


def _latex(grid: Grid, rows: Sequence[Row]) -> str:
    def escape(text: str) -> str:
        return "".join(_SPECIAL.get(character, character) for character in text)

    parts = ["% needs \\usepackage{booktabs}"]
    for corpus, own, refused in _sections(grid, rows):
        names, sizes, lines = _table(own, escape, r"\textbf{{{}}}".format)
        counts = corpus["counts"]
        caption = (
            f"{grid['name']}: {corpus['label']}. {_metric(corpus, own)}, of the test part ({counts['test']:,} labels), "
            f"by the number of training labels, beside {counts['dev']:,} dev labels: mean ± sample standard deviation "
            f"over {_replicates(own)} replicates."
        )
        notes = [corpus["notice"], legend(grid), *(f"{fact}." for fact in text_facts(grid, corpus, own))]
        notes = [note for note in notes if note] + [f"Refused: {pair}." for pair in refused]
        body = [" & ".join(line) + r" \\" for line in [[*names, *sizes], *lines]]
        parts += [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(' '.join([caption, *notes]))}}}",
            rf"\begin{{tabular}}{{{'l' * len(names)}{'r' * len(sizes)}}}",
            r"\toprule",
            body[0],
            r"\midrule",
            *body[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(parts) + "\n"


FORMATS: dict[str, Callable[[Grid, Sequence[Row]], str]] = {
    "md": _markdown,
    "csv": _csv,
    "json": _json,
    "latex": _latex,
}
