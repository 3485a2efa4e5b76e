"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def escape(text: str) -> str:
    """Text as it may stand in a cell of a table."""
    return text.replace("|", "\\|")


def table(names: Sequence[str], numbers: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table whose first columns hold names and whose others hold numbers; the cells of `lines` are escaped."""
    rule = ["---"] * len(names) + ["---:"] * len(numbers)
    return "\n".join(f"| {' | '.join(line)} |" for line in [[*names, *numbers], rule, *lines])
