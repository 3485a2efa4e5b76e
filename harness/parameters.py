"""Typed, frozen parameters: the one schema from which a grid is checked, a spec resolved and a plugin shown.

A plugin, and the fine-tuning itself, declares its parameters as a frozen dataclass whose fields are made with
`parameter`. Nothing else describes them: types are checked and coerced here, defaults are filled in here.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

from harness.errors import unknown

T = TypeVar("T")

PAPER = "Li et al. 2016"
"""The source of most defaults: Unsupervised Pre-training With Seq2Seq Reconstruction Loss (ALTA 2016)."""


@dataclasses.dataclass(frozen=True)
class Among:
    """Tuning tries one of these values."""

    values: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Between:
    """Tuning tries a number from `low` to `high`, both included; with `log`, even in its logarithm."""

    low: float
    high: float
    log: bool = False


Search = Among | Between


def parameter(
    default: Any,
    meaning: str,
    *,
    unit: str = "",
    source: str = "",
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    search: Search | None = None,
) -> Any:
    """A field of a parameters dataclass: its default, what it means, its unit, where the default comes from.

    `at_least` and `above` bound numbers from below (inclusive and exclusive), `at_most` from above (inclusive).
    `search` is what tuning tries of it, of fine-tuning and of strategies; nothing: it stays as it is.
    """
    metadata = {"meaning": meaning, "unit": unit, "source": source, "search": search}
    bounds = {"at_least": at_least, "above": above, "at_most": at_most}
    return dataclasses.field(default=default, metadata=metadata | bounds)


def searches(kind: type) -> dict[str, Search]:
    """What tuning tries of the parameters of a dataclass, by their names."""
    found = ((field.name, field.metadata.get("search")) for field in dataclasses.fields(kind))
    return {name: search for name, search in found if search is not None}


def read(kind: type[T], values: Mapping[str, Any], where: str, mistakes: list[str]) -> T | None:
    """Make an instance of the parameters dataclass `kind` from `values`, or append every mistake and return None.

    `where` opens each sentence: it names the key of the grid, e.g. ``encoders.bilstm``. A field whose name is a word
    of Python ends in an underscore, its key does not (`as_`, `as`).
    """
    assert dataclasses.is_dataclass(kind)
    hints = typing.get_type_hints(kind)
    fields = {field.name.rstrip("_"): field for field in dataclasses.fields(kind)}
    before = len(mistakes)
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            mistakes.append(f"{where}: {unknown('parameter', name, fields)}")
            continue
        field = fields[name]
        try:
            given[field.name] = coerce(value, hints[field.name])
        except ValueError as error:
            mistakes.append(f"{where}.{name}: {error}")
            continue
        bound = _bound_broken(given[field.name], field.metadata)
        if bound:
            mistakes.append(f"{where}.{name}: {bound}")
    return kind(**given) if len(mistakes) == before else None


def coerce(value: Any, hint: Any) -> Any:
    """Return `value` as the type `hint`; a ValueError says what was expected and what was found.

    An integer serves as a float and a list as a tuple; nothing else is converted, so that a quoted number or a
    `true` in place of a count is told instead of guessed.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for member in arguments:
            try:
                return coerce(value, member)
            except ValueError:
                continue
    elif origin is Literal:
        if value in arguments and type(value) in {type(a) for a in arguments}:
            return value
    elif origin is tuple:
        if isinstance(value, Sequence) and not isinstance(value, str):
            return tuple(coerce(item, arguments[0]) for item in value)
    elif hint is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
            return float(value)
    elif hint is types.NoneType:
        if value is None:
            return None
    elif isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"expected {describe(hint)}, found {value!r}")


def describe(hint: Any) -> str:
    """A type in words that a writer of TOML knows.

    >>> describe(int | None), describe(Literal["torch", "vinyals"])
    ('a whole number or nothing', "'torch' or 'vinyals'")
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(member) for member in arguments)
    if origin is Literal:
        return " or ".join(repr(member) for member in arguments)
    if origin is tuple:
        return f"a list within the list, each {describe(arguments[0])}"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    words[types.NoneType] = "nothing"
    return words.get(hint, str(hint))


def _bound_broken(value: Any, metadata: Mapping[str, Any]) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    at_least: float | None = metadata.get("at_least")
    above: float | None = metadata.get("above")
    at_most: float | None = metadata.get("at_most")
    if at_least is not None and not value >= at_least:
        return f"must be at least {at_least}, found {value}"
    if above is not None and not value > above:
        return f"must be above {above}, found {value}"
    if at_most is not None and not value <= at_most:
        return f"must be at most {at_most}, found {value}"
    return ""
