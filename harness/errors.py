"""What the harness says when something is wrong: what was found, what was expected, what to type next."""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Iterable, Sequence


class HarnessError(Exception):
    """A mistake that a person can mend; the command line prints it without a traceback and exits with 2."""


class DataError(HarnessError):
    """A file of data (corpus, vectors, records) is missing or is not what it should be."""


class GridError(HarnessError):
    """A grid or a selection has mistakes; `mistakes` holds one sentence for each, all found at once."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class PluginError(HarnessError):
    """A plugin is unknown, defined twice, or broken."""


class DivergedError(HarnessError):
    """A loss is no longer a number."""


class GoneError(HarnessError):
    """An artifact that was there is gone from the disk, or damaged; it can be made again."""


class WorkerDied(HarnessError):
    """The process that was at a task died in it, more than once."""


def as_record(error: BaseException) -> dict[str, str | None]:
    """What a record holds of an error: type, message, and the traceback of one that nobody foresaw."""
    foreseen = isinstance(error, HarnessError)
    trace = None if foreseen else "".join(traceback.format_exception(error))
    return {"type": type(error).__name__, "message": in_words(error), "traceback": trace}


def in_words(error: BaseException) -> str:
    """What an error says; its type where it says nothing, or has no words."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # of a plugin's own class
        return type(error).__name__


def without_passwords(text: str) -> str:
    """Text without the passwords in its addresses."""
    return re.sub(r"//[^/@\s]*@", "//", text)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that `name` is not one of `known`, with the nearest valid name where one is near.

    >>> unknown("encoder", "bilsmt", ["bilstm", "mean"])
    "no encoder 'bilsmt'; did you mean 'bilstm'? Known: bilstm, mean"
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" did you mean '{near[0]}'?" if near else ""
    return f"no {kind} '{name}';{hint} Known: {', '.join(known) or 'none'}"
