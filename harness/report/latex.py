"""The leaderboard in LaTeX, tables as booktabs sets them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.board import (
    MARKS,
    TIE,
    Style,
    Table,
    dev_told,
    efficiency_tables,
    means_table,
    metric_told,
    replicates_told,
    sections,
    values_told,
)
from harness.report.rows import Grid, Row
from harness.report.texts import text_facts
from harness.report.variances import legend

_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$",
    "†": r"$^\dagger$", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
}  # fmt: skip


def escape(text: str) -> str:
    """Text as it may stand in a document."""
    return "".join(_SPECIAL.get(character, character) for character in text)


STYLE = Style(escape, r"\textbf{{{}}}".format, r"{}$^\dagger$".format)


def latex(grid: Grid, rows: Sequence[Row]) -> str:
    """A table a corpus entry, and after it those of label efficiency."""
    parts = ["% needs \\usepackage{booktabs}"]
    for corpus, own, refused in sections(grid, rows):
        name = f"{grid['name']}: {corpus['label']}."
        caption = (
            f"{name} {metric_told(corpus, own)}, of the test part ({corpus['counts']['test']:,} labels), by the number "
            f"of training labels, beside {dev_told(own)} dev labels: mean ± sample standard deviation over "
            f"{replicates_told(own)} replicates. {MARKS.format('Bold', TIE)}"
        )
        notes = [
            f"{values_told(grid)}.",
            corpus["notice"],
            legend(grid),
            *(f"{fact}." for fact in text_facts(grid, corpus, own)),
        ]
        notes = [note for note in notes if note] + [f"Refused: {pair}." for pair in refused]
        parts += _table(means_table(own, STYLE), " ".join([caption, *notes]))
        for title, said, table in efficiency_tables(own, STYLE):
            parts += _table(table, f"{name} {title}. {said}")
    return "\n".join(parts) + "\n"


def _table(table: Table, caption: str) -> list[str]:
    names, sizes, lines = table
    body = [" & ".join(line) + r" \\" for line in [[*names, *sizes], *lines]]
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\begin{{tabular}}{{{'l' * len(names)}{'r' * len(sizes)}}}",
        r"\toprule",
        body[0],
        r"\midrule",
        *body[1:],
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
