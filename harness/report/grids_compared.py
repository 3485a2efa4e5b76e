"""Two grids side by side: arms of the same corpus, encoder, strategy and text that differ in other settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.report.comparison import ALL, Comparison, Narrowed, Pairs, check
from harness.report.curves import LearningCurve, learning_curves
from harness.report.rows import Grid, Records
from harness.scoring import METRICS

SAME_CORPUS = ("digest", "split", "split_seed", "negative", "sample", "parameters", "declared")
"""What makes corpus entries of two grids the same: their mentions, and what each is for."""

SECTIONS = ("corpus", "vectors", "text", "encoder", "strategy", "training")
STREAMS = {"subset", "initialisation", "order"}
"""The random streams that paired runs must share."""


def compare_grids(
    one: tuple[Grid, Records], other: tuple[Grid, Records], metric: str | None = None, only: Narrowed = ALL
) -> Comparison:
    """The arms of two grids that share corpus, encoder, strategy and text, paired by replicate.

    Of several that could be partners, those are that differ in the fewest settings; each row tells in which. Raises
    HarnessError where there is no such metric, encoder, text or size.
    """
    check("metric", [metric] if metric else [], METRICS)
    names = one[0]["name"], other[0]["name"]
    both = [learning_curves(*one), learning_curves(*other)]
    only.check([*both[0], *both[1]])
    left, right = (only.of(curves) for curves in both)
    unpaired = [
        *_alone(one[0], left, right, names[1]),
        *_alone(other[0], right, left, names[0]),
    ]
    found = Pairs(one[0], (one[1], other[1]), metric, only.sizes, names)
    same = 0
    for first, second in _nearest(left, right):
        differ = _differences(first.spec, second.spec)
        if not differ:
            same += 1
        elif why := _unpairable(first, second):
            unpaired.append(f"{first.name}: {why}")
        else:
            arm = {"encoder": first.encoder, "strategy": first.strategy, "text": first.text or "", "variant": ""}
            found.add(first, second, arm | {"first": "", "second": "", "differ": "; ".join(differ)})
    if same:
        unpaired.append(f"{same:,} arms are the same runs in both grids")
    return found.comparison("grids", *names, unpaired)


def _alone(grid: Grid, own: Sequence[LearningCurve], others: Sequence[LearningCurve], lacking: str) -> Iterator[str]:
    """The corpus entries and arms of a grid that the other one, `lacking`, has not."""
    corpora, places = set(map(_corpus, others)), set(map(_place, others))
    for corpus in dict.fromkeys(curve.corpus for curve in own if _corpus(curve) not in corpora):
        yield f"{grid['corpora'][corpus]['label']}: {lacking} has no such corpus entry"
    for curve in own:
        if _corpus(curve) in corpora and _place(curve) not in places:
            yield f"{curve.name}: {lacking} has no such arm"


def _corpus(curve: LearningCurve) -> str:
    """What makes corpus entries the same."""
    return json.dumps({name: curve.spec["corpus"].get(name) for name in SAME_CORPUS}, sort_keys=True)


def _place(curve: LearningCurve) -> str:
    """What the arms of two grids that are compared have in common."""
    return json.dumps([_corpus(curve), curve.encoder, curve.strategy, curve.text])


def _nearest(
    left: Sequence[LearningCurve], right: Sequence[LearningCurve]
) -> Iterator[tuple[LearningCurve, LearningCurve]]:
    """The pairs that differ in the fewest settings, for the one or for the other."""
    for place in dict.fromkeys(map(_place, left)):
        pairs = [(a, b) for a in left for b in right if _place(a) == _place(b) == place]
        counts = [len(_differences(a.spec, b.spec)) for a, b in pairs]
        for pair, count in zip(pairs, counts, strict=True):
            fewest = [
                min(n for other, n in zip(pairs, counts, strict=True) if other[end] is pair[end]) for end in (0, 1)
            ]
            if count in fewest:
                yield pair


def _unpairable(first: LearningCurve, second: LearningCurve) -> str:
    """Why the replicates of two arms are not the same ones; empty where they are."""
    if first.crossed != second.crossed:
        return "replicates are crossed in one of the grids alone, or with other initialisations"
    moved = [STREAMS & set(curve.spec.get("vary") or ()) for curve in (first, second)]
    return "" if moved[0] == moved[1] else "replicates move other random streams in the two grids"


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The settings in which two specs differ, in words: `vectors.name: a.txt / b.txt`."""
    first, second = _settings(one), _settings(other)
    names = [name for name in {**first, **second} if first.get(name) != second.get(name)]
    told = [name for name in names if not (name.endswith(".digest") and name.replace(".digest", ".name") in names)]
    return [f"{name}: {_written(first.get(name))} / {_written(second.get(name))}" for name in told]


def _settings(spec: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of an arm by their names, `section.name`."""
    found = {name: spec.get(name) for name in ("vary", "crossed")}
    for section in SECTIONS:
        values = dict(spec.get(section) or {})
        values |= values.pop("parameters", None) or {}
        known = (*SAME_CORPUS, "name") if section == "corpus" else ()
        found |= {f"{section}.{name}": value for name, value in values.items() if name not in known}
    return found


def _written(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)
