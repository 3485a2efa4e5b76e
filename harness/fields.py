"""Typed fields of an example that was JSON: each is what it should be, or the example can't be used, and why."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

LARGEST = 10**40  # beyond any number that identifies; one of thousands of digits can't be written


class UnusableError(Exception):
    """An example that can't be used: the reason in general, and what was found in this one."""

    def __init__(self, reason: str, found: str = "") -> None:
        super().__init__(reason, found)
        self.reason, self.found = reason, found


def text(example: Any, name: str) -> str:
    """A field that must be a string."""
    value = _field(example, name)
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)
    return value


def optional_text(example: Any, name: str) -> str | None:
    """A field that may be a string; None where it is missing, null or empty."""
    return text(example, name) or None if _field(example, name, None) is not None else None


def optional_identifier(example: Any, name: str) -> str | None:
    """A field that may be a string or a whole number; None where it is missing, null or empty."""
    value = _field(example, name, None)
    if type(value) is int and abs(value) < LARGEST:
        return str(value)
    if value is not None and not isinstance(value, str):
        raise _wrong(name, "a string or a whole number", value)
    return value or None


def texts(example: Any, name: str) -> tuple[str, ...]:
    """A field that must be a list of strings, which share their memory with equal ones."""
    value = _field(example, name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(name, "a list of strings", value)
    return tuple(map(sys.intern, value))


def whole(example: Any, name: str) -> int:
    """A field that must be a whole number."""
    value = _field(example, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "a whole number", value)
    return value


def number(example: Any, name: str, low: float, high: float) -> float:
    """A field that must be a number from `low` to `high`."""
    value = _field(example, name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise _wrong(name, f"a number from {low:g} to {high:g}", value)
    return float(value)


def wholes(example: Any, name: str) -> tuple[int, ...]:
    """A field that must be a list of whole numbers."""
    value = _field(example, name)
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise _wrong(name, "a list of whole numbers", value)
    return tuple(value)


def has(example: Any, name: str) -> bool:
    """Whether a field is there and not null."""
    return _field(example, name, None) is not None


_MISSING = object()


def _field(example: Any, name: str, default: Any = _MISSING) -> Any:
    if not isinstance(example, Mapping):
        raise UnusableError("no JSON object", shown(example))
    value = example.get(name, default)
    if value is _MISSING:
        known = ", ".join(map(shown, list(example)[:10])) or "none"
        raise UnusableError(f"no field '{name}'", f"fields {known}")
    return value


def _wrong(name: str, expected: str, value: Any) -> UnusableError:
    return UnusableError(f"a field '{name}' that is not {expected}", shown(value))


def shown(value: Any) -> str:
    """A value of whatever size in at most 60 characters."""
    try:
        told = repr(value)[:61]
    except (ValueError, RecursionError):  # a number of thousands of digits, lists within lists
        told = "a value too large to show"
    return told if len(told) <= 60 else told[:57] + "..."
