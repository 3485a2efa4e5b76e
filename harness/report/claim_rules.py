"""The rules by which the parts of a claim are judged: what each finds at a size, and whether the part holds there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from harness.analysis import Censored, Difference, components, label_efficiency, paired_difference, summarise
from harness.analysis.replicates import ROUNDING, Values
from harness.report.claim_settings import Setting, Unmeasured
from harness.report.claim_vocabulary import Choice, Part, Side

Place = tuple[int, ...] | None
"""The sizes at which the first and the second side are looked at; None where they are averaged over all sizes, and
nothing where a part names no size that the grid has.
"""


@dataclass(frozen=True)
class Finding:
    """What was found of a comparison at a place: whether it holds, in words, and the numbers.

    `holds` is None where it could not be judged; `unmeasured` says why then.
    """

    comparison: str
    place: Place
    holds: bool | None
    told: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    unmeasured: Unmeasured | None = None

    @property
    def where(self) -> str:
        """The place in a table's words: `50`, `801 against 3,202`, `on average`."""
        return (
            "on average" if self.place is None else " against ".join(f"{size:,}" for size in dict.fromkeys(self.place))
        )


@dataclass(frozen=True)
class _Asked:
    """A part of a claim, with one second side and one encoder in turn, at a place of a setting."""

    setting: Setting
    part: Part
    second: Side | None
    encoder: str | None
    place: Place

    def scores(self, side: Side, end: int) -> Values:
        """Test scores or gains, (R,), at the place of the first side, `end` 0, or of the second, 1."""
        if self.place is None:
            return self.setting.average(side, self.encoder)
        return self.setting.scores(side, self.encoder, self.place[end])

    def gain(self, size: int) -> Values:
        """Those of the first side at another size."""
        return self.setting.scores(self.part.first, self.encoder, size)

    @property
    def other(self) -> Side:
        """The second side, of a rule that has one."""
        assert self.second is not None
        return self.second

    @property
    def size(self) -> int:
        """The size, of a rule that looks at one."""
        assert self.place is not None
        return self.place[0]


Found = tuple[bool, str, Mapping[str, Any]]


def judge(setting: Setting, part: Part) -> Iterator[Finding]:
    """What is found of a part, for every encoder and second side, at every place."""
    setting = dataclasses.replace(setting, by=part.by)
    for encoder, second in product(part.encoders, part.seconds):
        comparison = part.words(second, encoder)
        try:
            places = _places(setting, part, second)
        except Unmeasured as why:
            yield Finding(comparison, (), None, str(why), unmeasured=why)
            continue
        for place in places:
            try:
                holds, told, numbers = _RULES[part.rule](_Asked(setting, part, second, encoder, place))
                yield Finding(comparison, place, holds, told, numbers)
            except Unmeasured as why:
                yield Finding(comparison, place, None, str(why), unmeasured=why)


def _places(setting: Setting, part: Part, second: Side | None) -> list[Place]:
    if "above" in part.bounds:
        return [(size, size) for size in setting.sizes_of(f"above {part.bounds['above']}")]
    if part.sizes == ("on average",):
        return [None]
    if part.first.first.size is not None:
        assert second is not None
        assert second.first.size is not None
        return [(setting.size_of(part.first.first.size), setting.size_of(second.first.size))]
    sizes = sorted({size for written in part.sizes for size in setting.sizes_of(written)})
    return [(size, size) for size in sizes]


def _difference(first: Values, second: Values, setting: Setting) -> Difference:
    """The paired difference; Unmeasured where it has no interval."""
    found = paired_difference(first, second, crossed=setting.crossed)
    if found.p is None:
        raise Unmeasured("{}", "one replicate has no interval")
    return found


def _told(difference: Difference, digits: int = 1) -> str:
    return f"{difference.mean:+.{digits}f} [{difference.low:+.{digits}f}, {difference.high:+.{digits}f}]"


def _by_difference(holds: Callable[[Difference, Mapping[str, Any]], bool]) -> Callable[[_Asked], Found]:
    def rule(asked: _Asked) -> Found:
        found = _difference(asked.scores(asked.part.first, 0), asked.scores(asked.other, 1), asked.setting)
        digits = 3 if asked.part.by else 1  # no points: what is measured of hidden vectors lies between -1 and 1
        return holds(found, asked.part.bounds), _told(found, digits), dataclasses.asdict(found)

    return rule


def _efficiency(asked: _Asked) -> Found:
    """Surely at least so many times: the low end of its interval is."""
    setting, size = asked.setting, asked.size
    first = {size: setting.scores(asked.part.first, asked.encoder, size)}
    baseline = {known: setting.scores(asked.other, asked.encoder, known) for known in setting.sizes}
    found = label_efficiency(first, baseline, crossed=setting.crossed)[size]  # type: ignore[arg-type]
    if found.low is None:
        raise Unmeasured("{}", "one replicate has no interval")
    return (
        found.low.least >= asked.part.bounds["times"] * (1 - ROUNDING),
        found.told(),
        _plain(dataclasses.asdict(found)),
    )


def _varies_little(asked: _Asked) -> Found:
    setting, crossed = asked.setting, asked.setting.crossed
    if crossed is None:
        raise Unmeasured("{}", "replicates move the text sample with the rest, or not at all; `crossed` separates it")
    scores = setting.scores(asked.part.first, asked.encoder, asked.size)
    if len(scores) == crossed:
        raise Unmeasured("no text is read by {}", asked.part.first.name)
    own = components(scores, crossed).sd_samples
    others = _deviation(setting, asked.other.first, asked.encoder, asked.size)
    told = f"{own:.1f} against {others:.1f}"
    return (
        own <= asked.part.bounds["share"] * others + ROUNDING,
        told,
        {"sd_samples": own, "sd_initialisations": others},
    )


def _highest_variance(asked: _Asked) -> Found:
    choices = (asked.part.first.first, asked.other.first)
    own, other = (_deviation(asked.setting, choice, asked.encoder, asked.size) for choice in choices)
    return own > other + ROUNDING, f"{own:.1f} against {other:.1f}", {"sd": own, "sd_second": other}


def _deviation(setting: Setting, choice: Choice, encoder: str | None, size: int) -> float:
    """The deviation over initialisations, pooled over all arms of a choice: the root of their mean variance."""
    squares = []
    for arm in setting.arms(choice, encoder):
        scores = setting.scores_of(arm, size)
        if setting.crossed and len(scores) > setting.crossed:
            squares.append(components(scores, setting.crossed).sd_initialisations ** 2)
            continue
        if "sample" in setting.vary and not setting.crossed and arm.text:
            raise Unmeasured("{}", "replicates move the text sample with the initialisation; `crossed` separates them")
        if "initialisation" not in setting.vary and not setting.crossed:
            raise Unmeasured("{}", "replicates do not move the initialisation")
        squares.append(summarise(scores).sd ** 2)
    if any(map(math.isnan, squares)):
        raise Unmeasured("{}", "one replicate has no deviation")
    return math.sqrt(float(np.mean(squares)))


def _narrows(asked: _Asked) -> Found:
    """Less than the mean over the sizes up to the bound."""
    below, _ = asked.setting.parted(str(asked.part.bounds["above"]))
    if not below:
        raise Unmeasured("the grid has no size up to {} labels", str(asked.part.bounds["above"]))
    before = np.mean([asked.gain(size) for size in below], axis=0)
    found = _difference(asked.gain(asked.size), before, asked.setting)
    return found.high < 0, _told(found), dataclasses.asdict(found)


def _largest(asked: _Asked) -> Found:
    """More than at each size up to the bound; told is the least lead."""
    below, _ = asked.setting.parted(str(asked.part.bounds["above"]))
    if not below:
        raise Unmeasured("the grid has no size up to {} labels", str(asked.part.bounds["above"]))
    own = asked.gain(asked.size)
    leads = {size: _difference(own, asked.gain(size), asked.setting) for size in below}
    size, least = min(leads.items(), key=lambda lead: lead[1].low)
    return least.low > 0, f"{_told(least)} over that at {size:,}", {**dataclasses.asdict(least), "over": size}


def _plain(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers with bounds in words, as a table has them."""
    return {name: Censored(**one).told() if isinstance(one, dict) else one for name, one in numbers.items()}


_RULES: Mapping[str, Callable[[_Asked], Found]] = {
    "beats": _by_difference(lambda found, _: found.low > 0),
    "about": _by_difference(lambda found, bounds: -bounds["within"] <= found.low and found.high <= bounds["within"]),
    "at_least": _by_difference(lambda found, bounds: found.low >= -bounds["within"]),
    "at_most": _by_difference(lambda found, bounds: found.high <= bounds["points"]),
    "efficiency_at_least": _efficiency,
    "varies_little": _varies_little,
    "highest_variance": _highest_variance,
    "narrows": _narrows,
    "largest": _largest,
}
