"""Two homes or results folders side by side: the same runs, and whether their scores are the same to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pandas as pd

from harness.records import COMPLETE, Record, RecordStore
from harness.report.markdown import escape, table
from harness.scoring import METRICS

COLUMNS = (
    "key", "corpus", "encoder", "strategy", "text", "size", "replicate", "first_status", "second_status", "score",
    "first", "second", "difference",
)  # fmt: skip
SHOWN = 20
"""Keys that are named of runs that one of the two lacks; of more it is told how many."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Reproduction:
    """The runs that two places share, rows with `COLUMNS`, and the keys of those that one of them lacks.

    `score` is the one that differs most, such as `test accuracy`, `first` and `second` are what each place has of it,
    in percent, and `difference` is what the first has above the second; all are None where a run is not complete in
    both.
    """

    first: str
    second: str
    rows: Sequence[Row]
    first_alone: Sequence[str]
    second_alone: Sequence[str]

    @property
    def other(self) -> list[Row]:
        """The rows that are not the same in both."""
        return [row for row in self.rows if row["difference"] or row["first_status"] != row["second_status"]]

    @property
    def is_whole(self) -> bool:
        """Whether both have the same runs with the same scores."""
        return not (self.other or self.first_alone or self.second_alone)


def compare_records(
    names: tuple[str, str], first: RecordStore, second: RecordStore, only: Collection[str] | None = None
) -> Reproduction:
    """The records of two places, run by run, or those of the runs `only`.

    A damaged record counts as missing, and `damaged` of its store tells it.
    """
    rows: list[Row] = []
    alone: tuple[list[str], list[str]] = ([], [])
    keys = first.keys(), second.keys()
    for key in dict.fromkeys(chain(*keys)):
        if only is not None and key not in only:
            continue
        one, other = first.read(key), second.read(key)
        if one and other:
            rows.append(_row(one, other))
        elif one or other:
            alone[0 if one else 1].append(key)
    return Reproduction(*names, rows, *alone)


def _row(one: Record, other: Record) -> Row:
    spec = one["spec"]
    text = spec.get("text") or {}
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"key": one["key"], "first_status": one["status"], "second_status": other["status"]}
    row |= {name: spec[name]["name"] for name in ("corpus", "encoder", "strategy")}
    row |= {"text": text.get("name"), "size": spec["size"], "replicate": spec["replicate"]}
    if one["status"] == other["status"] == COMPLETE:
        scores = [
            (f"{part} {metric}", 100 * one["scores"][part][metric], 100 * other["scores"][part][metric])
            for part in ("test", "dev")
            for metric in METRICS
            if metric in one["scores"][part] and metric in other["scores"][part]
        ]
        name, own, theirs = max(scores, key=lambda score: abs(score[1] - score[2]))
        row |= {"score": name, "first": own, "second": theirs, "difference": own - theirs}
    return row


def render_reproduction(found: Reproduction, format: str) -> str:
    """What two places share and where they differ, as text in one of `FORMATS`."""
    return FORMATS[format](found)


def _markdown(found: Reproduction) -> str:
    complete = [row for row in found.rows if row["difference"] is not None]
    same = sum(row["difference"] == 0 for row in complete)
    facts = [
        f"Runs in both: {len(found.rows):,}, of which {len(complete):,} are complete in both",
        f"The same scores, on dev and test by every metric, to the last bit: {same:,} of {len(complete):,}",
        *_alone(found.first, found.first_alone),
        *_alone(found.second, found.second_alone),
    ]
    if found.is_whole:
        facts.append("Reproduced: nothing differs")
    parts = [f"# {found.first} against {found.second}: the same runs", "\n".join(f"- {fact}" for fact in facts)]
    if found.other:
        names = ["run", "corpus", "encoder", "strategy", "text", "labels", "replicate", "score"]
        lines = [_line(row) for row in sorted(found.other, key=lambda row: -abs(row["difference"] or 0))]
        told = (
            "Each run with the score that differs most, in percent; difference is what the first has above the second, "
            "in points. The largest first."
        )
        numbers = [escape(found.first), escape(found.second), "difference"]
        parts += ["## What differs", told, table(names, numbers, lines)]
    return "\n\n".join(parts) + "\n"


def _line(row: Row) -> list[str]:
    names = [row["key"][:16], *(escape(row[name] or "") for name in ("corpus", "encoder", "strategy", "text"))]
    names += [f"{row['size']:,}", str(row["replicate"])]
    if row["difference"] is None:
        return [*names, "-", row["first_status"], row["second_status"], "-"]
    return [*names, row["score"], f"{row['first']:.4f}", f"{row['second']:.4f}", f"{row['difference']:+.3g}"]


def _alone(name: str, keys: Sequence[str]) -> list[str]:
    if not keys:
        return []
    shown = ", ".join(key[:16] for key in keys[:SHOWN])
    more = f" and {len(keys) - SHOWN:,} more" if len(keys) > SHOWN else ""
    return [f"In {name} alone: {len(keys):,}: {shown}{more}"]


def _csv(found: Reproduction) -> str:
    return pd.DataFrame(found.rows, columns=list(COLUMNS)).to_csv(index=False, lineterminator="\n")


def _json(found: Reproduction) -> str:
    told = {
        "first": found.first,
        "second": found.second,
        "is_whole": found.is_whole,
        "rows": found.rows,
        "first_alone": found.first_alone,
        "second_alone": found.second_alone,
    }
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: Mapping[str, Callable[[Reproduction], str]] = {"md": _markdown, "csv": _csv, "json": _json}
