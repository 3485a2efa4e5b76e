"""What tells the cells of a grid apart beyond corpus, split, encoder, strategy, text and size: their `variant`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness.features import DEFAULT_GROUPS, NEEDS_SYNTAX

SECTIONS = ("training", "encoder", "strategy", "vectors", "text", "corpus")
"""The parts of a spec that vary, in the order in which a variant names them."""

FIXED = {
    "vectors": {"digest"},
    "corpus": {"name", "digest", "declared"},
    "text": {"name", "digest", "selection", "evaluation_text", "parses"},
}
"""What of a section is told elsewhere in a table, or is no choice."""


def default_groups(parsed: bool) -> tuple[str, ...]:
    """The groups of features that `features = true` stands for, of a corpus with parses or without."""
    return tuple(group for group in DEFAULT_GROUPS if parsed or group not in NEEDS_SYNTAX)


def name_variants(cells: Sequence[dict[str, Any]], untold: Collection[tuple[str, str]] = ()) -> None:
    """Fill in `variant` of each cell, such as ``features=off, cell=vinyals``; empty where nothing varies.

    `untold` are parameters, by section (or the plugin) and name, that make no variant.

    A parameter is named in all cells that have it as soon as it varies between two cells that are otherwise called
    the same.
    """
    values = [_parameters(cell["spec"]) for cell in cells]
    alike: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for at, cell in enumerate(cells):
        corpus = cell["spec"]["corpus"]
        alike[corpus["name"], corpus["split"], cell["encoder"], cell["strategy"], cell["text"]].append(at)
    varying: set[tuple[str, str]] = set()  # (the section, or the plugin for its parameters; the parameter)
    for group in alike.values():
        for parameter in dict.fromkeys(name for at in group for name in values[at]):
            if len({repr(values[at].get(parameter)) for at in group}) > 1:
                varying.add(parameter)
    varying -= set(untold)
    for cell, found in zip(cells, values, strict=True):
        usual = default_groups(cell["spec"]["corpus"].get("parses") is not None)
        told = [f"{name[1]}={_written(*name, value, usual)}" for name, value in found.items() if name in varying]
        cell["variant"] = ", ".join(told)


def _parameters(spec: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """All parameters of a spec by (section, name); those of plugins by (kind and name of the plugin, name)."""
    found: dict[tuple[str, str], Any] = {}
    for section in SECTIONS:
        part = dict(spec[section] or {})
        own = part.pop("parameters", None) or {}
        owner = f"{section} {part['name']}" if section in ("encoder", "strategy") else section
        fixed = FIXED.get(owner, {"name"})
        found |= {(owner, name): value for name, value in (part | own).items() if name not in fixed}
    return found


def _written(section: str, name: str, value: Any, usual: tuple[str, ...]) -> str:
    if (section, name) == ("training", "features"):
        return {(): "off", usual: "on"}.get(tuple(value), "+".join(value))
    if isinstance(value, bool):
        return "on" if value else "off"
    if name == "negative":
        return value or "none"
    return "default" if value is None else str(value)
