"""What a report says in words: what was run, on what, and how to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.report.arms import Arm
from harness.report.board import ROLES, dev_told
from harness.report.rows import Grid, Row, full_metric, to_run
from harness.report.texts import text_facts
from harness.report.variances import legend

Facts = list[tuple[str, list[str]]]
"""Names with what is to be said of each."""


def grid_facts(grid: Grid, arms: Sequence[Arm]) -> Facts:
    """What was crossed with what."""
    curves = [arm.curve for arm in arms]
    sizes = sorted({size for arm in arms for size in arm.cells})
    moved = sorted({name for curve in curves for name in curve.spec.get("vary") or ()})
    replicates = legend(grid) or f"{grid['replicates']}, which move {', '.join(moved) or 'nothing'}"
    vectors = [(curve.spec.get("vectors") or {}).get("name") for curve in curves]
    found: Facts = [
        ("Encoders", [", ".join(_once(curve.encoder for curve in curves))]),
        ("Strategies", [", ".join(_once(curve.strategy for curve in curves))]),
        ("Texts", _once(curve.text for curve in curves)),
        ("Word vectors", _once(vectors)),
        ("Variants", _once(curve.variant for curve in curves)),
        ("Training labels", [", ".join(f"{size:,}" for size in sizes)]),
        ("Replicates", [replicates]),
    ]
    return [(name, told) for name, told in found if told]


def corpus_facts(grid: Grid, corpus: Mapping[str, Any], rows: Sequence[Row]) -> Facts:
    """What is to be known of a corpus entry, and what its runs say of vectors and texts."""
    counts = corpus["counts"]
    parts = f"{counts['train']:,} train, {dev_told(rows)} dev (to choose the weights), {counts['test']:,} test"
    negative = f"negative class: {corpus['negative']}" if corpus["negative"] else "no negative class"
    found: Facts = [
        ("Headline metric", [f"{full_metric(corpus['metric'], corpus)}, of the test part"]),
        ("Labels", [parts]),
        ("Classes", [f"{len(corpus['classes'])}; {negative}"]),
        ("Roles", [ROLES] if corpus.get("roles") else []),
        ("Left out", [f"{n:,} {reason}" for reason, n in corpus["left_out"].items()] or ["nothing"]),
        ("Remarks", list(corpus["remarks"])),
        ("Known oddities", list(corpus.get("oddities") or ())),
        ("Words", _once(row["words"] for row in rows)),
        ("Paths", _once(row["fallback"] for row in rows)),
        ("Texts", text_facts(grid, corpus, rows)),
        ("Licence", [corpus["licence"]]),
        ("Source", [corpus["source"]]),
        ("Citation", [corpus["citation"]]),
    ]
    return [(name, told) for name, told in found if any(told)]


def commands(grid: Grid) -> list[tuple[str, str]]:
    """What to type to have the records, to run the grid again and to see it; each with what it does."""
    grid_name, folder = shlex.quote(grid["name"]), shlex.quote(f"results/{grid['name']}")
    return [
        (f"python -m harness records import {folder}", "brings the records of a results folder home; nothing is run"),
        (f"python -m harness plan {to_run(grid)}", "tells what would run, and how long it would take"),
        (f"python -m harness run {to_run(grid)}", "runs what has no record"),
        (f"python -m harness leaderboard --grid {grid_name}", "prints the table"),
        (f"python -m harness report --grid {grid_name}", "makes this page"),
        (
            f"python -m harness compare {folder} again/{shlex.quote(grid['name'])}",
            "tells whether cells that were repeated, by the commands below, have the same scores to the last bit",
        ),
    ]


def _once(found: Iterable[str | None]) -> list[str]:
    """What is there, each once."""
    return list(dict.fromkeys(filter(None, found)))
