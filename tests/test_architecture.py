"""Who may import whom: read from every file's syntax tree, and from what a fresh process has in memory."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from harness import registry
from harness.contracts import BUILDING_BLOCKS

ROOT = Path(__file__).parents[1]
OURS = ("harness", "encoders", "strategies", "benchmarks")
FOLDERS = ("harness", "encoders", "strategies", "benchmarks/corpora", "benchmarks/grids")
FILES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
ROOMS = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in FILES}
HARNESS = [room for room in ROOMS if room.split(".")[0] == "harness"]
PLUGIN_PACKAGES = tuple(kind.package for kind in registry.KINDS.values())
PLUGIN_FILES = [room for room in ROOMS if room.startswith(tuple(f"{package}." for package in PLUGIN_PACKAGES))]

DERIVED = ("harness.report", "harness.tracked", "harness.tracking", "harness.behind")
"""Rooms that make something of records, and can make it again."""

LONGEST = 350

LIBRARIES = {
    "mlflow": ("harness.tracking",),
    "gensim": ("harness.datasets.vectors",),
    "conllu": ("harness.datasets.conllu_files",),
    "stanza": ("harness.datasets.annotation",),
    "optuna": ("harness.tuning",),
    "dask": ("harness.scheduler.pools",),
    "distributed": ("harness.scheduler.pools",),
    "psutil": ("harness.scheduler.pools",),
    "filelock": ("harness.locks",),
    "seaborn": ("harness.report",),
    "matplotlib": ("harness.report",),
    "jinja2": ("harness.report",),
    "markupsafe": ("harness.report",),
    "pandas": ("harness.report",),
    "pytest": ("harness.testing",),
    "pooch": ("harness.datasets.fetching",),
    "requests": ("harness.datasets.fetching",),
    "urllib3": ("harness.datasets.fetching",),
    "tqdm": ("harness.datasets.fetching",),
    "nltk": ("benchmarks.corpora",),
    "safetensors": ("harness.artifacts", "harness.pretraining", "harness.scheduler", "harness.commands"),
    "jsonschema": (),
    "sklearn": ("harness.geometry", "harness.report"),
    "threadpoolctl": ("harness.report",),
}
"""The rooms, with those below them, that may import a library."""

ORDINARY = {"mean", "none"}
"""Names of plugins that are statistics or the empty list elsewhere; for them imports and classes are looked for."""


@cache
def tree_of(room: str) -> ast.Module:
    return ast.parse(ROOMS[room].read_text(encoding="utf-8"))


@cache
def imports_of(room: str) -> frozenset[str]:
    """What a room imports, anywhere in its file: rooms of ours by their names, things of others by theirs."""
    package = room if ROOMS[room].stem == "__init__" else room.rpartition(".")[0]
    found = set()
    for node in ast.walk(tree_of(room)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            names = {f"{module}.{name.name}" for name in node.names}
            found |= {module if module in ROOMS and name not in ROOMS else name for name in names}
    return frozenset(found)


def ours(room: str) -> set[str]:
    """The rooms of ours that a room imports."""
    return {module for module in imports_of(room) if module.split(".")[0] in OURS}


def is_below(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_the_files_are_found() -> None:
    assert {"harness", "harness.contracts", "harness.report.leaderboard", "encoders.bilstm"} <= ROOMS.keys()
    assert "encoders.bilstm" in PLUGIN_FILES
    assert ours("harness.datasets.prepared") >= {"harness.provenance", "harness.features", "harness.artifacts"}
    assert "rich.live.Live" in imports_of("harness.commands.progress")


# Plugins and plumbing


def test_contracts_imports_nothing_of_ours() -> None:
    rooms = [room for room in ROOMS if is_below(room, "harness.contracts")]
    assert not {module for room in rooms for module in ours(room) if not is_below(module, "harness.contracts")}


@pytest.mark.parametrize("room", PLUGIN_FILES)
def test_a_plugin_imports_building_blocks_and_private_siblings(room: str) -> None:
    package = room.rpartition(".")[0]
    strange = {
        module
        for module in ours(room)
        if module not in BUILDING_BLOCKS and not module.startswith(f"{package}._") and module != package
    }
    assert not strange, f"{room} may import {', '.join(BUILDING_BLOCKS)} and its siblings that begin with _"


@pytest.mark.parametrize("room", HARNESS)
def test_the_harness_imports_no_plugin(room: str) -> None:
    assert not [module for module in ours(room) if is_below(module, "encoders", "strategies", "benchmarks")]


@pytest.mark.parametrize("room", HARNESS)
def test_the_harness_names_no_plugin(room: str) -> None:
    """No string in the code is a plugin's name, and no identifier its class; docstrings and examples may show them."""
    names = {name for kind in registry.KINDS for name in registry.origins(kind)} - ORDINARY
    plugins = [plugin for plugin in PLUGIN_FILES if not ROOMS[plugin].stem.startswith("_")]
    classes = {node.name for plugin in plugins for node in tree_of(plugin).body if isinstance(node, ast.ClassDef)}
    found = [
        f"line {node.lineno}: {word}"
        for node in ast.walk(tree_of(room))
        for word in _words(node)
        if word in (names if isinstance(node, ast.Constant) else classes)
    ]
    assert not found


def _words(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name


@pytest.mark.parametrize("room", ROOMS)
def test_only_the_registry_imports_by_name(room: str) -> None:
    """`importlib.metadata` and `importlib.resources` read what is installed and run none of it: anyone may."""
    dynamic = {module for module in imports_of(room) if is_below(module, "importlib", "runpy", "pkgutil")}
    dynamic -= {module for module in dynamic if is_below(module, "importlib.metadata", "importlib.resources")}
    calls = {node.id for node in ast.walk(tree_of(room)) if isinstance(node, ast.Name)} & {"__import__", "exec", "eval"}
    assert room == "harness.registry" or not dynamic | calls


# Arrows


def test_no_rooms_import_each_other_in_a_circle() -> None:
    TopologicalSorter({room: ours(room) for room in ROOMS}).prepare()


@pytest.mark.parametrize("room", [room for room in HARNESS if is_below(room, *DERIVED)])
def test_what_is_derived_reads_records_and_the_resolved_grid(room: str) -> None:
    readable = (
        "harness.records",
        "harness.exchange",
        "harness.analysis",
        "harness.scoring",
        "harness.errors",
        "harness.specs",
        "harness.tuned_trials",
    )
    own = next(part for part in DERIVED if is_below(room, part))
    also = {
        "harness.tracking": ("harness.tracked", "harness.tracking"),
        "harness.behind": ("harness.tracked", "harness.tracking"),
    }.get(own, (own,))
    assert not {module for module in ours(room) if not is_below(module, *readable, *also)}


@pytest.mark.parametrize(
    ("room", "importers"),
    [
        ("harness.cli", ("harness.__main__",)),
        ("harness.commands", ("harness.cli", "harness.commands")),
        ("harness.selection", ("harness.commands",)),
        ("harness.scheduler", ("harness.commands", "harness.bundles", "harness.tuning")),
        ("harness.runner", ("harness.scheduler", "harness.commands", "harness.tuning")),
        ("harness.training", ("harness.runner", "harness.stacking", "harness.scheduler", "harness.testing")),
        (
            "harness.pretraining",
            ("harness.stages", "harness.grid", "harness.commands", "strategies", "harness.testing"),
        ),
        ("harness.stages", ("harness.runner", "harness.scheduler", "harness.commands", "harness.tuning")),
        ("harness.tuning", ("harness.commands",)),
        ("harness.tuned_files", ("harness.selection", "harness.commands")),
        ("harness.text_entry", ("harness.grid",)),
        ("harness.behind", ("harness.commands",)),
        ("harness.tracking", ("harness.behind", "harness.commands")),
        ("harness.tracked", ("harness.tracking", "harness.commands")),
        ("harness.testing", ("harness.testing",)),
    ],
)
def test_arrows_run_from_the_command_line_to_the_contracts(room: str, importers: tuple[str, ...]) -> None:
    found = {other for other in ROOMS if any(is_below(module, room) for module in ours(other))}
    assert not {other for other in found if not is_below(other, room, *importers)}


@pytest.mark.parametrize("room", ROOMS)
def test_a_library_is_imported_in_its_room_alone(room: str) -> None:
    for module in imports_of(room):
        library = module.partition(".")[0]
        assert is_below(room, *LIBRARIES.get(library, (room,))), (
            f"{library} belongs to {LIBRARIES[library] or 'no room'}"
        )


# What a fresh process has in memory


def imported_by(*arguments: str) -> set[str]:
    """The modules that `python ...` has imported when it ends."""
    command = [sys.executable, "-X", "importtime", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}


def test_tables_and_listings_run_without_torch() -> None:
    rooms = ["records", "analysis", "scoring", "cli", "grid_files", "registry", "exchange", "locks"]
    rooms += ["commands.look", "commands.records"]
    rooms += [room.removeprefix("harness.") for room in HARNESS if is_below(room, "harness.report")]
    imported = imported_by("-c", "; ".join(f"import harness.{room}" for room in rooms))
    assert "harness.report.leaderboard" in imported
    assert "torch" not in imported


@pytest.mark.parametrize("words", [("--help",), ("list", "encoders"), ("list", "strategies"), ("list", "corpora")])
def test_help_and_listings_import_nothing_heavy(words: tuple[str, ...]) -> None:
    imported = imported_by("-m", "harness", *words)
    assert "harness.cli" in imported
    heavy = ("torch", "mlflow", "pandas", "numpy", "scipy", "gensim", "rich")
    assert not {module for module in imported if is_below(module, *heavy)}
    assert not {module for module in imported if module in PLUGIN_FILES}


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    found = {".".join(file.parent.relative_to(ROOT).parts) for file in FILES if file.name == "__init__.py"}
    assert set(listed) == found | {"benchmarks", "benchmarks.claims"}


# Rooms have names and a size


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_a_name_of_its_own(room: str) -> None:
    nameless = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert not {part.strip("_") for part in room.split(".")} & nameless


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_can_be_read_in_one_sitting(room: str) -> None:
    lines = len(ROOMS[room].read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{room} has {lines} lines, and {LONGEST} are the most"
