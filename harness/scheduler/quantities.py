"""Times and sizes in words."""

from __future__ import annotations

from collections.abc import Sequence


def duration(seconds: float) -> str:
    """A time in the largest units that matter.

    >>> duration(0.2), duration(40), duration(700), duration(7800)
    ('1 s', '40 s', '12 min', '2 h 10 min')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def core_time(seconds: float) -> str:
    """Time of one processor.

    >>> core_time(3), core_time(700), core_time(11_500), core_time(360_000)
    ('3 core-seconds', '12 core-minutes', '3.2 core-hours', '100 core-hours')
    """
    if seconds < 90:
        count = max(1, round(seconds))
        return f"{count} core-second{'s' * (count > 1)}"
    unit, number = ("core-minutes", 60) if seconds < 60 * 60 else ("core-hours", 60 * 60)
    return f"{_short(seconds / number)} {unit}"


def in_bytes(size: float) -> str:
    """A size in decimal units.

    >>> in_bytes(800), in_bytes(1_440_000), in_bytes(140e6), in_bytes(2.3e9)
    ('1 kB', '1.4 MB', '140 MB', '2.3 GB')
    """
    for unit, number in (("GB", 1e9), ("MB", 1e6)):
        if size >= number:
            return f"{_short(size / number)} {unit}"
    return f"{round(size / 1e3):,} kB"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names in a sentence, the first of them where they are many.

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e", "f"])
    ('a, b', 'a, b, c, d and 2 more')
    """
    more = len(names) - most
    return ", ".join(names) if more < 2 else f"{', '.join(names[:most])} and {more} more"


def _short(number: float) -> str:
    """With one decimal below 10."""
    return f"{number:,.1f}" if number < 9.95 else f"{number:,.0f}"
