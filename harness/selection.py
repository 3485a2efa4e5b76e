"""Which runs of a resolved grid a command is about: the flags that narrow it, and the grid that flags alone make."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import bundles, grid_files, registry
from harness.artifacts import ArtifactStore
from harness.axes import TARGET
from harness.contracts import TextReader
from harness.datasets.sources import find_path, fitting_readers
from harness.datasets.splits import size_of
from harness.errors import DataError, GridError, unknown
from harness.grid import ResolvedGrid, resolve
from harness.report.places import grids_with
from harness.specs import RunSpec
from harness.tuned_files import named_file, parse_tuned, read_tuned, tuned_file
from harness.tuned_values import TunedValues

ADHOC = "adhoc"
"""The name of a grid made from flags alone."""


def chosen_grid(asked: argparse.Namespace, home: Path) -> ResolvedGrid:
    """The grid that is named, that of a bundle, or one made of the flags; GridError where they don't say enough."""
    if asked.bundle is not None:
        return _bundled(asked, home)
    if asked.grid is not None:
        if asked.vectors is not None:
            raise GridError([f"--vectors: the grid '{asked.grid}' names its vectors; change them in its file"])
        return resolve(*grid_files.read_grid(asked.grid), home, asked.strict, _tuned(asked))
    if getattr(asked, "tuned", None) is not None:
        raise GridError(["--tuned: expected --grid beside it, for values are a grid's"])
    if asked.run:
        return _with_run(asked, home)
    missing = [f"--{axis}" for axis in ("corpus", "encoder", "strategy") if not getattr(asked, axis)]
    if missing:
        named = ", ".join(missing)
        raise GridError([f"expected --grid, or what to run by {named}; see python -m harness run --help"])
    return resolve(ADHOC, _toml(asked, home), home, asked.strict)


def _tuned(asked: argparse.Namespace) -> TunedValues | None:
    """The tuned values that are asked for."""
    named = getattr(asked, "tuned", None)
    if named is None:
        return None
    return read_tuned(named_file(named, asked.grid) if named else tuned_file(asked.grid), asked.grid)


def _with_run(asked: argparse.Namespace, home: Path) -> ResolvedGrid:
    """The grid, of those that were resolved in the home and those among the results, that has the first run asked for;
    GridError where there is none.
    """
    start = asked.run[0]
    results = getattr(asked, "results", Path("results"))
    found = next(iter(grids_with(start, home, results)), None)
    if found is None:
        raise GridError(
            [f"--run: no grid that was resolved in {home}, or is in {results}, has a run whose key begins with "
             f"'{start}'; name its grid, --grid NAME"]
        )  # fmt: skip
    if asked.vectors is not None:
        raise GridError([f"--vectors: the grid '{found['name']}' names its vectors; leave the flag out"])
    if not found.get("tuned"):
        return resolve(found["name"], found["source"], home, asked.strict)
    tuned = parse_tuned(found["tuned"]["text"], Path(found["tuned"]["file"]))
    grid = resolve(found["tuned"]["untuned"], found["source"], home, asked.strict, tuned)
    grid.plain["tuned"] = found["tuned"]
    return grid


def _bundled(asked: argparse.Namespace, home: Path) -> ResolvedGrid:
    """The grid of a bundle; GridError where a flag beside it has no meaning."""
    mistakes = []
    if asked.grid is not None:
        mistakes.append(f"--grid {asked.grid}: the bundle holds a grid; leave the flag out, or --bundle")
    if asked.vectors is not None:
        mistakes.append(f"--vectors {asked.vectors}: the bundle holds the vectors of its grid; leave the flag out")
    if getattr(asked, "tuned", None) is not None:
        mistakes.append("--tuned: the bundle holds the values of its grid; give the flag to python -m harness bundle")
    if asked.strict:
        mistakes.append("--strict: no corpus is read where a bundle runs; give the flag to python -m harness bundle")
    if mistakes:
        raise GridError(mistakes)
    return bundles.read(asked.bundle, ArtifactStore(home / "artifacts"), lambda line: print(line, file=sys.stderr))


def select(grid: ResolvedGrid, asked: argparse.Namespace) -> dict[str, RunSpec]:
    """The runs of the grid that the flags ask for.

    Raises GridError, with all mistakes, where a flag names what the grid does not have.
    """
    runs = dict(grid.runs)
    if asked.grid is None and asked.bundle is None and not asked.run:
        if asked.cell:
            raise GridError(["--cell: expected --grid beside it, for cells are a grid's"])
        return runs
    mistakes: list[str] = []
    for axis in ("corpus", "encoder", "strategy", "text"):
        names = getattr(asked, axis)
        if not names:
            continue
        called = {key: _called(spec, axis) for key, spec in grid.runs.items()}
        known = set().union(*called.values())
        mistakes += [f"--{axis}: {unknown(f'{axis} in this grid', name, known)}" for name in names if name not in known]
        runs = {key: spec for key, spec in runs.items() if not called[key].isdisjoint(names)}
    if asked.size:
        runs = _of_sizes(runs, grid, asked.size, mistakes)
    if asked.replicates:
        replicates = max((spec.replicate + 1 for spec in grid.runs.values()), default=0)
        if asked.replicates > replicates:
            mistakes.append(f"--replicates: the grid has {replicates}, found {asked.replicates}")
        runs = {key: spec for key, spec in runs.items() if spec.replicate < asked.replicates}
    cells = {spec.cell for spec in grid.runs.values()}
    strange = [start for start in asked.cell or () if not any(cell.startswith(start) for cell in cells)]
    mistakes += [f"--cell: no cell of this grid has a key that begins with '{start}'" for start in strange]
    if asked.cell:
        runs = {key: spec for key, spec in runs.items() if spec.cell.startswith(tuple(asked.cell))}
    strange = [start for start in asked.run or () if not any(key.startswith(start) for key in grid.runs)]
    mistakes += [f"--run: no run of this grid has a key that begins with '{start}'" for start in strange]
    if asked.run:
        runs = {key: spec for key, spec in runs.items() if key.startswith(tuple(asked.run))}
    if mistakes:
        raise GridError(mistakes)
    return runs


def _called(spec: RunSpec, axis: str) -> set[str]:
    """What a flag may call what a run has of an axis: its name, and a text with its selection too."""
    one = getattr(spec, axis)
    if one is None:
        return set()
    return {one.name, one.label} if axis == "text" else {one.name}


def _of_sizes(
    runs: Mapping[str, RunSpec], grid: ResolvedGrid, written: Sequence[str], mistakes: list[str]
) -> dict[str, RunSpec]:
    have = {(str(spec.corpus), spec.size) for spec in grid.runs.values()}
    full = {
        str(grid.runs[key].corpus): grid.plain["corpora"][cell["corpus"]]["counts"]["train"]
        for cell in grid.plain["cells"]
        for key in cell["keys"]
        if key in grid.runs
    }
    chosen: set[tuple[str, int]] = set()
    for size in written:
        found, fault = set(), ""
        for corpus, count in full.items():
            try:
                found.add((corpus, size_of(int(size) if size.isdigit() else size, count)))
            except ValueError as error:
                fault = str(error)
        if not found & have:
            known = ", ".join(f"{count:,}" for count in sorted({count for _, count in have}))
            mistakes.append(f"--size: {fault or f'the grid has no {size}'}; it has {known}")
        chosen |= found
    return {key: spec for key, spec in runs.items() if (str(spec.corpus), spec.size) in chosen}


def _toml(asked: argparse.Namespace, home: Path) -> str:
    """The grid that flags alone make, as TOML; a JSON string or list of strings is TOML too."""
    axes: dict[str, Any] = {
        "corpora": asked.corpus,
        "encoders": asked.encoder,
        "strategies": asked.strategy,
        "vectors": asked.vectors or "own",
        "sizes": [int(size) if size.isdigit() else size for size in asked.size or ["full"]],
        "replicates": asked.replicates or 5,
    }
    written = [f"{key} = {json.dumps(value)}\n" for key, value in axes.items()]
    if asked.text:
        written.append(f"texts = [{', '.join(_text(name, home) for name in asked.text)}]\n")
    return "".join(written)


def _text(name: str, home: Path) -> str:
    """A text as TOML: a reader's name, or a path whose reader is recognised; GridError where it is neither."""
    if name == TARGET or name in registry.origins("corpus"):
        return json.dumps(name)
    try:
        path = find_path(name, home)
    except DataError as error:
        raise GridError([f"--text: {error}"]) from error
    fitting = fitting_readers(path, TextReader)
    if len(fitting) != 1:
        found = "the files of none" if not fitting else f"what may be {' or '.join(fitting)}"
        raise GridError(
            [
                f"--text: {path}: expected the files of one reader of text, found {found}. Say which in a grid's file: "
                f"texts = [{{name = 'READER', path = '{name}'}}]"
            ]
        )
    return f"{{name = {json.dumps(fitting[0])}, path = {json.dumps(str(path))}}}"
