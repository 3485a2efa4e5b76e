"""`list`, `leaderboard`: what is there, without torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from harness import registry
from harness.errors import PluginError

KIND_OF = {"encoders": "encoder", "strategies": "strategy", "corpora": "corpus"}


def plugins(asked: argparse.Namespace) -> int:
    """List names with what each is in a line; with --check, import each and say whether it works."""
    if asked.what == "grids":
        return _grids(asked.check)
    kind = KIND_OF[asked.what]
    broken = 0
    rows = []
    for name, origins in registry.origins(kind).items():
        line = " and ".join(map(str, origins)) if len(origins) > 1 else origins[0].summary()
        if len(origins) > 1:
            line = f"defined twice: {line}"
        if asked.check:
            try:
                registry.load(kind, name)
                line = f"ok: {line}"
            except PluginError as error:
                broken += 1
                line = f"broken: {error}"
        rows.append((name, line))
    _print_columns(rows)
    return 1 if broken else 0


def _grids(check: bool) -> int:
    from harness.grid_files import grid_names, read_grid

    broken = 0
    rows = []
    for name, line in grid_names().items():
        if check:
            import tomllib

            from harness.axes import read_axes

            mistakes: list[str] = []
            try:
                read_axes(tomllib.loads(read_grid(name)[1]), mistakes)
            except tomllib.TOMLDecodeError as error:
                mistakes.append(str(error))
            broken += bool(mistakes)
            line = f"broken: {'; '.join(mistakes)}" if mistakes else f"ok: {line}"
        rows.append((name, line))
    _print_columns(rows)
    return 1 if broken else 0


def leaderboard(asked: argparse.Namespace) -> int:
    """Print a grid's table from its records."""
    from harness.commands.progress import table_format
    from harness.commands.records import tell_damaged
    from harness.report.leaderboard import render
    from harness.report.places import records_of_grid
    from harness.report.results import read_resolved

    grid = read_resolved(asked.grid, asked.home, asked.results)
    records = records_of_grid(grid, asked.home, asked.results, lambda line: print(f"harness: {line}", file=sys.stderr))
    table = render(grid, records, asked.format or table_format(), asked.metric)
    tell_damaged(records)
    sys.stdout.write(table)
    return 0


def _print_columns(rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    for name, line in rows:
        print(f"{name:{width}}  {line}".rstrip())
