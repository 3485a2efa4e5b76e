"""A record as a row of a table in CSV, and back, without loss."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from harness.records import Record


def flatten(record: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A record as columns: `spec.corpus.name` and so on; what is not a plain string is JSON, and so are a string that
    could be taken for JSON and a mapping whose names could be taken for a path, so that `unflatten` gives back the very
    same values. The names of the record's own fields hold no dot.
    """
    row: dict[str, str] = {}
    for name, value in record.items():
        if isinstance(value, Mapping) and value and all(_is_plain(inner) and "." not in inner for inner in value):
            row |= flatten(value, f"{prefix}{name}.")
        else:
            row[prefix + name] = value if isinstance(value, str) and _is_plain(value) else json.dumps(value)
    return row


def unflatten(row: Mapping[str, str]) -> Record:
    """The inverse of `flatten`; an empty column is a field that the record does not have."""
    record: Record = {}
    for column, text in row.items():
        if text == "":
            continue
        *path, name = column.split(".")
        place = record
        for step in path:
            place = place.setdefault(step, {})
        place[name] = json.loads(text) if _is_json(text) else text
    return record


@lru_cache(4096)  # names and most values are those of the records before
def _is_plain(text: str) -> bool:
    """Whether a string comes back from a table as it is: it could not be taken for JSON, nor disturbs CSV in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:  # half a pair of surrogates, as in the name of a file that is not UTF-8
        return False
    return "\r" not in text and not _is_json(text)  # Python 3.11 writes a lone \r without quotes


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return text == ""
    return True


def as_line(values: Iterable[str]) -> str:
    """A line of a table in CSV, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().removesuffix("\n")
