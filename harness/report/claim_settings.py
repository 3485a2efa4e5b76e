"""The arms of a grid that a claim may compare, and the scores of what its sides name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from harness.analysis import area_under_curve, best_baseline
from harness.analysis.replicates import Values, align
from harness.report.claim_vocabulary import Choice, Side
from harness.report.curves import LearningCurve, learning_curves
from harness.report.rows import Grid, Records

ALIKE = 0.01
"""A size of the grid stands for one that is named if they differ by no more than this share: 800 for S7 = 801."""

TEXT = ("name", "digest", "distance", "names", "reader", "parameters")
"""What makes texts the same, whichever sentences of them are read."""


class Unmeasured(Exception):
    """Why something can't be compared: `form`, in which `{}` stands for the `thing`."""

    def __init__(self, form: str, thing: str) -> None:
        super().__init__(form.format(thing))
        self.form, self.thing = form, thing


@dataclass(frozen=True)
class Setting:
    """The arms of one corpus entry that differ in encoder, strategy and selection of text, and in nothing else.

    `corpus` is the entry as the resolved grid has it, `name` tells the setting from others of the grid, and `metric` is
    that of the scores. `hidden` reads what the records of a complete cell tell of hidden vectors, one a replicate;
    where a measure of those, `by`, is set, scores are those. `chosen` is filled as arms are chosen: by the names of the
    arms, what they stand for in words, and by size which of them is the best.
    """

    corpus: Mapping[str, Any]
    name: str
    curves: Sequence[LearningCurve]
    metric: str
    hidden: Callable[[LearningCurve, int], Sequence[Mapping[str, Any]]]
    by: str | None = None
    chosen: dict[tuple[str, ...], tuple[str, dict[int, str]]] = field(default_factory=dict)

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
            found = [size for size in self.sizes if written == "every" or size != self.full]
        elif written.startswith("above "):
            found = self.parted(written.removeprefix("above "))[1]
        elif written.startswith("up to "):
            found = self.parted(written.removeprefix("up to "))[0]
        else:
            return [self.size_of(written)]
        if not found:
            raise Unmeasured("the grid has no size that is {}", written)
        return found

    def parted(self, bound: str) -> tuple[list[int], list[int]]:
        """The sizes up to a bound, and those above."""
        limit = self.size_of(bound)
        return [size for size in self.sizes if size <= limit], [size for size in self.sizes if size > limit]

    def arms(self, choice: Choice, encoder: str | None) -> list[LearningCurve]:
        """The arms that a choice names; Unmeasured where the grid has none of them."""
        members = {(own or encoder, strategy) for own, strategy in choice.members}
        fitting = [curve for curve in self.curves if (curve.encoder, curve.strategy) in members]
        found = [curve for curve in fitting if _reads(curve, choice.selection)]
        if found:
            return found
        on = f" on {choice.selection} text" if fitting else ""
        if not choice.is_open:
            raise Unmeasured("the grid has no {}", f"'{choice.names}'{on}")
        raise Unmeasured(f"the grid has no '{choice.names}'{on} with {{}}", str(encoder))

    def scores_of(self, curve: LearningCurve, size: int) -> Sequence[float]:
        """The scores of an arm; Unmeasured where its cell is not complete, or is not in the grid, or tells of none."""
        if size not in self.sizes:
            raise Unmeasured("the grid has no {} labels", f"{size:,}")
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

    def average(self, side: Side, encoder: str | None) -> Values:
        """The same on average over all sizes: the mean over log2 n."""
        if len(self.sizes) < 2:
            raise Unmeasured("{}", "an average needs at least 2 sizes")
        return area_under_curve({size: self.scores(side, encoder, size) for size in self.sizes})  # type: ignore[misc]


def settings_of(grid: Grid, records: Records, metric: str | None) -> list[Setting]:
    """The settings of a grid, in its order; `metric` takes the place of each corpus's headline metric.

    An arm that has no use for what tells settings apart (vectors, where it reads features alone) is in all of them.
    """
    found = []
    by_corpus: dict[int, list[LearningCurve]] = {}
    for curve in learning_curves(grid, records):
        by_corpus.setdefault(curve.corpus, []).append(curve)
    for place, own in by_corpus.items():
        corpus, varying = grid["corpora"][place], _varying(own)
        shared = [{name: _settled(curve.spec)[name] for name in varying} for curve in own]
        for whole in _widest(shared):
            arms = [curve for curve, one in zip(own, shared, strict=True) if _fits(one, whole)]
            names = [corpus["label"]]
            names += _in_common(curve.variant for curve, one in zip(own, shared, strict=True) if one == whole)
            if text := whole.get("text"):
                names.append(text["name"])
            hidden = partial(_hidden, grid, records)
            found.append(Setting(corpus, ", ".join(names), arms, metric or corpus["metric"], hidden))
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


def _settled(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What of a spec no claim compares; None where an arm has no use for it."""
    text = spec.get("text")
    return {
        **{f"training.{name}": value for name, value in spec["training"].items()},
        "vectors": spec.get("vectors"),
        "text": {name: text.get(name) for name in TEXT} if text else None,
    }


def _varying(curves: Sequence[LearningCurve]) -> list[str]:
    """What of it the grid has in several ways for one encoder and strategy; encoders may have defaults of their own."""
    values: defaultdict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for curve in curves:
        for name, value in _settled(curve.spec).items():
            values[curve.encoder, curve.strategy, name].append(value)
    return list(dict.fromkeys(name for (*_, name), found in values.items() if any(one != found[0] for one in found)))


def _fits(one: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    return all(value is None or whole[name] == value for name, value in one.items())


def _widest(found: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each once, without those that fit into another one."""
    once = [one for place, one in enumerate(found) if one not in found[:place]]
    return (one for one in once if not any(_fits(one, other) for other in once if other != one))


def _in_common(variants: Iterable[str]) -> list[str]:
    """What variants, such as `features=on, cell=torch`, have in common."""
    parts = [variant.split(", ") for variant in variants]
    return [part for part in parts[0] if part and all(part in others for others in parts)]
