"""The arms of a grid that a claim may compare, and the scores of what its sides name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from harness.analysis import area_under_curve, best_baseline
from harness.analysis.replicates import Values, align
from harness.report.claim_vocabulary import Choice, Side
from harness.report.curves import LearningCurve, learning_curves
from harness.report.rows import Grid, Records
from harness.specs import TUNABLE

ALIKE = 0.01
"""A size of the grid stands for one that is named if they differ by no more than this share: 800 for S7 = 801."""

TEXT = ("name", "digest", "distance", "names", "reader", "parameters")
"""What makes texts the same, whichever sentences of them are read."""

OF_SELECTIONS = ("sentences", "evaluation_text")
"""What of a text some selections of its sentences have: how many a random sample has, whether dev and test are read."""

FEATURES = "training.features"

Chosen = dict[tuple[str, ...], tuple[str, dict[int, str]]]
"""By the names of several arms, what they stand for in words, and by size the one of them that is the best on dev."""


class Unmeasured(Exception):
    """Why something can't be compared: `form`, in which `{}` stands for the `thing`."""

    def __init__(self, form: str, thing: str) -> None:
        super().__init__(form.format(thing))
        self.form, self.thing = form, thing


@dataclass(frozen=True)
class Setting:
    """The arms of one corpus entry that differ in encoder, strategy, its parameters and selection of text alone.

    Two arms of one encoder and strategy have the same training, vectors, text and encoder parameters. `corpus` is the
    entry as the resolved grid has it, `name` tells the setting from others of the grid, and `metric` is that of the
    scores. `refused` are encoders and strategies that have no meaning together. `hidden` reads what the records of a
    complete cell tell of hidden vectors, one a replicate; where a measure of those, `by`, is set, scores are those.
    `chosen` is filled as arms are chosen.
    """

    corpus: Mapping[str, Any]
    name: str
    curves: Sequence[LearningCurve]
    metric: str
    refused: Collection[tuple[str, str]]
    hidden: Callable[[LearningCurve, int], Sequence[Mapping[str, Any]]]
    by: str | None = None
    chosen: Chosen = field(default_factory=dict)

    @property
    def full(self) -> int:
        """The labels of the training part."""
        return int(self.corpus["counts"]["train"])

    @property
    def sizes(self) -> list[int]:
        """All sizes of its arms."""
        return sorted({size for curve in self.curves for size in curve.sizes})

    @property
    def crossed(self) -> int | None:
        """The number of initialisations that each text sample meets, where replicates are crossed."""
        return self.curves[0].crossed

    @property
    def vary(self) -> Sequence[str]:
        """The random streams that a replicate moves."""
        return self.curves[0].spec.get("vary") or ()

    def size_of(self, written: str) -> int:
        """A size as a count: of the grid's that is as good as the same, else the very one."""
        match = re.fullmatch(r"S(\d+)", written)
        if match:
            named = max(1, round(self.full / 2.0 ** (10 - int(match[1]))))
        else:
            named = self.full if written == "full" else int(written)
        near = min(self.sizes, key=lambda size: abs(size - named))
        return near if abs(near - named) <= ALIKE * named else named

    def sizes_of(self, written: str) -> list[int]:
        """The sizes that are named: `every` and bounds are over the grid's, others may not be in it.

        Raises Unmeasured where the grid has none of them.
        """
        span = re.fullmatch(r"S(\d+) to S(\d+)", written)
        if span:
            return [self.size_of(f"S{number}") for number in range(int(span[1]), int(span[2]) + 1)]
        if written in ("every", "every but full"):
            found = [size for size in self.sizes if written == "every" or size != self.size_of("full")]
        elif written.startswith("above "):
            found = self.parted(written.removeprefix("above "))[1]
        elif written.startswith("up to "):
            found = self.parted(written.removeprefix("up to "))[0]
        else:
            return [self.size_of(written)]
        if not found:
            raise Unmeasured("here there is no size {}", written.replace("every but full", "but the full one"))
        return found

    def parted(self, bound: str) -> tuple[list[int], list[int]]:
        """The sizes up to a bound, and those above."""
        limit = self.size_of(bound)
        return [size for size in self.sizes if size <= limit], [size for size in self.sizes if size > limit]

    def arms(self, choice: Choice, encoder: str | None) -> list[LearningCurve]:
        """The arms that a choice names; Unmeasured where none of them is here."""
        members = choice.of(encoder)
        fitting = [curve for curve in self.curves if (curve.encoder, curve.strategy) in members]
        found = [curve for curve in fitting if _reads(curve, choice.selection)]
        if found:
            return found
        on = f" on {choice.selection} text" if fitting else ""
        if not choice.is_open:
            raise Unmeasured("here there is no {}", f"'{choice.names}'{on}")
        raise Unmeasured(f"here there is no '{choice.names}'{on} with {{}}", str(encoder))

    def absent(self, choice: Choice, encoder: str | None) -> list[str]:
        """Those that a choice names besides its `arms` and that are not here, unless the grid refuses them."""
        there = {(curve.encoder, curve.strategy) for curve in self.arms(choice, encoder)} | {*self.refused}
        return ["/".join(member) for member in choice.of(encoder) if member not in there]

    def scores_of(self, curve: LearningCurve, size: int) -> Sequence[float]:
        """The scores of an arm; Unmeasured where its cell is not complete, or is not in the grid, or tells of none."""
        if size not in curve.sizes:
            raise Unmeasured("here there is no size of {} labels", f"{size:,}")
        if size in curve.missing:
            raise Unmeasured("not complete: {}", f"{curve.name} at {size:,} labels ({curve.missing[size]})")
        return curve.test[self.metric][size] if self.by is None else self._measured(curve, size, self.by)

    def _measured(self, curve: LearningCurve, size: int, by: str) -> Sequence[float]:
        measure, time = by.split()
        told = self.hidden(curve, size)
        if not all(told):
            raise Unmeasured("no hidden vectors are saved of {} (save_hidden = true in a grid)", curve.name)
        if why := next((one[time]["reason"] for one in told if one[time]["reason"]), None):
            raise Unmeasured("{}", f"{by} of {curve.name} at {size:,} labels: {why}")
        return tuple(one[time][measure] for one in told)

    def best(self, choice: Choice, encoder: str | None, size: int) -> LearningCurve:
        """Of the arms that a choice names the one with the best mean dev score; all of them must be complete."""
        arms = self.arms(choice, encoder)
        for arm in arms:
            self.scores_of(arm, size)
        if len(arms) == 1:
            return arms[0]
        dev = {arm.name: arm.dev[self.metric] for arm in arms}
        if lacking := [name for name, curve in dev.items() if size not in curve]:
            raise Unmeasured("records without dev scores by this metric: {}", lacking[0])
        best = best_baseline({name: {size: curve[size]} for name, curve in dev.items()})[size]
        words = f"{choice.names} of {encoder}" if choice.is_open else choice.names
        _, by_size = self.chosen.setdefault(tuple(dev), (words, {}))
        by_size[size] = best
        return next(arm for arm in arms if arm.name == best)

    def scores(self, side: Side, encoder: str | None, size: int) -> Values:
        """The scores of a side, or its gains, one a replicate, (R,); test scores in points."""
        of_each = [self.scores_of(self.best(choice, encoder, size), size) for choice in side.choices]
        if len(of_each) == 1:
            return np.asarray(of_each[0])
        (first, over), _ = align(of_each, self.crossed)
        gains: Values = first - over
        return gains

    def average(self, side: Side, encoder: str | None, sizes: Sequence[int]) -> Values:
        """The same on average over some sizes: the mean over log2 n."""
        if len(sizes) == 1:
            return self.scores(side, encoder, sizes[0])
        return area_under_curve({size: self.scores(side, encoder, size) for size in sizes})  # type: ignore[misc]


def settings_of(grid: Grid, records: Records, metric: str | None) -> list[Setting]:
    """The settings of a grid, in its order; `metric` takes the place of each corpus's headline metric.

    An arm that has no use for what tells settings apart is in all of them. One of features alone is in every setting,
    whatever its networks read of them: of several that differ in features the one that fits, else that with the most.
    """
    found = []
    by_corpus: dict[int, list[LearningCurve]] = {}
    for curve in learning_curves(grid, records):
        by_corpus.setdefault(curve.corpus, []).append(curve)
    for place, own in by_corpus.items():
        corpus = grid["corpora"][place]
        refused = {
            (one["encoder"], one["strategy"])
            for one in grid["refusals"]
            if one["corpus"] == corpus["label"] and not one.get("untuned")
        }
        hidden = partial(_hidden, grid, records)
        for whole, arms in _apart(own, bool(grid.get("tuned"))):
            name = ", ".join([corpus["label"], *_names(whole, arms)])
            found.append(Setting(corpus, name, arms, metric or corpus["metric"], refused, hidden))
    return found


def _hidden(grid: Grid, records: Records, curve: LearningCurve, size: int) -> list[Mapping[str, Any]]:
    """What the records of a cell tell of hidden vectors, one a replicate; nothing where one does not."""
    names = ("corpus", "encoder", "strategy", "text", "variant")
    keys = [
        key
        for cell in grid["cells"]
        if cell["size"] == size and all(cell[name] == getattr(curve, name) for name in names)
        for key in cell["keys"]
    ]
    return [(records.get(key) or {}).get("hidden") or {} for key in keys]


def _reads(curve: LearningCurve, selection: str | None) -> bool:
    text = curve.spec.get("text")
    return selection is None or text is None or text["selection"] == selection


def _settled(curve: LearningCurve, tuned: bool = False) -> dict[str, Any]:
    """What of an arm's spec no claim compares, without what the arm has no use for, and, of a grid that is `tuned`,
    what tuning has set.
    """
    spec = curve.spec
    training = {name: value for name, value in spec["training"].items() if not (tuned and name in TUNABLE)}
    found = {f"training.{name}": value for name, value in training.items()}
    if found.get("training.standardise") is None:
        found.pop("training.standardise", None)
    found |= {f"encoder.{curve.encoder}.{name}": value for name, value in spec["encoder"]["parameters"].items()}
    if spec.get("vectors"):
        found["vectors"] = spec["vectors"]
    if text := spec.get("text"):
        found["text"] = {name: text.get(name) for name in TEXT}
        found |= {f"text.{name}": text[name] for name in OF_SELECTIONS if text.get(name) is not None}
    return found


def _apart(curves: Sequence[LearningCurve], tuned: bool) -> list[tuple[dict[str, Any], list[LearningCurve]]]:
    """The arms of each setting with what they share of that in which others differ; one may be in several."""
    settled = [_settled(curve, tuned) for curve in curves]
    varying = _varying(curves, settled)
    shared = [{name: one[name] for name in varying if name in one} for one in settled]
    found = []
    for whole in _widest(shared):
        places = [place for place, one in enumerate(shared) if _fits(one, whole)]
        places += _features_alone(curves, shared, whole, places)
        found.append((sorted(places), {name: whole[name] for name in varying if name in whole}))
    found.sort(key=lambda one: one[0])
    return [(whole, [curves[place] for place in places]) for places, whole in found]


def _varying(curves: Sequence[LearningCurve], settled: Sequence[Mapping[str, Any]]) -> list[str]:
    """What of it the grid has in several ways for one encoder and strategy; encoders may have defaults of their own."""
    values: defaultdict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for curve, one in zip(curves, settled, strict=True):
        for name, value in one.items():
            values[curve.encoder, curve.strategy, name].append(value)
    return list(dict.fromkeys(name for (*_, name), found in values.items() if any(one != found[0] for one in found)))


def _widest(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All that those have together that agree in what they share, without what is part of another one."""
    joined: list[dict[str, Any]] = []
    for one in found:
        for other in [{}, *joined]:
            agree = all(other.get(name, value) == value for name, value in one.items())
            if agree and (both := other | one) not in joined:
                joined.append(both)
    return [one for one in joined if not any(_fits(one, other) for other in joined if other != one)]


def _fits(one: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    return all(name in whole and whole[name] == value for name, value in one.items())


def _features_alone(
    curves: Sequence[LearningCurve],
    shared: Sequence[Mapping[str, Any]],
    whole: Mapping[str, Any],
    places: Sequence[int],
) -> list[int]:
    """The places of arms of features alone that fit but for their features, the one with the most of each kind that
    has none among `places`.
    """
    there = {(curves[place].encoder, curves[place].strategy) for place in places}
    most: dict[tuple[str, str], int] = {}
    for place, (curve, one) in enumerate(zip(curves, shared, strict=True)):
        kind = curve.encoder, curve.strategy
        but_for = {name: value for name, value in one.items() if name != FEATURES}
        if curve.spec.get("vectors") is None and kind not in there and _fits(but_for, whole):
            most[kind] = max(most.get(kind, place), place, key=lambda at: len(curves[at].spec["training"]["features"]))
    return list(most.values())


def _names(whole: Mapping[str, Any], arms: Sequence[LearningCurve]) -> Iterator[str]:
    """What tells a setting from others, in the words of its arms' variants: `features=on`, `bilstm hidden=100`.

    That texts hold what is scored is told of a single setting too.
    """
    for name, value in whole.items():
        section, _, leaf = name.rpartition(".")
        variant = next(arm.variant for arm in arms if _settled(arm).get(name) == value)
        leaves = [leaf] if section else [*value, *(value.get("parameters") or {})]
        parts = [part for part in variant.split(", ") if part.partition("=")[0] in leaves]
        encoder = section.removeprefix("encoder.") + " " if section.startswith("encoder.") else ""
        yield from (encoder + part for part in (parts[:1] if section else parts))
        if name == "text":
            yield value["name"]
    if any((arm.spec.get("text") or {}).get("evaluation_text") for arm in arms):
        yield "with evaluation text"
    elif "text.evaluation_text" in whole:
        yield "without evaluation text"
