"""From a name to its class: a file is a plugin, its stem the name, its one public class the thing.

Outsiders publish theirs as entry points (`harness.encoders`, `harness.strategies`, `harness.corpora`). Names are
listed without importing anything; a broken plugin is an error when it is asked for and disturbs no sibling.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import PluginError, unknown


@dataclass(frozen=True)
class Kind:
    """A kind of plugin: its name in messages, its folder's package, its entry-point group, its base class."""

    name: str
    package: str
    group: str
    base: str


KINDS = {
    "encoder": Kind("encoder", "encoders", "harness.encoders", "Encoder"),
    "strategy": Kind("strategy", "strategies", "harness.strategies", "Strategy"),
    "corpus": Kind("corpus", "benchmarks.corpora", "harness.corpora", "Reader"),
}


@dataclass(frozen=True)
class Origin:
    """Where a plugin comes from: a file of ours, or an outsider's entry point."""

    file: Path | None
    entry: EntryPoint | None

    def __str__(self) -> str:
        if self.entry is None:
            return str(self.file)
        distribution = self.entry.dist.name if self.entry.dist else "an unknown distribution"
        return f"entry point {distribution} ({self.entry.value})"

    def summary(self) -> str:
        """The first line of the plugin's docstring, read without importing it; for entry points, where it is."""
        if self.file is None:
            return str(self)
        try:
            docstring = ast.get_docstring(ast.parse(self.file.read_text(encoding="utf-8")))
        except (SyntaxError, UnicodeDecodeError) as error:
            return f"broken: {error}"
        return (docstring or "").partition("\n")[0]


@cache
def origins(kind: str) -> dict[str, tuple[Origin, ...]]:
    """Every name of a kind with all its origins, in the order of the names; nothing is imported."""
    found: dict[str, list[Origin]] = {}
    for file in _files(KINDS[kind].package):
        found.setdefault(file.stem.replace("_", "-"), []).append(Origin(file, None))
    for entry in entry_points(group=KINDS[kind].group):
        found.setdefault(entry.name, []).append(Origin(None, entry))
    return {name: tuple(found[name]) for name in sorted(found)}


def load(kind: str, name: str) -> type[Any]:
    """The class of the plugin `name`.

    Raises PluginError where the name is unknown, is taken twice, its module does not import or has not exactly one
    public class of its kind, or the class leaves a method of its contract out.
    """
    known = origins(kind)
    if name not in known:
        raise PluginError(unknown(kind, name, known))
    if len(known[name]) > 1:
        both = " and ".join(map(str, known[name]))
        raise PluginError(f"{kind} '{name}' is defined twice: {both}; rename one of them")
    (origin,) = known[name]
    try:
        if origin.entry is not None:
            thing = origin.entry.load()
        else:
            assert origin.file is not None
            thing = _public_class(KINDS[kind], importlib.import_module(f"{KINDS[kind].package}.{origin.file.stem}"))
    except Exception as error:
        cause = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        raise PluginError(f"{kind} '{name}' ({origin}) is broken: {cause}") from error
    if not _is_of(KINDS[kind], thing):
        raise PluginError(
            f"{kind} '{name}' ({origin}) is broken: expected a subclass of harness.contracts.{KINDS[kind].base}, "
            f"found {thing!r}"
        )
    if inspect.isabstract(thing):
        lacking = ", ".join(sorted(thing.__abstractmethods__))
        raise PluginError(f"{kind} '{name}' ({origin}) is broken: expected {thing.__name__} to define {lacking}")
    found: type[Any] = thing
    return found


def source_file(kind: str, name: str) -> Path | None:
    """The file of a plugin's class; None where it has none. Raises PluginError as `load` does."""
    known = origins(kind).get(name, ())
    if len(known) == 1 and known[0].file is not None:
        return known[0].file
    file = inspect.getsourcefile(load(kind, name))
    return Path(file) if file else None


def _files(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield from sorted(file for file in Path(folder).glob("*.py") if not file.stem.startswith("_"))


def _public_class(kind: Kind, module: ModuleType) -> type[Any]:
    names: dict[type[Any], str] = {}  # a class may have a second name in its module
    for name, thing in vars(module).items():
        if _is_of(kind, thing) and thing.__module__ == module.__name__ and not name.startswith("_"):
            names.setdefault(thing, name)
    if len(names) != 1:
        found = ", ".join(names.values()) or "none"
        raise PluginError(f"expected one public subclass of harness.contracts.{kind.base}, found {found}")
    (thing,) = names
    return thing


def _is_of(kind: Kind, thing: object) -> bool:
    base = getattr(importlib.import_module("harness.contracts"), kind.base)
    return inspect.isclass(thing) and issubclass(thing, base)
