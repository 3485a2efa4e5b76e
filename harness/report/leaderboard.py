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

from harness.analysis import summarise
from harness.errors import HarnessError, unknown
from harness.scoring import METRICS, full_name

COLUMNS = (
    "cell", "corpus", "split", "encoder", "strategy", "text", "variant", "size", "replicates", "n",
    "metric", "mean", "sd", "ci_low", "ci_high",
)  # fmt: skip
DECIMALS = 4
"""Of a percentage, in CSV, in JSON and where means are compared: rounding reaches the digits far beyond."""

ROLES = (
    "Subject and object are given: classes of the other direction are closed to a mention, and relations are scored "
    "without their direction"
)

Grid = Mapping[str, Any]
Records = Mapping[str, Mapping[str, Any]]
Row = dict[str, Any]


def cells_table(grid: Grid, records: Records, metric: str | None = None) -> pd.DataFrame:
    """One row a cell, in the grid's order.

    Two cells that share corpus, split, encoder, strategy, text and size differ in `variant`. `size` counts
    training labels, `replicates` the runs planned, `n` those complete. `metric` is the full name of the corpus's
    headline metric, or of the one asked for (a name of `METRICS`, else a HarnessError). `mean`, `sd` (sample) and the
    95 % interval `ci_low` to `ci_high` are of the test scores, in percent; NaN until n is `replicates`, and all but
    the mean NaN where one replicate is all that is planned.
    """
    return pd.DataFrame(_rows(grid, records, metric), columns=list(COLUMNS))


def render(grid: Grid, records: Records, format: str, metric: str | None = None) -> str:
    """The leaderboard as text in one of `FORMATS`; `metric` as in `cells_table`."""
    if format not in FORMATS:
        raise HarnessError(unknown("format", format, FORMATS))
    return FORMATS[format](grid, _rows(grid, records, metric))


def _rows(grid: Grid, records: Records, metric: str | None) -> list[Row]:
    """The rows of `cells_table`, each with the number of its runs that `failed` and the coverage of its `words`."""
    if metric is not None and metric not in METRICS:
        raise HarnessError(unknown("metric", metric, METRICS))
    return [_row(cell, grid["corpora"][cell["corpus"]], records, metric) for cell in grid["cells"]]


def _row(cell: Mapping[str, Any], corpus: Mapping[str, Any], records: Records, metric: str | None) -> Row:
    metric = metric or corpus["metric"]
    known = [records[key] for key in cell["keys"] if key in records]
    scores = [100 * record["scores"]["test"][metric] for record in known if record["status"] == "complete"]
    row = {name: cell[name] for name in ("cell", "encoder", "strategy", "text", "variant", "size")}
    row |= {"corpus": corpus["name"], "split": corpus["split"], "metric": _full_name(metric, corpus)}
    row |= {"replicates": len(cell["keys"]), "n": len(scores), "failed": sum(r["status"] == "failed" for r in known)}
    row |= dict.fromkeys(("mean", "sd", "ci_low", "ci_high"), math.nan)
    coverage = next((record["coverage"] for record in known if record.get("coverage")), None)
    row["notice"] = corpus["notice"]
    fallback = next((record["fallback"] for record in known if record.get("fallback")), None)
    read = "Words of the paths" if fallback else "Words"
    row["words"] = f"{read} by {_words(cell['spec']['vectors']['name'], coverage)}" if coverage else ""
    row["fallback"] = _fallback(cell["encoder"], fallback) if fallback else ""
    if scores and len(scores) == len(cell["keys"]):
        summary = summarise(scores)
        row |= {"mean": summary.mean, "sd": summary.sd, "ci_low": summary.low, "ci_high": summary.high}
    return row


class _Table(NamedTuple):
    """What a reader sees of one corpus entry: a line for each pair in the grid's order, a column for each size."""

    names: list[str]
    sizes: list[str]
    lines: list[list[str]]


def _table(rows: Sequence[Row], escape: Callable[[str], str], bold: Callable[[str], str]) -> _Table:
    names = ["encoder", "strategy", *(name for name in ("text", "variant") if any(row[name] for row in rows))]
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
    headline = _full_name(corpus["metric"], corpus)
    shown = rows[0]["metric"] if rows else headline
    return f"Headline metric: {shown}" if shown == headline else f"Metric: {shown}; the headline metric is {headline}"


def _full_name(metric: str, corpus: Mapping[str, Any]) -> str:
    return f"{full_name(metric, corpus.get('roles', False))} (%)"


def _words(vectors: str, coverage: Mapping[str, float]) -> str:
    """How the words that the encoders read found their vectors."""
    return f"{vectors}: " + ", ".join(f"{100 * share:.1f} % {rule}" for rule, share in coverage.items())


def _fallback(encoder: str, fallback: Mapping[str, int]) -> str:
    """Of how many mentions an encoder of paths read the words between."""
    took, mentions = fallback["words_between"], fallback["mentions"]
    return (
        f"Mentions without a path in their parse, of which {encoder} read the words between: {took:,} of {mentions:,}"
    )


def _replicates(rows: Sequence[Row]) -> str:
    return f"n = {' or '.join(str(n) for n in sorted({row['replicates'] for row in rows})) or 0}"


def _markdown(grid: Grid, rows: Sequence[Row]) -> str:
    planned, done, failed = (sum(row[name] for row in rows) for name in ("replicates", "n", "failed"))
    legend = (
        f"{done:,} of {planned:,} runs complete, {failed:,} failed. Each cell: mean ± sample standard deviation over "
        f"{_replicates(rows)} replicates; `complete/planned` until all its replicates are complete; `-` where the grid "
        "has no such cell. Bold: the best mean of its column."
    )
    parts = [f"# Leaderboard: {grid['name']}", legend]
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
        ]
        names, sizes, lines = _table(own, lambda text: text.replace("|", "\\|"), "**{}**".format)
        rule = ["---"] * len(names) + ["---:"] * len(sizes)
        parts += [
            f"## {corpus['label']}",
            f"> **Notice: {corpus['notice']}**" if corpus["notice"] else "",
            "\n".join(f"- {fact}" for fact in facts),
            "\n".join(f"| {' | '.join(line)} |" for line in [[*names, *sizes], rule, *lines]),
            "\n".join(["Refused pairs:\n", *(f"- {pair}" for pair in refused)]) if refused else "",
        ]
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
        notes = [corpus["notice"]] * bool(corpus["notice"]) + [f"Refused: {pair}." for pair in refused]
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
