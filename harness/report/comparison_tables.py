"""Comparisons as text: Markdown, CSV, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from harness.report.comparison import COLUMNS, Comparison, Row
from harness.report.markdown import escape, table

DIGITS = 6
"""Significant ones, of numbers in CSV and JSON."""


def render_comparison(comparison: Comparison, format: str) -> str:
    """A comparison as text in one of `FORMATS`."""
    return FORMATS[format](comparison)


def _markdown(comparison: Comparison) -> str:
    first, second, rows = comparison.first, comparison.second, comparison.rows
    family = "the one difference below" if len(rows) == 1 else f"the family of the {len(rows)} differences below"
    legend = (
        f"Differences are what {first} scores above {second} on the test part, in points, paired by replicate, with "
        "the 95 % interval by Student's t (beyond 20 pairs by BCa bootstrap, of crossed ones by their components), not "
        "adjusted for their number. On new examples: the interval where the test examples are a sample too, by a "
        "bootstrap over them from the saved predictions; it is no narrower. "
        f"p: Student's, two-sided, adjusted by Holm over {family}; from 5 % on, a tie. Sign-flip p: the permutation "
        f"test's, as it is. P({first} > {second}): the share of pairs in which the first is ahead, ties as halves; "
        "Wilson's interval."
    )
    parts = [f"# {first} against {second}: {comparison.what}", legend if rows else "Nothing can be paired."]
    names = [name for name in ("encoder", "strategy", "text", "variant") if any(row[name] for row in rows)]
    names += [name for name in ("first", "second", "differ") if len({row[name] for row in rows}) > 1]
    alike = {row["differ"] for row in rows if row["differ"]} if "differ" not in names else set()
    parts += [f"They differ in {told}." for told in alike]
    numbers = [
        "labels",
        "n",
        first,
        second,
        "difference",
        "on new examples",
        "p",
        "sign-flip p",
        "ahead",
        f"P({first} > {second})",
    ]
    for corpus, metric in dict.fromkeys((row["corpus"], row["metric"]) for row in rows):
        lines = [
            [*(escape(row[name]) for name in names), *_numbers(row, first, second)]
            for row in rows
            if row["corpus"] == corpus
        ]
        parts += [f"## {corpus}", f"{metric}.", table(names, numbers, lines)]
    if comparison.unpaired:
        parts.append("\n".join(["## Not paired\n", *(f"- {told}" for told in comparison.unpaired)]))
    return "\n\n".join(parts) + "\n"


def _numbers(row: Row, first: str, second: str) -> list[str]:
    often = f"{row['improvement']:.2f} [{row['improvement_low']:.2f}, {row['improvement_high']:.2f}]"
    return [
        f"{row['size']:,}",
        str(row["n"]),
        f"{row['first_mean']:.1f}",
        f"{row['second_mean']:.1f}",
        f"{row['difference']:+.1f}{_interval(row['ci_low'], row['ci_high'])}",
        _interval(row["examples_low"], row["examples_high"]).strip() or "-",
        _p(row["p_holm"]),
        row["not_flipped"] or _p(row["flipped_p"]),
        {"first": first, "second": second, "tie": "tie"}[row["ahead"]],
        often,
    ]


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" [{low:+.1f}, {high:+.1f}]"


def _p(p: float | None) -> str:
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _csv(comparison: Comparison) -> str:
    made = pd.DataFrame(comparison.rows, columns=list(COLUMNS))
    return made.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")


def _json(comparison: Comparison) -> str:
    told = {
        "what": comparison.what,
        "first": comparison.first,
        "second": comparison.second,
        "rows": [{name: _plain(row[name]) for name in COLUMNS} for row in comparison.rows],
        "unpaired": list(comparison.unpaired),
    }
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")


FORMATS: Mapping[str, Callable[[Comparison], str]] = {"md": _markdown, "csv": _csv, "json": _json}
