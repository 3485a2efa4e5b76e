"""Two strategies of a grid side by side: paired differences by size, one family.

Runs are paired where they share the corpus, the encoder, the size, the replicate and all else but what is compared.
What can't be paired is told, and why.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeVar

import numpy as np

from harness.analysis import (
    Difference,
    Metric,
    holm,
    paired_difference,
    probability_of_improvement,
    resampled_score,
    ties,
)
from harness.errors import HarnessError, unknown
from harness.records import RecordStore
from harness.report.curves import LearningCurve, learning_curves
from harness.report.rows import Grid, Records, full_metric
from harness.scoring import METRICS
from harness.specs import TUNABLE

COLUMNS = (
    "corpus", "encoder", "strategy", "text", "variant", "first", "second", "differ", "size", "n", "metric",
    "first_mean", "second_mean", "difference", "sd", "ci_low", "ci_high", "examples_low", "examples_high",
    "p", "p_holm", "flipped_p", "not_flipped", "ahead", "improvement", "improvement_low", "improvement_high",
)  # fmt: skip

SAME_ARM = ("encoder", "vectors", "training", "vary", "crossed")
"""What of their specs two strategies that are compared must share."""

Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Comparison:
    """A family of paired differences, rows with `COLUMNS`, and in words what could not be paired.

    A difference is what the first scores above the second, in points. `examples_low` and `examples_high` are the ends
    of its interval over new test examples too, by `resampled_score`, and never within `ci_low` to `ci_high`; NaN where
    no predictions are at hand. `p` is Student's, `p_holm` the same adjusted over all rows, and `ahead` is "first",
    "second" or "tie" by it. `first` and `second` of a row tell its arms apart, and `differ` says in what their settings
    do, where that is not the strategy.
    """

    what: str
    first: str
    second: str
    rows: Sequence[Row]
    unpaired: Sequence[str]


@dataclass(frozen=True)
class Narrowed:
    """Which arms and sizes are compared; where nothing is named, all."""

    encoders: Collection[str] = ()
    texts: Collection[str] = ()
    sizes: Collection[int] = ()

    def check(self, curves: Sequence[LearningCurve]) -> None:
        """Raise HarnessError where a name or a size is not there."""
        check("encoder", self.encoders, {curve.encoder for curve in curves})
        check("text", self.texts, {name for curve in curves for name in _texts(curve)})
        known = sorted({size for curve in curves for size in curve.sizes})
        if strange := [size for size in self.sizes if size not in known]:
            raise HarnessError(
                f"no runs at {strange[0]:,} labels; there are {', '.join(f'{size:,}' for size in known)}"
            )

    def of(self, curves: Iterable[LearningCurve]) -> list[LearningCurve]:
        """Those of the arms that are asked for; what reads no text is beside every text."""
        return [
            curve
            for curve in curves
            if (not self.encoders or curve.encoder in self.encoders)
            and (not self.texts or not curve.text or not _texts(curve).isdisjoint(self.texts))
        ]


ALL = Narrowed()


def compare_strategies(
    grid: Grid, records: Records, first: str, second: str, metric: str | None = None, only: Narrowed = ALL
) -> Comparison:
    """Two strategies of a grid, paired where all else is the same; one that reads no text is paired with every text.

    Raises HarnessError where the grid has not both, or no such metric.
    """
    check("metric", [metric] if metric else [], METRICS)
    curves = learning_curves(grid, records)
    only.check(curves)
    check("strategy in this grid", [first, second], {curve.strategy for curve in curves})
    if first == second:
        raise HarnessError(f"expected two strategies to compare, found '{first}' twice")
    left, right = ([curve for curve in only.of(curves) if curve.strategy == name] for name in (first, second))
    found = Pairs(grid, (records, records), metric, only.sizes)
    partners = {curve.name: 0 for curve in (*left, *right)}
    for one, other in ((one, other) for one in left for other in right if _alike(one, other, bool(grid.get("tuned")))):
        partners[one.name] += 1
        partners[other.name] += 1
        common = [part for part in _parts(one) if part in _parts(other)]
        names = {"encoder": one.encoder, "strategy": "", "text": one.text or other.text or "", "differ": ""}
        names |= {"variant": ", ".join(common), "first": _own(one, common), "second": _own(other, common)}
        found.add(one, other, names)
    alone = [curve for curve in (*left, *right) if not partners[curve.name]]
    unpaired = [
        f"{curve.name}: no {second if curve.strategy == first else first} with the same corpus, encoder, text and "
        "settings"
        for curve in alone
    ]
    return found.comparison(f"grid {grid['name']}", first, second, unpaired)


class Pairs:
    """Pairs of arms become rows, size by size; `records` are those of each, and `whose` names the grid of each where
    they are of two.
    """

    def __init__(
        self,
        grid: Grid,
        records: tuple[Records, Records],
        metric: str | None,
        sizes: Collection[int],
        whose: tuple[str, str] = ("", ""),
    ) -> None:
        self._grid, self._records, self._metric, self._sizes, self._whose = grid, records, metric, sizes, whose
        self._rows: list[Row] = []
        self._differences: list[Difference] = []
        self._lacking: dict[str, list[str]] = {}

    def add(self, first: LearningCurve, second: LearningCurve, names: Mapping[str, str]) -> None:
        """Add the sizes that both have, over the replicates that both have; note those that one lacks."""
        corpus = self._grid["corpora"][first.corpus]
        metric = self._metric or corpus["metric"]
        for size in sorted({*first.sizes, *second.sizes}):
            if self._sizes and size not in self._sizes:
                continue
            scores = [curve.test[metric].get(size, ()) for curve in (first, second)]
            if not all(scores):
                self._note(first, second, size)
                continue
            own, others = of_both(scores, first.crossed)
            found = paired_difference(own, others, crossed=first.crossed)
            beyond = self._beyond(first, second, size, Metric(metric, corpus["classes"], corpus["negative"]))
            how_often = probability_of_improvement(own, others, crossed=first.crossed)
            self._differences.append(found)
            self._rows.append(
                {
                    "corpus": corpus["label"], **names, "size": size, "n": found.n,
                    "metric": full_metric(metric, corpus), "first_mean": fmean(own), "second_mean": fmean(others),
                    "difference": found.mean, "sd": found.sd, "ci_low": found.low, "ci_high": found.high,
                    "examples_low": float(np.minimum(found.low, beyond[0])),
                    "examples_high": float(np.maximum(found.high, beyond[1])),
                    "p": found.p, "flipped_p": found.flipped_p, "not_flipped": found.not_flipped,
                    "improvement": how_often.value, "improvement_low": how_often.low,
                    "improvement_high": how_often.high,
                }
            )  # fmt: skip

    def _beyond(self, first: LearningCurve, second: LearningCurve, size: int, metric: Metric) -> tuple[float, float]:
        """The interval of the difference over new replicates and new test examples, in points.

        Raises DataError where predictions are damaged.
        """
        predicted, gold = [], []
        for curve, records in zip((first, second), self._records, strict=True):
            if not isinstance(records, RecordStore):
                return math.nan, math.nan
            found = [records.predictions(key) for key in curve.keys[size]]
            gold += [of_run for of_run, _ in found]
            predicted.append([of_run for _, of_run in found])
        if any(not np.array_equal(one, gold[0]) for one in gold):  # a corpus that has changed between two grids
            return math.nan, math.nan
        own, others = map(np.stack, of_both(predicted, first.crossed))
        resampled = resampled_score(gold[0], own, metric, others, crossed=first.crossed)
        return 100 * resampled.low, 100 * resampled.high

    def _note(self, first: LearningCurve, second: LearningCurve, size: int) -> None:
        for curve, whose in zip((first, second), self._whose, strict=True):
            name = f"{curve.name} in {whose}" if whose else curve.name
            if size in curve.missing:
                told = f"{name}: {curve.missing[size]} replicates are complete"
            elif size not in curve.sizes:
                told = f"{name}: no runs"
            else:
                continue
            sizes = self._lacking.setdefault(told, [])
            if f"{size:,}" not in sizes:
                sizes.append(f"{size:,}")

    def comparison(self, what: str, first: str, second: str, unpaired: Iterable[str]) -> Comparison:
        """The family as a whole, p values adjusted over it."""
        adjusted = holm([difference.p for difference in self._differences])
        rows = [
            {**row, "p_holm": p, "ahead": "tie" if tie else "first" if row["difference"] > 0 else "second"}
            for row, p, tie in zip(self._rows, adjusted, ties(self._differences), strict=True)
        ]
        lacking = [f"{told} at {', '.join(sizes)} labels" for told, sizes in self._lacking.items()]
        return Comparison(what, first, second, rows, [*unpaired, *lacking])


def check(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise HarnessError where a name is not one of those that are known."""
    names, known = list(names), set(known)
    for name in names:
        if name not in known:
            raise HarnessError(unknown(kind, name, known))


def of_both(scores: Sequence[Sequence[T]], crossed: int | None) -> list[Sequence[T]]:
    """The replicates that both have, counted from the first; crossed ones without text are every sample's."""
    shortest = min(map(len, scores))
    return list(scores) if shortest == crossed else [values[:shortest] for values in scores]


def _alike(one: LearningCurve, other: LearningCurve, tuned: bool) -> bool:
    """Whether they differ in the strategy alone, or also in that one reads no text; in a grid that is `tuned`, also in
    what tuning has set.
    """
    texts = [curve.spec["text"] for curve in (one, other) if curve.text]
    own, others = (_shared(curve, tuned) for curve in (one, other))
    return one.corpus == other.corpus and own == others and all(text == texts[0] for text in texts)


def _shared(curve: LearningCurve, tuned: bool) -> dict[str, Any]:
    """What of its spec an arm shares with those that it is compared with."""
    found = {name: curve.spec.get(name) for name in SAME_ARM}
    if tuned:
        found["training"] = {name: value for name, value in curve.spec["training"].items() if name not in TUNABLE}
    return found


def _parts(curve: LearningCurve) -> list[str]:
    return curve.variant.split(", ") if curve.variant else []


def _own(curve: LearningCurve, common: Collection[str]) -> str:
    """A strategy with what of its variant is its own."""
    own = [part for part in _parts(curve) if part not in common]
    return curve.strategy + (f" ({', '.join(own)})" if own else "")


def _texts(curve: LearningCurve) -> set[str]:
    """What a text may be called: its name with its selection, and without."""
    return {curve.text, curve.spec["text"]["name"]} if curve.text else set()
